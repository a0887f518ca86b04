"""The closed registry: every name that a file, a string argument or an experiment may use.

A name found in a file is looked up here and nowhere else; nothing is ever imported because a file names it.
User code adds its own classes and functions with `register`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from handson.core import sharing
from handson.core.errors import HandsonError, listing, nearest
from handson.core.names import free_name as free_name
from handson.core.names import snake_case as snake_case
from handson.core.pure import declare

T = TypeVar("T")

# Where each kind of name is defined: imported at the first look-up, so that `import handson` stays light.
HOMES = {
    "layer": "handson.layers.everything",
    "activation": "handson.activations",
    "distribution": "handson.distributions",
    "initializer": "handson.initializers",
    "regularizer": "handson.regularizers",
    "constraint": "handson.constraints",
    "loss": "handson.losses",
    "metric": "handson.metrics",
    "optimizer": "handson.optimizers",
    "schedule": "handson.schedules",
    "callback": "handson.callbacks",
    "augment": "handson.data.augment",
    "model": "handson.models",
    "op": "handson.ops",
    "function": "handson.layers.everything",
}

# What reads Keras's form of a configuration, {"class_name": ..., "config": ...}: imported when one is met.
KERAS_READER = "handson.files.keras_reading"
# Names that are defined elsewhere, in modules that are imported when one of them is looked up.
FURTHER = {
    ("layer", "applications>CustomScaleLayer"): "handson.applications.scale_layers",
    ("layer", "applications>LayerScale"): "handson.applications.scale_layers",
}

_entries: dict[str, dict[str, Any]] = {kind: {} for kind in HOMES}
_names: dict[tuple[str, Any], str] = {}


class _Scope(NamedTuple):
    """What names mean inside of a block of `scoped`, for each kind; and whether what is met there gets a name."""

    meanings: dict[str, dict[str, Any]]
    own: bool


# The blocks that this thread is in, the innermost last.
_scopes: ContextVar[tuple[_Scope, ...]] = ContextVar("handson_scopes", default=())
_closed: ContextVar[bool] = ContextVar("handson_closed", default=False)
_writer: ContextVar[Callable[[str, Any], Any] | None] = ContextVar("handson_writer", default=None)


def register(
    target: Any = None,
    *,
    kind: str | None = None,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    pure: bool = False,
) -> Any:
    """Make a class or function known by name, so that files, strings and experiments can refer to it.

    Parameters
    ----------
    target : class or function
        What to register. A class says its kind through its base class (a `Layer` is a layer, a `Loss` a loss).
    kind : str, optional
        'layer', 'activation', 'initializer', 'regularizer', 'constraint', 'loss', 'metric', 'optimizer',
        'schedule', 'callback', 'augment' or 'function' (for `Lambda`). Needed for plain functions.
    name : str, optional
        The name; by default the target's own.
    aliases : tuple of str
        Further names.
    pure : bool
        Whether it looks at nothing but its arguments and settings, and draws no random numbers. A loss or metric of
        your own then runs in compiled steps too, and a layer in recorded ones.

    Returns
    -------
    class or function
        The target, unchanged: this is a decorator.

    Raises
    ------
    HandsonError
        When the kind is not known, or when another object holds the name already.

    Examples
    --------
    >>> @register(kind="activation")
    ... def shifted_relu(x):
    ...     return x.clamp(min=-1)
    >>> resolve("activation", "shifted_relu") is shifted_relu
    True
    """
    if target is None:
        return lambda target: register(target, kind=kind, name=name, aliases=aliases, pure=pure)
    kind = kind or getattr(target, "kind", None)
    if kind not in _entries:
        raise HandsonError(
            f"register: the kind of {target!r} is not known. Expected one of {listing(_entries, 20)}; "
            f"write @handson.register(kind='loss'), for example."
        )
    name = name or target.__name__
    claimed = (name, snake_case(name), *aliases)
    for each in claimed:
        _check_free(kind, each, target)
    _entries[kind] |= dict.fromkeys(claimed, target)
    _names[kind, target] = name
    if pure:
        declare(target)
    return target


def _check_free(kind: str, name: str, target: Any) -> None:
    """Raise when another object holds a name; one that is defined again, as in a notebook, takes its own place."""
    holder = _entries[kind].get(name, target)
    if holder is not target and _origin(holder) != _origin(target):
        raise HandsonError(f"register: the {kind} name {name!r} is taken by {holder!r}; choose another name.")


def _origin(target: Any) -> tuple[Any, Any]:
    return getattr(target, "__module__", None), getattr(target, "__qualname__", id(target))


# What a function may be.
FUNCTIONS = ("activation", "constraint", "initializer", "loss", "metric", "regularizer")


def _kinds_of(target: Any) -> tuple[str, ...]:
    """What a class or function can be: a function all kinds that take one."""
    own = getattr(target, "kind", None) if inspect.isclass(target) else None
    return (own,) if own in _entries else FUNCTIONS


def claim(name: str, target: Any) -> None:
    """Let a name mean a class or function from now on, whatever it meant before."""
    for kind in _kinds_of(target):
        importlib.import_module(HOMES[kind])
        _entries[kind][name] = target
        _names.setdefault((kind, target), name)


@contextmanager
def scoped(objects: dict[str, Any], own: bool = False) -> Iterator[None]:
    """Let names mean classes and functions inside of a block, in this thread.

    Parameters
    ----------
    objects : dict of str to class or function
        What the names mean.
    own : bool
        Whether what is not registered may be written too, by its own name, as Keras's files do: who reads it has to
        give it, `custom_objects`. Not inside of `closed`.

    Examples
    --------
    >>> with scoped({"halved": lambda x: x / 2}):
    ...     is_known("activation", "halved")
    True
    >>> is_known("activation", "halved")
    False
    """
    meanings: dict[str, dict[str, Any]] = {kind: {} for kind in HOMES}
    for name, target in objects.items():
        for kind in _kinds_of(target):
            meanings[kind][name] = target
    before = _scopes.get()
    _scopes.set((*before, _Scope(meanings, own and not _closed.get())))
    try:
        yield
    finally:
        _scopes.set(before)


@contextmanager
def closed() -> Iterator[None]:
    """Let only registered names be written inside of a block, whatever `scoped` says."""
    token = _closed.set(True)
    try:
        yield
    finally:
        _closed.reset(token)


def meanings(kind: str) -> dict[str, Any]:
    """What all names of one kind mean here and now, aliases and the names of `scoped` included."""
    entries = _entries[kind]
    for scope in _scopes.get():
        entries = entries | scope.meanings[kind]
    return entries


def names_of(target: Any) -> list[tuple[str, str]]:
    """The kinds and names under which a class or function is known here and now; those it is registered by first."""
    found = [(kind, name) for (kind, one), name in _names.items() if one is target]
    for scope in _scopes.get():
        for kind, entries in scope.meanings.items():
            found += [(kind, name) for name, one in entries.items() if one is target]
    return list(dict.fromkeys(found))


def any_name(target: Any) -> str | None:
    """The first name of a class or function, whatever it is known as; None if it has none.

    Examples
    --------
    >>> import handson.activations
    >>> any_name(handson.activations.relu), any_name(abs)
    ('relu', None)
    """
    known = names_of(target)
    if known:
        return known[0][1]
    claimed = [_claimed(kind, target) for kind in _kinds_of(target)]
    return claimed[0] if None not in claimed else None


def _claimed(kind: str, target: Any) -> str | None:
    """The name of its own by which something that is not registered is written; None if it cannot be."""
    scopes, name = _scopes.get(), getattr(target, "__name__", "")
    # A metric changes no training, and files say in which module a class is.
    taken = name in meanings(kind) and not (kind == "metric" and inspect.isclass(target))
    if not (scopes and scopes[-1].own) or not name.isidentifier() or taken:
        return None
    scopes[-1].meanings[kind][name] = target
    return name


def known(kind: str) -> list[str]:
    """The sorted names of one kind: classes and functions under their own name, without aliases.

    Examples
    --------
    >>> "Dense" in known("layer")
    True
    """
    importlib.import_module(HOMES[kind])
    here = (name for scope in _scopes.get() for name in scope.meanings[kind])
    return sorted({*(name for (entry_kind, _), name in _names.items() if entry_kind == kind), *here})


def names(kind: str) -> list[str]:
    """All names of one kind, aliases included.

    Examples
    --------
    >>> "mse" in names("loss")
    True
    """
    importlib.import_module(HOMES[kind])
    return sorted(meanings(kind))


def is_known(kind: str, name: str) -> bool:
    """Whether a name or alias is registered.

    Examples
    --------
    >>> is_known("loss", "mse"), is_known("loss", "msee")
    (True, False)
    """
    _import_home(kind, name)
    return name in meanings(kind)


def _import_home(kind: str, name: str) -> None:
    """Import what defines a name."""
    importlib.import_module(HOMES[kind])
    if name not in _entries[kind] and (kind, name) in FURTHER:
        importlib.import_module(FURTHER[kind, name])


def find(kind: str, name: str) -> Any:
    """The class or function registered under a name.

    Raises
    ------
    HandsonError
        When the name is not known: the message lists the nearest names.

    Examples
    --------
    >>> find("optimizer", "adam").__name__
    'Adam'
    """
    _import_home(kind, name)
    entries = meanings(kind)
    try:
        return entries[name]
    except KeyError:
        # Some names are only for files.
        public = [each for each in known(kind) if not each.startswith("_") and "." not in each]
        raise HandsonError(
            f"unknown {kind} {name!r}.{nearest(name, entries)} Known: {listing(public, 40)}. "
            f"Your own: decorate it with @handson.register{', or give it in custom_objects' if _scopes.get() else ''}."
        ) from None


def resolve(kind: str, identifier: Any) -> Any:
    """Turn what a user wrote for a noun into the object: a name, a configuration, a class, or the object itself.

    Parameters
    ----------
    kind : str
        The kind of noun, such as 'optimizer'.
    identifier : str, dict, class or object
        A registered name; a configuration ``{"class": name, "config": {...}}`` or ``{name: {...}}``; a class, which
        is called without arguments; anything else is returned as it is.

    Examples
    --------
    >>> resolve("optimizer", {"SGD": {"momentum": 0.9}}).momentum
    0.9
    """
    if isinstance(identifier, str):
        identifier = find(kind, identifier)
        return identifier() if inspect.isclass(identifier) else identifier
    if isinstance(identifier, dict):
        return from_config(kind, identifier)
    if inspect.isclass(identifier):
        return identifier()
    if not (callable(identifier) or hasattr(identifier, "get_config")):
        article = "an" if kind[0] in "aeiou" else "a"
        raise HandsonError(f"{article} {kind} is a name, such as {known(kind)[0]!r}, or an object; got {identifier!r}.")
    return identifier


def from_config(kind: str, config: dict[str, Any]) -> Any:
    """Build an object from its configuration (see `to_config`).

    Examples
    --------
    >>> from_config("layer", {"class": "Dense", "config": {"units": 3}}).units
    3
    """
    if "class_name" in config:
        return importlib.import_module(KERAS_READER).revived(config, kind)
    if kind in sharing.KINDS and sharing.is_shared(config):
        return sharing.built(config, lambda rest: from_config(kind, rest))
    if set(config) <= {"class", "config"} and "class" in config:
        name, arguments = config["class"], config.get("config") or {}
    elif len(config) == 1:
        ((name, arguments),) = config.items()
        arguments = arguments or {}
    else:
        raise HandsonError(
            f"a {kind} is written as a name or as one name with its arguments, "
            f"for example {{'class': NAME, 'config': {{...}}}}; got the keys {listing(config)}."
        )
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise HandsonError(f"a {kind} needs a name and a dictionary of arguments; got {name!r}: {arguments!r}.")
    target = find(kind, name)
    if not inspect.isclass(target):
        if arguments:
            raise HandsonError(f"the {kind} {name!r} is a function and takes no arguments; got {arguments!r}.")
        return target
    builder: Callable[..., Any] = getattr(target, "from_config", lambda arguments: target(**arguments))
    if "name" in arguments and not _takes(target, "name"):
        made = builder({key: value for key, value in arguments.items() if key != "name"})
        made.name = arguments["name"]
        return made
    return builder(arguments)


def _takes(target: Any, argument: str) -> bool:
    """Whether a class has an argument; one whose `from_config` is its own decides itself."""
    if "from_config" in vars(target):
        return True
    parameters = inspect.signature(target.__init__).parameters
    return argument in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def is_configuration(value: Any) -> bool:
    """Whether a dictionary describes one object, and not one for each output of a net.

    Examples
    --------
    >>> is_configuration({"class": "Dense", "config": {"units": 3}}), is_configuration({"age": "mse", "mass": "mae"})
    (True, False)
    """
    if not isinstance(value, dict):
        return False
    if set(value) <= {"class", "config"} and isinstance(value.get("class"), str):
        return True
    if isinstance(value.get("class_name"), str) and "config" in value:  # Keras's form
        return True
    # The arguments of one object are not the whole description of another.
    return len(value) == 1 and all(isinstance(entry, dict) and "class" not in entry for entry in value.values())


def name_of(kind: str, target: Any) -> str:
    """The registered name of a class or function.

    Raises
    ------
    HandsonError
        When it is not registered, and so cannot be written to a file.
    """
    importlib.import_module(HOMES[kind])
    try:
        return _names[kind, target]
    except (KeyError, TypeError):
        here = next((name for each, name in names_of(target) if each == kind), None) or _claimed(kind, target)
        if here is not None:
            return here
        label = getattr(target, "__qualname__", repr(target))
        raise HandsonError(
            f"the {kind} {label} is not registered, so a file cannot name it. Files hold no code: decorate it "
            f"with @handson.register{'' if inspect.isclass(target) else f'(kind={kind!r})'} and import that module "
            f"before loading."
        ) from None


def to_config(kind: str, target: Any, compact: bool = False) -> Any:
    """What a file says of an object: its registered name and its arguments, as JSON.

    Parameters
    ----------
    kind : str
        The kind of noun.
    target : object
        A described object (see `handson.core.described.Described`) or a registered function.
    compact : bool
        Leave out arguments that have their default value, and write ``{name: arguments}``.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> to_config("optimizer", SGD(0.1), compact=True)
    {'SGD': {'learning_rate': 0.1}}
    """
    writer = _writer.get()
    if writer is not None:
        return writer(kind, target)
    if not hasattr(target, "get_config"):
        return name_of(kind, target)
    if compact or kind not in sharing.KINDS:
        return _described(kind, target, compact)
    return sharing.described(target, lambda: _described(kind, target, compact))


def _described(kind: str, target: Any, compact: bool) -> Any:
    # A user's own get_config, written as in Keras, takes no arguments.
    takes_compact = compact and "compact" in inspect.signature(target.get_config).parameters
    arguments = target.get_config(compact=True) if takes_compact else target.get_config()
    name = name_of(kind, type(target))
    if compact:
        return {name: arguments} if arguments else name
    return {"class": name, "config": arguments}


@contextmanager
def written_by(writer: Callable[[str, Any], Any]) -> Iterator[None]:
    """Let a function of kind and object take the place of `to_config` inside of a block: files of another format."""
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)
