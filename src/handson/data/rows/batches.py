"""Batches are a function: which rows step s of epoch e sees follows from the seed, the epoch and the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.data.rows.feed import Contents, Feed, fits
from handson.data.rows.mapped import Data, MappedRows
from handson.randomness import keys


@dataclass
class Batches:
    """The rows of a data set, in batches.

    Parameters
    ----------
    inputs : Tensor or MappedRows, shape (n, ...)
        One row for each sample.
    targets : Tensor or MappedRows, shape (n, ...)
        As the loss wants them: see `handson.training.preparation.contract`.
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
    device : torch.device, optional
        Where batches go, if the inputs are not there.
    permutation : function of (key, count)
        `handson.randomness.keys.permutation`, or what gives the same in less time.

    Examples
    --------
    >>> batches = Batches(torch.arange(5.0)[:, None], torch.zeros(5, 1), batch_size=2, shuffle=True, seed=1)
    >>> batches.steps, torch.equal(batches.rows(0, 1), batches.rows(0, 1))
    (3, True)
    """

    inputs: Data
    targets: Data
    weights: Tensor | None = None
    batch_size: int = 32
    shuffle: bool = False
    seed: int = 0
    masked: bool = False
    device: torch.device | None = None
    permutation: Callable[[int, int], np.ndarray] = keys.permutation
    _order: tuple[int, Tensor] | None = field(default=None, repr=False)
    _feed: Feed | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self) // self.batch_size)

    @property
    def streams(self) -> bool:
        """Whether batches are fetched while the steps before them run: from a file, or to another device."""
        mapped = isinstance(self.inputs, MappedRows) or isinstance(self.targets, MappedRows)
        return mapped or (self.device is not None and self.device.type != self.inputs.device.type)

    def order(self, epoch: int) -> Tensor:
        """The rows of an epoch in the order that they are seen, int64 of shape (n,)."""
        kept = self._order  # threads that read ahead may ask for the next epoch meanwhile
        if kept is None or kept[0] != epoch:
            order = torch.from_numpy(self.permutation(keys.derive(self.seed, "shuffle", epoch), len(self)))
            self._order = kept = epoch, order.to(self.inputs.device)
        return kept[1]

    def rows(self, epoch: int | None, step: int) -> Tensor:
        """The rows of one batch; without an epoch, in the order of the data."""
        first, last = self.bounds(step)
        if self.shuffle and epoch is not None:
            return self.order(epoch)[first:last]
        return torch.arange(first, last, device=self.inputs.device)

    def bounds(self, step: int) -> tuple[int, int]:
        """The first row of a batch and the first after it, in the order of the epoch."""
        first = step * self.batch_size
        return first, min(first + self.batch_size, len(self))

    def walk(self, epoch: int | None, first: int, last: int) -> Iterator[tuple[Tensor, Contents]]:
        """The rows of the steps [first, last) of an epoch, each with inputs as float32, targets and weights.

        Without an epoch they come in the order of the data, and are views where possible.
        """
        if self.streams:
            self._feed = feed = self._feed or Feed(self)
            yield from (feed.get(epoch, step) for step in range(first, last))
            return
        for step in range(first, last):
            rows = self.rows(epoch, step)
            yield rows, self.slice(step) if epoch is None else self.take(rows)

    def close(self) -> None:
        """End what reads ahead."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def take(self, rows: Tensor) -> Contents:
        """Inputs as float32, targets and weights of some rows; all of them are copies."""
        inputs = self.inputs.index_select(0, rows)
        return (
            inputs if inputs.dtype == torch.float32 else inputs.to(torch.float32),
            self.targets.index_select(0, rows),
            None if self.weights is None else self.weights.index_select(0, rows),
        )

    def slice(self, step: int) -> Contents:
        """Inputs as float32, targets and weights of one batch in the order of the data; views where possible."""
        first, last = self.bounds(step)
        return (
            self.inputs[first:last].to(torch.float32),
            self.targets[first:last],
            None if self.weights is None else self.weights[first:last],
        )

    def to(self, device: torch.device) -> Batches:
        """These batches for a device: moved there if that has room for them, else sent one after another."""
        if isinstance(self.inputs, MappedRows) or isinstance(self.targets, MappedRows):
            return self._for(device)
        if device.type == "cuda":
            tensors = [part for part in (self.inputs, self.targets, self.weights) if part is not None]
            size = sum(part.numel() * part.element_size() for part in tensors if part.device != device)
            if not fits(size, torch.cuda.mem_get_info(device)[0]):
                return self._for(device)
        weights = None if self.weights is None else self.weights.to(device)
        return self._for(device, inputs=self.inputs.to(device), targets=self.targets.to(device), weights=weights)

    def _for(self, device: torch.device, **tensors: Any) -> Batches:
        return replace(self, device=device, _order=None, _feed=None, **tensors)

    @property
    def note(self) -> str | None:
        """In words for the user, how the rows come to the steps, if not from the memory of the device."""
        if not self.streams:
            return None
        size = sum(part.numel() * part.element_size() for part in (self.inputs, self.targets)) / 2**30
        if isinstance(self.inputs, MappedRows) or isinstance(self.targets, MappedRows):
            return f"data: {size:.3g} GiB stay in their file, and are read ahead of the steps."
        return f"data: {size:.3g} GiB do not fit onto the device, and are sent there ahead of the steps."
