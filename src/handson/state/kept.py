"""A copy of the training state that is renewed often: before epochs, in case that a loss becomes NaN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson.optimizers import Optimizer
from handson.state.state import (
    Optimizers,
    TrainingState,
    further_optimizers,
    same_objects,
    trainable_weights,
    values_of,
)


class KeptState:
    """A copy of what a training changes, of one net and its optimizers.

    Where the tensors are is looked up once: to walk through the parts of a net takes longer than an epoch of a small
    one.

    Parameters
    ----------
    module : nn.Module
        The net.
    optimizer : Optimizer
        Its optimizer, whose slots are made by `renew`.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> net = nn.Linear(1, 1)
    >>> kept = KeptState(net, SGD())
    >>> kept.renew()
    >>> before, _ = net.bias.item(), net.bias.data.fill_(7.0)
    >>> kept.restore(); net.bias.item() == before
    True
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        self._module, self._optimizer = module, optimizer
        self._state: TrainingState | None = None
        self._places: list[tuple[dict[str, Any], str, Tensor, bool]] = []
        self._further: Optimizers = {}
        self._slots: list[dict[str, Any] | None] = []
        self._count = 0

    def renew(self) -> None:
        """Copy the state as it is now."""
        if self._state is None or not self._still_there():
            self._look_up()
        elif self._state.tensors:
            with torch.no_grad():
                torch._foreach_copy_(list(self._state.tensors.values()), self._state.originals)
            self._state.values = values_of({"optimizer": self._optimizer, **self._further})

    def restore(self) -> None:
        """Bring the copied state back, if there is one."""
        if self._state is not None:
            self._state.restore(self._module, self._optimizer, self._further)

    def _still_there(self) -> bool:
        """Whether the state consists of the tensors that it consisted of before."""
        places = self._places
        # What holds the parameters of scripted modules has no `get`.
        same = all(
            name in held and held[name] is one and one.requires_grad is trains for held, name, one, trains in places
        )
        slots = self._current_slots()
        # A step of the net's own may build parts, whose weights get slots beside those that there were.
        return same and _count(slots) == self._count and same_objects(slots, self._slots)

    def _current_slots(self) -> list[dict[str, Any] | None]:
        optimizers = self._optimizer, *self._further.values()
        return [one.slots.get(name) for one in optimizers for name in one.slot_names()]

    def _look_up(self) -> None:
        trained = trainable_weights(self._module)
        self._optimizer.bind(list(trained), list(trained.values()))
        self._further = further_optimizers(self._module, self._optimizer)
        state = TrainingState.of(self._module, self._optimizer, self._further)
        self._state, self._slots = state.copy(self._state), self._current_slots()
        wanted = {id(tensor) for tensor in self._state.originals}
        self._places = [(held, name, one, one.requires_grad) for held, name, one in self._held() if id(one) in wanted]

    def _held(self) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
        """Every tensor of the net and the optimizer, with the dictionary that holds it, and its name there."""
        optimizers = self._optimizer, *self._further.values()
        dictionaries: list[dict[str, Any]] = [held for one in optimizers for held in one.slots.values()]
        for part in self._module.modules():
            dictionaries += [part._parameters, part._buffers]
        return ((held, name, one) for held in dictionaries for name, one in held.items() if one is not None)


def _count(slots: Sequence[dict[str, Any] | None]) -> int:
    return sum(len(held) for held in slots if held is not None)
