"""How good predictions are: confusion of classes, calibration of probabilities, residuals of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson import metrics
from handson.core.errors import HandsonError, whole
from handson.plots.given import judged, names_of, probabilities_of
from handson.plots.style import MARK, TRAINING, VALIDATION, PathLike, panels, save, tidy

# Columns of targets that have panels of their own, and points in one of them.
MOST_COLUMNS, MOST_POINTS = 6, 4000


def plot_confusion(
    truth: Any, predicted: Any, classes: Sequence[str] | None = None, path: PathLike | None = None
) -> Figure:
    """Which classes are taken for which: in each row the shares of the true class, with the numbers of rows.

    Parameters
    ----------
    truth : array of int, shape (n,)
        The true classes, from 0; negative ones and NaN are missing.
    predicted : array of int, shape (n,), or of float, shape (n, classes)
        Predicted classes, or their probabilities.
    classes : list of str, optional
        Their names.
    path : str or path, optional
        Where to write the picture.
    """
    truth, predicted = judged(truth, _predicted_classes(predicted))
    names = names_of(classes, max(int(truth.max(initial=0)), int(predicted.max(initial=0))) + 1)
    count = len(names)
    counts = np.zeros((count, count), int)
    np.add.at(counts, (truth, predicted), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 0.45 * count + 2.2
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label="share of the true class", shrink=0.8)
    if count <= 20:
        for row, column in np.ndindex(count, count):
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(count), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(count), names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"accuracy {np.trace(counts) / max(counts.sum(), 1):.1%} of {counts.sum()} rows", fontsize=9)
    return save(figure, path)


def plot_calibration(truth: Any, probabilities: Any, bins: int = 10, path: PathLike | None = None) -> Figure:
    """Whether a net is as sure as it should be: the accuracy of rows by the probability of the class they are put in.

    Parameters
    ----------
    truth : array of int, shape (n,)
        The true classes; negative ones and NaN are missing.
    probabilities : array of float, shape (n, classes), or (n,) or (n, 1) of the second of two classes
        What the net predicts.
    bins : int
        Into how many equal ranges of probability rows are put.
    path : str or path, optional
        Where to write the picture.

    Returns
    -------
    Figure
        On the diagonal a net knows how sure it is; below it is too sure. The title has the expected calibration error,
        the mean distance from the diagonal (Naeini, Cooper and Hauskrecht, 2015).

    See Also
    --------
    plot_reliability : several nets in one panel, without the number of rows in each range.
    """
    bins = whole("plot_calibration: bins", bins, 2)
    labels, each = judged(truth, probabilities_of(probabilities))
    error = float(metrics.ExpectedCalibrationError(bins)(labels, each))
    sure, right = each.max(1), each.argmax(1) == labels
    number = np.minimum((sure * bins).astype(int), bins - 1)
    counts = np.bincount(number, minlength=bins)
    seen = counts > 0
    means, accuracies = (np.bincount(number, part, bins)[seen] / counts[seen] for part in (sure, right.astype(float)))
    figure, grid = panels(2, 1, (5.0, 2.9))
    above, below = grid[:, 0]
    above.plot([0, 1], [0, 1], ":", color=MARK, linewidth=1)
    spread = np.sqrt(accuracies * (1 - accuracies) / counts[seen])
    above.errorbar(means, accuracies, spread, fmt="o-", color=TRAINING, markersize=4, linewidth=1.4, capsize=2)
    above.set(ylabel="share that is right", ylim=(-0.02, 1.02))
    above.set_title(f"expected calibration error {error:.3f}; bars: one standard error", fontsize=9)
    below.hist(sure, np.linspace(0, 1, bins + 1), color=TRAINING, alpha=0.6)
    below.set(xlabel="probability of the predicted class", ylabel="rows")
    for axes in (above, below):
        axes.set_xlim(0, 1)
        tidy(axes)
    return save(figure, path)


def plot_residuals(
    truth: Any, predicted: Any, names: Sequence[str] | None = None, path: PathLike | None = None
) -> Figure:
    """Predicted against true values, and how their differences are distributed; a pair of panels for each target.

    Parameters
    ----------
    truth, predicted : array, shape (n,) or (n, columns)
        Targets, NaN where they are missing, and predictions.
    names : list of str, optional
        Those of the columns; the worst explained six are shown.
    path : str or path, optional
        Where to write the picture.
    """
    truth, predicted = (np.asarray(part, float).reshape(len(part), -1) for part in (truth, predicted))
    if truth.shape != predicted.shape:
        raise HandsonError(f"targets and predictions of one shape, please; got {truth.shape} and {predicted.shape}.")
    labels = names_of(names, truth.shape[1], "column ")
    shares = np.array([_explained(truth[:, column], predicted[:, column]) for column in range(truth.shape[1])])
    columns = np.argsort(np.nan_to_num(shares, nan=np.inf), kind="stable")[:MOST_COLUMNS]
    figure, grid = panels(2, len(columns), (3.3 if len(columns) > 1 else 5.0, 2.9))
    for (above, below), column in zip(grid.T, columns, strict=True):
        _scatter(above, truth[:, column], predicted[:, column])
        above.set_title(f"{labels[column]}: R² {shares[column]:.3f}", fontsize=9)
        differences = (predicted - truth)[:, column]
        differences = differences[np.isfinite(differences)]
        if len(differences):
            below.hist(differences, 40, color=VALIDATION, alpha=0.7)
            below.set_title(f"mean {differences.mean():.3g}, spread {differences.std():.3g}", fontsize=8)
        below.axvline(0, color=MARK, linewidth=0.8, linestyle=":")
        below.set_xlabel("predicted - true")
        tidy(below)
    return save(figure, path)


def _scatter(axes: Axes, truth: np.ndarray, predicted: np.ndarray) -> None:
    present = np.flatnonzero(np.isfinite(truth) & np.isfinite(predicted))
    rows = present[np.linspace(0, len(present) - 1, min(len(present), MOST_POINTS)).astype(int)]
    axes.plot(truth[rows], predicted[rows], ".", color=TRAINING, markersize=3, alpha=0.4)
    if len(rows):
        ends = [float(truth[rows].min()), float(truth[rows].max())]
        axes.plot(ends, ends, ":", color=MARK, linewidth=1)
    axes.set(xlabel="true", ylabel="predicted")
    tidy(axes)


def _explained(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The share of the variance that is explained, R²; NaN where the truth does not vary."""
    present = np.isfinite(truth) & np.isfinite(predicted)
    total = float(np.square(truth[present] - truth[present].mean()).sum()) if present.any() else 0.0
    return 1.0 - float(np.square(truth[present] - predicted[present]).sum()) / total if total else float("nan")


def _predicted_classes(predicted: Any) -> np.ndarray:
    """Predicted classes, of probabilities the most probable."""
    values = np.asarray(predicted)
    if values.dtype.kind == "f" or (values.ndim == 2 and values.shape[1] > 1):
        values = probabilities_of(values).argmax(1)
    return values.reshape(-1).astype(int)
