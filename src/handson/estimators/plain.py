"""Objects as plain data: what a pickle of an estimator holds.

A pickle names no class of the user's, so that loading one imports and runs nothing of theirs. Names of classes and
functions are looked up among those that are registered, and among those that a dialect brings (`extend`). What else an
object holds, such as a function of the user's, is written as a note that it was there.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import Layer

PLAIN = (type(None), bool, int, float, complex, str, bytes)
MARK = "@handson"

# From an object to what is written of it, None from those that do not know it; and for each mark its reader.
Writer = Callable[[Any], dict[str, Any] | None]
_writers: list[Writer] = []
_readers: dict[str, Callable[[dict[str, Any]], Any]] = {}


def extend(writer: Writer, readers: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Make more kinds of objects known.

    Parameters
    ----------
    writer : function
        From an object to plain data with a `MARK`, or None.
    readers : dict of str to function
        For each mark of these, from the data to the object.
    """
    _writers.append(writer)
    _readers.update(readers)


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


def encode(value: Any) -> Any:
    """A value as plain data.

    Examples
    --------
    >>> encode({"a": [1, "b"], "f": encode})
    {'a': [1, 'b'], 'f': {'@handson': 'missing', 'what': 'encode of handson.estimators.plain'}}
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return value if value.dtype.kind != "O" else _objects(value)
    if type(value) in (list, tuple):
        return type(value)(map(encode, value))
    if isinstance(value, dict):
        return {key: encode(one) for key, one in value.items()}
    if isinstance(value, slice):
        return {MARK: "slice", "parts": [value.start, value.stop, value.step]}
    if isinstance(value, np.random.RandomState):
        return {MARK: "random state", "state": value.get_state(legacy=False)}
    found = (written for writer in (*_writers, _registered_object) if (written := writer(value)) is not None)
    return next(found, None) or missing(value)


def _objects(values: Any) -> dict[str, Any]:
    return {MARK: "objects", "shape": np.shape(values), "values": [encode(one) for one in np.ravel(values).tolist()]}


def _registered_object(value: Any) -> dict[str, Any] | None:
    """A registered class or function by its name, a noun by its configuration; a layer with weights has more."""
    for kind in registry.HOMES:
        try:
            return {MARK: "registered", "kind": kind, "name": registry.name_of(kind, value)}
        except HandsonError:
            continue
    if not hasattr(value, "get_config") or inspect.isclass(value) or (isinstance(value, Layer) and value.built):
        return None
    try:
        return {MARK: "noun", "kind": value.kind, "config": registry.to_config(value.kind, value)}
    except (HandsonError, AttributeError, KeyError):
        return None


def missing(value: Any) -> dict[str, Any]:
    """The note that something was there."""
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
    if data[MARK] not in _readers:
        raise HandsonError(f"the file holds a {data[MARK]!r}, which this version of handson does not know.")
    return _readers[data[MARK]](data)


def _read_registered(data: dict[str, Any]) -> Any:
    if registry.is_known(data["kind"], data["name"]):
        return registry.find(data["kind"], data["name"])
    return Missing(f"{data['name']}, registered as a {data['kind']}")


def _read_noun(data: dict[str, Any]) -> Any:
    config = data["config"]
    name = str(config.get("class") if isinstance(config, dict) else config)
    if not registry.is_known(data["kind"], name):
        return Missing(f"{name}, registered as a {data['kind']}")
    return registry.resolve(data["kind"], config)


def _read_objects(data: dict[str, Any]) -> np.ndarray:
    found = np.empty(len(data["values"]), object)
    found[:] = [decode(one) for one in data["values"]]
    return found.reshape(data["shape"])


def _read_random_state(data: dict[str, Any]) -> np.random.RandomState:
    found = np.random.RandomState()
    found.set_state(data["state"])
    return found


_readers |= {
    "registered": _read_registered,
    "noun": _read_noun,
    "objects": _read_objects,
    "random state": _read_random_state,
    "slice": lambda data: slice(*data["parts"]),
    "missing": lambda data: Missing(data["what"]),
}


def check_present(params: dict[str, Any]) -> None:
    """Raise for what a file could not hold and that training needs."""
    for name, value in params.items():
        lost = missing_in(value)
        if lost is not None:
            lost.refuse(name)


def missing_in(value: Any) -> Missing | None:
    """What is missing in a value, a list or a dictionary."""
    parts = value.values() if isinstance(value, (dict, OrderedDict)) else value
    if isinstance(value, Missing):
        return value
    if isinstance(value, (list, tuple, dict)):
        return next((found for one in parts if (found := missing_in(one)) is not None), None)
    return None
