"""Nets made anew: from descriptions of them, and from other nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handson.core import registry, tree
from handson.core.errors import HandsonError, shortened
from handson.files import keras_reading, strict_json
from handson.graph import Symbol
from handson.layers.base import Layer
from handson.layers.core import InputLayer
from handson.layers.nested import another
from handson.models.model import Model
from handson.models.sequential import Sequential


def model_from_config(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The net that a description is of, with fresh weights.

    Parameters
    ----------
    config : dict
        ``{"class_name": ..., "config": ...}`` as in Keras, or ``{"class": ..., "config": ...}``.
    custom_objects : dict of str to class or function, optional
        What names in it mean, beside those that are registered.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise HandsonError(
            f"model_from_config takes a dictionary with 'class_name' and 'config'; got {shortened(repr(config), 60)}. "
            f"What get_config() of a net gave: Sequential.from_config(config) or Model.from_config(config)."
        )
    with registry.scoped(custom_objects or {}), keras_reading.sharing():
        return registry.from_config("model", config)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The net that `to_json` described, here or in Keras, with fresh weights.

    Parameters
    ----------
    json_string : str
        The description.
    custom_objects : dict of str to class or function, optional
        What names in it mean, beside those that are registered.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> model_from_json(Sequential([Dense(2, input_dim=3)]).to_json()).output_shape
    (None, 2)
    """
    return model_from_config(strict_json.loads(json_string), custom_objects)


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A net of the same layers, with weights of its own that are not drawn yet.

    Parameters
    ----------
    model : Model
        A stack of layers, or a net between symbols.
    input_tensors : Symbol, or a list or dictionary of them, optional
        What goes in; by default new inputs of the same shapes.
    clone_function : function, optional
        Called with each layer, gives the layer in its place; by default one of the same arguments.
    call_function : function, optional
        Of a net between symbols: called with each layer of the clone and its arguments, gives its outputs.
    recursive : bool
        Whether `clone_function` is given the layers of nets in the net in place of these nets.

    Examples
    --------
    >>> from handson.layers import Dense, Dropout
    >>> net = Sequential([Dense(2, input_dim=3), Dropout(0.5)])
    >>> clone_model(net, clone_function=lambda layer: type(layer).from_config(layer.get_config())).count_params()
    8
    """
    if recursive and clone_function is None:
        raise HandsonError("clone_model: recursive=True says which layers clone_function sees; give one.")

    def cloned(layer: Any) -> Any:
        if isinstance(layer, Model) and (recursive or clone_function is None):
            return clone_model(layer, None, clone_function, call_function if recursive else None, recursive)
        return _another(layer) if clone_function is None else clone_function(layer)

    if getattr(model, "is_stack", False):
        if call_function is not None:
            raise HandsonError("clone_model: call_function is for nets between symbols; a stack applies its layers.")
        return _clone_of_stack(model, input_tensors, cloned)
    if getattr(model, "graph", None) is None:
        raise HandsonError(
            f"clone_model takes a stack of layers or a net between symbols; {type(model).__name__} has a call of its "
            f"own. Make another of its class: type(net).from_config(net.get_config())."
        )
    return _clone_of_graph(model, input_tensors, cloned, call_function)


def _another(layer: Any) -> Any:
    """A layer of the same arguments and name; of a class with a `get_config` of its own, what that describes."""
    own = type(layer).get_config is not Layer.get_config
    if not isinstance(layer, Layer):
        raise HandsonError(f"clone_model: {type(layer).__name__} is a module of PyTorch; give a clone_function for it.")
    return type(layer).from_config(layer.get_config()) if own else another(layer, name=layer.name)


def _clone_of_stack(model: Any, inputs: Any, cloned: Callable[[Any], Any]) -> Any:
    layers = [cloned(layer) for layer in model.layers]
    entry = [_entry(part.symbol()) for part in model._modules.values() if isinstance(part, InputLayer)]
    if inputs is not None:
        given = tree.leaves(inputs)
        if len(given) != 1 or not isinstance(given[0], Symbol):
            raise HandsonError(f"clone_model: a stack takes one Input(...); got {shortened(repr(inputs), 60)}.")
        entry = given
    made = Sequential([*entry, *layers], name=model.name)
    if made.built_shape is None and model.built_shape is not None:
        made.build(model.built_shape)
    made.named = model.named
    return made


def _entry(symbol: Symbol) -> Symbol:
    """Another input of the kind."""
    layer = symbol.node.function if symbol.node is not None and not symbol.node.inputs else None
    if isinstance(layer, InputLayer):
        made: Any = InputLayer.from_config(layer.get_config())
        return made.symbol()
    return Symbol(symbol.shape, symbol.dtype, name=symbol.name)


def _clone_of_graph(model: Any, inputs: Any, cloned: Callable[[Any], Any], call: Callable[..., Any] | None) -> Any:
    graph = model.whole_graph
    entries = [_entry(entry) for entry in graph.entries] if inputs is None else tree.leaves(inputs)
    if len(entries) != len(graph.entries) or not all(isinstance(entry, Symbol) for entry in entries):
        raise HandsonError(
            f"clone_model: the net takes {len(graph.entries)} inputs; got input_tensors={shortened(repr(inputs), 60)}."
        )
    known = {id(old): new for old, new in zip(graph.entries, entries, strict=True)}
    parts: dict[int, Any] = {}

    def new(leaf: Any) -> Any:
        return known[id(leaf)] if isinstance(leaf, Symbol) else leaf

    for node in graph.nodes:
        function = node.function
        if isinstance(function, Layer):
            if id(function) not in parts:
                parts[id(function)] = cloned(function)
            function = parts[id(function)]
        args, kwargs = tree.map_leaves(new, node.arguments)
        is_layer = call is not None and isinstance(function, Layer)
        outputs = call(function, *args, **kwargs) if is_layer else function(*args, **kwargs)  # type: ignore[misc]
        known |= {id(old): one for old, one in zip(tree.leaves(node.outputs), tree.leaves(outputs), strict=True)}
    inputs, outputs = (tree.map_leaves(new, form) for form in (graph.inputs, graph.outputs))
    made = Model(inputs, outputs, name=model.name)
    made.named = model.named
    return made
