"""Going over the steps of sequences, of which some may be masked.

A masked step leaves the states as they are, and its output is that of the step before, or zeros where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError

# A tensor, or a tree of them.
States = Any
# From what comes in at a step, and the states, to the output and the next states.
Step = Callable[[Any, States], tuple[Tensor, States]]


def scan(step: Step, sequence: Tensor, states: States, mask: Tensor | None, last: bool) -> tuple[Tensor, States]:
    """The outputs of all steps, (n, steps, ...), or of the last alone, (n, 1, ...), and the states after them."""
    outputs: list[Tensor] = []
    for place, entering in enumerate(sequence.unbind(1)):
        output, following = step(entering, states)
        if mask is not None:
            present = mask[:, place]
            output = where(present, output, outputs[-1] if outputs else torch.zeros_like(output))
            following = where_leaves(present, following, states)
        states = following
        outputs = [output] if last else [*outputs, output]
    return torch.stack(outputs, 1), states


def where(present: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """The rows of one tensor where they are present, those of another elsewhere."""
    return torch.where(present.reshape(*present.shape, *(1,) * (new.dim() - present.dim())), new, old)


def where_leaves(present: Tensor, new: States, old: States) -> States:
    """`where` for trees with the same number of leaves, in the form of the new one."""
    before = iter(tree.leaves(old))
    return tree.map_leaves(lambda leaf: where(present, leaf, next(before)), new)


def steps_mask(mask: Any, sequence: Tensor, owner: Any) -> Tensor | None:
    """Which steps of a sequence (n, steps, ...) are there, bool of shape (n, steps); None where all are.

    Raises
    ------
    HandsonError
        When the mask has another shape.
    """
    mask = tree.leaves(mask)[0]
    if mask is None:
        return None
    if mask.dim() == 3 and mask.shape[2] == 1:
        mask = mask[:, :, 0]
    if mask.shape != sequence.shape[:2]:
        raise HandsonError(
            f"{type(owner).__name__} {owner.name!r}: the mask of a sequence of shape {tuple(sequence.shape)} has the "
            f"shape {tuple(sequence.shape[:2])}, a truth value for each step; got {tuple(mask.shape)}."
        )
    return mask.to(sequence.device, torch.bool)


class Present(NamedTuple):
    """The present steps of each row, which are moved to the front: what a kernel without masks reads.

    Attributes
    ----------
    order : Tensor of int, shape (n, steps)
        The steps in the order in which they are read.
    latest : Tensor of int, shape (n, steps)
        For each step, the place in that order of the last present one up to it; -1 where there is none.
    absent : Tensor of bool, shape (n, steps)
        Which places in that order are filled with masked steps.

    Examples
    --------
    >>> present = Present.of(torch.tensor([[False, True, False, True]]))
    >>> present.order.tolist(), present.latest.tolist(), present.absent.tolist()
    ([[1, 3, 0, 2]], [[-1, 0, 0, 1]], [[False, False, True, True]])
    """

    order: Tensor
    latest: Tensor
    absent: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> Present:
        """What a mask says."""
        counts = mask.cumsum(1)
        places = torch.arange(mask.shape[1], device=mask.device)
        return cls(torch.argsort(~mask, dim=1, stable=True), counts - 1, places >= counts[:, -1:])

    def first(self, sequence: Tensor) -> Tensor:
        """The sequence with its present steps at the front, and zeros after them."""
        return _picked(sequence, self.order).masked_fill(self.absent[..., None], 0.0)

    def back(self, outputs: Tensor) -> Tensor:
        """The outputs of the present steps, each also at the masked steps after it; zeros before the first."""
        return _picked(outputs, self.latest.clamp(min=0)).masked_fill((self.latest < 0)[..., None], 0.0)

    def last(self, outputs: Tensor, start: Tensor) -> Tensor:
        """The output of the last present step; where there is none, what it started from."""
        found = _picked(outputs, self.latest[:, -1:].clamp(min=0))[:, 0]
        return where(self.latest[:, -1] >= 0, found, start)


def _picked(sequence: Tensor, places: Tensor) -> Tensor:
    return sequence.gather(1, places[..., None].expand(*places.shape, sequence.shape[2]))
