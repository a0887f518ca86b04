"""Pictures of checks before a training: learning rates, and rules for initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson.plots.inside import draw_layers
from handson.plots.style import MARK, TRAINING, PathLike, by_depth, panels, printable, save, tidy

if TYPE_CHECKING:
    from handson.state.history import History


def plot_lr_range(
    rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray, suggestion: float, path: PathLike | None = None
) -> Figure:
    """The loss over a learning rate that grew with every step: see `handson.checks.lr_range`."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, ".", color=TRAINING, alpha=0.35, markersize=4)
    axes.plot(rates, smooth, color=TRAINING, linewidth=1.8)
    axes.axvline(suggestion, color=MARK, linewidth=1.0, linestyle=":")
    axes.annotate(f"suggestion: {suggestion:.1e}", (suggestion, 1), (3, -4), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=8, color=MARK, va="top", rotation=90)  # fmt: skip
    axes.set_xscale("log")
    best, start = float(np.nanmin(losses)), float(losses[0])
    room = 0.15 * max(start - best, 1e-12)
    axes.set_ylim(best - room, start + 4 * room)
    axes.set(xlabel="learning rate", ylabel="loss")
    tidy(axes)
    return save(figure, path)


def plot_initializations(
    histories: Mapping[str, History], outputs: Mapping[str, Mapping[str, np.ndarray]], path: PathLike | None = None
) -> Figure:
    """Rules for initial weights side by side: see `handson.checks.initialization_comparison`."""
    figure, grid = panels(3, len(histories), (4.6, 2.9))
    everything = np.concatenate([values.reshape(-1) for each in outputs.values() for values in each.values()])
    low, high = np.percentile(everything, [0.5, 99.5])
    edges = np.linspace(low, high if high > low else low + 1.0, 81)
    for (name, history), column in zip(histories.items(), grid.T, strict=True):
        _distributions(column[0], outputs[name], edges)
        column[0].set_title(printable(name), fontsize=10)
        draw_layers(column[1], history.journal, "gradient_rms")
        draw_layers(column[2], history.journal, "spread")
        losses = history.history["loss"]
        column[2].set_title(f"loss {losses[0]:.3g} in the first epoch, {losses[-1]:.3g} in the last", fontsize=9)
    for row, text in zip(grid, ("outputs before training", "gradient (r.m.s.)", "spread of outputs"), strict=True):
        row[0].set_ylabel(text)
    for row in grid:
        low, high = (pick(axes.get_ylim()[end] for axes in row) for end, pick in ((0, min), (1, max)))
        for axes in row:
            axes.set_ylim(low, high)
    handles, labels = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8, title="layers",
                  title_fontsize=8)  # fmt: skip
    return save(figure, path)


def _distributions(axes: Axes, outputs: Mapping[str, np.ndarray], edges: np.ndarray) -> None:
    """How the outputs of each layer are distributed, on one axis."""
    for colour, values in zip(by_depth(len(outputs)), outputs.values(), strict=True):
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts / max(values.size, 1), edges, color=colour, linewidth=1.3)
    axes.set_yscale("log")
    axes.set_xlabel("output, share of the values in each range")
    tidy(axes)
