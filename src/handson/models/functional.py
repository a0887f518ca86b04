"""Nets between symbols as JSON: their layers, and the nodes that apply them; names resolve in the closed registry."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core import registry, tree
from handson.core.errors import HandsonError, listing, shortened
from handson.graph import Node, Symbol
from handson.graph.conversion import torch_type, type_name
from handson.graph.graph import MOST_NODES
from handson.graph.operation import name_of
from handson.layers.core import InputLayer
from handson.models.naming import kind_of, name_at, place_of

# Larger constants are weights, and belong into a layer.
MOST_CONSTANTS = 10_000
# What is made of entries, by the name of its kind in the description.
MADE: dict[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "list": list, "slice": lambda sides: slice(*sides)}


def describe_graph(model: Any, compact: bool = False) -> dict[str, Any]:
    """The graph of a net as JSON.

    Parameters
    ----------
    model : Model
        A net between symbols.
    compact : bool
        Leave out arguments of layers that have their default value.

    Raises
    ------
    HandsonError
        For a function or a constant that a file cannot describe.
    """
    graph = model.whole_graph
    names = {id(part): name for name, part in model._modules.items()}
    symbols = [*graph.entries, *(symbol for node in graph.nodes for symbol in tree.leaves(node.outputs))]
    places = {id(symbol): place for place, symbol in enumerate(symbols)}
    return {
        "layers": [_described(name, part, compact) for name, part in model._modules.items()],
        "entries": [_entry(entry, names) for entry in graph.entries],
        "nodes": [_node(node, names, places) for node in graph.nodes],
        "inputs": _encoded(graph.inputs, places, "inputs"),
        "outputs": _encoded(graph.outputs, places, "outputs"),
    }


def _described(name: str, part: Any, compact: bool) -> Any:
    if not hasattr(part, "kind"):
        raise HandsonError(
            f"the net applies a {type(part).__name__} of PyTorch, which a file cannot describe: files hold no code. "
            f"Write it as a handson.layers.Layer and register it with @handson.register, or save the weights alone."
        )
    described = registry.to_config(part.kind, part, compact)
    if not compact and "config" in described:
        described["config"]["name"] = name_at(name, part)
    return described


def _entry(entry: Symbol, names: dict[int, str]) -> dict[str, Any]:
    layer = entry.node.function if entry.node is not None and not entry.node.inputs else None
    return {
        "layer": names.get(id(layer)),
        "shape": list(entry.shape),
        "dtype": type_name(entry.dtype),
        "name": entry.name,
    }


def _node(node: Node, names: dict[int, str], places: dict[int, int]) -> dict[str, Any]:
    args, kwargs = node.arguments
    name = names.get(id(node.function))
    what = {"layer": name} if name is not None else {"op": name_of(node.function)}
    where = str(name or what["op"])
    return what | {
        "args": [_encoded(value, places, where) for value in args],
        "kwargs": {key: _encoded(value, places, where) for key, value in kwargs.items()},
    }


def _encoded(value: Any, places: dict[int, int], where: str) -> Any:
    """An argument as JSON; what is no plain number or text is a dictionary of one entry that names its kind."""
    if isinstance(value, Symbol):
        return {"symbol": places[id(value)]}
    if isinstance(value, np.generic):
        return _encoded(value.item(), places, where)
    if isinstance(value, (tuple, list)):
        return {type(value).__name__: [_encoded(entry, places, where) for entry in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): _encoded(entry, places, where) for key, entry in value.items()}}
    if isinstance(value, slice):
        return {"slice": [_encoded(side, places, where) for side in (value.start, value.stop, value.step)]}
    return _encoded_leaf(value, where)


def _encoded_leaf(value: Any, where: str) -> Any:
    """An argument that holds no others, as JSON."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, torch.dtype):
        return {"dtype": type_name(value)}
    if isinstance(value, (Tensor, np.ndarray)) and math.prod(value.shape) <= MOST_CONSTANTS:
        tensor = torch.as_tensor(value).detach().cpu()
        return {"constant": {"dtype": type_name(tensor.dtype), "values": tensor.tolist()}}
    raise HandsonError(f"{where} is given {shortened(repr(value), 60)}, which a file cannot describe.")


