"""Nets in Keras's form: stacks of layers, and layers with the places in which they are applied to symbols.

A symbol is written as [name of a layer or operation, which of its applications, which of the outputs].
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from handson.core import registry, tree
from handson.core.errors import HandsonError, shortened
from handson.files import keras_reading
from handson.files.keras_graph_writing import Writing, described_graph, described_stack
from handson.files.keras_names import is_keras, kinds_in, op_name
from handson.graph import Symbol
from handson.graph.graph import MOST_NODES
from handson.graph.operators import described_key, get_item
from handson.layers.core import InputLayer

Place = tuple[str, int]


def describe(model: Any, write: Writing) -> dict[str, Any] | None:
    """What Keras's `get_config` says of a net, its nouns written as said; None of a net that says it itself."""
    if model.graph is not None and not model.is_stack:
        return described_graph(model, write)
    return described_stack(model, write) if model.is_stack else None


def net(target: Any, config: Mapping[str, Any]) -> Any:
    """The net that a description is of: of a class, with layers of its own.

    Raises
    ------
    HandsonError
        When the description is damaged, or names what is not registered.
    """
    config = _with_lists(config)
    layers = config["layers"]
    if not isinstance(layers, list) or len(layers) > MOST_NODES:
        raise HandsonError(f"a net has a list of at most {MOST_NODES:,} layers.")
    if "input_layers" in config:
        return _graph(target, config, layers)
    return _stack(target, config, layers)


