"""Keras's own public tree, and what the mirror has of it."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import keras as original

from handson.core.described import parameters_of
from handson.keras import missing
from handson.keras.spellings import _ByRows

# Differences that only a file of Keras's own has.
PRIVATE = ("src", "_tf_keras")


def public(module=None, path=""):
    """The places of all public names below a module of Keras, each with its object."""
    module = module or original
    for found in pkgutil.iter_modules(module.__path__):
        if found.name not in PRIVATE:
            importlib.import_module(f"{module.__name__}.{found.name}")
    places = {}
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or name in PRIVATE:
            continue
        if not isinstance(value, ModuleType):
            places[path + name] = value
        elif value.__name__.startswith("keras."):
            places[path + name] = value
            places |= public(value, f"{path}{name}.") if hasattr(value, "__path__") else {}
    return places


def ours(place):
    """What the mirror has at a place, found as a program finds it; None if nothing."""
    value = importlib.import_module("handson.keras")
    for name in place.split("."):
        value = getattr(value, name, None)
    return value


def state(place):
    """'here', 'refused' with a reason, or 'missing'."""
    if ours(place) is not None:
        return "here"
    return "refused" if missing.reason(place) else "missing"


def parameters(target):
    """The parameters of a class or function by name, whether they can be given by position; None if unknown."""
    target = target.layer() if isinstance(target, _ByRows) else target
    if isinstance(target, type) and hasattr(target, "kind"):
        return parameters_of(target)
    try:
        found = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None
    return {name: value for name, value in found.items() if value.kind not in (value.VAR_KEYWORD, value.VAR_POSITIONAL)}


def other_defaults(place, value):
    """The parameters of a name of Keras whose defaults are other values here, not only other ways to write them."""
    wanted, have = parameters(value) or {}, parameters(ours(place)) or {}
    pairs = {name: (each.default, have[name].default) for name, each in wanted.items() if name in have}
    return {name for name, (theirs, mine) in pairs.items() if _meant(theirs) != _meant(mine)}


def _meant(default):
    if isinstance(default, (tuple, list)):
        found = {_meant(each) for each in default}
        return found.pop() if len(found) == 1 else tuple(map(_meant, default))
    if isinstance(default, str):
        return default.lower()
    return getattr(default, "__name__", default)


def lacking(place, value):
    """The parameters of a name of Keras that ours does not take."""
    wanted, have = parameters(value), parameters(ours(place))
    return set() if wanted is None or have is None else set(wanted) - set(have)


def moved(place, value, most):
    """The parameters among the first of Keras's that stand elsewhere by position."""
    wanted, have = ([each for each, by in (parameters(target) or {}).items() if by.kind is not by.KEYWORD_ONLY]
                    for target in (value, ours(place)))  # fmt: skip
    return {name for name in wanted[:most] if name in have and wanted.index(name) != have.index(name)}