def build_graph(config: dict[str, Any]) -> tuple[Any, Any]:
    """The symbols of inputs and outputs of the net that `describe_graph` described.

    Raises
    ------
    HandsonError
        When the description is damaged, or names what is not registered.
    """
    parts = _checked(config)
    layers: dict[str, Any] = {}
    for described in parts["layers"]:
        layer = registry.from_config(kind_of(described), {described: {}} if isinstance(described, str) else described)
        place = place_of(layer.name)
        if place in layers:
            raise HandsonError(f"two layers of the net are called {layer.name!r}.")
        layers[place] = layer
    symbols = [_made_entry(entry, layers) for entry in parts["entries"]]
    for number, described in enumerate(parts["nodes"]):
        if not isinstance(described, dict):
            raise HandsonError(f"node {number} is an object of JSON; got {shortened(described, 40)}.")
        function = _function(described, layers)
        args = [decoded(value, symbols) for value in _listed(described.get("args"))]
        kwargs = described.get("kwargs") or {}
        outputs = function(*args, **{key: decoded(value, symbols) for key, value in kwargs.items()})
        found = tree.leaves(outputs)
        if not all(isinstance(leaf, Symbol) for leaf in found):
            raise HandsonError(f"node {number} does not follow from the inputs.")
        symbols += found
    return decoded(parts["inputs"], symbols), decoded(parts["outputs"], symbols)


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    needed = {"layers", "entries", "nodes", "inputs", "outputs"}
    unknown, missing = config.keys() - needed - {"name"}, needed - config.keys()
    if unknown or missing:
        raise HandsonError(f"a net between symbols is described by {listing(sorted(needed))}; got {listing(config)}.")
    for key in ("layers", "entries", "nodes"):
        if not isinstance(config[key], list) or len(config[key]) > MOST_NODES:
            raise HandsonError(f"{key} is a list of at most {MOST_NODES:,} entries.")
    return config


def _made_entry(entry: Any, layers: dict[str, Any]) -> Symbol:
    if not isinstance(entry, dict) or entry.keys() != {"layer", "shape", "dtype", "name"}:
        raise HandsonError(f"an input is described by layer, shape, dtype and name; got {shortened(entry, 60)}.")
    if entry["layer"] is not None:
        layer = layers.get(entry["layer"])
        if not isinstance(layer, InputLayer):
            raise HandsonError(f"there is no input layer {shortened(entry['layer'], 40)}.")
        return layer.symbol()
    shape = _listed(entry["shape"])
    if not all(size is None or (type(size) is int and size > 0) for size in shape):
        raise HandsonError(f"the sizes of a shape are positive whole numbers or None; got {shortened(shape, 60)}.")
    return Symbol(shape, torch_type(entry["dtype"]), name=str(entry["name"]))


def _function(described: dict[str, Any], layers: dict[str, nn.Module]) -> Any:
    if "layer" in described:
        if described["layer"] not in layers:
            raise HandsonError(f"there is no layer {shortened(described['layer'], 40)}.")
        return layers[described["layer"]]
    return registry.find("op", str(described.get("op")))


def decoded(value: Any, symbols: list[Symbol]) -> Any:
    """An argument from what `_encoded` wrote, symbols by their number."""
    if not isinstance(value, dict):
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise HandsonError(
            f"an argument is a number, a text or an object that names its kind; got {shortened(value, 40)}."
        )
    if len(value) != 1:
        raise HandsonError(f"an argument that is an object names its kind alone; got {listing(value)}.")
    ((kind, content),) = value.items()
    if kind == "symbol":
        if type(content) is not int or not 0 <= content < len(symbols):
            raise HandsonError(f"there is no symbol {shortened(content, 40)} at this place.")
        return symbols[content]
    if kind in MADE:
        entries = [decoded(entry, symbols) for entry in _listed(content)]
        return MADE[kind](entries)
    if kind == "dict" and isinstance(content, dict):
        return {key: decoded(entry, symbols) for key, entry in content.items()}
    if kind == "constant" and isinstance(content, dict):
        return torch.tensor(content.get("values"), dtype=torch_type(content.get("dtype")))
    plain = {"ellipsis": lambda: Ellipsis, "dtype": lambda: torch_type(content), "float": lambda: float(content)}
    if kind not in plain:
        raise HandsonError(f"unknown kind of argument {shortened(kind, 40)}.")
    return plain[kind]()


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise HandsonError(f"expected a list; got {shortened(value, 40)}.")
    return value
