"""The weights of a net and what its optimizer remembers of them, as rows of one array."""

from __future__ import annotations

from operator import is_

import numpy as np
import torch
from torch import Tensor, nn

from handson.kernels.aligned import aligned
from handson.optimizers import Optimizer

# At most so many slots of an optimizer; the row after them is the moving average of the weights.
MOST_SLOTS = 3


class FlatWeights:
    """Copies of weights and slots, and the way from and to the tensors: first the trained weights, then the frozen.

    In both parts the order is that of `named_parameters`. Where the tensors are is found once: the way through a net's
    modules takes longer than a step of a small one.

    Parameters
    ----------
    module : nn.Module
        A net on the CPU whose weights are float32.
    optimizer : Optimizer
        Its optimizer, with at most three slots, which `gather` makes.

    Attributes
    ----------
    rows : array, shape (5, at least the number of values)
        Weights, then each slot; last their moving average; float32, each row `aligned`.
    ends : array of int64
        Where each trained weight ends in its row.

    Examples
    --------
    >>> net, optimizer = nn.Linear(2, 1), Optimizer()
    >>> flat = FlatWeights(net, optimizer)
    >>> flat.place(net.bias), flat.ends.tolist(), flat.rows.shape
    (2, [2, 3], (5, 16))
    >>> flat.gather(); flat.rows += 1.0; before = net.bias.item()
    >>> flat.scatter(); round(net.bias.item() - before, 4)
    1.0
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        every = dict(module.named_parameters())
        self._names = [name for name, weight in every.items() if weight.requires_grad]
        names = [*self._names, *(name for name in every if not every[name].requires_grad)]
        self._optimizer = optimizer
        # By their places: a layer may have the name of an attribute of its net.
        parts = dict(module.named_modules())
        self._owners = [(parts[path]._parameters, name) for path, _, name in (n.rpartition(".") for n in names)]
        ends = np.cumsum([0, *(every[name].numel() for name in names)])
        self._offsets = {id(every[name]): int(first) for name, first in zip(names, ends, strict=False)}
        self.ends = ends[1 : 1 + len(self._names)].astype(np.int64)
        self.rows = aligned(2 + MOST_SLOTS, int(ends[-1]))
        self._places = [
            (name, slice(first, last), every[name].shape)
            for name, first, last in zip(names, ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
        self._tensors: list[Tensor] = []
        self._memory: list[int] = []
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def trainable(self) -> list[bool]:
        """Which weights are trainable now, in the order of the rows."""
        return [held[name].requires_grad for held, name in self._owners]

    def place(self, weight: Tensor) -> int:
        """Where a weight begins in its row."""
        return self._offsets[id(weight)]

    def gather(self) -> None:
        """Copy weights and slots into the rows."""
        self._find()
        for values, part in self._pairs:
            part[...] = values

    def scatter(self) -> None:
        """Copy the rows back; torch is told that the tensors have changed."""
        for values, part in self._pairs:
            values[...] = part
        torch.autograd.graph.increment_version(self._tensors)

    def _find(self) -> None:
        """Look whether tensors or their memory were exchanged since the last time."""
        tensors = self._list()
        if not self._same(tensors):
            weights = [held[name] for held, name in self._owners[: len(self._names)]]
            self._optimizer.bind(self._names, weights)
            self._tensors = tensors = self._list()  # type: ignore[assignment]
            self._pairs = [
                (tensor.detach().numpy(), part)
                for tensor, part in zip(self._tensors, self._parts(self.rows).values(), strict=True)
            ]
            self._memory = [tensor.data_ptr() for tensor in self._tensors]

    def _parts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What in the rows belongs to which tensor, in the order of `_list`."""
        slots, trained = self._slots(), self._places[: len(self._names)]
        used = [rows[0], *rows[1 : 1 + len(self._optimizer.slot_values())], *([rows[-1]] if "average" in slots else [])]
        prefixes = ["weights", *(f"optimizer/{slot}" for slot in slots)]
        return {
            f"{prefix}/{name}": row[place].reshape(shape)
            for prefix, row in zip(prefixes, used, strict=True)
            for name, place, shape in (self._places if prefix == "weights" else trained)
        }

    def _slots(self) -> list[str]:
        return self._optimizer.slot_names()

    def _list(self) -> list[Tensor | None]:
        of_slots = [self._optimizer.slots.get(slot, {}) for slot in self._slots()]
        weights = [held[name] for held, name in self._owners]
        return weights + [held.get(name) for held in of_slots for name in self._names]

    def _same(self, tensors: list[Tensor | None]) -> bool:
        return (
            len(tensors) == len(self._tensors)
            and all(map(is_, tensors, self._tensors))
            and [tensor.data_ptr() for tensor in self._tensors] == self._memory
        )
