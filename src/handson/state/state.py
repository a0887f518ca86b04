"""The training state: a flat dictionary of named tensors and a dictionary of JSON values.

Nothing else is needed to go on: weights, optimizer slots, the position in the data, the sums of the epoch at hand.
The tensors are the live ones, not copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import is_
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from handson.optimizers import Optimizer


class HasWeights(Protocol):
    """Any `torch.nn.Module`."""

    def state_dict(self, *, keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and buffers by name."""


class ModuleLike(HasWeights, Protocol):
    """What is read of a `torch.nn.Module`; protocols of nets, which cannot inherit from that class, extend it."""

    def modules(self) -> Iterator[nn.Module]:
        """The module and all of its parts."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """These by name."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters by name."""

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """The buffers by name."""


def named_weights(module: HasWeights) -> dict[str, Tensor]:
    """All weights of a net by name: parameters, and the buffers that belong into files.

    Examples
    --------
    >>> list(named_weights(nn.Linear(2, 1)))
    ['weight', 'bias']
    """
    return {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}


def trainable_weights(module: ModuleLike) -> dict[str, Tensor]:
    """The weights that the optimizer changes, by name; a weight shared by two layers appears once."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def more_optimizers(module: ModuleLike, compiled: Optimizer | None = None) -> dict[str, Optimizer]:
    """The optimizers among the attributes of a net and its parts, beside the one of `compile`, by their places.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> net = nn.Linear(1, 1)
    >>> net.critic = SGD()
    >>> list(more_optimizers(net))
    ['critic']
    """
    found: dict[str, Optimizer] = {}
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            for name, one in ((key, value), *((f"{key}.{entry}", one) for entry, one in named)):
                if isinstance(one, Optimizer) and one is not compiled and one not in found.values():
                    found[f"{path}.{name}" if path else name] = one
    return found


def values_of(optimizer: Optimizer, others: Mapping[str, Optimizer]) -> dict[str, Any]:
    """What optimizers remember beside their slots, as JSON; a schedule belongs to its settings."""
    more = {name: _values(one) for name, one in others.items()}
    return {"optimizer": _values(optimizer)} | ({"optimizers": more} if more else {})


def _values(optimizer: Optimizer) -> dict[str, Any]:
    rate = optimizer.learning_rate
    return {"iterations": optimizer.iterations, "learning_rate": rate if isinstance(rate, float) else None}


@torch.no_grad()
def _restore(optimizer: Optimizer, slots: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Give an optimizer what it remembered, the slots by 'slot/weight'."""
    for name, tensor in slots.items():
        slot, _, weight = name.partition("/")
        held = optimizer.slots.setdefault(slot, {})
        if weight in held:
            held[weight].copy_(tensor)
        else:
            held[weight] = tensor.detach().clone()
    optimizer.iterations = values["iterations"]
    if values["learning_rate"] is not None:
        optimizer.learning_rate = values["learning_rate"]


@dataclass
class TrainingState:
    """A view of everything that a training changes.

    Attributes
    ----------
    tensors : dict of str to Tensor
        'weights/<name>', 'optimizer/<slot>/<name>', and 'optimizers/<place>/<slot>/<name>' of further optimizers.
    values : dict
        JSON: the optimizer's steps and learning rate, and whatever the loop adds.
    originals : list of Tensor
        Of a copy: the tensors that it was made of.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any] = field(default_factory=dict)
    originals: list[Tensor] = field(default_factory=list, repr=False)

    @classmethod
    def of(
        cls, module: nn.Module, optimizer: Optimizer, others: Mapping[str, Optimizer] | None = None
    ) -> TrainingState:
        """The state of a net and its optimizer; and of `more_optimizers`, for a training that goes on with them."""
        tensors = {f"weights/{name}": weight for name, weight in named_weights(module).items()}
        places = {"optimizer": optimizer} | {f"optimizers/{name}": one for name, one in (others or {}).items()}
        for place, one in places.items():
            for slot, held in one.slots.items():
                tensors |= {f"{place}/{slot}/{name}": tensor for name, tensor in held.items()}
        return cls(tensors, values_of(optimizer, others or {}))

    @torch.no_grad()
    def copy(self, memory: TrainingState | None = None) -> TrainingState:
        """A copy that later steps do not change, in the memory of an earlier copy of the same tensors."""
        originals = list(self.tensors.values())
        held = {} if memory is None else memory.tensors
        if memory is None or not _same(memory.originals, originals):
            held = {name: torch.empty_like(tensor, requires_grad=False) for name, tensor in self.tensors.items()}
        if held:
            torch._foreach_copy_(list(held.values()), originals)
        return TrainingState(held, dict(self.values), originals)

    @torch.no_grad()
    def restore(self, module: Any, optimizer: Optimizer | None) -> None:
        """Put this state back into a net and, if it has one, its optimizer."""
        weights = named_weights(module)
        for name, tensor in self._under("weights/").items():
            weights[name].copy_(tensor)
        if optimizer is None:
            return
        _restore(optimizer, self._under("optimizer/"), self.values["optimizer"])
        stored = self.values.get("optimizers", {})
        for name, one in more_optimizers(module, optimizer).items() if stored else ():
            if name in stored:
                _restore(one, self._under(f"optimizers/{name}/"), stored[name])

    def _under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with a prefix, under what follows it."""
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists hold the same tensors, in order; their values do not matter."""
    return len(first) == len(second) and all(map(is_, first, second))
