"""The trainable weights of a net and what its optimizer remembers of them, as rows of one array."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from handson.optimizers import Optimizer
from handson.training.state import trainable_weights

MOST_SLOTS = 2


class FlatWeights:
    """Copies of weights and slots in the order that `named_parameters` gives, and the way from and to the tensors.

    Where the tensors are is found once: the way through a net's modules takes longer than a step of a small one.

    Parameters
    ----------
    module : nn.Module
        A net on the CPU whose weights are float32.
    optimizer : Optimizer
        Its optimizer, with at most two slots, which `gather` makes.

    Attributes
    ----------
    rows : array, shape (3, values)
        Weights, then each slot; float32.
    offsets : dict of str to int
        Where each weight begins in its row.

    Examples
    --------
    >>> net, optimizer = nn.Linear(2, 1), Optimizer()
    >>> flat = FlatWeights(net, optimizer)
    >>> flat.offsets, flat.rows.shape
    ({'weight': 0, 'bias': 2}, (3, 3))
    >>> flat.gather(); flat.rows += 1.0; before = net.bias.item()
    >>> flat.scatter(); round(net.bias.item() - before, 4)
    1.0
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        named = trainable_weights(module)
        self._names, self._optimizer = list(named), optimizer
        self._owners = [
            (module.get_submodule(path)._parameters, name) for path, _, name in (n.rpartition(".") for n in named)
        ]
        ends = np.cumsum([0, *(weight.numel() for weight in named.values())])
        self.offsets = dict(zip(named, ends.tolist(), strict=False))
        self.rows = np.zeros((1 + MOST_SLOTS, int(ends[-1])), np.float32)
        self._parts = [
            part.reshape(weight.shape)
            for row in self.rows
            for part, weight in zip(np.split(row, ends[1:-1]), named.values(), strict=True)
        ]
        self._tensors: list[Tensor] = []
        self._memory: list[int] = []
        self._values: list[np.ndarray] = []

    @property
    def frozen(self) -> bool:
        """Whether any of the weights is not trainable any more."""
        return not all(held[name].requires_grad for held, name in self._owners)  # type: ignore[union-attr]

    def gather(self) -> None:
        """Copy weights and slots into the rows."""
        self._find()
        for values, part in zip(self._values, self._parts, strict=False):
            part[...] = values

    def scatter(self) -> None:
        """Copy the rows back; torch is told that the tensors have changed."""
        for values, part in zip(self._values, self._parts, strict=False):
            values[...] = part
        torch.autograd.graph.increment_version(self._tensors)

    def _find(self) -> None:
        """Look whether tensors or their memory were exchanged since the last time."""
        tensors = self._list()
        if not self._same(tensors):
            weights = [held[name] for held, name in self._owners]
            self._optimizer.bind(self._names, weights)  # type: ignore[arg-type]
            self._tensors = tensors = self._list()  # type: ignore[assignment]
            self._values = [tensor.detach().numpy() for tensor in self._tensors]
            self._memory = [tensor.data_ptr() for tensor in self._tensors]

    def _list(self) -> list[Tensor | None]:
        slots = [self._optimizer.slots.get(slot, {}) for slot in self._optimizer.slot_values()]
        return [held[name] for held, name in self._owners] + [held.get(name) for held in slots for name in self._names]

    def _same(self, tensors: list[Tensor | None]) -> bool:
        return len(tensors) == len(self._tensors) and all(
            tensor is known and known.data_ptr() == place
            for tensor, known, place in zip(tensors, self._tensors, self._memory, strict=True)
        )
