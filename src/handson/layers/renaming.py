"""Another name for a layer, which holds at once in every net that the layer is in: there it is a part of paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

_nets: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()


def hold(net: Any, parts: Iterable[Any]) -> None:
    """Say that some layers lie in a net, at any depth."""
    for part in parts:
        _nets.setdefault(part, WeakSet()).add(net)


def rename(layer: Any, name: str) -> None:
    """Call a layer so, in the nets that it is in and in what their optimizers remember.

    Raises
    ------
    HandsonError
        When another layer of a net has the name, or a net is in training.
    """
    nets = [net for net in _nets.get(layer, ()) if any(part is layer for part in net.modules())]
    for net in nets:
        net.check_renaming(layer, name)
    before = [dict(net.named_parameters()) for net in nets]
    layer.given_name = name
    layer.take_name(name)
    vars(layer).get("_arguments", {})["name"] = name
    for net in nets:
        net.rename(layer)
    for net, weights in zip(nets, before, strict=True):
        net.follow_names(weights)
