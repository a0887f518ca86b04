"""The training state: a flat dictionary of named tensors and a dictionary of JSON values.

Nothing else is needed to go on: weights, optimizer slots, the position in the data, the sums of the epoch at hand.
The tensors are the live ones, not copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from handson.core import tree
from handson.optimizers import Optimizer

Optimizers = Mapping[str, Optimizer]
NONE: Optimizers = {}


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


def values_of(optimizers: Optimizers) -> dict[str, Any]:
    """What optimizers remember beside their slots, as JSON; a schedule belongs to its settings."""
    return {place: _values_of(each) for place, each in optimizers.items()}


def _values_of(optimizer: Optimizer) -> dict[str, Any]:
    return {"iterations": optimizer.iterations, "learning_rate": optimizer.given_rate}


def further_optimizers(module: ModuleLike, compiled: Optimizer) -> Optimizers:
    """The optimizers that a net's own training step uses, beside the one of `compile`.

    They are found among the attributes of the net and of its parts, in lists and dictionaries too; a net inside it that
    was compiled has one as well.

    Examples
    --------
    >>> from handson.optimizers import SGD, Adam
    >>> net = nn.Module()
    >>> net.own_steps, net.of_generator = ("train_step",), Adam()
    >>> list(further_optimizers(net, SGD()))
    ['optimizer.of_generator']
    """
    found: dict[str, Optimizer] = {}
    if "train_step" not in getattr(module, "own_steps", ()):
        return found
    for path, part in module.named_modules():
        held = {name: value for name, value in vars(part).items() if not name.startswith("_")}
        if hasattr(part, "need_compiled") and part.compiled:
            held["optimizer"] = part.optimizer
        for name, value in held.items():
            for inner, leaf in zip(tree.paths(value), tree.leaves(value), strict=True):
                if isinstance(leaf, Optimizer) and not any(leaf is known for known in (compiled, *found.values())):
                    found[".".join(step for step in ("optimizer", path, name, inner) if step)] = leaf
    return found


@dataclass
class TrainingState:
    """A view of everything that a training changes.

    Attributes
    ----------
    tensors : dict of str to Tensor
        'weights/<name>' and 'optimizer/<slot>/<name>', and the like for further optimizers.
    values : dict
        JSON: steps and learning rate of each optimizer, and whatever the loop adds.
    originals : list of Tensor
        Of a copy: the tensors that it was made of.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any] = field(default_factory=dict)
    originals: list[Tensor] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, module: HasWeights, optimizer: Optimizer, further: Optimizers = NONE) -> TrainingState:
        """The state of a net, its optimizer, and those that `further_optimizers` found."""
        tensors = {f"weights/{name}": weight for name, weight in named_weights(module).items()}
        optimizers = {"optimizer": optimizer, **further}
        for place, each in optimizers.items():
            for slot, held in each.slots.items():
                tensors |= {f"{place}/{slot}/{name}": tensor for name, tensor in held.items()}
        return cls(tensors, values_of(optimizers))

    @torch.no_grad()
    def copy(self, memory: TrainingState | None = None) -> TrainingState:
        """A copy that later steps do not change, in the memory of an earlier copy of the same tensors."""
        originals = list(self.tensors.values())
        held = {} if memory is None else memory.tensors
        if memory is None or not same_objects(memory.originals, originals):
            held = {name: torch.empty_like(tensor, requires_grad=False) for name, tensor in self.tensors.items()}
        if held:
            torch._foreach_copy_(list(held.values()), originals)
        return TrainingState(held, dict(self.values), originals)

    @torch.no_grad()
    def restore(self, module: HasWeights, optimizer: Optimizer | None, further: Optimizers = NONE) -> None:
        """Put this state back into a net and, if it has any, its optimizers."""
        optimizers = dict(further) if optimizer is None else {"optimizer": optimizer, **further}
        weights = named_weights(module)
        for path, tensor in self.tensors.items():
            kind, _, name = path.partition("/")
            if kind == "weights":
                weights[name].copy_(tensor)
            elif kind in optimizers:
                _put_back(optimizers[kind], name, tensor)
        for place in optimizers.keys() & self.values.keys():  # checkpoints of older versions hold one optimizer
            values = self.values[place]
            optimizers[place].iterations = values["iterations"]
            if values["learning_rate"] is not None and optimizers[place].given_rate is not None:
                optimizers[place].learning_rate = values["learning_rate"]


def _put_back(optimizer: Optimizer, path: str, tensor: Tensor) -> None:
    slot, _, weight = path.partition("/")
    held = optimizer.slots.setdefault(slot, {})
    if weight in held:
        held[weight].copy_(tensor)
    else:
        held[weight] = tensor.detach().clone()


def same_objects(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two lists hold the same objects, in order; the values of tensors do not matter."""
    return len(first) == len(second) and all(map(is_, first, second))
