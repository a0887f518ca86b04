"""What all pictures share: colours, axes, grids of images, and files that appear whole."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handson.core.errors import HandsonError

# Matplotlib cannot scale an axis to the largest numbers there are.
HIGHEST = 1e100
# Pixels to an inch in the files that are written.
DPI = 110
TRAINING, VALIDATION, MARK, TRUTH = "#4477aa", "#cc6633", "#444444", "#33aa55"
# Qualitative colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#777777")
# From below zero through white to above, and from nothing to much.
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"

PathLike = str | os.PathLike[str]


def save(figure: Figure, path: PathLike | None, dpi: float = DPI) -> Figure:
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
        atomic.write(path, lambda place: figure.savefig(place, format=suffix[1:], dpi=dpi))
    return figure


def whole_epochs(axes: Axes) -> None:
    """An axis of epochs."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def tidy(axes: Axes) -> None:
    """A light grid, and no frame above and on the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def scale(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    """A logarithmic axis for positive values that span more than a factor of twenty."""
    values = np.array([value for curve in curves for value in curve], float)
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")


def panels(
    rows: int, columns: int, size: tuple[float, float], figure: Figure | None = None
) -> tuple[Figure, np.ndarray]:
    """A figure, by default of its own, with a grid of panels of a size in inches, (rows, columns)."""
    figure = figure or Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def by_depth(count: int) -> list[Any]:
    """Colours for the layers of a net, from the input (dark) to the output (light)."""
    return [colormaps["viridis"](place) for place in np.linspace(0.0, 0.92, count)]


def distinct(count: int) -> list[Any]:
    """Colours that tell things apart which have no order."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    if count <= 20:
        return [colormaps["tab10" if count <= 10 else "tab20"](number) for number in range(count)]
    return by_depth(count)


def printable(text: str) -> str:
    """A name from somebody else's file as words: letters that can be drawn, and no formulas."""
    return "".join(filter(str.isprintable, text)).replace("$", r"\$")


def grid(
    images: Any, titles: Sequence[str] | None = None, columns: int | None = None,
    figure: Figure | None = None, **how: Any,
) -> Figure:  # fmt: skip
    """Images in a grid that is about square.

    Parameters
    ----------
    images : ndarray or sequence of ndarray, shape (height, width) or (height, width, 3)
        The images.
    titles : sequence of str, optional
        One for each.
    columns : int, optional
        Images in a row.
    figure : Figure, optional
        Where they are drawn; by default a new figure of a fitting size.
    **how
        What `imshow` takes, such as `cmap`.
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    if figure is None:
        figure = Figure(figsize=(min(10.0, 1.1 * columns + 0.2), min(10.0, (1.35 if titles else 1.1) * rows + 0.2)))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, image in zip(axes, images, strict=False):
        axis.imshow(image, interpolation="nearest", **how)
    for axis, title in zip(axes, titles or (), strict=False):
        axis.set_title(printable(title), fontsize=7, pad=2)
    return figure
