"""Rows as points of a plane: near each other where a net finds them alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from handson.core.errors import HandsonError, nearest
from handson.plots.given import check_lengths, classes_of, names_of
from handson.plots.style import COLOURS, PathLike, distinct, save

METHODS = ("pca", "tsne")
# t-SNE compares every row with every other.
MOST_ROWS = 2000


def plot_embedding(
    features: Any, labels: Any = None, classes: Sequence[str] | None = None, method: str = "pca", seed: int = 0,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """Rows of many numbers as points of a plane, by scikit-learn's PCA or t-SNE.

    Parameters
    ----------
    features : array, shape (n, ...)
        Such as the output of the layer before the last: ``handson.attributions.layer_output(net, x, layer)``.
    labels : array, shape (n,), optional
        Classes, or values, which give the points their colours.
    classes : list of str, optional
        The names of the classes.
    method : {'pca', 'tsne'}
        PCA keeps large distances, t-SNE neighbours.
    seed : int
        For t-SNE, and the choice of rows where there are more than 2000.
    path : str or path, optional
        Where to write the picture.
    """
    if method not in METHODS:
        raise HandsonError(f"plot_embedding: method is 'pca' or 'tsne'; got {method!r}.{nearest(method, METHODS)}")
    values = np.asarray(features, np.float32)
    values = values.reshape(len(values), -1)
    if labels is not None:
        labels = np.asarray(labels)
        check_lengths(values, labels, "rows", "labels")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(values))[:MOST_ROWS])
    points, names = _points(values[chosen], method, seed)
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.subplots()
    if labels is None:
        axes.plot(*points.T, ".", color=COLOURS[0], markersize=4, alpha=0.6)
    elif classes is not None or labels.dtype.kind != "f":
        _by_class(axes, points, classes_of(labels)[chosen], classes)
    else:
        shown = axes.scatter(points[:, 0], points[:, 1], c=labels.reshape(-1)[chosen], s=8, cmap="viridis")
        figure.colorbar(shown, ax=axes)
    axes.set(xlabel=names[0], ylabel=names[1], xticks=[], yticks=[])
    axes.set_title(f"{len(points)} rows", fontsize=9)
    return save(figure, path)


def _points(values: np.ndarray, method: str, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    if len(values) < 3 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise HandsonError(f"plot_embedding takes three rows or more of finite numbers; got the shape {values.shape}.")
    if method == "pca":
        from sklearn.decomposition import PCA

        found = PCA(2, random_state=seed).fit(values)
        first, second = found.explained_variance_ratio_
        return found.transform(values), (f"first component, {first:.0%}", f"second component, {second:.0%}")
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(values) - 1) / 3)
    return TSNE(2, random_state=seed, perplexity=perplexity, init="pca").fit_transform(values), ("t-SNE", "")


def _by_class(axes: Any, points: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None) -> None:
    known = np.unique(labels[labels >= 0])
    names = names_of(classes, int(labels.max(initial=-1)) + 1)
    for colour, label in zip(distinct(len(known)), known, strict=True):
        axes.plot(*points[labels == label].T, ".", color=colour, markersize=4, alpha=0.7, label=names[label])
    axes.legend(frameon=False, fontsize=8, markerscale=2, loc="center left", bbox_to_anchor=(1.0, 0.5))
