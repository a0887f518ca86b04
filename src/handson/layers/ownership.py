"""Which layers a net draws the weights of: its own and those of nets inside it, by walking its modules.

The seed of a net reaches everything in it, whatever the container; a net inside it that was given a seed itself, and a
layer whose weights another net drew, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import nn

from handson.layers.base import Layer
from handson.layers.drawn import Drawn
from handson.randomness.keys import derive
from handson.state.state import ModuleLike

Parts = Iterable[tuple[str, nn.Module]]


class Place(NamedTuple):
    """A layer in a net: its path there, and the nets inside the net that it lies in."""

    path: str
    layer: Layer
    holders: tuple[nn.Module, ...]

    def drawn_within(self) -> bool:
        """Whether one of those inner nets drew the weights."""
        return any(self.layer.drawn.is_for(holder) for holder in self.holders)


def places(parts: Parts, prefix: str = "", holders: tuple[nn.Module, ...] = ()) -> Iterator[Place]:
    """The layers in some parts of a net that the net's seed reaches."""
    for name, part in parts:
        path = f"{prefix}{name}"
        if getattr(part, "seed_given", False):
            continue
        if isinstance(part, Layer):
            yield Place(path, part, holders)
        inside = (*holders, part) if hasattr(part, "seed_given") else holders
        yield from places(part.named_children(), f"{path}.", inside)


def claim(net: Any, parts: Parts) -> None:
    """Say that a net draws the weights of parts that are not built yet, and of the nets inside it.

    What was drawn for symbols, before there was a net, is drawn again from the net's seed. What an inner net has drawn
    already, and what is untouched since, follows the seed of the outer net where it has one.
    """
    for place in places(parts):
        key = derive(net.seed or 0, "weights", place.path)
        if not place.layer.built:
            place.layer.draw_for(Drawn(net, key))
        elif place.layer.drawn.unclaimed:
            place.layer.draw_again(key)
            place.layer.drawn.give_to(net)
        elif place.drawn_within():
            if net.seed_given:
                place.layer.draw_again(key)
            place.layer.drawn.give_to(net)


def redraw(net: Any, seed: int) -> bool:
    """Draw from a seed the weights that are as they were drawn for a net; whether there were any."""
    found = False
    for place in places(net.named_children()):
        if place.layer.drawn.is_for(net) or place.drawn_within():
            found |= place.layer.draw_again(derive(seed, "weights", place.path))
    return found


def settle(net: ModuleLike) -> None:
    """Nothing in a net is drawn again: it has trained, and what did not change has taken part too."""
    for part in net.modules():
        if isinstance(part, Layer):
            part.drawn.settle()
