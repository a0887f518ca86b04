"""What is asked of nets: their layers, outputs, shapes and parameters."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, nearest
from handson.lasagne.layers.base import Layer, MergeLayer, Shape
from handson.lasagne.layers.input import InputLayer
from handson.lasagne.utils import as_theano_expression, unique


def _listed(layer: Any) -> list[Any]:
    found = list(layer) if isinstance(layer, (list, tuple)) else [layer]
    for one in found:
        if not isinstance(one, Layer):
            raise HandsonError(f"expected a layer, or a list of layers; got {one!r}.")
    return found


def get_all_layers(layer: Any, treat_as_input: Any = None) -> list[Any]:
    """The layers before a layer, or several, each once, after those that it needs.

    Parameters
    ----------
    layer : Layer or list of Layer
        The last layers.
    treat_as_input : list of Layer, optional
        Layers before which nothing is looked at.

    Examples
    --------
    >>> from handson.lasagne.layers import DenseLayer
    >>> x = InputLayer((None, 3))
    >>> len(get_all_layers(DenseLayer(x, 2)))
    2
    """
    ends = {id(one) for one in (treat_as_input or ())}
    found: dict[int, Any] = {}
    waiting = [(one, False) for one in reversed(_listed(layer))]
    open_: set[int] = set()
    while waiting:
        one, expanded = waiting.pop()
        if id(one) in found or one is None:
            continue
        if expanded:
            found[id(one)] = one
            continue
        if id(one) in open_:
            continue
        open_.add(id(one))
        waiting.append((one, True))
        before = [] if id(one) in ends else one.input_layers
        waiting += [(each, False) for each in reversed(before) if each is not None]
    return list(found.values())


def _known_kwargs(layers: Sequence[Any]) -> set[str]:
    found: set[str] = set()
    for layer in layers:
        for name, parameter in list(inspect.signature(layer.get_output_for).parameters.items())[1:]:
            if parameter.kind is not parameter.VAR_KEYWORD:
                found.add(name)
        found |= set(layer.get_output_kwargs)
    return found | {"deterministic", "batch_norm_use_averages", "batch_norm_update_averages"}


def get_output(layer_or_layers: Any, inputs: Any = None, **kwargs: Any) -> Any:
    """The output of a net, as an expression.

    Parameters
    ----------
    layer_or_layers : Layer or list of Layer
        What is wanted.
    inputs : Variable, array, or a dictionary of them by layer, optional
        What goes in; by default the variables of the input layers. Any layer can be an input.
    **kwargs
        What layers understand: ``deterministic=True`` turns dropout and noise off.

    Returns
    -------
    Variable or list of Variable
        The expressions.

    Examples
    --------
    >>> from handson.lasagne.layers import DenseLayer
    >>> x = InputLayer((None, 3))
    >>> get_output(DenseLayer(x, 2)).eval({x.input_var: np.zeros((5, 3))}).shape
    (5, 2)
    """
    given = inputs if isinstance(inputs, dict) else {}
    layers = get_all_layers(layer_or_layers, list(given))
    known = _known_kwargs(layers)
    for name in kwargs:
        if name not in known:
            raise HandsonError(f"get_output: no layer understands {name!r}.{nearest(name, known)}")
    outputs = {
        id(layer): layer.input_var for layer in layers if isinstance(layer, InputLayer) and layer not in given
    } | {id(layer): as_theano_expression(value) for layer, value in given.items()}
    if inputs is not None and not isinstance(inputs, dict):
        for layer in layers:
            if isinstance(layer, InputLayer):
                outputs[id(layer)] = as_theano_expression(inputs)
    for layer in layers:
        if id(layer) not in outputs:
            outputs[id(layer)] = layer.get_output_for(_before(layer, outputs), **kwargs)
    found = [outputs[id(layer)] for layer in _listed(layer_or_layers)]
    return found if isinstance(layer_or_layers, (list, tuple)) else found[0]


def _before(layer: Any, outputs: dict[int, Any]) -> Any:
    if any(one is None for one in layer.input_layers):
        raise HandsonError(f"{layer!r} stands behind a shape, not behind a layer: get_output(layer, {{layer: x}}).")
    found = [outputs[id(one)] for one in layer.input_layers]
    return found if isinstance(layer, MergeLayer) else found[0]


def get_output_shape(layer_or_layers: Any, input_shapes: Any = None) -> Any:
    """The shape of the output of a net, for other shapes of its inputs if they are given."""
    if input_shapes is None or input_shapes == {}:
        found = [layer.output_shape for layer in _listed(layer_or_layers)]
        return found if isinstance(layer_or_layers, (list, tuple)) else found[0]
    given = input_shapes if isinstance(input_shapes, dict) else {}
    layers = get_all_layers(layer_or_layers, list(given))
    shapes: dict[int, Shape] = {id(layer): layer.shape for layer in layers if isinstance(layer, InputLayer)}
    if not isinstance(input_shapes, dict):
        shapes = dict.fromkeys(shapes, tuple(input_shapes))
    shapes |= {id(layer): tuple(shape) for layer, shape in given.items()}
    for layer in layers:
        if id(layer) not in shapes:
            before = [shapes[id(one)] for one in layer.input_layers]
            shapes[id(layer)] = layer.get_output_shape_for(before if isinstance(layer, MergeLayer) else before[0])
    wanted = [shapes[id(layer)] for layer in _listed(layer_or_layers)]
    return wanted if isinstance(layer_or_layers, (list, tuple)) else wanted[0]


def get_all_params(layer: Any, unwrap_shared: bool = True, treat_as_input: Any = None, **tags: bool) -> list[Any]:
    """The parameters of all layers, each once: with tags those that have them.

    Examples
    --------
    >>> from handson.lasagne.layers import DenseLayer
    >>> net = DenseLayer((None, 3), 2, name="dense")
    >>> get_all_params(net), get_all_params(net, regularizable=True)
    ([<shared dense.W: float32, shape (3, 2)>, <shared dense.b: float32, shape (2,)>], [<shared dense.W: ...>])
    """
    layers = get_all_layers(layer, treat_as_input)
    return unique([param for one in layers for param in one.get_params(unwrap_shared=unwrap_shared, **tags)])


def count_params(layer: Any, **tags: bool) -> int:
    """How many numbers the parameters hold."""
    return int(sum(np.prod(param.get_value().shape) for param in get_all_params(layer, **tags)))


def get_all_param_values(layer: Any, **tags: bool) -> list[Any]:
    """The values of the parameters, as arrays."""
    return [param.get_value() for param in get_all_params(layer, **tags)]


def set_all_param_values(layer: Any, values: Sequence[Any], **tags: bool) -> None:
    """Give the parameters values, in the order of `get_all_params`."""
    params = get_all_params(layer, **tags)
    if len(params) != len(values):
        raise HandsonError(f"set_all_param_values: got {len(values)} values for {len(params)} parameters.")
    for param, value in zip(params, values, strict=True):
        if param.get_value().shape != np.shape(value):
            raise HandsonError(f"{param!r} cannot take values of shape {np.shape(value)}; nothing was set.")
    for param, value in zip(params, values, strict=True):
        param.set_value(value)
