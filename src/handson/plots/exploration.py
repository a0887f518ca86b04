"""A sheet that shows a data set, and which values of it are missing together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from handson.core.errors import HandsonError
from handson.plots.images import show_image
from handson.plots.style import TRAINING, TRUTH, VALIDATION, PathLike, printable, save, tidy

if TYPE_CHECKING:
    from handson.data.reading.explore import Exploration

# Rarer patterns of what is missing are left out of the picture.
MOST_PATTERNS = 24


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
    tidy(axes)


def _draw_present(part: Any, found: Exploration) -> None:
    axes = part.subplots()
    targets = [column for column in found.columns if column.role == "target"]
    axes.barh([column.name for column in targets], [column.present for column in targets], color=TRAINING, height=0.7)
    axes.set_xlabel(f"rows that have the target, of {len(found.data)}", fontsize=8)
    axes.set_xlim(0, len(found.data))
    axes.invert_yaxis()
    axes.tick_params(labelsize=6)
    tidy(axes)


def plot_missing(values: Any, names: Sequence[str] | None = None, path: PathLike | None = None) -> Figure:
    """Which values are missing together: a line for each pattern, dark where values are there, its rows on the right.

    Parameters
    ----------
    values : array or DataFrame, shape (n, columns)
        A table, NaN where a value is missing.
    names : list of str, optional
        Those of its columns.
    path : str or path, optional
        Where to write the picture.
    """
    table = pd.DataFrame(values)
    if table.empty or (names is not None and len(names) != table.shape[1]):
        raise HandsonError(
            f"plot_missing takes a table with rows and a name for each column; got the shape {table.shape}"
            f"{'' if names is None else f' and {len(names)} names'}."
        )
    table.columns = pd.Index(table.columns if names is None else names)
    names, present = [str(name) for name in table.columns], table.notna().to_numpy()
    every, counts = np.unique(present, axis=0, return_counts=True)
    order = np.argsort(counts, kind="stable")[::-1][:MOST_PATTERNS]
    patterns, counts = every[order], counts[order]
    size = 0.22 * len(names) + 4.0, 0.26 * len(patterns) + 2.2
    figure = Figure(figsize=(min(size[0], 14.0), size[1]), layout="constrained")
    grid, bars = figure.subplots(1, 2, width_ratios=(max(0.22 * len(names), 2.0), 2.0), sharey=True)
    colours = np.where(patterns[..., None], np.array([0.27, 0.47, 0.67]), np.array([0.93, 0.93, 0.93]))
    grid.imshow(colours, aspect="auto", interpolation="nearest")
    grid.set_xticks(range(len(names)), [printable(name) for name in names], rotation=90, fontsize=7)
    grid.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    grid.set_yticks(np.arange(len(patterns) + 1) - 0.5, minor=True)
    grid.grid(which="minor", color="white", linewidth=1)
    grid.tick_params(which="minor", length=0)
    grid.set_yticks([])
    grid.set_ylabel("patterns of rows")
    drawn = bars.barh(range(len(patterns)), counts, color=TRAINING, height=0.7)
    bars.bar_label(drawn, [f"{count} ({count / len(present):.1%})" for count in counts], fontsize=7, padding=2)
    bars.margins(x=0.3)
    bars.set_xlabel("rows", fontsize=8)
    tidy(bars)
    missing = 1 - present.mean()
    left_out = "" if len(order) == len(every) else f"; the {len(order)} most frequent patterns"
    figure.suptitle(f"{missing:.1%} of the values are missing (light){left_out}", fontsize=9)
    return save(figure, path)
