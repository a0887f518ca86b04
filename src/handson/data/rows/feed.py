"""A feed: batches that are read from a file, or sent to another device, while the steps before them run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from handson.data.rows.ahead import Ahead
from handson.data.rows.stored import Data, StoredRows

# Batches are fetched in groups of about so many bytes; so much is held at most, in so many groups.
GROUP_BYTES, MOST_BYTES, MOST_GROUPS = 1 << 21, 1 << 26, 3
# One thread copies what has arrived while the other waits for the disk.
THREADS = 2
# The share of a device's free memory that data may take.
SHARE = 0.5

Key = tuple[int | None, int]


def fits(size: int, free: int) -> bool:
    """Whether data of so many bytes go onto a device with so many free.

    Examples
    --------
    >>> fits(5 << 30, free=16 << 30), fits(9 << 30, free=16 << 30)
    (True, False)
    """
    return size <= SHARE * free


class Batch(NamedTuple):
    """What the rows of a step hold.

    Attributes
    ----------
    inputs, targets : list of Tensor
        For each input and output of the net.
    weights : list of Tensor or None
        For each output.
    """

    inputs: list[Tensor]
    targets: list[Tensor]
    weights: list[Tensor | None]


def arriving(leaf: Tensor) -> Tensor:
    """An input as a step wants it: bytes become float32, ids and numbers stay what they are."""
    return leaf.to(torch.float32) if leaf.dtype == torch.uint8 else leaf


class Fetched(NamedTuple):
    """A batch on its device, or on the way there."""

    rows: Tensor
    contents: Batch
    copied: Any

    def arrived(self) -> tuple[Tensor, Batch]:
        """The rows and what they hold; work that is queued from now on waits until they are there."""
        if self.copied is not None:
            current = torch.cuda.current_stream(self.rows.device)
            current.wait_event(self.copied)
            for tensor in (self.rows, *(leaf for leaves in self.contents for leaf in leaves)):
                if tensor is not None:
                    tensor.record_stream(current)
        return self.rows, self.contents


class Supply(Protocol):
    """What a feed needs of `Batches`."""

    inputs: Sequence[Data]
    targets: Sequence[Data]
    weights: Sequence[Tensor | None]
    batch_size: int
    device: torch.device | None

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def rows(self, epoch: int | None, step: int) -> Tensor:
        """The rows of a step."""

    def ahead(self, epoch: int | None, step: int) -> tuple[Key, np.ndarray] | None:
        """What is to be read while a step waits for its turn, under a name; None where nothing is."""

    def augmented(self, epoch: int | None, rows: Tensor, batch: Batch) -> Batch:
        """What a step of a training sees of a batch."""


class Feed:
    """Batches in any order; those that come next in an epoch are fetched ahead.

    Parameters
    ----------
    batches : Batches
        The rows, on the host, and the device that they are for.
    """

    def __init__(self, batches: Supply) -> None:
        self._batches, self._device = batches, batches.device or batches.inputs[0].device
        size = batches.batch_size * sum(map(_bytes_of_row, (*batches.inputs, *batches.targets)))
        self._group = max(1, GROUP_BYTES // max(1, size))
        depth = max(1, min(MOST_GROUPS, MOST_BYTES // max(1, size * self._group)))
        self._ahead: Ahead[Key, list[Fetched]] = Ahead(self._fetch, self._following, depth, THREADS)
        self._current: tuple[Key, list[Fetched]] | None = None
        self._announced: Key | None = None
        # Seconds in which batches were read, and augmented.
        self._read = self._augmented = 0.0
        self._stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None

    def get(self, epoch: int | None, step: int) -> tuple[Tensor, Batch]:
        """The rows of a step, and what they hold."""
        key = epoch, step // self._group
        if self._current is None or self._current[0] != key:
            self._current = None
            self._current = key, self._ahead.get(key)
        return self._current[1][step % self._group].arrived()

    def close(self) -> None:
        """End the threads."""
        self._ahead.close()
        for data in self._stored:
            data.close()

    def _following(self, key: Key) -> Key | None:
        """The group after one: after the last of an epoch the first of the next."""
        epoch, group = key
        if (group + 1) * self._group < self._batches.steps:
            return epoch, group + 1
        return None if epoch is None else (epoch + 1, 0)

    def _fetch(self, key: Key) -> list[Fetched]:
        batches, (epoch, group) = self._batches, key
        steps = range(group * self._group, min((group + 1) * self._group, batches.steps))
        rows = [batches.rows(epoch, step) for step in steps]
        self._announce(torch.cat(rows).numpy())
        contents = [self._prepared(epoch, batch) for batch in rows]
        further = batches.ahead(epoch, steps[-1])
        if further is not None and further[0] != self._announced:
            self._announced = further[0]
            self._announce(further[1])
        return contents

    def _prepared(self, epoch: int | None, rows: Tensor) -> Fetched:
        started = time.perf_counter()
        fetched = self._sent(rows)
        between = time.perf_counter()
        contents = self._batches.augmented(epoch, fetched.rows, fetched.contents)
        self._read += between - started
        self._augmented += time.perf_counter() - between
        return fetched._replace(contents=contents)

    @property
    def augmenting(self) -> float:
        """The share of the time of its threads that augmentation took."""
        return self._augmented / max(self._read + self._augmented, 1e-9)

    @property
    def _stored(self) -> list[StoredRows]:
        return [data for data in (*self._batches.inputs, *self._batches.targets) if isinstance(data, StoredRows)]

    def _announce(self, rows: np.ndarray) -> None:
        for data in self._stored:
            data.announce(rows)

    def _sent(self, rows: Tensor) -> Fetched:
        batches, stream = self._batches, self._stream
        weights = [None if leaf is None else leaf.index_select(0, rows) for leaf in batches.weights]
        inputs = [_read(leaf, rows, self._early(leaf)) for leaf in batches.inputs]
        targets = [_read(leaf, rows) for leaf in batches.targets]
        with nullcontext() if stream is None else torch.cuda.stream(stream):
            contents = Batch(
                [arriving(self._moved(leaf)) for leaf in inputs],
                [self._moved(leaf) for leaf in targets],
                [None if leaf is None else self._moved(leaf) for leaf in weights],
            )
            return Fetched(self._moved(rows), contents, None if stream is None else stream.record_event())

    def _early(self, leaf: Data) -> torch.dtype | None:
        """The type that bytes are read as: a device converts faster, and less goes there."""
        return torch.float32 if self._stream is None and leaf.dtype == torch.uint8 else None

    def _moved(self, tensor: Tensor) -> Tensor:
        if self._stream is None:
            return tensor.to(self._device)
        return tensor.pin_memory().to(self._device, non_blocking=True)


def _bytes_of_row(data: Data) -> int:
    return data.numel() // max(1, len(data)) * 4


def _read(data: Data, rows: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return data.read(rows.numpy(), dtype) if isinstance(data, StoredRows) else data.index_select(0, rows)
