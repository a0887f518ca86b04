"""Names of classes and functions, configurations of objects, and small helpers of programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from handson.core import registry
from handson.core.errors import HandsonError, nearest
from handson.graph import Symbol
from handson.graph.conversion import type_name

# What a plain function may be for: Keras's programs do not say it.
FUNCTIONS = ("activation", "initializer", "regularizer", "loss", "metric", "op")


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Make a class or function known by name, so that files can refer to it; a decorator.

    Parameters
    ----------
    package : str
        Part of the name that Keras writes, 'package>name'; both names are known.
    name : str, optional
        The name; by default the target's own.

    Examples
    --------
    >>> @register_keras_serializable()
    ... def halved(x):
    ...     return x / 2
    >>> registry.resolve("activation", "halved") is halved
    True
    """

    def decorate(target: Any) -> Any:
        own = name or target.__name__
        kinds = (None,) if inspect.isclass(target) and hasattr(target, "kind") else FUNCTIONS
        for kind in kinds:
            registry.register(target, kind=kind, name=own, aliases=(f"{package}>{own}",))
        return target

    return decorate


def serialize_keras_object(obj: Any) -> Any:
    """What files say of an object: its registered name and its arguments."""
    if hasattr(obj, "get_config") and hasattr(obj, "kind"):
        return registry.to_config(obj.kind, obj)
    for kind in (*FUNCTIONS, *registry.HOMES):
        if callable(obj):
            try:
                return registry.name_of(kind, obj)
            except HandsonError:
                continue
    return obj


def deserialize_keras_object(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The object of what `serialize_keras_object` gave.

    Parameters
    ----------
    config : dict or str
        A name with arguments, or a name.
    custom_objects : dict, optional
        Names that are looked up first.
    """
    name = config if isinstance(config, str) else config.get("class", config.get("class_name"))
    arguments = {} if isinstance(config, str) else config.get("config") or {}
    own = (custom_objects or {}).get(name)
    if own is not None:
        build: Any = getattr(own, "from_config", lambda arguments: own)
        return build(arguments)
    for kind in registry.HOMES:
        if name in registry.names(kind):
            return registry.resolve(kind, name if isinstance(config, str) else {"class": name, "config": arguments})
    known = [each for kind in registry.HOMES for each in registry.known(kind)]
    raise HandsonError(f"{name!r} is not registered.{nearest(str(name), known)} Decorate it with @handson.register.")


def custom_object_scope(custom_objects: dict[str, Any]) -> AbstractContextManager[None]:
    """Let names mean classes and functions inside of a block.

    Examples
    --------
    >>> with custom_object_scope({"halved_here": lambda x: x / 2}):
    ...     registry.is_known("activation", "halved_here")
    True
    >>> registry.is_known("activation", "halved_here")
    False
    """
    return registry.scoped(custom_objects)


def get_registered_name(obj: Any) -> str:
    """The registered name of a class or function; its own if it is not registered."""
    names = [name for _, name in registry.names_of(obj)]
    return names[0] if names else obj.__name__


def is_keras_tensor(x: Any) -> bool:
    """Whether this is a symbol: what `Input` and layers called on it return.

    Examples
    --------
    >>> is_keras_tensor(Symbol((None, 3))), is_keras_tensor(3)
    (True, False)
    """
    return isinstance(x, Symbol)


def get_source_inputs(tensor: Symbol) -> list[Symbol]:
    """The inputs that a symbol follows from.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> get_source_inputs(x * 2 + x) == [x]
    True
    """
    found: dict[int, Symbol] = {}
    waiting, seen = [tensor], set()
    while waiting:
        symbol = waiting.pop()
        if id(symbol) in seen:
            continue
        seen.add(id(symbol))
        before = symbol.node.inputs if symbol.node is not None else []
        if before:
            waiting += reversed(before)
        else:
            found.setdefault(id(symbol), symbol)
    return list(found.values())


def standardize_dtype(dtype: Any) -> str:
    """The name of a type.

    Examples
    --------
    >>> standardize_dtype(None), standardize_dtype(int)
    ('float32', 'int32')
    """
    return type_name("float32" if dtype is None else dtype)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Inputs, targets and weights as a batch: as short a tuple as they need.

    Examples
    --------
    >>> pack_x_y_sample_weight(1), pack_x_y_sample_weight(1, 2)
    (1, (1, 2))
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch, None for those that it has not.

    Examples
    --------
    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    entries = tuple(data) if isinstance(data, (tuple, list)) else (data,)
    if not 1 <= len(entries) <= 3:
        raise HandsonError(f"a batch is x, (x,), (x, y) or (x, y, sample_weight); got {len(entries)} entries.")
    return (*entries, None, None)[:3]
