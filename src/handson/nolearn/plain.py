"""What pickles of a NeuralNet may name: classes, functions and objects of `handson.lasagne` and `handson.nolearn`."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from handson.core.errors import HandsonError
from handson.estimators.plain import MARK, Missing, check_present, decode, encode, extend, missing_in
from handson.theano.sharing import SharedVariable, shared

__all__ = ["Missing", "check_present", "decode", "encode", "missing_in", "names"]

# Where names are looked up.
HOMES = (
    "lasagne.layers", "lasagne.nonlinearities", "lasagne.init", "lasagne.objectives", "lasagne.updates",
    "lasagne.regularization", "nolearn.batches", "nolearn.splits", "nolearn.handlers", "nolearn.objective",
    "theano.tensor",
)  # fmt: skip


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


def written(value: Any) -> dict[str, Any] | None:
    """What is written of an object: its name, or that of its class and what it holds."""
    if isinstance(value, SharedVariable):
        return {MARK: "shared", "value": value.get_value(), "name": value.name}
    if id(value) in _by_identity():
        return {MARK: "name", "name": _by_identity()[id(value)]}
    if id(type(value)) in _by_identity():
        return {MARK: "object", "name": _by_identity()[id(type(value))], "state": encode(_state(value))}
    return None


def _state(value: Any) -> dict[str, Any]:
    state = value.__getstate__() if hasattr(value, "__getstate__") else vars(value)
    return dict(state or {})


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


extend(
    written,
    {
        "name": lambda data: _known(data["name"]),
        "object": _object,
        "shared": lambda data: shared(data["value"], data["name"]),
    },
)
