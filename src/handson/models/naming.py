"""The names of layers in a net: their own, and for those without one the class in snake case, numbered as in Keras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from handson.core import registry
from handson.core.errors import HandsonError
from handson.core.registry import snake_case
from handson.layers.names import name_at as name_at
from handson.layers.names import place_of as place_of


def named(parts: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The name of each part in a net, in the order of the parts.

    Names are numbered in the order in which the layers were made.
    """
    parts = list(parts)
    taken: dict[str, Any] = {}
    for part in parts:
        if getattr(part, "named", False):
            place = place_of(part.name)
            if place not in taken:
                taken[place] = part
            elif part.given_name is not None:
                raise HandsonError(f"two layers of the net are called {part.name!r}: give one of them another name.")
    held = {id(part) for part in taken.values()}
    for part in sorted((part for part in parts if id(part) not in held), key=lambda part: getattr(part, "serial", 0)):
        taken[registry.free_name(getattr(part, "stem", None) or snake_case(type(part).__name__), taken)] = part
    names = {id(part): name for name, part in taken.items()}
    return ((names[id(part)], part) for part in parts)


def name_parts(modules: dict[str, nn.Module | None]) -> None:
    """Give layers without a name the one that they have in a net."""
    for name, part in modules.items():
        if not getattr(part, "named", True):
            part.take_name(name)  # type: ignore[union-attr,operator]


def distinct(names: list[str]) -> list[str]:
    """The names with those that come again numbered.

    Examples
    --------
    >>> distinct(["age", "mass", "age"])
    ['age', 'mass', 'age_1']
    """
    found: list[str] = []
    for name in names:
        found.append(registry.free_name(name, found))
    return found


def kind_of(described: Any) -> str:
    """What a description in a list of layers is of, also in its shortest form: a layer, or a net.

    Examples
    --------
    >>> kind_of({"class": "Sequential", "config": {}}), kind_of({"Sequential": {}}), kind_of("Flatten")
    ('model', 'model', 'layer')
    """
    name = described
    if isinstance(described, dict):
        name = described.get("class", described.get("class_name", next(iter(described), None)))
    is_net = isinstance(name, str) and registry.is_known("model", name) and not registry.is_known("layer", name)
    return "model" if is_net else "layer"
