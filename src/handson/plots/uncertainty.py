"""Pictures of what nets say of their own errors, against the errors they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson.core.errors import HandsonError
from handson.plots.given import check_lengths, judged, probabilities_of
from handson.plots.style import MARK, PathLike, distinct, printable, save, tidy


def plot_reliability(
    probabilities: Mapping[str, Any], labels: Any, path: PathLike | None = None, *, axes: Axes | None = None
) -> Figure:
    """Draw how often classes are right against how sure nets were of them; the diagonal is a calibrated net.

    Parameters
    ----------
    probabilities : mapping of str to array, shape (n, classes) or (n, 1)
        Predictions of one or several nets, by what the legend calls them.
    labels : array, shape (n,)
        The classes; negative ones and NaN are missing.
    path : str or path, optional
        Where to write the picture.
    axes : Axes, optional
        Where to draw, in place of a figure of its own.

    Notes
    -----
    Each point is a tenth of the rows, by how sure the net is of its class. For one net `plot_calibration` has equal
    ranges of probability in place of tenths, how many rows are in each, and the expected calibration error.

    Examples
    --------
    >>> figure = plot_reliability({"net": [[0.8, 0.2], [0.3, 0.7]]}, [0, 0])
    >>> figure.axes[0].get_xlabel()
    'probability of the predicted class'
    """
    curves = {}
    for name, given in _by_name(probabilities):
        known, each = judged(labels, probabilities_of(given))
        sure, right = each.max(1), each.argmax(1) == known
        curves[name] = [(sure[part].mean(), right[part].mean()) for part in _tenths(sure)]
    return save(_drawn(curves, "probability of the predicted class", "share that is right", axes), path)


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
    curves = {}
    for name, (mean, spread) in _by_name(predictions):
        errors = _values(mean, y) - _values(y, y)
        known = np.isfinite(errors)
        errors, each = errors[known], _values(spread, y)[known]
        curves[name] = [(_rms(each[part]), _rms(errors[part])) for part in _tenths(each)]
    highest = max((float(np.max(points)) for points in curves.values()), default=1.0) or 1.0
    return save(_drawn(curves, "predicted spread", "root mean square error", axes, 1.05 * highest), path)


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
    curves, targets = {}, _values(y, y)
    known = np.isfinite(targets)
    for name, given in _by_name(quantiles):
        check_lengths(levels, given, "levels", "quantiles")
        shares = [(targets <= _values(each, y))[known].mean() for each in given]
        curves[name] = list(zip(levels, shares, strict=True))
    return save(_drawn(curves, "level of the quantile", "share of targets below", axes), path)


def _by_name(given: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    if not isinstance(given, Mapping):
        raise HandsonError(f"predictions of one or several nets by name, {{'net': ...}}; got {type(given).__name__}.")
    return given.items()


def _values(given: Any, y: Any) -> np.ndarray:
    """One number for each target."""
    values = np.asarray(given, dtype=np.float64).reshape(-1)
    if values.size != np.size(y):
        raise HandsonError(f"{np.size(y)} targets and {values.size} predictions: give one for each.")
    return values


def _tenths(order: np.ndarray) -> list[np.ndarray]:
    """The rows from the lowest to the highest value, in ten parts, or one by one where there are fewer."""
    if not len(order):
        raise HandsonError("no row has a target that is known.")
    return np.array_split(np.argsort(order), min(10, len(order)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _drawn(
    curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str, axes: Axes | None, highest: float = 1.0
) -> Figure:
    """One curve for each net, and the diagonal."""
    axes = axes or Figure(figsize=(4.6, 4.4), layout="constrained").add_subplot()
    for colour, (name, points) in zip(distinct(len(curves)), curves.items(), strict=True):
        axes.plot(*np.transpose(points), "o-", color=colour, label=printable(name), markersize=4)
    axes.plot([0, highest], [0, highest], "--", color=MARK, linewidth=1, zorder=0)
    axes.set(xlabel=x, ylabel=y, xlim=(0, highest), ylim=(0, highest))
    axes.legend(frameon=False)
    tidy(axes)
    return axes.get_figure(True)  # type: ignore[return-value]
