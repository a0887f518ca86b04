"""From the `layers` of an estimator to a net: copies of them, and the output layer that the targets ask for."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from handson.core.errors import HandsonError
from handson.estimators import sized
from handson.estimators.nested import changed
from handson.estimators.targets import Head
from handson.layers import Dense, Flatten, Input, Layer
from handson.layers.shapes import flat_shapes
from handson.models import Model, Sequential
from handson.models.leaves import wants_integers


def build(given: Any, settings: dict[str, Any], shape: tuple[int, ...], heads: Sequence[Head], seed: int) -> Any:
    """The net of an estimator.

    Parameters
    ----------
    given : None, list of Layer, Model or function
        What the user gave as `layers`.
    settings : dict of str to object
        Arguments of the function, or of layers in the list.
    shape : tuple of int
        The shape of the inputs, the number of rows in front.
    heads : sequence of Head
        The outputs that the targets ask for.
    seed : int
        Of the initial weights.

    Raises
    ------
    HandsonError
        When `layers` is something else, or a whole net with other outputs.

    Examples
    --------
    >>> net = build([Dense(4, activation="relu")], {}, (10, 3), [Head(2, "softmax", "mse")], seed=0)
    >>> [layer.units for layer in net.layers]
    [4, 2]
    """
    if given is not None and callable(given) and not isinstance(given, nn.Module):
        given, settings = _called(given, settings, shape, heads), {}
    if isinstance(given, Model):
        return _whole(given, shape, heads, seed)
    if given is None:
        given = sized.hidden_layers(shape[0], shape[1:])
    if not isinstance(given, (list, tuple)):
        raise HandsonError(
            f"layers is a list of the layers before the output, a whole Model, or a function that returns one of "
            f"these; got {given!r}."
        )
    return _stacked([_another(layer) for layer in changed("layer", given, settings)], shape, heads, seed)


def brings_weights(given: Any) -> bool:
    """Whether `layers` is a whole net, or holds layers that have weights already."""
    if isinstance(given, Model):
        return True
    return isinstance(given, (list, tuple)) and any(getattr(layer, "built", False) and layer.weights for layer in given)


def _called(function: Any, settings: dict[str, Any], shape: tuple[int, ...], heads: Sequence[Head]) -> Any:
    """What a function gives; it may ask for the shape of a row, and for how many outputs are needed."""
    units = [head.units for head in heads]
    offered = {"input_shape": shape[1:], "outputs": units if len(units) > 1 else units[0]}
    asked = inspect.signature(function).parameters
    return function(**{name: value for name, value in offered.items() if name in asked} | settings)


def _another(layer: Any) -> Any:
    """A layer of the same kind for this training; the weights of one that has some go with it."""
    if not isinstance(layer, nn.Module):
        raise HandsonError(f"layers holds layers, such as Dense(64, activation='relu'); got {layer!r}.")
    return copy.deepcopy(layer)


def _stacked(layers: list[Any], shape: tuple[int, ...], heads: Sequence[Head], seed: int) -> Any:
    """The layers on top of each other, and a dense layer for each output."""
    if len(heads) == 1:
        net = Sequential(layers, seed=seed)
        if layers:
            net.ready_for(shape)
        if len(net.output_shape or shape) > 2:
            net.add(Flatten())
        net.add(_output(heads[0]))
        net.ready_for(shape)
        return net
    inputs = x = Input(shape[1:], dtype="int64" if layers and wants_integers(layers[0]) else None)
    for layer in layers:
        x = layer(x)
    x = Flatten()(x) if len(x.shape) > 2 else x
    return Model(inputs, [_output(head)(x) for head in heads], seed=seed)


def _output(head: Head) -> Layer:
    return Dense(head.units, activation=None if head.activation == "linear" else head.activation)


def _whole(given: Any, shape: tuple[int, ...], heads: Sequence[Head], seed: int) -> Any:
    """A copy of a whole net; weights that are as the net drew them are drawn again from the seed."""
    net = copy.deepcopy(given)
    if not net.seed_given:
        net.seed = seed if net.built_shape is None else net.seed
        net.redraw(seed)
    net.ready_for(shape)
    widths, wanted = [one[-1] for one in flat_shapes(net.output_shape)], [head.units for head in heads]
    if widths != wanted and not (widths == [1] and wanted == [2]):
        raise HandsonError(
            f"the net gives outputs of {widths} columns, and the targets need {wanted}. A list of layers gets the "
            f"output that fits; a function that builds a net may ask for `outputs`."
        )
    return net
