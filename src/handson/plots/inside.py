"""What happens inside a net while it trains: activations, gradients and updates, layer by layer, from a journal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handson.core.errors import HandsonError
from handson.monitoring.journal import Journal
from handson.plots.style import MARK, PathLike, by_depth, panels, printable, save, scale, tidy

# Layers that change nothing that is worth a curve of its own.
SILENT_KINDS = ("Dropout", "Flatten", "Reshape", "Permute", "Identity")
# The ratio of updates to weights that suits most trainings, and a decade above and below.
GOOD_RATIO, LOW_RATIO, HIGH_RATIO = 1e-3, 1e-4, 1e-2
# More layers are named at the ends and in the middle only.
MOST_NAMED = 12


def plot_activations(journal: Journal, layers: Sequence[str] | None = None, path: PathLike | None = None) -> Figure:
    """The outputs of every layer over the training: how far they spread, their mean, and units that do not work.

    Parameters
    ----------
    journal : Journal
        From `fit(monitor=True)`: `history.journal`, or ``Journal.read(run)``.
    layers : list of str, optional
        Which layers; by default all that change their inputs.
    path : str or path, optional
        Where to write the picture.
    """
    shown = _layers(journal, layers, "spread")
    figure, grid = panels(1, 3, (4.4, 3.9))
    spread, mean, units = grid[0]
    _curves(spread, journal, shown, "spread")
    _curves(mean, journal, shown, "mean")
    _curves(units, journal, shown, "dead")
    _curves(units, journal, shown, "saturated", "--")
    _logarithmic(spread)
    spread.set_title("standard deviation of the outputs", fontsize=9)
    mean.set_title("mean of the outputs", fontsize=9)
    units.set_title("share of units that are dead (solid), saturated (dashed)", fontsize=9)
    units.set_ylim(-0.03, 1.03)
    for axes in grid[0]:
        _steps(axes, journal)
    return save(_with_layers(figure, spread), path)


def plot_gradients(journal: Journal, layers: Sequence[str] | None = None, path: PathLike | None = None) -> Figure:
    """Gradients of the weights by layer: over the training, and from the input to the output at some steps.

    Where gradients vanish, the curves lie decades apart, and those of the first layers (dark) at the bottom.

    Parameters
    ----------
    journal, layers, path
        See `plot_activations`.
    """
    shown = _layers(journal, layers, "gradient_rms")
    figure, grid = panels(1, 2, (5.4, 4.2))
    over_time, by_layer = grid[0]
    _curves(over_time, journal, shown, "gradient_rms")
    over_time.set_title("gradient over the training", fontsize=9)
    over_time.set_ylabel("root mean square of the gradient")
    _steps(over_time, journal)
    values = np.array([journal.series(name, "gradient_rms")[1] for name in shown])
    _profile(by_layer, journal, shown, values)
    by_layer.set_title("gradient from the input to the output", fontsize=9)
    for axes in grid[0]:
        _logarithmic(axes)
    low, high = (pick(axes.get_ylim()[side] for axes in grid[0]) for side, pick in ((0, min), (1, max)))
    for axes in grid[0]:
        axes.set_ylim(low, high)
    return save(_with_layers(figure, over_time), path)


def plot_updates(journal: Journal, layers: Sequence[str] | None = None, path: PathLike | None = None) -> Figure:
    """How much a step changes the weights of each layer, in parts of their size, and how these grow.

    A ratio near the line at 1e-3 is usual. Far above it the learning rate is too high; far below it is too low, or no
    gradient arrives.

    Parameters
    ----------
    journal, layers, path
        See `plot_activations`.
    """
    shown = _layers(journal, layers, "ratio")
    figure, grid = panels(1, 2, (5.4, 4.2))
    ratio, size = grid[0]
    _curves(ratio, journal, shown, "ratio")
    _curves(size, journal, shown, "weight")
    ratio.axhspan(LOW_RATIO, HIGH_RATIO, color="0.5", alpha=0.12, linewidth=0)
    ratio.axhline(GOOD_RATIO, color=MARK, linewidth=1.2)
    ratio.annotate("1e-3", (0, GOOD_RATIO), (3, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                   fontsize=8, color=MARK)  # fmt: skip
    ratio.set_title("norm of the update / norm of the weights", fontsize=9)
    size.set_title("norm of the weights", fontsize=9)
    _logarithmic(ratio)
    low, high = ratio.get_ylim()
    ratio.set_ylim(min(low, LOW_RATIO / 2), max(high, HIGH_RATIO * 2))
    scale(size, [journal.series(name, "weight")[1].tolist() for name in shown])
    for axes in grid[0]:
        _steps(axes, journal)
    return save(_with_layers(figure, ratio), path)


def draw_layers(axes: Axes, journal: Journal, quantity: str) -> None:
    """A quantity of all layers over the training, one curve each, on a logarithmic axis."""
    _curves(axes, journal, _layers(journal, None, quantity), quantity)
    _logarithmic(axes)
    _steps(axes, journal)


def _layers(journal: Journal, layers: Sequence[str] | None, quantity: str) -> list[str]:
    """The layers that are shown: those of which the quantity is known."""
    if not len(journal):
        raise HandsonError("the journal is empty: the training has not begun. Train with fit(..., monitor=True).")
    if layers is not None:
        for name in layers:
            journal.series(name, quantity)
        return list(layers)
    kinds = {name: layer.kind for look in journal for name, layer in look.layers.items()}
    return [name for name in journal.measured(quantity) if kinds[name] not in SILENT_KINDS]


def _curves(axes: Axes, journal: Journal, layers: Sequence[str], quantity: str, style: str = "-") -> None:
    """A quantity of some layers over the training, one curve each."""
    for colour, name in zip(by_depth(len(layers)), layers, strict=True):
        steps, values = journal.series(name, quantity)
        if np.isfinite(values).any():
            marker = "." if len(steps) < 12 else ""
            axes.plot(steps, values, style, color=colour, linewidth=1.3, marker=marker, label=printable(name))


def _profile(axes: Axes, journal: Journal, layers: Sequence[str], values: np.ndarray) -> None:
    """A quantity from the first layer to the last, at the beginning, on the way and at the end."""
    places = sorted({0, len(journal) // 3, 2 * len(journal) // 3, len(journal) - 1})
    numbers = np.arange(1, len(layers) + 1)
    for shade, place in zip(np.linspace(0.75, 0.0, len(places)), places, strict=True):
        label = f"step {journal.looks[place].step}"
        axes.plot(numbers, values[:, place], "o-", color=str(shade), markersize=3.5, linewidth=1.2, label=label)
    axes.set_xlabel("layer with weights, from the input")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis; 0, which it cannot show, is left out."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines] or [np.zeros(0)])
    if (values[np.isfinite(values)] > 0).any():
        axes.set_yscale("log", nonpositive="mask")


def _steps(axes: Axes, journal: Journal) -> None:
    """An axis of steps, logarithmic above 1: most happens at the beginning."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel("step")
    tidy(axes)


def _with_layers(figure: Figure, axes: Axes) -> Figure:
    """A legend of the layers beside the panels."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > MOST_NAMED:
        places = sorted(set(np.linspace(0, len(labels) - 1, MOST_NAMED).round().astype(int).tolist()))
        handles, labels = [handles[place] for place in places], [labels[place] for place in places]
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8, title="layers",
                  title_fontsize=8)  # fmt: skip
    return figure
