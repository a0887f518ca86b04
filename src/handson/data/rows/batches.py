"""Batches are a function: which rows step s of epoch e sees follows from the seed, the epoch and the step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.data.rows.feed import Batch, Feed, arriving, fits
from handson.data.rows.stored import Data, StoredRows
from handson.data.rows.streamed import waited_note
from handson.data.rows.windows import Windows, windows_of
from handson.randomness import keys
from handson.randomness.stream import Stream, active

Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass
class Batches:
    """The rows of a data set, in batches.

    Parameters
    ----------
    inputs : list of Tensor or StoredRows, shape (n, ...)
        One row for each sample, in each of the net's inputs; one alone is a list of one.
    targets : list of Tensor or StoredRows, shape (n, ...)
        For each output, as its loss wants them: see `handson.training.preparation.contract`.
    weights : list of Tensor or None, shape (n,), optional
        For each output, a weight for each sample.
    batch_size : int
        Rows in a batch; the last batch of an epoch may have fewer.
    shuffle : bool
        Whether each epoch has an order of its own.
    seed : int
        The seed of these orders.
    masked : list of bool
        For each output, whether targets may be missing.
    device : torch.device, optional
        Where batches go, if the inputs are not there.
    limit : int, optional
        Batches in an epoch, if fewer than the rows make.
    augment : function of (inputs, targets), optional
        Changes the first input and the first target of a training's batches while the steps before them run. It draws
        from the stream of their step, as it would in the step itself. For data that are read ahead.
    permutation : function of (key, count)
        `handson.randomness.keys.permutation`, or what gives the same in less time.

    Examples
    --------
    >>> batches = Batches(torch.arange(5.0)[:, None], torch.zeros(5, 1), batch_size=2, shuffle=True, seed=1)
    >>> batches.steps, torch.equal(batches.rows(0, 1), batches.rows(0, 1))
    (3, True)
    """

    inputs: Sequence[Data]
    targets: Sequence[Data]
    weights: Sequence[Tensor | None] = ()
    batch_size: int = 32
    shuffle: bool = False
    seed: int = 0
    masked: Sequence[bool] = ()
    device: torch.device | None = None
    permutation: Callable[[int, int], np.ndarray] = keys.permutation
    limit: int | None = None
    augment: Augmentation | None = None
    _order: tuple[int, Tensor] | None = field(default=None, repr=False)
    _feed: Feed | None = field(default=None, repr=False)
    _windows: tuple[Windows | None] | None = field(default=None, init=False, repr=False)
    waited: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.inputs, self.targets = _listed(self.inputs), _listed(self.targets)
        several = len(self.targets)
        self.weights = _listed(self.weights) or [None] * several
        self.masked = (
            [self.masked] * several if isinstance(self.masked, bool) else list(self.masked) or [False] * several
        )

    def __len__(self) -> int:
        return len(self.inputs[0])

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        steps = -(-len(self) // self.batch_size)
        return steps if self.limit is None else min(steps, self.limit)

    @property
    def repeats(self) -> bool:
        """Whether steps can be run once more."""
        return True

    def reach(self, epoch: int, first: int, last: int) -> int:
        """The step that a walk from `first` to `last` comes to."""
        return min(last, self.steps)

    @property
    def streams(self) -> bool:
        """Whether batches are fetched while the steps before them run: from a file, or to another device."""
        mapped = any(isinstance(leaf, StoredRows) for leaf in self.leaves)
        return mapped or (self.device is not None and self.device.type != self.inputs[0].device.type)

    @property
    def windows(self) -> Windows | None:
        """The windows of an epoch, where rows are stored in blocks and make several of them."""
        if self._windows is None:
            found = windows_of(self.leaves)
            self._windows = (found if found is not None and found.several else None,)
        return self._windows[0]

    def order(self, epoch: int) -> Tensor:
        """The rows of an epoch in the order that they are seen, int64 of shape (n,)."""
        if self.windows is not None:
            return self._in_windows(epoch, 0, len(self))
        kept = self._order  # threads that read ahead may ask for the next epoch meanwhile
        if kept is None or kept[0] != epoch:
            order = torch.from_numpy(self.permutation(keys.derive(self.seed, "shuffle", epoch), len(self)))
            self._order = kept = epoch, order.to(self.inputs[0].device)
        return kept[1]

    def rows(self, epoch: int | None, step: int) -> Tensor:
        """The rows of one batch; without an epoch, in the order of the data."""
        first, last = self.bounds(step)
        if not self.shuffle or epoch is None:
            return torch.arange(first, last, device=self.inputs[0].device)
        return self.order(epoch)[first:last] if self.windows is None else self._in_windows(epoch, first, last)

    def _in_windows(self, epoch: int, first: int, last: int) -> Tensor:
        windows = self.windows
        assert windows is not None  # noqa: S101
        return torch.from_numpy(windows.rows(keys.derive(self.seed, "shuffle", epoch), first, last, self.permutation))

    def ahead(self, epoch: int | None, step: int) -> tuple[tuple[int | None, int], np.ndarray] | None:
        """What is read while a step waits for its turn: the window after that of its last row, by epoch and number."""
        windows = self.windows
        if windows is None:
            return None
        here, last = (
            windows.of(self._key(epoch), self.bounds(one)[1] - 1, self.permutation) for one in (step, self.steps - 1)
        )
        if here == last and epoch is None:
            return None
        number = here + 1
        if here == last:  # the rest of this epoch's windows, if it has been shortened, is not come to
            epoch, number = (epoch or 0) + 1, 0
        return (epoch, number), windows.numbered(self._key(epoch), number, self.permutation)

    def _key(self, epoch: int | None) -> int | None:
        """The key of an epoch's order; None for the order of the data."""
        return None if epoch is None or not self.shuffle else keys.derive(self.seed, "shuffle", epoch)

    def bounds(self, step: int) -> tuple[int, int]:
        """The first row of a batch and the first after it, in the order of the epoch."""
        first = step * self.batch_size
        return first, min(first + self.batch_size, len(self))

    def walk(self, epoch: int | None, first: int, last: int) -> Iterator[tuple[Tensor, Batch]]:
        """The rows of the steps [first, last) of an epoch, each with what they hold.

        Without an epoch they come in the order of the data, and are views where possible.
        """
        if self.streams:
            self._feed = feed = self._feed or Feed(self)
            for step in range(first, last):
                started = time.perf_counter()
                found = feed.get(epoch, step)
                self.waited += time.perf_counter() - started
                yield found
            return
        for step in range(first, last):
            rows = self.rows(epoch, step)
            yield rows, self.slice(step) if epoch is None else self.take(rows)

    def augmented(self, epoch: int | None, rows: Tensor, batch: Batch) -> Batch:
        """What a step of a training sees of a batch; without an epoch, as in an evaluation, the batch."""
        if self.augment is None or epoch is None:
            return batch
        stream = Stream(self.seed, epoch)
        stream.rows = rows
        with active(stream):
            inputs, targets = self.augment(batch.inputs[0], batch.targets[0])
        return Batch([inputs, *batch.inputs[1:]], [targets, *batch.targets[1:]], batch.weights)

    def close(self) -> None:
        """End what reads ahead."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def waiting(self, seconds: float) -> str | None:
        """What to tell the user of a training that lasted so many seconds, if it waited for its data."""
        advice = (
            "a file without compression or with a faster one, larger chunks, a disk of this machine; or "
            "read(..., in_memory=True), if they fit"
        )
        if self._feed is not None and self._feed.augmenting > 0.5:
            advice = (
                f"{100 * self._feed.augmenting:.0f} % of the work ahead of its steps was augmentation; fewer changes, "
                f"smaller images, or more cores"
            )
        return waited_note(self.waited, seconds, advice)

    def take(self, rows: Tensor) -> Batch:
        """What some rows hold; all of it copies."""
        return Batch(
            [arriving(leaf.index_select(0, rows)) for leaf in self.inputs],
            [leaf.index_select(0, rows) for leaf in self.targets],
            [None if leaf is None else leaf.index_select(0, rows) for leaf in self.weights],
        )

    def slice(self, step: int) -> Batch:
        """What one batch in the order of the data holds; views where possible."""
        first, last = self.bounds(step)
        return Batch(
            [arriving(leaf[first:last]) for leaf in self.inputs],
            [leaf[first:last] for leaf in self.targets],
            [None if leaf is None else leaf[first:last] for leaf in self.weights],
        )

    @property
    def leaves(self) -> list[Data]:
        """Inputs and targets."""
        return [*self.inputs, *self.targets]

    def to(self, device: torch.device) -> Batches:
        """These batches for a device: moved there if that has room for them, else sent one after another."""
        if any(isinstance(leaf, StoredRows) for leaf in self.leaves):
            return self._for(device)
        if device.type == "cuda":
            tensors = [leaf for leaf in (*self.leaves, *self.weights) if leaf is not None]
            size = sum(leaf.numel() * leaf.element_size() for leaf in tensors if leaf.device != device)
            if not fits(size, torch.cuda.mem_get_info(device)[0]):
                return self._for(device)
        moved = {
            name: [None if leaf is None else leaf.to(device) for leaf in getattr(self, name)]
            for name in ("inputs", "targets", "weights")
        }
        return self._for(device, **moved)

    def _for(self, device: torch.device, **tensors: Any) -> Batches:
        return replace(self, device=device, _order=None, _feed=None, **tensors)

    @property
    def note(self) -> str | None:
        """A note for the user on how rows are read, if not from the memory of the device."""
        if not self.streams:
            return None
        size = sum(leaf.numel() * leaf.element_size() for leaf in self.leaves) / 2**30
        if any(isinstance(leaf, StoredRows) for leaf in self.leaves):
            order = "" if self.windows is None else f", shuffled in windows of {self.windows.window:,} rows"
            return f"data: {size:.3g} GiB stay in their file, and are read ahead of the steps{order}."
        return f"data: {size:.3g} GiB do not fit onto the device, and are sent there ahead of the steps."


def _listed(leaves: Any) -> list[Any]:
    return list(leaves) if isinstance(leaves, (list, tuple)) else [leaves]
