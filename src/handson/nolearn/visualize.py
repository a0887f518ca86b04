"""Pictures of convolutional nets: weights, activity, occlusion, saliency, and the net's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import handson.theano.tensor as T
from handson.core.errors import HandsonError
from handson.lasagne.layers import get_all_layers, get_output
from handson.plots.attributions import beside
from handson.plots.structure import draw_boxes
from handson.plots.style import grid
from handson.theano import function, grad


def plot_conv_weights(layer: Any, figsize: tuple[float, float] = (6, 6)) -> Figure:
    """The filters of a convolution: a figure for the first input channel, one picture a filter.

    Parameters
    ----------
    layer : Layer
        A convolution of images.
    figsize : (float, float)
        The size of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; of several input channels the filters of each stand behind each other.
    """
    weights = layer.W.get_value() if hasattr(layer, "W") else np.zeros(0)
    if weights.ndim != 4:
        raise HandsonError(f"plot_conv_weights takes a convolution of images; got {layer!r}.")
    return grid(weights.reshape(-1, *weights.shape[2:]), figure=plt.figure(figsize=figsize), cmap="gray")


def _entry(layer: Any) -> Any:
    return next(one for one in get_all_layers(layer) if not one.input_layers)


def _single(x: Any) -> Any:
    found = np.asarray(x)
    if len(found) != 1:
        raise HandsonError(
            f"only one image is shown: pass x[0:1], of shape (1, channels, height, width); got {found.shape}."
        )
    return found


def plot_conv_activity(layer: Any, x: Any, figsize: tuple[float, float] = (6, 8)) -> Figure:
    """What a layer gives for an image, one picture a channel, behind the image itself.

    Parameters
    ----------
    layer : Layer
        A layer that gives images.
    x : array, (1, channels, height, width)
        The image.
    figsize : (float, float)
        The size of the figure.
    """
    entry, image = _entry(layer), _single(x)
    activity = function([entry.input_var], get_output(layer, deterministic=True))(image)
    if activity.ndim != 4:
        raise HandsonError(f"plot_conv_activity takes a layer that gives images; {layer!r} gives {activity.shape}.")
    return grid([image[0].mean(0), *activity[0]], figure=plt.figure(figsize=figsize), cmap="gray")


def occlusion_heatmap(net: Any, x: Any, target: int, square_length: int = 7) -> Any:
    """How probable a class stays while a square around each pixel is covered, (height, width)."""
    image = _single(x)
    if square_length % 2 == 0:
        raise HandsonError(f"occlusion: square_length is odd; got {square_length}.")
    height, width = image.shape[2:]
    half, padded = square_length // 2, np.pad(image[0], ((0, 0), *((square_length // 2,) * 2,) * 2))
    found = np.zeros((height, width), "float32")
    for row in range(height):
        batch = np.repeat(padded[None], width, 0)
        for column in range(width):
            batch[column, :, row : row + square_length, column : column + square_length] = 0
        inner = batch[:, :, half : half + height, half : half + width]
        found[row] = net.predict_proba(inner)[:, target]
    return found


def plot_occlusion(
    net: Any, X: Any, target: Any, square_length: int = 7, figsize: tuple[float, float] | None = (9, 0)
) -> Figure:
    """Which parts of images matter: they are covered one after the other (Zeiler and Fergus, 2014).

    Parameters
    ----------
    net : NeuralNet
        A net for classes.
    X : array, (n, channels, height, width)
        Images.
    target : sequence of int
        Their classes.
    square_length : int
        The side of what covers, an odd number.
    figsize : (float, float), optional
        The size; a height of 0 follows from the number of images.
    """
    maps = [occlusion_heatmap(net, x[None], int(y), square_length) for x, y in zip(X, target, strict=True)]
    return _beside(X, [1 - one for one in maps], "critical parts", figsize)


def plot_saliency(net: Any, X: Any, figsize: tuple[float, float] | None = (9, 0)) -> Figure:
    """Which pixels matter: how strongly the highest output depends on each (Simonyan et al., 2013)."""
    last = list(net.layers_.values())[-1]
    entry = _entry(last)
    best = T.max(get_output(last, deterministic=True), axis=1)
    slopes = function([entry.input_var], grad(best.sum(), entry.input_var))(X)
    maps = [np.maximum(slope, 0).max(0) for slope in slopes]
    return _beside(X, maps, "saliency", figsize)


def _beside(X: Any, maps: Any, what: str, figsize: Any) -> Figure:
    width, height = figsize or (9, 0)
    figure = plt.figure(figsize=(width, height or 3 * len(X)), layout="constrained")
    return beside(np.moveaxis(X, 1, -1), np.asarray(maps), what, signed=False, figure=figure)


def plot_loss(net: Any) -> Figure:
    """The losses of the epochs, of rows that train and of those held out."""
    figure, axis = plt.subplots()
    epochs = [info["epoch"] for info in net.train_history_]
    for key, label in {"train_loss": "train loss", "valid_loss": "valid loss"}.items():
        axis.plot(epochs, [info[key] for info in net.train_history_], label=label)
    axis.set_xlabel("epoch"), axis.set_ylabel("loss"), axis.legend()
    return figure


def draw_to_file(layers: Any, filename: Any, verbose: bool = False, **kwargs: Any) -> None:
    """Draw the layers of a net, and how they are connected, into an image file.

    Parameters
    ----------
    layers : NeuralNet or list of Layer
        The net, or its layers in their order.
    filename : str
        A file such as 'net.png' or 'net.svg'.
    verbose : bool
        Whether shapes are written too.
    """
    if kwargs:
        raise HandsonError(f"draw_to_file takes layers, filename and verbose; got {', '.join(kwargs)}.")
    figure = draw_to_notebook(layers, verbose)
    figure.savefig(Path(filename), bbox_inches="tight")
    plt.close(figure)


def draw_to_notebook(layers: Any, verbose: bool = False) -> Figure:
    """The layers of a net and their connections, as a figure."""
    layers = list(getattr(layers, "layers_", {}).values()) or list(layers)
    labels = {
        id(layer): type(layer).__name__
        + (f" {layer.name}" if layer.name else "")
        + (f"\n{layer.output_shape}" if verbose else "")
        for layer in layers
    }
    return draw_boxes(plt.figure(), labels, {id(layer): map(id, layer.input_layers) for layer in layers})
