"""Weights of layers, and what layers put out for an image or for some rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import nn

from handson.attributions import find_layer, layer_output
from handson.core.errors import HandsonError
from handson.layers.base import Layer
from handson.monitoring.probes import probed_layers
from handson.plots.style import DIVERGING, SEQUENTIAL, PathLike, grid, save, tidy

# More pictures than that are too small to see anything in.
MOST, MOST_CHANNELS = 144, 12


def plot_weights(net: nn.Module, layer: Any = None, path: PathLike | None = None) -> Figure:
    """The weights of a layer: of a convolution one picture a filter, of other layers a matrix.

    Parameters
    ----------
    net : Model or torch.nn.Module
        The net.
    layer : str or nn.Module, optional
        The layer; by default the first convolution of images, or else the first layer with a matrix of weights.
    path : str or path, optional
        Where to write the picture.

    Returns
    -------
    Figure
        Filters over images in colour are in colour. Those that see other channels are rows of pictures, one for each.
    """
    parts = probed_layers(net)
    kernels = {name: kernel for name, part in parts.items() if (kernel := _kernel(part)) is not None}
    if layer is None:
        name = next((name for name, kernel in kernels.items() if kernel.ndim == 4), next(iter(kernels), None))
        if name is None:
            raise HandsonError("plot_weights: no layer of this net has a matrix of weights.")
        kernel = kernels[name]
    else:
        place, name = find_layer(net, layer), str(getattr(layer, "name", layer))
        found = next((kernels[known] for known, part in parts.items() if part is place and known in kernels), None)
        if found is None:
            raise HandsonError(f"plot_weights: {name} has no matrix of weights; {', '.join(kernels)} have.")
        kernel = found
    coloured = kernel.ndim == 4 and kernel.shape[2] == 3 and kernel is next(iter(kernels.values()), None)
    figure = _filters(kernel, coloured) if kernel.ndim == 4 else _matrix(kernel)
    figure.suptitle(f"{name}: {' × '.join(map(str, kernel.shape))}", fontsize=9)
    return save(figure, path)


def plot_activity(net: nn.Module, x: Any, layer: Any = None, path: PathLike | None = None) -> Figure:
    """What a layer puts out: for an image the image and one picture a channel, for rows of a table a matrix.

    Parameters
    ----------
    net : Model or torch.nn.Module
        The net.
    x : array, shape (1, height, width, channels) or (n, ...)
        One image, or some rows.
    layer : str or nn.Module, optional
        The layer; by default the first with weights.
    path : str or path, optional
        Where to write the picture.
    """
    parts = probed_layers(net)
    chosen = layer or next((part for part in parts.values() if _kernel(part) is not None), None)
    if chosen is None:
        raise HandsonError("plot_activity: no layer of this net has weights; name one.")
    place = find_layer(net, chosen)
    name = next((name for name, part in parts.items() if part is place), str(layer))
    output = layer_output(net, x, place)
    if output.ndim != 4:
        rows = output.reshape(len(output), -1)
        figure = _matrix(rows, ("row", "unit"))
        figure.suptitle(f"output of {name}, {' × '.join(map(str, output.shape))}", fontsize=9)
        return save(figure, path)
    if len(output) != 1:
        raise HandsonError(f"only one image is shown: pass x[0:1], of shape (1, ...); got {np.shape(x)}.")
    first = not isinstance(place, Layer) or not getattr(place, "last", True)
    maps = np.moveaxis(output[0], 0 if first else -1, 0)[: MOST - 1]
    image = np.asarray(x[0], float)
    image = np.moveaxis(image, 0, -1) if first and not isinstance(net, Layer) else image
    figure = grid([image.mean(-1), *maps], ["image", *map(str, range(len(maps)))], cmap=SEQUENTIAL)
    figure.axes[0].images[0].set_cmap("gray")
    figure.suptitle(f"output of {name}, channel by channel", fontsize=9)
    return save(figure, path)


def _kernel(layer: nn.Module) -> np.ndarray | None:
    """The kernel of a layer, (height, width, inputs, outputs) or (inputs, outputs); None where it has none."""
    own = getattr(layer, "kernel", None)
    weight = own if own is not None else getattr(layer, "weight", None)
    if not isinstance(weight, nn.Parameter) or weight.dim() not in (2, 4):
        return None
    values = weight.detach().float().cpu().numpy()
    if own is not None:
        return values
    return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T


def _filters(kernel: np.ndarray, coloured: bool) -> Figure:
    """A picture a filter in a square, or a row of pictures a filter where it sees several channels."""
    height, width, channels, _ = kernel.shape
    most = float(np.abs(kernel).max()) or 1.0
    if coloured:
        pictures = np.moveaxis(np.clip(0.5 + kernel / (2 * most), 0, 1), 3, 0)[:MOST]
    else:
        seen = min(channels, MOST_CHANNELS)
        pictures = kernel[:, :, :seen].transpose(3, 2, 0, 1).reshape(-1, height, width, 1)[: MOST // seen * seen]
    square = coloured or channels == 1
    columns = math.ceil(math.sqrt(len(pictures))) if square else min(channels, MOST_CHANNELS)
    mosaic = _mosaic(pictures, columns)
    wide = mosaic.shape[1] / mosaic.shape[0]
    size = (max(7.0 * wide, 3.4), 7.0) if wide < 1 else (7.0, max(7.0 / wide, 2.0))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(mosaic, cmap=DIVERGING, vmin=-most, vmax=most, interpolation="nearest")
    return figure


def _mosaic(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Pictures (n, height, width, channels) beside and below each other in one, with a gap between them."""
    count, height, width, channels = pictures.shape
    rows = math.ceil(count / columns)
    gap = max(1, height // 5)
    empty = np.ones(channels) if channels == 3 else np.full(channels, np.nan)
    found = np.broadcast_to(empty, (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)).copy()
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        found[top : top + height, left : left + width] = picture
    return found if channels == 3 else found[..., 0]


def _matrix(values: np.ndarray, names: tuple[str, str] = ("input", "unit")) -> Figure:
    """A matrix in colours: white is 0."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    most = float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0
    shown = axes.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    figure.colorbar(shown, ax=axes)
    axes.set(xlabel=names[1], ylabel=names[0])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
    axes.grid(False)
    return figure
