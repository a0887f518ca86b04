"""Names of one's own, and objects as descriptions in Keras's form, and back.

All names live in the closed registry of handson: `register_keras_serializable` is `handson.register`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from handson.core import registry
from handson.core.errors import HandsonError, nearest
from handson.files import keras_reading, keras_writing


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """A decorator that makes a class or function known by name, to files and to strings: see `handson.register`.

    Parameters
    ----------
    package : str
        Where it comes from; it is then known as 'package>name' too, and as that alone if the name is taken.
    name : str, optional
        The name; by default its own.

    Examples
    --------
    >>> from handson.core.registry import find
    >>> @register_keras_serializable("mine")
    ... def shrunk(x):
    ...     return x / 2
    >>> find("activation", "mine>shrunk") is find("activation", "shrunk") is shrunk
    True
    """

    def decorate(target: Any) -> Any:
        short = name or target.__name__
        full = f"{package}>{short}"
        own = getattr(target, "kind", None)
        if inspect.isclass(target) and own is None:
            raise HandsonError(f"{target.__name__} is no layer, loss, metric or other noun, so no file can hold one.")
        kinds = (str(own),) if inspect.isclass(target) else registry.FUNCTIONS
        for kind in kinds:
            try:
                registry.register(target, kind=kind, name=short, aliases=(full,))
            except HandsonError:  # one of handson's own, or of another package
                registry.register(target, kind=kind, name=full)
        return target

    return decorate


class CustomObjectScope(AbstractContextManager[None]):
    """A block in which names mean classes or functions of one's own.

    Parameters
    ----------
    custom_objects : dict of str to class or function
        What the names mean.

    Examples
    --------
    >>> from handson import activations
    >>> with CustomObjectScope({"halved": lambda x: x / 2}):
    ...     activations.get("halved")(4)
    2.0
    """

    def __init__(self, custom_objects: dict[str, Any]) -> None:
        self._block = registry.scoped(dict(custom_objects))

    def __enter__(self) -> None:
        return self._block.__enter__()

    def __exit__(self, *raised: Any) -> bool | None:
        return self._block.__exit__(*raised)


custom_object_scope = CustomObjectScope


class _CustomObjects(MutableMapping[str, Any]):
    """The names that programs have added: adding to it registers."""

    def __init__(self) -> None:
        self._own: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self._own[name]

    def __setitem__(self, name: str, target: Any) -> None:
        registry.claim(name, target)
        self._own[name] = target

    def __delitem__(self, name: str) -> None:
        raise HandsonError(f"{name!r} stays registered; use keras.saving.custom_object_scope for a name that goes.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


_custom = _CustomObjects()


def get_custom_objects() -> MutableMapping[str, Any]:
    """The names that were added to it, which are registered for good."""
    return _custom


def get_registered_name(obj: Any) -> str:
    """The name that a class or function is registered by, else its own."""
    return next((name for _, name in registry.names_of(obj)), obj.__name__)


def get_registered_object(name: str, custom_objects: Any = None, module_objects: Any = None) -> Any:
    """The class or function of a name, None if there is none."""
    for given in (custom_objects, module_objects):
        if given and name in given:
            return given[name]
    known = (registry.meanings(kind) for kind in registry.HOMES)
    return next((entries[name] for entries in known if name in entries), None)


def serialize_keras_object(obj: Any) -> Any:
    """A description of an object as JSON, in Keras's form.

    Examples
    --------
    >>> from handson import regularizers
    >>> serialize_keras_object(regularizers.L2(0.5))["class_name"]
    'L2'
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(serialize_keras_object, obj))
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    return _described(obj)


def _described(obj: Any) -> Any:
    kind = getattr(obj, "kind", None)
    if any(each == kind for each, _ in registry.names_of(type(obj))):
        return keras_writing.written(str(kind), obj)
    if hasattr(obj, "get_config") and hasattr(obj, "kind"):  # a class that is registered nowhere
        name = type(obj).__name__
        found = {"module": type(obj).__module__, "class_name": name, "registered_name": name}
        return found | {"config": serialize_keras_object(obj.get_config())}
    if callable(obj):  # a function, or a class
        name = get_registered_name(obj)
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
    return keras_writing.plain(obj)


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """The object for what `serialize_keras_object` gave.

    Parameters
    ----------
    config : tree or str
        The description; or a name among `custom_objects`.
    custom_objects : dict of str to class or function, optional
        Further names, for this call.
    safe_mode : bool
        Only True: a description that holds code is refused.

    Examples
    --------
    >>> from handson import regularizers
    >>> deserialize_keras_object(serialize_keras_object({"a": [regularizers.L2(0.5), 3]}))
    {'a': [L2(l2=0.5), 3]}
    """
    if not safe_mode or kwargs:
        raise HandsonError("deserialize_keras_object runs no code from a description: leave safe_mode and others out.")
    if isinstance(config, str) and config in (custom_objects or {}):
        return (custom_objects or {})[config]
    with registry.scoped(custom_objects or {}):
        return keras_reading.revived(config, _kind_of(config))


def _kind_of(config: Any) -> str | None:
    """What kind of noun a description without a module is of; None where it says so itself."""
    if (
        not isinstance(config, dict)
        or "class_name" not in config
        or config.get("module")
        or config.get("registered_name")
    ):
        return None
    name = config["class_name"]
    kinds = [kind for kind in registry.HOMES if registry.is_known(kind, name)]
    if not kinds:
        known = [each for kind in registry.HOMES for each in registry.known(kind)]
        raise HandsonError(
            f"{name!r} is not registered.{nearest(str(name), known)} Decorate it with @handson.register."
        )
    return kinds[0]
