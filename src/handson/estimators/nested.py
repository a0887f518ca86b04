"""Arguments of arguments: `optimizer__learning_rate` and its like."""

from __future__ import annotations

import inspect
from typing import Any

from handson.core import registry
from handson.core.errors import HandsonError, listing, nearest
from handson.layers import Layer
from handson.layers.nested import another, fresh

# What has arguments of its own.
OWNERS = ("layers", "optimizer", "loss", "callbacks", "compile", "fit")


def owner_of(name: str) -> str | None:
    """Whose argument this is, None if it is nobody's.

    Examples
    --------
    >>> owner_of("optimizer__learning_rate"), owner_of("epochs")
    ('optimizer', None)
    """
    owner, marks, _ = name.partition("__")
    return owner if marks and owner in OWNERS else None


def settings_of(owner: str, params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of one owner, without its name before them.

    Examples
    --------
    >>> settings_of("optimizer", {"optimizer__learning_rate": 0.1, "epochs": 3})
    {'learning_rate': 0.1}
    """
    return {name[len(owner) + 2 :]: value for name, value in params.items() if owner_of(name) == owner}


def changed(kind: str, value: Any, settings: dict[str, Any]) -> Any:
    """A noun with some of its arguments changed: another object; of a list, those that the settings name.

    Parameters
    ----------
    kind : str
        'layer', 'optimizer', 'loss' or 'callback'.
    value : str, dict, class, object or list of them
        As users write it.
    settings : dict of str to object
        The arguments. Of a list ``"0__units"`` is an argument of the first, ``"hidden__units"`` of that named so.

    Raises
    ------
    HandsonError
        For a place that is not in the list, and for arguments of what takes none.

    Examples
    --------
    >>> changed("optimizer", "sgd", {"learning_rate": 0.5}).learning_rate
    0.5
    >>> from handson.layers import Dense
    >>> [layer.units for layer in changed("layer", [Dense(4), Dense(8, name="top")], {"0__units": 3, "top__units": 5})]
    [3, 5]
    """
    if isinstance(value, (list, tuple)):
        return _changed_list(kind, value, settings)
    if not settings:
        return value
    if isinstance(value, str):
        value = registry.find(kind, value)
    elif isinstance(value, dict):
        value = registry.resolve(kind, value)
    if inspect.isclass(value):
        return value(**settings)
    if isinstance(value, Layer):
        return another(value, **settings)
    if not hasattr(value, "_arguments"):
        name = getattr(value, "__name__", repr(value))
        raise HandsonError(f"the {kind} {name} takes no arguments; got {listing(settings)}.")
    return type(value)(**({key: fresh(one) for key, one in value._arguments.items()} | settings))


def _changed_list(kind: str, values: Any, settings: dict[str, Any]) -> list[Any]:
    own: dict[int, dict[str, Any]] = {}
    names = [str(getattr(value, "name", "")) for value in values]
    for name, setting in settings.items():
        place, _, argument = name.partition("__")
        number = int(place) if place.isdigit() else names.index(place) if place in names else len(values)
        if number >= len(values) or not argument:
            known = [*map(str, range(len(values))), *filter(None, names)]
            raise HandsonError(
                f"{name!r}: an argument of one in a list of {kind}s begins with its place or name, such as "
                f"'0__{argument or name}'.{nearest(place, known)} Known: {listing(known)}."
            )
        own.setdefault(number, {})[argument] = setting
    return [changed(kind, value, own.get(number, {})) for number, value in enumerate(values)]
