"""Layers that are given to layers: from objects, configurations, and modules of PyTorch."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import policies
from handson.layers.base import Layer
from handson.layers.foreign import TorchModuleWrapper


def as_layer(given: Any, owner: str) -> Layer:
    """A layer or net, also from its name or configuration; a module of PyTorch is wrapped.

    Raises
    ------
    HandsonError
        When it is none of them.

    Examples
    --------
    >>> as_layer({"class": "Flatten", "config": {"name": "flat"}}, "Wrapper").name
    'flat'
    """
    if isinstance(given, (dict, str)):
        name = (
            given.get("class", given.get("class_name", next(iter(given), None))) if isinstance(given, dict) else given
        )
        is_net = isinstance(name, str) and registry.is_known("model", name) and not registry.is_known("layer", name)
        return registry.resolve("model" if is_net else "layer", given)
    if isinstance(given, type) and issubclass(given, nn.Module):
        raise HandsonError(f"{owner} takes a layer, not its class: write {owner}({given.__name__}(...)).")
    if isinstance(given, Layer):
        return given
    if isinstance(given, nn.Module):
        return TorchModuleWrapper(given)
    raise HandsonError(f"{owner} takes a layer, such as {owner}(LSTM(8)); got {given!r}.")


def another(layer: Layer, **changes: Any) -> Any:
    """A layer of the same kind and arguments, with weights of its own that are not drawn yet."""
    arguments = layer._arguments | layer._changed() | {"trainable": layer._trainable}
    made = {key: fresh(value) for key, value in arguments.items()}
    with policies.as_described():
        return type(layer)(**made | changes)


def fresh(value: Any) -> Any:
    """An argument of a layer for another layer: layers in it are made anew, the rest is copied."""
    if isinstance(value, Layer):
        return another(value)
    if isinstance(value, (list, tuple)):
        return [fresh(entry) for entry in value]
    return copy.deepcopy(value)
