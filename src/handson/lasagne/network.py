"""Lasagne's layers as a net of handson: what trains, saves and is looked into as any other."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne.layers.base import Layer, MergeLayer, WeightCell
from handson.lasagne.layers.helper import get_all_layers
from handson.lasagne.layers.input import InputLayer
from handson.lasagne.layers.special import InverseLayer
from handson.models import Model
from handson.theano.plan import Plan, clone
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable


class Expressed(own.Layer):
    """A layer whose `get_output_for` is written as an expression, as one of handson's.

    Parameters
    ----------
    source : handson.lasagne.layers.Layer
        The layer. Its parameters become this layer's weights.
    """

    def __init__(self, source: Layer, name: str | None = None) -> None:
        super().__init__(name=name)
        self._source = [source]
        self._plans: dict[bool, Plan] = {}
        shapes = source.input_shapes if isinstance(source, MergeLayer) else [source.input_shape]
        self._symbols = [Variable(len(shape), "float32") for shape in shapes]
        self._held = [one for one in source.get_params() if isinstance(one, SharedVariable)]
        for number, param in enumerate(self._held):
            self._take(param, f"weight_{number}", "trainable" in source.params.get(param, {"trainable"}))

    def _take(self, param: SharedVariable, place: str, trainable: bool) -> None:
        """Keep a parameter's value here, unless another layer keeps it."""
        if isinstance(param.cell, WeightCell):
            held = getattr(param.cell.part, param.cell.weight)
            if isinstance(held, torch.nn.Parameter):
                self.register_parameter(place, held)
                self.weight_names.append(place)
            return
        value = param.cell.read()
        weight = self.add_weight(tuple(value.shape), "zeros", place, trainable=trainable)
        with torch.no_grad():
            weight.copy_(value)
        param.cell = WeightCell(self, place, _same, _same)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._source[0].output_shape

    def _plan(self, deterministic: bool) -> Plan:
        if deterministic not in self._plans:
            source = self._source[0]
            given: Any = self._symbols if isinstance(source, MergeLayer) else self._symbols[0]
            output = source.get_output_for(given, deterministic=deterministic)
            weights = [Variable(param.ndim, param.dtype, name=param.name) for param in self._held]
            replaced = clone(output, dict(zip(self._held, weights, strict=True)))
            self._plans[deterministic] = Plan([*self._symbols, *weights], [replaced])
        return self._plans[deterministic]

    def call(self, inputs: Any) -> Tensor:
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        values = [_value(param) for param in self._held]
        return self._plan(not self.training).run([*given, *values])[0]

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        raise HandsonError(
            f"the layer {self._source[0]!r} is an expression of variables, which a file cannot describe. Pickle the "
            f"NeuralNet, or save its weights with save_params_to()."
        )


def _same(x: Tensor) -> Tensor:
    return x


def _value(param: SharedVariable) -> Tensor:
    """The value of a parameter, through which gradients flow to the weight that keeps it."""
    cell: Any = param.cell
    return cell.to(getattr(cell.part, cell.weight))


def as_model(outputs: Any, seed: int | None = None, kind: Any = Model) -> Any:
    """A net of handson that computes the outputs of some layers, and has their parameters as its weights.

    Parameters
    ----------
    outputs : Layer or list of Layer
        The last layers.
    seed : int, optional
        The net's seed.
    kind : class
        `Model`, or a subclass.

    Examples
    --------
    >>> from handson.lasagne.layers import DenseLayer
    >>> as_model(DenseLayer(InputLayer((None, 3)), 2)).count_params()
    8
    """
    symbols: dict[int, Any] = {}
    taken: set[str] = set()
    for layer in get_all_layers(outputs):
        if isinstance(layer, InputLayer):
            symbols[id(layer)] = _entry(layer, taken)
        else:
            before = [symbols[id(one)] for one in layer.input_layers]
            symbols[id(layer)] = _applied(layer, before if isinstance(layer, MergeLayer) else before[0], taken)
    ends = [symbols[id(one)] for one in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    entries = [symbols[id(one)] for one in get_all_layers(outputs) if isinstance(one, InputLayer)]
    inputs = entries[0] if len(entries) == 1 else entries
    return kind(inputs, ends[0] if len(ends) == 1 else ends, seed=seed)


def _entry(layer: InputLayer, taken: set[str]) -> Any:
    kind = None if layer.input_var.dtype.startswith("float") else layer.input_var.dtype
    return own.Input(layer.shape[1:], dtype=kind, name=_name(layer.name, taken))


def _applied(layer: Layer, inputs: Any, taken: set[str]) -> Any:
    parts = layer.parts
    if isinstance(layer, InverseLayer):
        raise HandsonError(
            f"{layer!r} is the backward pass of another layer, which no layer of handson is. Train the net with "
            f"theano.function and lasagne.updates."
        )
    if parts is None or getattr(layer, "untie_biases", False) or not _plain(layer):
        return Expressed(layer, name=_name(layer.name, taken))(inputs)
    for part in parts:
        if part is parts[-1] and not part.named:
            given = _name(layer.name, taken)
            if given is not None:
                part.name = given
        inputs = part(inputs)
    return inputs


def _plain(layer: Layer) -> bool:
    """Whether a layer is what its parts compute."""
    return getattr(layer, "rescale", True)


def _name(name: str | None, taken: set[str]) -> str | None:
    """A name that a layer of handson can have, once."""
    found = re.sub(r"[^A-Za-z0-9_-]", "_", name or "").lstrip("-")
    if not found or found in taken:
        return None
    taken.add(found)
    return found
