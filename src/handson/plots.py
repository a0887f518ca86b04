"""Pictures: curves of a training, specialists side by side, keypoints on images, a sheet that shows a data set.

Every function returns a matplotlib `Figure` and writes it to a file if a path is given; none needs a display.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handson.core.errors import HandsonError

if TYPE_CHECKING:
    from handson.data.reading.explore import Exploration
    from handson.state.history import History

# Matplotlib cannot scale an axis to the largest numbers there are.
HIGHEST = 1e100
TRAINING, VALIDATION, MARK, TRUTH = "#4477aa", "#cc6633", "#444444", "#33aa55"
# Qualitative colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#777777")

PathLike = str | os.PathLike[str]


def save(figure: Figure, path: PathLike | None) -> Figure:
    """Write a figure to a file that appears whole, if a path is given; its ending decides the format.

    Raises
    ------
    HandsonError
        For an ending that is no format of pictures.
    """
    if path is not None:
        from handson.files import atomic

        suffix, known = Path(path).suffix.lower(), figure.canvas.get_supported_filetypes()
        if suffix[1:] not in known:
            raise HandsonError(f"{path}: pictures end in '.png', '.pdf' or '.svg'; got {suffix or 'no ending'!r}.")
        atomic.write(path, lambda place: figure.savefig(place, format=suffix[1:], dpi=110))
    return figure


def _whole_epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plot_history(history: History, path: PathLike | None = None) -> Figure:
    """Training and validation curves; the epoch with the lowest validation loss is marked as the sweet spot.

    Parameters
    ----------
    history : History
        From `fit`.
    path : str or path, optional
        Where to write the picture.

    Returns
    -------
    Figure
        The loss, and one panel for each metric; an empty panel before the first epoch.
    """
    plain = [name for name in history.history if not name.startswith(("val_", "train_")) and name != "learning_rate"]
    plain = plain or ["loss"]
    figure = Figure(figsize=(5.2 * len(plain), 3.9), layout="constrained")
    epochs = [epoch + 1 for epoch in history.epoch]
    best = history.best()
    for axes, name in zip(np.ravel(figure.subplots(1, len(plain), squeeze=False)), plain, strict=True):
        curves = {
            name: ("training, during the epoch", TRAINING, "--"),
            f"train_{name}": ("training, evaluated", TRAINING, "-"),
            f"val_{name}": ("validation", VALIDATION, "-"),
        }
        drawn = {key: np.clip(values, -HIGHEST, HIGHEST) for key, values in history.history.items() if key in curves}
        for key, (label, colour, style) in curves.items():
            if key in drawn:
                axes.plot(epochs, drawn[key], style, color=colour, label=label, linewidth=1.6)
        if best is not None and best[1].startswith("val_"):
            _mark_best(axes, best[0] + 1, drawn.get(f"val_{name}", np.array([])).tolist(), epochs)
        _scale(axes, [values.tolist() for values in drawn.values()])
        # A name is words, not formulas, and may come from somebody else's file.
        axes.set_ylabel("".join(filter(str.isprintable, name)).replace("_", " "), parse_math=False)
        _whole_epochs(axes)
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
        _tidy(axes)
    return save(figure, path)


def _mark_best(axes: Axes, epoch: int, values: Sequence[float], epochs: Sequence[int]) -> None:
    axes.axvline(epoch, color=MARK, linewidth=0.8, linestyle=":")
    if values:
        axes.plot([epoch], [values[list(epochs).index(epoch)]], "o", color=MARK, markersize=5)
    axes.annotate(
        f"sweet spot: epoch {epoch}", (epoch, 1.0), (3, -3), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=8, color=MARK, va="top", rotation=90,
    )  # fmt: skip


def _scale(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    """A logarithmic axis for positive values that span more than a factor of twenty."""
    values = np.array([value for curve in curves for value in curve], float)
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")


def plot_specialists(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    weights: Mapping[str, int],
    unit: str = "pixels",
    path: PathLike | None = None,
) -> Figure:
    """The fourth lecture's figure: training and validation error of each specialist, and their weighted mean.

    Parameters
    ----------
    curves : dict of str to (training errors, validation errors)
        Root mean square errors by epoch.
    weights : dict of str to int
        The number of target columns of each, which weighs it in the mean.
    unit : str
        Of the errors.
    path : str or path, optional
        Where to write the picture.
    """
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    longest = max(len(validation) for _, validation in curves.values())
    total, mean = sum(weights.values()), np.zeros(longest)
    for colour, (name, (training, validation)) in zip(COLOURS * 4, curves.items(), strict=False):
        epochs = np.arange(1, len(validation) + 1)
        axes.plot(epochs, validation, color=colour, linewidth=1.8, label=f"{name} ({weights[name]})")
        axes.plot(epochs, training, "--", color=colour, linewidth=1.1, alpha=0.6)
        best_so_far = np.fmin.accumulate(np.asarray(validation, float))
        mean += weights[name] * np.square(np.pad(best_so_far, (0, longest - len(validation)), mode="edge"))
    axes.plot(np.arange(1, longest + 1), np.sqrt(mean / total), color="black", linewidth=3, alpha=0.8, label="mean")
    axes.set_ylabel(f"root mean square error [{unit}]")
    _whole_epochs(axes)
    axes.set_title(
        "solid: validation, dashed: training; the mean is that of each one's best weights so far", fontsize=9
    )
    axes.legend(frameon=False, fontsize=8, ncols=2)
    _tidy(axes)
    return save(figure, path)


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


def plot_exploration(found: Exploration, path: PathLike | None = None) -> Figure:
    """A sheet that shows a data set: examples, distributions, what is missing, the balance of classes.

    Parameters
    ----------
    found : Exploration
        From `handson.data.reading.explore.explore`.
    path : str or path, optional
        Where to write the picture.
    """
    panels = [_draw_examples] if found.data.kind == "images" else [_draw_columns]
    panels += [_draw_classes] if found.classes else []
    panels += [_draw_present] if found.patterns else []
    heights = [panel.height(found) for panel in map(_Panel, panels)]
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    parts: Any = np.ravel(figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False))
    for part, panel in zip(parts, panels, strict=True):
        panel(part, found)
    return save(figure, path)


class _Panel:
    """How much room a panel of the sheet needs, in inches."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def height(self, found: Exploration) -> float:
        if self.draw is _draw_examples:
            return 4.2
        if self.draw is _draw_columns:
            return 1.5 * -(-min(len(found.columns), 24) // 6) + 0.4
        if self.draw is _draw_classes:
            return 0.25 * len(found.classes) + 0.9
        return 0.16 * len([column for column in found.columns if column.role == "target"]) + 1.0


def _draw_examples(part: Any, found: Exploration) -> None:
    data = found.data
    rows = np.unique(np.linspace(0, len(data) - 1, 24).astype(int))

    from handson.data.reading.keypoints import find_points

    pairs = np.array(find_points(data.target_names)).reshape(-1, 2)
    part.suptitle(f"{len(data)} images; every {max(1, len(data) // 24)}th", fontsize=9)
    grid = np.ravel(part.subplots(3, 8))
    for axes in grid:
        axes.axis("off")
    for axes, row in zip(grid, rows, strict=False):
        show_image(axes, np.asarray(data.inputs[row]))
        if len(pairs) and data.task == "regression" and data.targets is not None:
            x, y = data.targets[row][pairs].T
            axes.plot(x, y, ".", color=TRUTH, markersize=2.5)
        elif data.classes and data.targets is not None and data.targets[row] >= 0:
            axes.set_title(data.classes[int(data.targets[row])], fontsize=6, pad=1)


def _draw_columns(part: Any, found: Exploration) -> None:
    from handson.data.reading.explore import columns_of

    data = found.data
    values = list(columns_of(np.asarray(data.inputs)))
    if data.task == "regression" and data.targets is not None:
        values += list(columns_of(data.targets))
    shown = found.columns[:24]
    grid = np.ravel(part.subplots(-(-len(shown) // 6), 6, squeeze=False))
    for axes in grid:
        axes.axis("off")
    for axes, column, numbers in zip(grid, shown, values, strict=False):
        axes.axis("on")
        axes.hist(numbers[np.isfinite(numbers)], bins=30, color=TRAINING if column.role == "input" else VALIDATION)
        axes.set_title(f"{column.name} ({column.role})", fontsize=7, pad=2)
        axes.tick_params(labelsize=6)
        axes.set_yticks([])


def _draw_classes(part: Any, found: Exploration) -> None:
    axes = part.subplots()
    names, counts = list(found.classes), list(found.classes.values())
    bars = axes.barh(names, counts, color=TRAINING)
    axes.bar_label(
        bars, [f"{count} ({100 * count / len(found.data):.1f} %)" for count in counts], fontsize=7, padding=2
    )
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("rows", fontsize=8)
    _tidy(axes)


def _draw_present(part: Any, found: Exploration) -> None:
    axes = part.subplots()
    targets = [column for column in found.columns if column.role == "target"]
    axes.barh([column.name for column in targets], [column.present for column in targets], color=TRAINING, height=0.7)
    axes.set_xlabel(f"rows that have the target, of {len(found.data)}", fontsize=8)
    axes.set_xlim(0, len(found.data))
    axes.invert_yaxis()
    axes.tick_params(labelsize=6)
    _tidy(axes)


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
    _tidy(axes)
