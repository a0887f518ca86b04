"""Which weights of a layer are still as they were drawn, and for which net: only these may be drawn anew."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor

from handson.randomness.keys import derive


class Drawn:
    """The mark that a layer keeps of the weights it drew.

    A weight loses its mark when it becomes another tensor, when anything writes to it, and when a net that it is part
    of has trained. A copy of a layer has no marks: its weights were not drawn but copied.

    Parameters
    ----------
    owner : Model, optional
        The net that the weights are drawn for.
    key : int, optional
        The key that they are drawn from.
    unclaimed : bool
        Whether they are drawn because the layer is applied to a symbol, for a net that is still to come.

    Examples
    --------
    >>> import torch
    >>> weight, drawn = torch.zeros(2), Drawn()
    >>> drawn.mark({"weight": weight})
    >>> drawn.unwritten("weight", weight), weight.add_(1) is weight, drawn.unwritten("weight", weight)
    (True, True, False)
    """

    def __init__(self, owner: Any = None, key: int | None = None, unclaimed: bool = False) -> None:
        self._owner = None if owner is None else weakref.ref(owner)
        self.key, self.unclaimed = key, unclaimed
        self._marks: dict[str, tuple[Tensor, int]] = {}

    def is_for(self, owner: Any) -> bool:
        """Whether the weights were drawn for this net."""
        return self._owner is not None and self._owner() is owner

    def give_to(self, owner: Any) -> None:
        """Another net is the one that may draw the weights anew."""
        self._owner, self.unclaimed = weakref.ref(owner), False

    def part(self, path: str) -> Drawn:
        """The mark of a layer that is a part of the one with this mark."""
        key = None if self.key is None else derive(self.key, path)
        return Drawn(None if self._owner is None else self._owner(), key, self.unclaimed)

    def mark(self, weights: dict[str, Tensor]) -> None:
        """Remember weights as they are now."""
        self._marks |= {name: (weight, weight._version) for name, weight in weights.items()}

    def unwritten(self, name: str, weight: Tensor) -> bool:
        """Whether a weight is the tensor that was drawn, and nothing has written to it since."""
        marked, version = self._marks.get(name, (None, -1))
        return marked is weight and version == weight._version

    def rename(self, old: str, new: str) -> None:
        """A weight has another name."""
        if old in self._marks:
            self._marks[new] = self._marks.pop(old)

    def follow(self, other: Drawn) -> None:
        """The owner of another mark is the one that may draw the weights anew."""
        self._owner, self.unclaimed = other._owner, other.unclaimed

    def settle(self) -> None:
        """Forget the marks: the weights are the user's from now on."""
        self._marks.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles have no marks."""
        return Drawn, ()
