"""Images with what a net says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson.plots.given import check_lengths, classes_for, names_of, probabilities_of
from handson.plots.style import TRUTH, PathLike, save

WRONG = "#c23b22"


def plot_keypoints(
    images: np.ndarray,
    predicted: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    points: Sequence[tuple[int, int]] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 6,
    path: PathLike | None = None,
) -> Figure:
    """Images with keypoints: the truth as green circles, predictions as orange crosses.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, 1 or 3)
        The images.
    predicted, truth : ndarray, shape (n, target columns), optional
        In pixels; NaN is not drawn.
    points : list of (x column, y column), optional
        By default columns 0 and 1, 2 and 3, and so on.
    titles : list of str, optional
        One for each image.
    columns : int
        Images in a row.
    path : str or path, optional
        Where to write the picture.
    """
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.7 * columns, 1.8 * rows + 0.3), layout="constrained")
    grid = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in grid:
        axes.axis("off")
    width = (predicted if predicted is not None else truth if truth is not None else np.zeros((1, 0))).shape[1]
    pairs = np.array(points or [(column, column + 1) for column in range(0, width - 1, 2)]).reshape(-1, 2)
    for number, axes in enumerate(grid[: len(images)]):
        show_image(axes, images[number])
        if truth is not None:
            x, y = truth[number][pairs].T
            axes.plot(x, y, "o", color=TRUTH, markersize=3.2, markerfacecolor="none", markeredgewidth=0.9)
        if predicted is not None:
            x, y = predicted[number][pairs].T
            axes.plot(x, y, "x", color="#ff7722", markersize=3.2, markeredgewidth=0.9)
        if titles:
            axes.set_title(titles[number], fontsize=7, pad=2)
    if truth is not None and predicted is not None:
        figure.suptitle("green circles: truth, orange crosses: prediction", fontsize=9)
    return save(figure, path)


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draw one image; pixel coordinates run from 0 to its width and height."""
    height, width = image.shape[:2]
    shown = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(shown, cmap="gray", extent=(0, width, height, 0))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")


def plot_predictions(
    images: Any, predicted: Any, truth: Any = None, classes: Sequence[str] | None = None, columns: int = 6,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """Images with the classes that a net puts them in, and how sure it is: green where it is right, red where not.

    Parameters
    ----------
    images : array, shape (n, height, width, channels)
        The images.
    predicted : array, shape (n, classes), or (n,) or (n, 1) of the second of two classes
        Probabilities.
    truth : array of int, shape (n,), optional
        The true classes.
    classes : list of str, optional
        Their names.
    columns : int
        Images in a row.
    path : str or path, optional
        Where to write the picture.
    """
    images, each = np.asarray(images), probabilities_of(predicted)
    check_lengths(images, each, "images", "predictions")
    names, best = names_of(classes, each.shape[1]), each.argmax(1)
    titles = [f"{names[label]} {each[row, label]:.0%}" for row, label in enumerate(best)]
    labels = None if truth is None else classes_for(truth, each)
    wrong = np.zeros(len(images), bool) if labels is None else (labels >= 0) & (labels != best)
    if labels is not None:
        titles = [
            f"{title}\n{names[labels[row]]} {each[row, labels[row]]:.0%}" if wrong[row] else title
            for row, title in enumerate(titles)
        ]
    figure = plot_keypoints(images, titles=titles, columns=columns)
    for axes, is_wrong in zip(figure.axes, wrong, strict=False):
        axes.title.set_color(WRONG if is_wrong else TRUTH if labels is not None else "black")
    if wrong.any():
        figure.suptitle("green: right; red: what is predicted, above what is true", fontsize=9)
    return save(figure, path)


def plot_worst(
    images: Any, predicted: Any, truth: Any, classes: Sequence[str] | None = None,
    points: Sequence[tuple[int, int]] | None = None, count: int = 24, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The images that a net gets most wrong, the worst first.

    Parameters
    ----------
    images : array, shape (n, height, width, channels)
        The images.
    predicted, truth : array
        Probabilities and classes; or, of keypoints, predicted and true coordinates in pixels, (n, columns).
    classes : list of str, optional
        The names of the classes; None where the targets are keypoints.
    points : list of (x column, y column), optional
        See `plot_keypoints`.
    count : int
        How many are shown.
    path : str or path, optional
        Where to write the picture.
    """
    images, predicted, truth = np.asarray(images), np.asarray(predicted), np.asarray(truth)
    labelled = classes is not None or _is_classes(predicted, truth)
    losses = row_losses(predicted, truth, labelled)
    rows = np.argsort(np.nan_to_num(losses, nan=-1.0), kind="stable")[::-1][:count]
    if labelled:
        figure = plot_predictions(images[rows], predicted[rows], truth[rows], classes)
    else:
        titles = [f"row {row}: {losses[row]:.3g}" for row in rows]
        figure = plot_keypoints(images[rows], predicted[rows], truth[rows], points, titles)
    return save(figure, path)


def row_losses(predicted: np.ndarray, truth: np.ndarray, labelled: bool) -> np.ndarray:
    """How wrong each row is: minus the logarithm of the probability of its class, or the root mean square error.

    Examples
    --------
    >>> row_losses(np.array([[0.25, 0.75]]), np.array([1]), labelled=True).round(3).tolist()
    [0.288]
    """
    check_lengths(truth, predicted, "targets", "predictions")
    if not labelled:
        rows = len(predicted), -1
        squares = np.square(np.asarray(predicted, float).reshape(rows) - np.asarray(truth, float).reshape(rows))
        present = np.isfinite(squares)
        means = np.where(present, squares, 0).sum(1) / np.maximum(present.sum(1), 1)
        return np.where(present.any(1), np.sqrt(means), np.nan)
    each = probabilities_of(predicted)
    labels = classes_for(truth, each)
    chosen = np.take_along_axis(each, np.maximum(labels, 0)[:, None], 1)[:, 0]
    return np.where(labels >= 0, -np.log(np.maximum(chosen, 1e-12)), np.nan)


def _is_classes(predicted: np.ndarray, truth: np.ndarray) -> bool:
    """Whether targets are numbers of classes: a whole number for each row, where probabilities are predicted."""
    if np.ndim(truth) == 2 and np.shape(truth)[1] > 1:
        return False
    values = np.asarray(truth, float).reshape(-1)
    values = values[np.isfinite(values)]
    several = np.ndim(predicted) == 2 and np.shape(predicted)[1] > 1
    probable = several or bool(((predicted >= 0) & (predicted <= 1)).all())
    return probable and bool((values == np.round(values)).all())
