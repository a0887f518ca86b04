"""Batches are a function: which rows step s of epoch e sees follows from the seed, the epoch and the step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from handson.randomness.keys import derive, permutation


@dataclass
class Batches:
    """The rows of a data set, in batches.

    Parameters
    ----------
    inputs : Tensor, shape (n, ...)
        One row for each sample.
    targets : Tensor, shape (n, ...)
        As the loss wants them: see `handson.training.contract`.
    weights : Tensor, shape (n,), optional
        A weight for each sample.
    batch_size : int
        Rows in a batch; the last batch of an epoch may have fewer.
    shuffle : bool
        Whether each epoch has an order of its own.
    seed : int
        The seed of these orders.
    masked : bool
        Whether targets may be missing.

    Examples
    --------
    >>> batches = Batches(torch.arange(5.0)[:, None], torch.zeros(5, 1), batch_size=2, shuffle=True, seed=1)
    >>> batches.steps, torch.equal(batches.rows(0, 1), batches.rows(0, 1))
    (3, True)
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None = None
    batch_size: int = 32
    shuffle: bool = False
    seed: int = 0
    masked: bool = False
    _order: tuple[int, Tensor] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self) // self.batch_size)

    def order(self, epoch: int) -> Tensor:
        """The rows of an epoch in the order that they are seen, int64 of shape (n,)."""
        if self._order is None or self._order[0] != epoch:
            order = torch.from_numpy(permutation(derive(self.seed, "shuffle", epoch), len(self)))
            self._order = epoch, order.to(self.inputs.device)
        return self._order[1]

    def rows(self, epoch: int, step: int) -> Tensor:
        """The rows of one batch."""
        first, last = self.bounds(step)
        if self.shuffle:
            return self.order(epoch)[first:last]
        return torch.arange(first, last, device=self.inputs.device)

    def bounds(self, step: int) -> tuple[int, int]:
        """The first row of a batch and the first after it, in the order of the epoch."""
        first = step * self.batch_size
        return first, min(first + self.batch_size, len(self))

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs as float32, targets and weights of some rows; all of them are copies."""
        inputs = self.inputs.index_select(0, rows)
        return (
            inputs if inputs.dtype == torch.float32 else inputs.to(torch.float32),
            self.targets.index_select(0, rows),
            None if self.weights is None else self.weights.index_select(0, rows),
        )

    def slice(self, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs as float32, targets and weights of one batch in the order of the data; views where possible."""
        first, last = self.bounds(step)
        return (
            self.inputs[first:last].to(torch.float32),
            self.targets[first:last],
            None if self.weights is None else self.weights[first:last],
        )

    def to(self, device: torch.device) -> Batches:
        """These batches with their tensors on a device."""

        weights = None if self.weights is None else self.weights.to(device)
        return replace(
            self, inputs=self.inputs.to(device), targets=self.targets.to(device), weights=weights, _order=None
        )
