"""Objects from Keras's descriptions: {"module": ..., "class_name": ..., "config": ..., "registered_name": ...}.

Names resolve in the closed registry; no module is imported because a description names it, and code is refused.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from handson.core import registry
from handson.core.described import parameters_of
from handson.core.errors import HandsonError, listing, nearest, shortened
from handson.files.keras_names import (
    CLASSES,
    FUNCTIONS,
    IGNORED,
    OF_APPLICATIONS,
    POLICIES,
    found,
    is_keras,
    kinds_in,
    with_nets,
)
from handson.graph.conversion import convert
from handson.layers.policies import KNOWN, DTypePolicy

# Larger constants belong into weights.
MOST_CONSTANTS = 1_000_000
LONGEST_NAME = 128

_shared: ContextVar[dict[Any, Any] | None] = ContextVar("handson_shared", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Within, what a description says is one object is made once."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def revived(value: Any, kind: str | None = None) -> Any:
    """What a description in Keras's form is of.

    Parameters
    ----------
    value : tree
        Numbers, texts, lists, dictionaries, and descriptions among them.
    kind : str, optional
        The kind of noun, where the place of the description says it.

    Raises
    ------
    HandsonError
        When it holds code, or names what is not registered.

    Examples
    --------
    >>> revived({"a": [{"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}}, 3]})
    {'a': [L2(l2=0.5), 3]}
    """
    if isinstance(value, (list, tuple)):
        return [revived(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("class_name"), str) or "config" not in value:
        return {key: revived(entry) for key, entry in value.items()}
    name = value["class_name"]
    if name.startswith("__") and name.endswith("__"):
        return _special(name, value["config"])
    if name == "function":
        return function_of(value, kind)
    if name in POLICIES:
        return _policy(value["config"])
    if name == "SeedGenerator":
        return (value["config"] or {}).get("seed")
    if kind is None and "module" not in value and not value.get("registered_name"):
        return value  # an older description, whose place says what it is of
    return _object(value, kind)


def _policy(config: Any) -> DTypePolicy:
    name = config.get("name") if isinstance(config, dict) else config
    if name not in KNOWN:
        raise HandsonError(f"the type {shortened(name, 40)!r} is none that layers compute in: {listing(KNOWN)}.")
    return DTypePolicy(name)


# What Keras writes of values that JSON has not.


def _special(name: str, config: Any) -> Any:
    if name == "__lambda__":
        refuse_code()
    if name not in SPECIAL or not isinstance(config, dict):
        raise HandsonError(f"unknown kind of value {shortened(name, 40)!r}.")
    return SPECIAL[name](config)


def refuse_code() -> None:
    """Raise: a description holds the code of a function."""
    raise HandsonError(
        "it holds a function as code, which handson does not run, since it could do anything. In Keras, give the layer "
        "a function that is registered, @keras.saving.register_keras_serializable(), or write a Layer, and save the "
        "net again; here register the same, @handson.register(kind='function'). Or build the net here, with the "
        "function, and load the weights alone: net.load_weights(...)."
    )


def _array(config: Mapping[str, Any]) -> np.ndarray:
    try:
        # Texts and objects are no constants: the type says what numbers they are.
        values = np.asarray(config["value"], dtype=None if config["dtype"] == "bfloat16" else config["dtype"])
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise HandsonError(f"a constant is damaged: {error}.") from None
    if values.dtype.kind not in "biufc" or values.size > MOST_CONSTANTS:
        raise HandsonError(f"a constant is made of at most {MOST_CONSTANTS:,} numbers; got {values.dtype}.")
    return values


def _bytes(config: Mapping[str, Any]) -> bytes:
    return str(config.get("value", "")).encode()


def _slice(config: Mapping[str, Any]) -> slice:
    return slice(*(revived(config.get(side)) for side in ("start", "stop", "step")))


SPECIAL: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "__tensor__": lambda config: convert(_array(config), config["dtype"]),
    "__numpy__": _array,
    "__bytes__": _bytes,
    "__slice__": _slice,
    "__ellipsis__": lambda config: ...,
}


def function_of(value: Mapping[str, Any], kind: str | None = None) -> Any:
    """The registered function that a description names."""
    name, registered = value["config"], value.get("registered_name")
    if not isinstance(name, str):
        refuse_code()
    kinds = (kind,) if kind else kinds_in(value.get("module"), FUNCTIONS)
    match, module = found((*kinds, *FUNCTIONS), registered, name), value.get("module")
    if match is not None and _is_meant(match[1], module):
        return match[1]
    if match is None:
        registry.find(kinds[0], name)  # which says what there is
    raise _unknown("function", registered or name, module, "")


def _is_of_handson(target: Any) -> bool:
    return str(getattr(target, "__module__", "")).startswith("handson.")


def _is_meant(target: Any, module: Any) -> bool:
    """Whether a name from a module, as a file says it, can mean this: in a module of the user's, nothing of handson."""
    if not _is_of_handson(target) or module in (None, "builtins"):
        return True
    return is_keras(module) or str(module).partition(".")[0] in ("handson", "tensorflow")


def _unknown(what: str, name: Any, module: Any, close: str) -> HandsonError:
    """The error for something of the user's that was not given."""
    name = shortened(name, 60)
    return HandsonError(
        f"unknown {what} {name!r} of {shortened(module, 60)}.{close} A {what} of your own is found once it is "
        f"registered: decorate it with @handson.register, or with @keras.saving.register_keras_serializable(), and "
        f"import that module before loading; or give load_model(..., custom_objects={{{name!r}: {name}}})."
    )


# Classes.


def _object(value: Mapping[str, Any], kind: str | None) -> Any:
    known = _shared.get()
    place = value.get("shared_object_id")
    if known is not None and isinstance(place, int) and place in known:
        return known[place]
    made = _instance(class_of(value, kind), value)
    if known is not None and isinstance(place, int):
        known[place] = made
    return made


def class_of(value: Mapping[str, Any], kind: str | None = None) -> Any:
    """The registered class that a description names.

    Raises
    ------
    HandsonError
        When there is none; the message says how to make one known.
    """
    name, registered, module = value["class_name"], value.get("registered_name"), value.get("module")
    kinds = with_nets(kind) if kind else kinds_in(module)
    of_applications = f"applications>{name}"
    if module is not None and OF_APPLICATIONS.get(of_applications) == module:
        registered, kinds = of_applications, ("layer",)
    match = found(kinds, registered, name) or found(CLASSES, registered)
    if match is None and re.fullmatch(r"\w+V[12]", name):  # as TensorFlow called some classes
        match = found(kinds, name[:-2])
    if match is not None and (_is_meant(match[1], module) or registered == of_applications):
        return match[1]
    if match is None and (is_keras(module) or module is None):
        registry.find(kinds[0], name)
    raise _unknown("class", name, module, nearest(name, known_names(kinds)) if match is None else "")


def known_names(kinds: tuple[str, ...]) -> list[str]:
    """The names of some kinds of noun."""
    return [name for kind in kinds for name in registry.known(kind)]


def _instance(target: Any, value: Mapping[str, Any]) -> Any:
    config = value["config"] or {}
    if not inspect.isclass(target):
        return target
    kind: Any = target
    if not isinstance(config, dict):
        raise HandsonError(f"{target.__name__} is described by a dictionary; got {shortened(config, 40)}.")
    if _is_own(target, "from_config") or (kind.kind == "model" and "layers" in config):
        made = kind.from_config(dict(config))
    else:
        made = kind.from_config(arguments_for(target, config))
    if value.get("build_config") and _is_own(target, "build_from_config"):
        made.build_from_config(revived(value["build_config"]))
    return made


def _is_own(target: Any, method: str) -> bool:
    """Whether a method of a class was written by the user."""
    holder = next((base for base in target.__mro__ if method in vars(base)), None)
    return holder is not None and not holder.__module__.startswith("handson.")


def arguments_for(target: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class, from what Keras says of it.

    What the class has no argument for is left out where Keras says None or False, that is, that it is not used.

    Raises
    ------
    HandsonError
        For another argument that the class does not have.
    """
    if target.__name__ == "Lambda" and isinstance(config.get("function"), list):  # bytecode of Keras 2
        refuse_code()
    known, anything = parameters_of(target), getattr(target, "takes_more", False)
    for key, value in config.items():
        if key not in known and not anything and value not in (None, False) and key not in IGNORED:
            raise HandsonError(
                f"{target.__name__} has no argument {shortened(key, 40)!r} here, and the file says "
                f"{shortened(repr(value), 60)}.{nearest(str(key), known)}"
            )
    given = {key: _as_number(key, revived(value)) for key, value in config.items() if key in known or anything}
    return _adapted(target, given)


def _as_number(key: str, value: Any) -> Any:
    """A factor of random layers, which Keras writes as both of its bounds; an axis in a list, as Keras 2 wrote it."""
    if key == "axis" and isinstance(value, list) and len(value) == 1:
        return value[0]
    bounds = key.endswith("factor") and isinstance(value, list) and len(value) == 2 and value[0] == -value[1]
    return value[1] if bounds else value


def _adapted(target: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Types and names as the class takes them."""
    dtype = given.get("dtype")
    if target.kind == "metric" and str(dtype).startswith("int"):
        del given["dtype"]  # counts are exact here
    if isinstance(dtype, DTypePolicy):
        given["dtype"] = dtype.name
    if target.kind in ("layer", "model") and isinstance(given.get("name"), str):
        given["name"] = fitting_name(given["name"])
    return given


def fitting_name(name: str) -> str:
    """A name of Keras as a name of a layer here: characters that cannot be printed become '_'.

    Examples
    --------
    >>> fitting_name("block1.conv 2"), fitting_name("-a\\n")
    ('block1.conv 2', '_-a_')
    """
    name = "".join(letter if letter.isprintable() else "_" for letter in name)
    return ("_" + name if name[:1] in ("", "-", ".") else name)[:LONGEST_NAME]


def compile_with(model: Any, config: Mapping[str, Any]) -> None:
    """Compile a net with the arguments that Keras's description names."""
    known = inspect.signature(type(model).compile).parameters
    given = {key: _argument(key, value) for key, value in config.items()}
    unknown = [key for key, value in given.items() if key not in known and value not in (None, False, "auto")]
    if unknown:
        raise HandsonError(f"compile has no argument {unknown[0]!r}.{nearest(unknown[0], known)}")
    model.compile(**{key: value for key, value in given.items() if key in known})


# The kinds of noun among the arguments of `compile`.
COMPILED = {"optimizer": "optimizer", "loss": "loss", "metrics": "metric", "weighted_metrics": "metric"}


def _argument(key: str, value: Any) -> Any:
    kind = COMPILED.get(key)
    if kind is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_argument(key, entry) for entry in value]
    if isinstance(value, dict) and not ("class_name" in value and "config" in value):
        return {name: _argument(key, entry) for name, entry in value.items()}
    if isinstance(value, str) and registry.is_known(kind, value) and not _is_of_handson(registry.find(kind, value)):
        return registry.find(kind, value)  # what `custom_objects` says, which holds only while the file is read
    return revived(value, kind) if isinstance(value, dict) else value
