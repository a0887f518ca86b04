"""Lasagne's penalties on parameters, as expressions to add to a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import handson.theano.tensor as T
from handson.lasagne.layers import Layer, get_all_params
from handson.theano.variable import Variable


def l1(x: Any) -> Variable:
    """The sum of absolute values."""
    return T.sum(abs(x))


def l2(x: Any) -> Variable:
    """The sum of squares."""
    return T.sum(x**2)


def apply_penalty(tensor_or_tensors: Any, penalty: Any, **kwargs: Any) -> Any:
    """A penalty, summed over several parameters.

    Examples
    --------
    >>> a, b = T.vector(), T.vector()
    >>> float(apply_penalty([a, b], l2).eval({a: [1, 2], b: [3]}))
    14.0
    """
    if not isinstance(tensor_or_tensors, (list, tuple)):
        return penalty(tensor_or_tensors, **kwargs)
    return sum(penalty(one, **kwargs) for one in tensor_or_tensors)


def regularize_layer_params(layer: Any, penalty: Any, tags: Any = None, **kwargs: Any) -> Any:
    """A penalty on the parameters of a layer, or of several."""
    layers = [layer] if isinstance(layer, Layer) else layer
    wanted = {"regularizable": True} if tags is None else tags
    params = [param for one in layers for param in one.get_params(**wanted)]
    return apply_penalty(params, penalty, **kwargs)


def regularize_layer_params_weighted(layers: Mapping[Any, float], penalty: Any, tags: Any = None, **kwargs: Any) -> Any:
    """A penalty on the parameters of layers, each with a weight of its own."""
    return sum(weight * regularize_layer_params(layer, penalty, tags, **kwargs) for layer, weight in layers.items())


def regularize_network_params(layer: Any, penalty: Any, tags: Any = None, **kwargs: Any) -> Any:
    """A penalty on the parameters of all layers before a layer, and of that layer."""
    wanted = {"regularizable": True} if tags is None else tags
    return apply_penalty(get_all_params(layer, **wanted), penalty, **kwargs)
