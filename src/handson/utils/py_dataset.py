"""`PyDataset`: batches by number, as Keras's programs write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handson.core.errors import HandsonError, whole


class PyDataset:
    """The base of data sets that give a batch by its number; `fit` takes one.

    A subclass defines ``__getitem__(index)``, which gives (x, y) or (x, y, sample_weight), and ``__len__`` or
    `num_batches`; it may define `on_epoch_begin` and `on_epoch_end`.

    Parameters
    ----------
    workers : int
        Batches are read ahead of the steps, in one thread; more is accepted for programs written for Keras.
    use_multiprocessing : bool
        Only False: processes copy what the data set holds. A `torch.utils.data.DataLoader` has workers.
    max_queue_size : int
        How many batches Keras reads ahead.

    Examples
    --------
    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> list(Squares())
    [(0, 0), (1, 1), (2, 4)]
    """

    workers, use_multiprocessing, max_queue_size = 1, False, 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        if use_multiprocessing:
            raise HandsonError(
                f"{type(self).__name__}: a PyDataset is read in a thread; leave out use_multiprocessing=True, or give "
                f"fit a torch.utils.data.DataLoader with num_workers."
            )
        self.workers, self.use_multiprocessing = whole("workers", workers, 0), False
        self.max_queue_size = whole("max_queue_size", max_queue_size, 1)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index), which gives a batch.")

    def __len__(self) -> int:
        count = type(self).num_batches
        if count is PyDataset.num_batches:
            raise NotImplementedError(f"{type(self).__name__} must define __len__: how many batches there are.")
        return int(self.num_batches)

    @property
    def num_batches(self) -> int:
        """How many batches there are in an epoch."""
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset
