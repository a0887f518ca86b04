"""What a net looks at: maps over images, bars over the columns of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import nn

from handson import attributions
from handson.attributions import Output, Target
from handson.core.errors import HandsonError
from handson.layers.base import Layer
from handson.plots.given import names_of
from handson.plots.images import show_image
from handson.plots.style import DIVERGING, TRAINING, PathLike, panels, save, tidy

# The percentile of a map at which its colours end: one bright pixel would make all others white.
CLIPPED = 99.5


def plot_saliency(
    net: nn.Module, x: Any, target: Target = None, titles: Sequence[str] | None = None, path: PathLike | None = None,
    *, output: Output = None,
) -> Figure:  # fmt: skip
    """Which inputs the score depends on most: see `handson.attributions.saliency`.

    Parameters
    ----------
    net : Model or torch.nn.Module
        The net.
    x : array, shape (n, height, width, channels), (n, steps, channels) or (n, features)
        A few images or sequences, one row of pictures each; or rows of a table, whose sizes are averaged.
    target : int or array of int, optional
        The output that is explained; by default each row's largest.
    titles : list of str, optional
        One for each image; for a table, the names of its columns.
    path : str or path, optional
        Where to write the picture.
    output : int or str, optional
        Of a net with several outputs, the one that is explained: its number, or its name.
    """
    slopes = np.abs(attributions.saliency(net, x, target, output=output))
    return save(_shown(net, x, slopes, "saliency: the size of the slope", titles, signed=False), path)


def plot_integrated_gradients(
    net: nn.Module, x: Any, target: Target = None, baseline: Any = 0.0, titles: Sequence[str] | None = None,
    path: PathLike | None = None, *, output: Output = None,
) -> Figure:  # fmt: skip
    """What each input adds to the score (red) or takes from it (blue): see `attributions.integrated_gradients`.

    Parameters
    ----------
    net, x, target, titles, path, output
        See `plot_saliency`.
    baseline : float or array, of the shape of one row
        Inputs that say nothing, such as a black image.
    """
    parts = attributions.integrated_gradients(net, x, target, baseline, output=output)
    return save(_shown(net, x, parts, "what it adds to the score", titles), path)


def plot_occlusion(
    net: nn.Module, x: Any, target: Target = None, size: int | None = None, titles: Sequence[str] | None = None,
    path: PathLike | None = None, *, output: Output = None,
) -> Figure:  # fmt: skip
    """How much the score falls when a part is covered: see `handson.attributions.occlusion`.

    Parameters
    ----------
    net, x, target, titles, path, output
        See `plot_saliency`.
    size : int, optional
        The side of what covers.
    """
    fall = attributions.occlusion(net, x, target, size, output=output)
    return save(_shown(net, x, fall, "the fall when covered", titles), path)


def plot_grad_cam(
    net: nn.Module, x: Any, target: Target = None, layer: Any = None, titles: Sequence[str] | None = None,
    path: PathLike | None = None, *, output: Output = None,
) -> Figure:  # fmt: skip
    """Where in an image the score comes from: see `handson.attributions.grad_cam`.

    Parameters
    ----------
    net, x, target, titles, path, output
        See `plot_saliency`.
    layer : str or nn.Module, optional
        The convolution; by default the last layer that gives images.
    """
    heat = attributions.grad_cam(net, x, target, layer, output=output)
    return save(_shown(net, x, heat, "Grad-CAM", titles, signed=False), path)


def _shown(
    net: nn.Module, x: Any, values: np.ndarray, what: str, titles: Sequence[str] | None, signed: bool = True
) -> Figure:
    """The picture for the kind of the inputs."""
    x = np.asarray(x)
    if x.ndim == 2:
        return _bars(values, what, titles, signed)
    if x.ndim == 3:
        return _sequences(x, values, what, titles, signed)
    if x.ndim != 4:
        raise HandsonError(f"pictures of attributions are for tables, sequences and images; got the shape {x.shape}.")
    last = isinstance(net, Layer)
    images = x if last else np.moveaxis(x, 1, -1)
    if values.ndim == 4:
        values = (np.moveaxis(values, -1 if last else 1, 0)).sum(0) if signed else values.max(-1 if last else 1)
    return beside(images, values, what, titles, signed)


def beside(
    images: np.ndarray, maps: np.ndarray, what: str, titles: Sequence[str] | None = None, signed: bool = True,
    figure: Figure | None = None,
) -> Figure:  # fmt: skip
    """Each image, its map, and the map over the image.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, channels)
        Images.
    maps : ndarray, shape (n, height, width)
        What is shown of each.
    what : str
        What the maps are.
    titles : list of str, optional
        One for each image.
    signed : bool
        Whether values below 0 mean something.
    figure : Figure, optional
        Where to draw; by default a figure of its own.
    """
    figure, grid = panels(len(images), 3, (2.1, 2.1), figure)
    how = {"cmap": DIVERGING if signed else "inferno"}
    for number, (row, image, values) in enumerate(zip(grid, images, maps, strict=True)):
        most = float(np.percentile(np.abs(values), CLIPPED)) or float(np.abs(values).max()) or 1.0
        bounds = {"vmin": -most if signed else 0.0, "vmax": most}
        extent = (0, image.shape[1], image.shape[0], 0)
        for axes in (row[0], row[2]):
            show_image(axes, _drawable(image if axes is row[0] else image.mean(-1, keepdims=True)))
        row[1].imshow(values, extent=extent, **how, **bounds)
        row[1].axis("off")
        row[2].imshow(values, extent=extent, alpha=np.clip(np.abs(values) / most, 0, 1) * 0.8, **how, **bounds)
        if titles:
            row[0].set_title(names_of(titles, len(images))[number], fontsize=8)
    for axes, title in zip(grid[0, 1:], (what, "over the image"), strict=True):
        axes.set_title(title, fontsize=8)
    return figure


def _drawable(image: np.ndarray) -> np.ndarray:
    """An image in a range that can be drawn: of colours 0 to 1, of others as it is."""
    if image.shape[-1] == 2 or image.shape[-1] > 4:
        return image.mean(-1, keepdims=True)
    if image.shape[-1] == 1 or image.dtype == np.uint8:
        return image
    low, high = image.min(), image.max()
    return (image - low) / (high - low if high > low else 1.0)


def _bars(values: np.ndarray, what: str, names: Sequence[str] | None, signed: bool) -> Figure:
    """The columns of a table by the mean size of what is shown, the largest 30."""
    size = np.abs(values).mean(0)
    order = np.argsort(size)[::-1][:30]
    each = names_of(names, values.shape[1], "column ")
    labels = [each[column] for column in order]
    figure = Figure(figsize=(6.0, 0.24 * len(order) + 1.0), layout="constrained")
    axes = figure.subplots()
    axes.barh(labels, size[order], color=TRAINING, height=0.7)
    axes.invert_yaxis()
    axes.set_xlabel(f"{what}, mean size over {len(values)} rows" if signed else f"{what}, mean over {len(values)} rows")
    axes.tick_params(labelsize=8)
    tidy(axes)
    return figure


def _sequences(x: np.ndarray, values: np.ndarray, what: str, titles: Sequence[str] | None, signed: bool) -> Figure:
    """Each sequence as curves, and under it what is shown of its steps."""
    figure, grid = panels(2 * len(x), 1, (7.0, 1.1))
    for number, (above, below) in enumerate(zip(grid[::2, 0], grid[1::2, 0], strict=True)):
        above.plot(x[number], linewidth=1.0)
        above.set_xlim(-0.5, x.shape[1] - 0.5)
        above.tick_params(labelsize=7, labelbottom=False)
        tidy(above)
        if titles:
            above.set_title(names_of(titles, len(x))[number], fontsize=8)
        shown = np.atleast_2d(values[number].T)
        most = float(np.abs(shown).max()) or 1.0
        cmap = DIVERGING if signed else "inferno"
        below.imshow(shown, cmap=cmap, vmin=-most if signed else 0.0, vmax=most, aspect="auto", interpolation="nearest")
        below.set_ylabel("channel", fontsize=7)
        below.yaxis.set_major_locator(MaxNLocator(integer=True))
        below.tick_params(labelsize=7)
    grid[-1, 0].set_xlabel(f"step; below the curves: {what}", fontsize=8)
    return figure
