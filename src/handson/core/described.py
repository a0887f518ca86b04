"""Objects that remember how they were made, so that a file or an experiment can describe them.

Layers, losses, optimizers and every other noun share this one mechanism: the arguments of the constructor are kept,
checked against its signature (with the nearest name for a misspelt one), and given back by `get_config`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from handson.core import older, registry
from handson.core.errors import HandsonError, nearest
from handson.core.sharing import Again


@functools.cache
def parameters_of(target: Any) -> dict[str, inspect.Parameter]:
    """The named arguments that a class accepts, those passed on to its bases through ``**kwargs`` included.

    Examples
    --------
    >>> from handson.layers import Flatten
    >>> list(parameters_of(Flatten))
    ['data_format', 'name', 'trainable', 'input_shape', 'input_dim', 'dtype', 'activity_regularizer', ...]
    """
    bases = inspect.getmro(target) if inspect.isclass(target) else (target,)
    accepted: dict[str, inspect.Parameter] = {}
    for base in bases:
        initializer = base.__dict__.get("__init__") if inspect.isclass(base) else base
        if initializer is None or base is object:
            continue
        parameters = list(inspect.signature(initializer).parameters.values())
        for parameter in parameters[1:] if inspect.isclass(base) else parameters:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                accepted.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return accepted


@functools.cache
def _own_parameters(target: Any) -> set[str]:
    """The named arguments of the first constructor among the bases of a class, or of a function."""
    return set(inspect.signature(target.__init__ if inspect.isclass(target) else target).parameters)


def bind(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The given arguments of a call, by name.

    Raises
    ------
    TypeError
        For an unknown, repeated or missing argument; the message names the nearest known one.
    """
    accepted = parameters_of(target)
    name = getattr(target, "__name__", str(target))
    for keyword in kwargs:
        if keyword not in accepted and not getattr(target, "takes_more", False):
            raise TypeError(
                f"{name} has no argument {keyword!r}.{nearest(keyword, accepted)} It takes: {', '.join(accepted)}."
            )
    positional = [key for key, value in accepted.items() if value.kind is not value.KEYWORD_ONLY]
    if len(args) > len(positional):
        raise TypeError(f"{name} takes at most {len(positional)} positional arguments; got {len(args)}.")
    given = dict(zip(positional, args, strict=False))
    repeated = given.keys() & kwargs.keys()
    if repeated:
        raise TypeError(f"{name} got {sorted(repeated)[0]!r} twice: by position and by name.")
    given |= kwargs
    for key, parameter in accepted.items():
        # What a base needs, a subclass may give to it.
        if key not in given and parameter.default is parameter.empty and key in _own_parameters(target):
            raise TypeError(f"{name} needs the argument {key!r}.")
    return given


class Described(type):
    """The metaclass of every noun: checks the arguments of a constructor and keeps them for `get_config`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if older.classes:
            kwargs = older.translated(cls, kwargs, parameters_of(cls))
        given = bind(cls, args, kwargs)
        for old, new in getattr(cls, "synonyms", {}).items():
            older.check_once(old, new, {name for name, value in given.items() if value is not None})
        instance = super().__call__(**given)
        accepted: dict[str, inspect.Parameter] = parameters_of(cls)
        arguments = {key: given.get(key, each.default) for key, each in accepted.items()} | given
        arguments = {key: value for key, value in arguments.items() if value is not inspect.Parameter.empty}
        kept = getattr(cls, "kept_arguments", None)
        instance.__dict__["_arguments"] = arguments if kept is None else kept(arguments)
        if "_made" in instance.__dict__:  # it wants to know which of its settings are assigned later
            instance.__dict__["_made"] = {key: vars(instance)[key] for key in accepted if key in vars(instance)}
        return instance


class Noun(metaclass=Described):
    """The base of losses, metrics, optimizers and the other described objects that are not layers."""

    _arguments: dict[str, Any]

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments that make this object again, as JSON (see `arguments_of`)."""
        return arguments_of(self, compact)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Build the object from what `get_config` gave."""
        return cls(**config)

    def __repr__(self) -> str:
        try:
            config = arguments_of(self, compact=True)
        except HandsonError:
            config = {key: value for key, value in self._arguments.items() if value is not None}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in config.items())})"


def arguments_of(instance: Any, compact: bool = False) -> dict[str, Any]:
    """The constructor arguments of a described object as JSON; `compact` leaves out those at their default.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> arguments_of(Dense(4, activation="relu"), compact=True)
    {'units': 4, 'activation': 'relu'}
    """
    kind: Any = type(instance)
    accepted = parameters_of(kind)
    return {
        key: jsonable(value, compact, f"{type(instance).__name__}({key}=...)")
        for key, value in instance._arguments.items()
        if not (compact and key in accepted and _is_default(value, accepted[key].default))
    }


def _is_default(value: Any, default: Any) -> bool:
    if isinstance(value, (list, tuple)) and isinstance(default, (list, tuple)):
        return list(value) == list(default)
    return bool(np.isscalar(value) or value is None) and type(value) is type(default) and value == default


def jsonable(value: Any, compact: bool = False, where: str = "value") -> Any:
    """A value as JSON: described objects and registered functions become their configuration.

    Raises
    ------
    HandsonError
        When the value holds something that a file cannot name.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [jsonable(entry, compact, where) for entry in value]
    if isinstance(value, Again):
        return value
    if isinstance(value, dict):
        return {str(key): jsonable(entry, compact, where) for key, entry in value.items()}
    if hasattr(value, "get_config") and hasattr(value, "kind") and not inspect.isclass(value):
        return registry.to_config(value.kind, value, compact)
    # A class in place of an object: it is made without arguments, as a name is.
    if callable(value) and (name := registry.any_name(value)) is not None:
        return name
    raise HandsonError(
        f"{where} holds {value!r}, which a file cannot describe. Use a registered name, a number, text or a list; "
        f"register your own class or function with @handson.register."
    )


def describe_noun(kind: str, noun: Any) -> Any:
    """A noun as JSON; of functions and of classes that are not registered, the name."""
    if noun is None:
        return None
    try:
        return registry.to_config(kind, noun)
    except HandsonError:
        return getattr(noun, "__qualname__", type(noun).__qualname__)


def why_not(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str | None:
    """Why a function of the user cannot be called with these arguments; None where it can, or nothing is known of it.

    Examples
    --------
    >>> why_not(lambda epoch: 0.1, 0), why_not(lambda epoch: 0.1)
    (None, "missing a required argument: 'epoch'")
    """
    late = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if any(kind(function) for kind in late):
        return "it is a generator or a coroutine, and a call runs nothing of it"
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    except ValueError:  # a built-in function
        return None
    return None
