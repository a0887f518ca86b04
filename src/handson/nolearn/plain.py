"""Nets as plain data: what a pickle of a NeuralNet holds.

A pickle names no class of the user's, so that loading one imports and runs nothing of theirs. Classes, functions and
objects of `handson.lasagne` and `handson.nolearn` are written by name, and names are looked up among those alone. What
else a net holds, such as an iterator of one's own, is written as a note that it was there.
"""

from __future__ import annotations

import functools
import importlib
from collections import OrderedDict
from typing import Any, NoReturn

import numpy as np

from handson.core import registry
from handson.core.errors import HandsonError
from handson.theano.sharing import SharedVariable, shared

# Where names are looked up.
HOMES = (
    "lasagne.layers", "lasagne.nonlinearities", "lasagne.init", "lasagne.objectives", "lasagne.updates",
    "lasagne.regularization", "nolearn.batches", "nolearn.splits", "nolearn.handlers", "nolearn.objective",
    "theano.tensor",
)  # fmt: skip
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.ndarray, np.generic)
MARK = "@handson"


class Missing:
    """What was in a net and is not in its file.

    Parameters
    ----------
    what : str
        What it was.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.refuse("it")

    def refuse(self, parameter: str) -> NoReturn:
        """Say what to do about it."""
        raise HandsonError(
            f"this net was loaded from a file, and files hold no code: {parameter} was {self.what}. Set "
            f"net.{parameter} = ... again before training; predictions need it only if it is a layer."
        )

    def __repr__(self) -> str:
        return f"<missing: {self.what}>"


@functools.cache
def names() -> dict[str, Any]:
    """The classes, functions and objects that have a name."""
    found: dict[str, Any] = {}
    for home in HOMES:
        module = importlib.import_module(f"handson.{home}")
        for name, value in vars(module).items():
            own = (getattr(value, "__module__", "") or "").startswith(("handson.lasagne", "handson.nolearn"))
            constant = (getattr(type(value), "__module__", "")).startswith(("handson.lasagne", "handson.nolearn"))
            own = own or (home == "theano.tensor" and callable(value))
            if not name.startswith("_") and (own or constant):
                found[f"{home}.{name}"] = value
    return found


@functools.cache
def _by_identity() -> dict[int, str]:
    return {id(value): name for name, value in reversed(names().items())}


def encode(value: Any) -> Any:
    """A value as plain data."""
    if isinstance(value, PLAIN) and not isinstance(value, np.ndarray | np.generic):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return value if value.dtype.kind != "O" else _missing(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(encode, value))
    if isinstance(value, dict):
        return {key: encode(one) for key, one in value.items()}
    if isinstance(value, slice):
        return {MARK: "slice", "parts": [value.start, value.stop, value.step]}
    if isinstance(value, SharedVariable):
        return {MARK: "shared", "value": value.get_value(), "name": value.name}
    return _named(value)


def _named(value: Any) -> dict[str, Any]:
    """A class, a function or an object, by its name."""
    if id(value) in _by_identity():
        return {MARK: "name", "name": _by_identity()[id(value)]}
    if id(type(value)) in _by_identity():
        return {MARK: "object", "name": _by_identity()[id(type(value))], "state": encode(_state(value))}
    for kind in registry.HOMES:
        try:
            return {MARK: "registered", "kind": kind, "name": registry.name_of(kind, value)}
        except HandsonError:
            continue
    return _missing(value)


def _state(value: Any) -> dict[str, Any]:
    state = value.__getstate__() if hasattr(value, "__getstate__") else vars(value)
    return dict(state or {})


def _missing(value: Any) -> dict[str, Any]:
    kind = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
    return {MARK: "missing", "what": f"{kind.__qualname__} of {kind.__module__}"}


def decode(data: Any) -> Any:
    """The value of plain data."""
    if isinstance(data, (list, tuple)):
        return type(data)(map(decode, data))
    if not isinstance(data, dict):
        return data
    if MARK not in data:
        return type(data)((key, decode(one)) for key, one in data.items())
    return _READERS[data[MARK]](data)


def _object(data: dict[str, Any]) -> Any:
    kind = _known(data["name"])
    if not isinstance(kind, type):
        raise HandsonError(f"the file is damaged: {data['name']} is no class.")
    found: Any = object.__new__(kind)
    found.__dict__.update(decode(data["state"]))
    return found


def _known(name: str) -> Any:
    if name not in names():
        raise HandsonError(f"the file names {name!r}, which this version of handson does not know.")
    return names()[name]


def _registered(data: dict[str, Any]) -> Any:
    if registry.is_known(data["kind"], data["name"]):
        return registry.find(data["kind"], data["name"])
    return Missing(f"{data['name']}, registered as a {data['kind']}")


_READERS = {
    "name": lambda data: _known(data["name"]),
    "object": _object,
    "registered": _registered,
    "shared": lambda data: shared(data["value"], data["name"]),
    "slice": lambda data: slice(*data["parts"]),
    "missing": lambda data: Missing(data["what"]),
}


def missing_in(value: Any) -> Missing | None:
    """What is missing in a value, a list or a dictionary."""
    parts = value.values() if isinstance(value, (dict, OrderedDict)) else value
    if isinstance(value, Missing):
        return value
    if isinstance(value, (list, tuple, dict)):
        return next((found for one in parts if (found := missing_in(one)) is not None), None)
    return None
