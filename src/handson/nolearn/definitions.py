"""The `layers` of a NeuralNet, in any of the three ways in which they are written, as Lasagne's layers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from handson.core.errors import HandsonError, nearest
from handson.core.registry import find
from handson.lasagne import layers as known
from handson.lasagne.layers import InputLayer, Layer, get_all_layers
from handson.nolearn.plain import Missing

# Arguments of layers that may be the name of another layer.
REFERENCES = ("mask_input", "layer")


class Definition:
    """One layer, before it is made: its class, its name and its arguments."""

    def __init__(self, given: Any, number: int) -> None:
        parts = tuple(given) if isinstance(given, (tuple, list)) else ()
        if len(parts) != 2:
            raise HandsonError(
                f"a layer is written as ('name', DenseLayer) or (DenseLayer, {{'num_units': 10}}); got {given!r}."
            )
        if isinstance(parts[1], dict):
            self.factory, self.arguments = _factory(parts[0]), dict(parts[1])
        else:
            self.factory, self.arguments = _factory(parts[1]), {"name": parts[0]}
        self.name = self.arguments.setdefault("name", _named(self.factory, number))

    @property
    def is_input(self) -> bool:
        """Whether the net begins here."""
        return isinstance(self.factory, type) and issubclass(self.factory, InputLayer)


def _factory(given: Any) -> Any:
    """The class of a layer, by its name too."""
    if isinstance(given, Missing):
        given.refuse("layers")
    if isinstance(given, str):
        return getattr(known, given) if given in known.__all__ else find("layer", given)
    if not callable(given):
        raise HandsonError(f"a layer is a class, such as handson.lasagne.layers.DenseLayer; got {given!r}.")
    return given


def _named(factory: Any, number: int) -> str:
    return f"{factory.__name__.lower().replace('layer', '')}{number}"


class Layers(OrderedDict[str, Any]):
    """Layers by name, by number and by slices.

    Examples
    --------
    >>> found = Layers(input=1, hidden=2, output=3)
    >>> found["hidden"], found[-1], list(found[:2])
    (2, 3, ['input', 'hidden'])
    """

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Layers(list(self.items())[key])
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def made(definitions: list[Definition], settings: dict[str, dict[str, Any]]) -> Layers:
    """The layers by their names, in the order in which they are written."""
    found = Layers()
    before: Any = None
    for definition in definitions:
        name = definition.name
        if name in found:
            raise HandsonError(f"two layers have the name {name!r}.")
        arguments = definition.arguments | settings.get(name, {})
        if not definition.is_input:
            arguments = _connected(name, arguments, before, found)
        wrapper = arguments.pop("layer_wrapper", None)
        try:
            before = definition.factory(**arguments)
        except TypeError as error:
            raise HandsonError(f"the layer {name!r}, a {definition.factory.__name__}: {error}.") from error
        found[name] = before if wrapper is None else wrapper(before)
        before = found[name]
    return found


def _connected(name: str, arguments: dict[str, Any], before: Any, found: OrderedDict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer, with other layers in place of their names."""

    def layer(other: Any) -> Any:
        if isinstance(other, str) and other not in found:
            raise HandsonError(
                f"the layer {name!r} stands behind {other!r}, which is not before it.{nearest(other, found)}"
            )
        return found[other] if isinstance(other, str) else other

    changed = dict(arguments)
    if "incoming" in changed:
        changed["incoming"] = layer(changed["incoming"])
    elif "incomings" in changed:
        changed["incomings"] = [layer(one) for one in changed["incomings"]]
    elif before is None:
        raise HandsonError(f"the layer {name!r} has nothing before it: a net begins with an InputLayer.")
    else:
        changed["incoming"] = before
    return changed | {one: layer(changed[one]) for one in REFERENCES if one in changed}


def by_name(outputs: list[Any]) -> Layers:
    """The layers of a net that was made already, by their names."""
    found = Layers()
    for number, layer in enumerate(get_all_layers(outputs)):
        name = layer.name or _named(type(layer), number)
        if name in found:
            raise HandsonError(f"two layers have the name {name!r}.")
        layer.name = name
        found[name] = layer
    return found


def is_made(layers: Any) -> bool:
    """Whether layers are Lasagne's own objects."""
    several = isinstance(layers, (list, tuple))
    return isinstance(layers, Layer) or (several and bool(layers) and all(isinstance(one, Layer) for one in layers))
