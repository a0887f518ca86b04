"""Batches by number whose order follows from a seed and the epoch, so that a training can go on at any of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.randomness.keys import check_seed, derive, fresh_seed, permutation
from handson.utils.py_dataset import PyDataset


class KeyedBatches(PyDataset):
    """The base of Keras's older iterators: `samples` numbered from 0, in batches, in each epoch in an order of its own.

    A subclass defines `batch(rows, key)`, which gives the batch of some samples; what is random in it follows from the
    key, a number of the seed and the epoch. `fit`, `evaluate` and `predict` take it.

    Parameters
    ----------
    n : int
        How many samples there are.
    batch_size : int
        Samples in a batch; the last may be smaller.
    shuffle : bool
        Whether samples are shuffled.
    seed : int, optional
        The seed; by default a fresh one, which `handson.set_random_seed` fixes.
    **kwargs
        Those of `handson.utils.PyDataset`.
    """

    # What a training asks: data can be read once more, and opened at any batch.
    repeats = exact = True

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n, self.batch_size = whole("the number of samples", n, 0), whole("batch_size", batch_size, 1)
        self.shuffle, self.seed = bool(shuffle), seed
        self._key = fresh_seed() if seed is None else check_seed(seed)
        self._epoch = 0

    def batch(self, rows: np.ndarray, key: int) -> Any:
        """The batch of some samples."""
        raise NotImplementedError(f"{type(self).__name__} must define batch(rows, key), which gives a batch.")

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    @property
    def length(self) -> int:
        """Batches in an epoch."""
        return len(self)

    def _numbered(self, number: int, *epoch: int) -> Any:
        """A batch of an epoch."""
        key = derive(self._key, *epoch)
        order = permutation(derive(key, "shuffle"), self.n) if self.shuffle else np.arange(self.n)
        return self.batch(order[number * self.batch_size : (number + 1) * self.batch_size], key)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} batches, numbered from 0; got {index}.")
        return self._numbered(index, self._epoch)

    def on_epoch_end(self) -> None:
        """Let the batches that are asked for by number be those of the next epoch."""
        self._epoch += 1

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch, from one on; after all samples they come again, changed anew, without an end."""
        if not self.n:
            raise HandsonError(f"{type(self).__name__} has no samples.")
        for number in count(first):
            again, place = divmod(number, len(self))
            yield self._numbered(place, epoch, *([again] if again else []))
