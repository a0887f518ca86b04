"""Pictures of what nets say of their own errors, against the errors they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson.plots.style import COLOURS, MARK, PathLike, save, tidy


def plot_reliability(
    probabilities: Mapping[str, Any], labels: Any, path: PathLike | None = None, *, axes: Axes | None = None
) -> Figure:
    """Draw how often classes are right against how sure nets were of them; the diagonal is a calibrated net.

    Parameters
    ----------
    probabilities : mapping of str to array, shape (n, classes) or (n, 1)
        Predictions of one or several nets, by what the legend calls them.
    labels : array, shape (n,)
        The classes.
    path : str or path, optional
        Where to write the picture.
    axes : Axes, optional
        Where to draw, in place of a figure of its own.

    Notes
    -----
    Each point is a tenth of the rows, by how sure the net is of its class.

    Examples
    --------
    >>> figure = plot_reliability({"net": [[0.8, 0.2], [0.3, 0.7]]}, [0, 0])
    >>> figure.axes[0].get_xlabel()
    'probability of the predicted class'
    """
    axes, labels = axes or _single_axes(), np.asarray(labels).reshape(-1)
    for colour, (name, given) in zip(COLOURS, probabilities.items(), strict=False):
        each = np.asarray(given, dtype=np.float64)
        each = np.concatenate([1 - each, each], 1) if each.shape[1] == 1 else each
        sure, right = each.max(1), each.argmax(1) == labels
        parts = np.array_split(np.argsort(sure), min(10, len(sure)))
        points = [(sure[part].mean(), right[part].mean()) for part in parts]
        axes.plot(*np.transpose(points), "o-", color=colour, label=name, markersize=4)
    _against_the_diagonal(axes, "probability of the predicted class", "share that is right")
    return save(axes.get_figure(True), path)  # type: ignore[arg-type]


def plot_spread(
    predictions: Mapping[str, tuple[Any, Any]], y: Any, path: PathLike | None = None, *, axes: Axes | None = None
) -> Figure:
    """Draw how large errors are against how large they were predicted to be; the diagonal is a calibrated net.

    Parameters
    ----------
    predictions : mapping of str to (mean, spread)
        What ``predict(x, spread=True)`` of one or several nets gave, by what the legend calls them.
    y : array
        The targets; NaN where one is missing.
    path : str or path, optional
        Where to write the picture.
    axes : Axes, optional
        Where to draw, in place of a figure of its own.

    Notes
    -----
    Each point is a tenth of the predictions, by their spread: its root mean square error against that of the spread.

    Examples
    --------
    >>> figure = plot_spread({"net": (np.zeros(40), np.ones(40))}, np.ones(40))
    >>> figure.axes[0].get_ylabel()
    'root mean square error'
    """
    axes, targets = axes or _single_axes(), np.asarray(y, dtype=np.float64).reshape(-1)
    known = np.isfinite(targets)
    highest = 0.0
    for colour, (name, pair) in zip(COLOURS, predictions.items(), strict=False):
        mean, spread = (np.asarray(part, dtype=np.float64).reshape(-1)[known] for part in pair)
        parts = np.array_split(np.argsort(spread), 10)
        points = np.array([[_rms(spread[part]), _rms(mean[part] - targets[known][part])] for part in parts])
        axes.plot(*points.T, "o-", color=colour, label=name, markersize=4)
        highest = max(highest, float(points.max()))
    _against_the_diagonal(axes, "predicted spread", "root mean square error", 1.05 * highest)
    return save(axes.get_figure(True), path)  # type: ignore[arg-type]


def plot_levels(
    levels: Sequence[float], quantiles: Mapping[str, Any], y: Any, path: PathLike | None = None,
    *, axes: Axes | None = None,
) -> Figure:  # fmt: skip
    """Draw how many targets lie below predicted quantiles against their levels; the diagonal is a calibrated net.

    Parameters
    ----------
    levels : sequence of float
        The levels.
    quantiles : mapping of str to array, shape (levels, n, ...)
        What ``predict(x, quantiles=levels)`` of one or several nets gave, by what the legend calls them.
    y : array
        The targets; NaN where one is missing.
    path : str or path, optional
        Where to write the picture.
    axes : Axes, optional
        Where to draw, in place of a figure of its own.

    Examples
    --------
    >>> figure = plot_levels([0.5], {"net": np.zeros((1, 4, 1))}, [-1, 1, -1, 1])
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.5]
    """
    axes, targets = axes or _single_axes(), np.asarray(y, dtype=np.float64).reshape(-1)
    known = np.isfinite(targets)
    for colour, (name, given) in zip(COLOURS, quantiles.items(), strict=False):
        shares = [(targets <= np.asarray(each).reshape(-1))[known].mean() for each in given]
        axes.plot(levels, shares, "o-", color=colour, label=name, markersize=4)
    _against_the_diagonal(axes, "level of the quantile", "share of targets below")
    return save(axes.get_figure(True), path)  # type: ignore[arg-type]


def _single_axes() -> Axes:
    return Figure(figsize=(4.6, 4.4), layout="constrained").add_subplot()


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def _against_the_diagonal(axes: Axes, x: str, y: str, highest: float = 1.0) -> None:
    axes.plot([0, highest], [0, highest], "--", color=MARK, linewidth=1, zorder=0)
    axes.set(xlabel=x, ylabel=y, xlim=(0, highest), ylim=(0, highest))
    axes.legend(frameon=False)
    tidy(axes)
