"""What Keras's `get_config` says of a net of layers: stacks, and graphs of layers and operations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from handson.core import registry, tree
from handson.core.errors import HandsonError
from handson.files.keras_names import called_with, op_class, op_module
from handson.graph import Node, Symbol
from handson.graph.conversion import type_name
from handson.graph.operation import name_of
from handson.layers.core import InputLayer
from handson.layers.names import name_at


class Writing(NamedTuple):
    """What writes a noun of a kind, and any other value, as Keras does."""

    noun: Callable[[str, Any], dict[str, Any]]
    value: Callable[[Any, str], Any]


def described_stack(model: Any, write: Writing) -> dict[str, Any]:
    """A stack of layers, with the input in front where its shape is known."""
    layers = [_named(write.noun(part.kind, part), name) for name, part in named_parts(model).items()]
    if model.built_shape is not None and not any(isinstance(part, InputLayer) for part in model._modules.values()):
        entry = model.whole_graph.entries[0] if model.graph is not None else Symbol(model.input_shape)
        layers.insert(0, _input(entry, registry.free_name("input_layer", model._modules)))
    config = {"name": model.name, "trainable": bool(model.trainable), "layers": layers}
    return config | ({} if model.built_shape is None else {"build_input_shape": list(model.input_shape)})


def named_parts(model: Any) -> dict[str, Any]:
    """The parts of a net by their names in a file of Keras, which have no '/'."""
    return {name_at(name, part).replace("/", "_"): part for name, part in model._modules.items()}


def _named(described: dict[str, Any], name: str) -> dict[str, Any]:
    """A description under the name that the layer has in the net."""
    if "name" in described["config"]:
        described["config"]["name"] = name
    return described


def _input(entry: Symbol, name: str) -> dict[str, Any]:
    config = {"name": name, "batch_shape": list(entry.shape), "dtype": type_name(entry.dtype)}
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def described_graph(model: Any, write: Writing) -> dict[str, Any]:
    """Layers and operations, each with the arguments of its applications."""
    return _Writer(model, write).config()


class _Writer:
    """Names the parts of a graph, and says where each symbol comes from."""

    def __init__(self, model: Any, write: Writing) -> None:
        self.model, self.graph, self.write = model, model.whole_graph, write
        self.parts = named_parts(model)
        self.names = {id(part): name for name, part in self.parts.items()}
        self.taken = {*self.parts, *model._modules}
        self.places: dict[int, list[Any]] = {}
        # By name: what each part is described as, and its applications.
        self.described: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, list[dict[str, Any]]] = {}
        self.nets = {
            name for name, part in self.parts.items() if getattr(part, "kind", "") == "model" and not part.is_stack
        }

    def config(self) -> dict[str, Any]:
        """What Keras says of the net."""
        for entry in self.graph.entries:
            self._enter(entry)
        for node in self.graph.nodes:
            self._take(node)
        order = [id(function) for function in self.graph.functions()]
        first = [name for name in self.described if name not in self.parts]
        layers = sorted(
            (name for name in self.described if name in self.parts),
            key=lambda name: order.index(id(self.parts[name])),
        )
        return {
            "name": self.model.name,
            "trainable": bool(self.model.trainable),
            "layers": [self._whole(name) for name in (*layers, *first)],
            "input_layers": self._ends(self.graph.inputs),
            "output_layers": self._ends(self.graph.outputs),
        }

    def _whole(self, name: str) -> dict[str, Any]:
        return self.described[name] | {"name": name, "inbound_nodes": self.calls.get(name, [])}

    def _enter(self, entry: Symbol) -> None:
        layer = entry.node.function if entry.node is not None and not entry.node.inputs else None
        name = self.names.get(id(layer)) or self._free(entry.name)
        self.described[name] = _input(entry, name)
        self.places[id(entry)] = [name, 0, 0]

    def _free(self, stem: str) -> str:
        name = registry.free_name(stem, self.taken)
        self.taken.add(name)
        return name

    def _take(self, node: Node) -> None:
        name = self.names.get(id(node.function))
        if name is not None:
            self._take_layer(node, name)
        else:
            name = self._take_operation(node)
        number = len(self.calls[name]) - 1
        for output, symbol in enumerate(tree.leaves(node.outputs)):
            self.places[id(symbol)] = [name, number, output]

    def _take_layer(self, node: Node, name: str) -> None:
        part: Any = node.function
        if not isinstance(part, nn.Module) or not hasattr(part, "kind"):
            raise HandsonError(
                f"the net applies a {type(part).__name__} of PyTorch, which a file cannot describe: files hold no "
                f"code. Write it as a handson.layers.Layer and register it with @handson.register."
            )
        if name not in self.described:
            self.described[name] = _named(self.write.noun(str(part.kind), part), name)
        args, kwargs = node.arguments
        self._call(name, list(args), kwargs)

    def _call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        call = {"args": [self._plain(arg) for arg in args], "kwargs": {k: self._plain(v) for k, v in kwargs.items()}}
        self.calls.setdefault(name, []).append(call)

    def _take_operation(self, node: Node) -> str:
        """An operation: the arguments that its class in Keras is made with, and those that it is called with."""
        known, function, (args, kwargs) = name_of(node.function), node.function, node.arguments
        short = known.removeprefix("activation.")
        if short != known:
            operation = registry.find("op", short) if registry.is_known("op", short) else None
            if operation is None or not _takes(operation, args, kwargs):  # which Keras has as a layer only
                return self._take_activation(short, args, kwargs)
            known, function = short, operation
        parameters = inspect.signature(function).parameters
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
        called, made = called_with(known, function), dict[str, Any]()
        given: list[Any] = []
        for key, value in bound.items():
            if key not in called:
                made[key] = self._plain(value)
            elif parameters[key].kind is parameters[key].VAR_POSITIONAL:
                given += value
            else:
                given.append(_index(value, given[0].ndim) if (known, key) == ("get_item", "key") else value)
        name = self._free(known)
        own = not function.__module__.startswith("handson.")
        kind = known if own else op_class(known)
        place = {"module": function.__module__ if own else op_module(known), "class_name": kind}
        self.described[name] = place | {"config": {"name": name} | made, "registered_name": kind}
        self._call(name, given, {})
        return name

    def _take_activation(self, known: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """A function of which Keras has a layer: Activation, or ReLU with its arguments."""
        bound = inspect.signature(registry.find("activation", known)).bind(*args, **kwargs).arguments
        (_, x), *rest = bound.items()
        if rest and known != "relu":
            raise HandsonError(f"the activation {known} is given arguments, which a file of Keras cannot say of it.")
        name = self._free(known)
        made: dict[str, Any] = dict(rest) if rest else {"activation": known}
        layer = registry.find("layer", "ReLU" if rest else "Activation")(**made, name=name)
        self.described[name] = self.write.noun("layer", layer)
        self._call(name, [x], {})
        return name

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Symbol):
            history = [*self.places[id(value)]]
            config = {"shape": list(value.shape), "dtype": type_name(value.dtype), "keras_history": history}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(value, (list, tuple)):
            return [self._plain(entry) for entry in value]
        if isinstance(value, dict):
            return {key: self._plain(entry) for key, entry in value.items()}
        return self.write.value(value, self.model.name)

    def _ends(self, form: Any) -> Any:
        def place(symbol: Symbol) -> list[Any]:
            name, number, output = self.places[id(symbol)]
            return [name, number + (name in self.nets), output]

        return _mapped(place, form)


def _mapped(place: Any, form: Any) -> Any:
    if isinstance(form, Symbol):
        return place(form)
    if isinstance(form, dict):
        return {key: _mapped(place, entry) for key, entry in form.items()}
    return [_mapped(place, entry) for entry in form]


def _takes(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a function has these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _index(key: Any, rank: int) -> Any:
    """An index as Keras reads it, from how nodes keep it (see `handson.graph.operators.described_key`).

    In place of '...', which Keras does not read back from HDF5, all axes are there that it stands for.
    """
    parts = key[1:] if isinstance(key, (list, tuple)) and key and key[0] == "index" else [key]
    found = [slice(*part[1:]) if _is_slice(part) else part for part in parts]
    places = [place for place, part in enumerate(found) if isinstance(part, str) and part == "..."]
    for place in places:
        named = sum(part is not None for part in found) - 1
        found[place : place + 1] = [slice(None)] * (rank - named)
    return found if len(parts) > 1 or places else found[0]


def _is_slice(part: Any) -> bool:
    return isinstance(part, (list, tuple)) and len(part) == 4 and part[0] == "slice"