def _with_lists(value: Any) -> Any:
    """A tree with lists in place of tuples, which a description has before it becomes JSON."""
    if isinstance(value, dict):
        return {key: _with_lists(entry) for key, entry in value.items()}
    return [_with_lists(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _stack(target: Any, config: Mapping[str, Any], layers: list[Any]) -> Any:
    made = target([_layer(layer) for layer in layers], **_settings(target, config))
    shape = config.get("build_input_shape")
    if made.built_shape is None and isinstance(shape, (list, tuple)) and made.layers:
        made.build(tuple(shape))
    return made


def _settings(target: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a net beside its layers."""
    taken = ("layers", "input_layers", "output_layers", "build_input_shape", "batch_input_shape", "dtype", "trainable")
    rest = {key: value for key, value in config.items() if key not in taken}
    return keras_reading.arguments_for(target, rest)


def _layer(described: Any) -> Any:
    if not isinstance(described, dict) or not isinstance(described.get("class_name"), str):
        raise HandsonError(f"a layer is described by a dictionary with its class_name; got {shortened(described, 40)}.")
    made = keras_reading.revived({"config": {}} | described, "layer")
    if not hasattr(made, "kind") or made.kind not in ("layer", "model"):
        raise HandsonError(f"{shortened(described['class_name'], 40)} is no layer.")
    return made


# Graphs.


class Call(NamedTuple):
    """One application: of which layer or operation, which of its applications, and the arguments as described."""

    name: str
    number: int
    args: list[Any]
    kwargs: dict[str, Any]


def _graph(target: Any, config: Mapping[str, Any], layers: list[Any]) -> Any:
    parts, known = _Parts(layers), dict[Place, list[Symbol]]()
    for name, part in parts.made.items():
        if isinstance(part, InputLayer):
            known[name, 0] = [part.symbol()]
    _apply(parts, known)
    inputs, outputs = (_ends(config.get(key), parts, known) for key in ("input_layers", "output_layers"))
    # Keras calls a net of one input with it alone, and Keras 2 wrote lists also where a net has one output.
    inputs, outputs = _alone(inputs), _alone(outputs) if parts.older else outputs
    return target(inputs, outputs, **_settings(target, config))


def _alone(ends: Any) -> Any:
    """What is in a list of one, and other lists as they are."""
    return ends[0] if isinstance(ends, list) and len(ends) == 1 else ends


class _Parts:
    """The layers and operations of a net by name, and where they are applied."""

    def __init__(self, layers: list[Any]) -> None:
        self.made: dict[str, Any] = {}
        self.nets: set[str] = set()
        self.calls: dict[Place, Call] = {}
        self.older = False  # whether Keras 2 wrote the applications
        for described in layers:
            name = described.get("name") if isinstance(described, dict) else None
            config = described.get("config") if isinstance(described, dict) else None
            name = config.get("name") if name is None and isinstance(config, dict) else name
            if not isinstance(name, str) or name in self.made:
                raise HandsonError(f"each layer of a net has a name of its own; got {shortened(name, 60)!r}.")
            operation = _operation(described)
            self.made[name] = operation or _layer(described)
            if getattr(self.made[name], "kind", "") == "model" and described["class_name"] != "Sequential":
                self.nets.add(name)
            self._take_calls(name, described.get("inbound_nodes") or [])

    def _take_calls(self, name: str, nodes: Any) -> None:
        if not isinstance(nodes, list) or len(self.calls) + len(nodes) > MOST_NODES:
            raise HandsonError(f"a net has at most {MOST_NODES:,} nodes, in lists.")
        self.older |= any(isinstance(node, list) for node in nodes)
        for number, node in enumerate(nodes):
            args, kwargs = _older(node) if isinstance(node, list) else (node.get("args"), node.get("kwargs") or {})
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise HandsonError(
                    f"node {number} of {shortened(name, 60)!r} has a list and a dictionary of arguments."
                )
            self.calls[name, number] = Call(name, number, args, kwargs)


class _OldSymbol(NamedTuple):
    """A symbol as Keras 2 wrote it, which counts the applications of nets from 1."""

    name: str
    number: int
    output: int


def _older(node: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a node of Keras 2: [[name, number, output, further arguments], ...]."""
    symbols, kwargs = [], dict[str, Any]()
    for entry in node:
        if not isinstance(entry, list) or len(entry) not in (3, 4) or not isinstance(entry[0], str):
            raise HandsonError(f"a node is a list of [layer, number, output]; got {shortened(entry, 60)}.")
        symbols.append(_OldSymbol(*entry[:3]))
        kwargs |= entry[3] if len(entry) == 4 and isinstance(entry[3], dict) else {}
    return [symbols[0] if len(symbols) == 1 else symbols], kwargs


def _operation(described: Any) -> Any:
    """What applies an operation of Keras to symbols; None where a layer is described."""
    if not isinstance(described, dict):
        return None
    module, kind = described.get("module"), described.get("class_name")
    older = "module" not in described and _is_older_operation(described)
    own = not is_keras(module) and is_own_operation(described.get("registered_name"))
    if not isinstance(kind, str) or not (own or older or (is_keras(module) and "op" in kinds_in(module, ()))):
        return None
    name = described["registered_name"] if own else op_name(kind)
    if name is None:
        raise HandsonError(f"unknown operation {shortened(kind, 60)!r}: handson.ops has no function of that name.")
    config = described.get("config")
    given = {key: keras_reading.revived(value) for key, value in config.items()} if isinstance(config, dict) else {}
    return _Operation(registry.find("op", name), {key: value for key, value in given.items() if key != "name"})


def is_own_operation(name: Any) -> bool:
    """Whether a name is that of an operation of the user's, and of no layer."""
    return isinstance(name, str) and registry.is_known("op", name) and not registry.is_known("layer", name)


def _is_older_operation(described: dict[str, Any]) -> bool:
    """Whether a description that says no module, as in HDF5 files, is of an operation: 'Add' is both.

    Keras says of every layer whether it is trainable.
    """
    kind, config = described.get("class_name"), described.get("config")
    known = isinstance(kind, str) and isinstance(config, dict) and op_name(kind) is not None
    return known and "trainable" not in config and isinstance(described.get("inbound_nodes"), list)  # type: ignore[operator]


class _Operation:
    """A function of `handson.ops` with those of its arguments that the object of Keras was made with."""

    def __init__(self, function: Any, made_with: dict[str, Any]) -> None:
        self.function = function
        known = inspect.signature(function).parameters
        unknown = [key for key, value in made_with.items() if key not in known and value not in (None, False)]
        if unknown:
            raise HandsonError(f"the operation {function.__name__} has no argument {shortened(unknown[0], 40)!r}.")
        self.made_with = {key: value for key, value in made_with.items() if key in known}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        parameters, named, rest = inspect.signature(self.function).parameters, dict(self.made_with), list(args)
        if self.function is get_item and len(rest) == 2:
            rest[1] = described_key(tuple(rest[1]) if isinstance(rest[1], list) else rest[1])
        if not any(one.kind is one.VAR_POSITIONAL for one in parameters.values()):
            free = (key for key in parameters if key not in named)
            return self.function(**named | dict(zip(free, rest, strict=False)) | kwargs)
        before = []
        for key, one in parameters.items():
            if one.kind is one.VAR_POSITIONAL:
                break
            before.append(named.pop(key) if key in named else rest.pop(0))
        return self.function(*before, *rest, **named | kwargs)


def _apply(parts: _Parts, known: dict[Place, list[Symbol]]) -> None:
    """Apply the layers, each application after those that it needs."""
    needs = {place: set(_needed(call, parts)) - known.keys() for place, call in parts.calls.items()}
    users: dict[Place, list[Place]] = {}
    for place, needed in needs.items():
        for one in needed:
            users.setdefault(one, []).append(place)
    ready = deque(place for place, needed in needs.items() if not needed)
    while ready:
        place = ready.popleft()
        known[place] = _outputs(parts, parts.calls[place], known)
        for user in users.get(place, ()):
            needs[user].discard(place)
            if not needs[user]:
                ready.append(user)
    missing = [place for place in parts.calls if place not in known]
    if missing:
        raise HandsonError(
            f"the layer {shortened(missing[0][0], 60)!r} does not follow from the inputs: the description has a cycle, "
            f"or names a layer that is not there."
        )


def _outputs(parts: _Parts, call: Call, known: dict[Place, list[Symbol]]) -> list[Symbol]:
    args, kwargs = (_filled(each, parts, known) for each in (call.args, call.kwargs))
    found = tree.leaves(parts.made[call.name](*args, **kwargs))
    if not all(isinstance(leaf, Symbol) for leaf in found):
        raise HandsonError(f"the layer {shortened(call.name, 60)!r} is applied to no symbol.")
    return found


def _history(value: Any, parts: _Parts) -> tuple[Place, int] | None:
    """The application that a symbol comes from, and which of its outputs it is; None for another value."""
    if isinstance(value, _OldSymbol):
        found: Any = [value.name, value.number - (value.name in parts.nets), value.output]
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        found = config.get("keras_history") if isinstance(config, dict) else None
    else:
        return None
    if not _is_place(found) or found[0] not in parts.made:
        raise HandsonError(f"a symbol comes from no layer of the net: {shortened(found, 60)}.")
    return (found[0], found[1]), found[2]


def _is_place(value: Any) -> bool:
    """Whether this is [name, number, output]."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(type(each) is int for each in value[1:])
    )


def _needed(value: Any, parts: _Parts) -> Iterator[Place]:
    """The applications that the symbols in some arguments come from."""
    if isinstance(value, Call):
        value = [value.args, value.kwargs]
    history = _history(value, parts)
    if history is not None:
        yield history[0]
        return
    branches = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for branch in branches:
        yield from _needed(branch, parts)


def _filled(value: Any, parts: _Parts, known: dict[Place, list[Symbol]]) -> Any:
    """Arguments with their symbols."""
    history = _history(value, parts)
    if history is not None:
        return _output(history, known)
    if isinstance(value, list):
        return [_filled(entry, parts, known) for entry in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _filled(entry, parts, known) for key, entry in value.items()}
    return keras_reading.revived(value)


def _output(history: tuple[Place, int], known: dict[Place, list[Symbol]]) -> Symbol:
    place, number = history
    outputs = known.get(place, [])
    if not 0 <= number < len(outputs):
        raise HandsonError(f"the layer {shortened(place[0], 60)!r} has no output {number} at application {place[1]}.")
    return outputs[number]


def _ends(value: Any, parts: _Parts, known: dict[Place, list[Symbol]]) -> Any:
    """The inputs or outputs of a net: a place, or a tree of places. Keras counts applications of nets from 1 here."""
    if _is_place(value):
        name, number, output = value
        return _output(((name, number - (name in parts.nets)), output), known)
    if isinstance(value, dict):
        return {key: _ends(entry, parts, known) for key, entry in value.items()}
    if not isinstance(value, list):
        raise HandsonError(f"the ends of a net are lists of [layer, number, output]; got {shortened(value, 60)}.")
    return [_ends(entry, parts, known) for entry in value]
