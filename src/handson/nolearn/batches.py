"""Batch iterators: how rows are divided, and what is done to each batch, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole


def count(X: Any) -> int:
    """The number of rows, of an array or of a dictionary of them."""
    return len(next(iter(X.values()))) if isinstance(X, dict) else len(X)


def picked(X: Any, rows: Any) -> Any:
    """Some rows, of an array or of a dictionary of them."""
    return {name: values[rows] for name, values in X.items()} if isinstance(X, dict) else X[rows]


class BatchIterator:
    """Divides rows into batches; a subclass changes each in `transform`.

    Parameters
    ----------
    batch_size : int
        Rows in a batch.
    shuffle : bool
        Whether every epoch has an order of its own.
    seed : int
        Of that order, where the iterator is used by itself.

    Notes
    -----
    In `NeuralNet.fit` batches are copies, so `transform` may write into them; rows stay as they are.

    Examples
    --------
    >>> class Doubled(BatchIterator):
    ...     def transform(self, Xb, yb):
    ...         return 2 * Xb, yb
    >>> [Xb.tolist() for Xb, yb in Doubled(2)(np.arange(3))]
    [[0, 2], [4]]
    """

    def __init__(self, batch_size: int, shuffle: bool = False, seed: int = 42) -> None:
        self.batch_size, self.shuffle, self.seed = whole("batch_size", batch_size, 1), shuffle, seed

    def __call__(self, X: Any, y: Any = None) -> BatchIterator:
        """Take rows; the iterator then gives their batches."""
        self.X, self.y = X, y
        return self

    def __iter__(self) -> Iterator[Any]:
        rows = np.arange(count(self.X))
        if self.shuffle:
            np.random.RandomState(self.seed).shuffle(rows)
        for start in range(0, len(rows), self.batch_size):
            part = rows[start : start + self.batch_size]
            yield self.transform(picked(self.X, part), None if self.y is None else self.y[part])

    @property
    def n_samples(self) -> int:
        """The number of rows."""
        return count(self.X)

    def transform(self, Xb: Any, yb: Any) -> Any:
        """Change a batch."""
        return Xb, yb

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows."""
        return {name: value for name, value in vars(self).items() if name not in ("X", "y")}


def is_plain(iterator: Any) -> bool:
    """Whether batches are given as they are."""
    kind = type(iterator)
    return isinstance(iterator, BatchIterator) and all(
        getattr(kind, name) is getattr(BatchIterator, name) for name in ("transform", "__iter__", "__call__")
    )


def transforms(iterator: Any) -> bool:
    """Whether batches are changed by `transform` alone."""
    kind = type(iterator)
    return isinstance(iterator, BatchIterator) and all(
        getattr(kind, name) is getattr(BatchIterator, name) for name in ("__iter__", "__call__")
    )


def gathered(iterator: Any, X: Any, y: Any = None) -> tuple[Any, Any]:
    """All rows as an iterator gives them."""
    if is_plain(iterator):
        return X, y
    batches = list(iterator(X, y))
    if not batches:
        raise HandsonError(f"{type(iterator).__name__} gives no batch for {count(X)} rows.")
    inputs = [batch[0] for batch in batches]
    joined: Any = (
        {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
        if isinstance(inputs[0], dict)
        else np.concatenate(inputs)
    )
    return joined, None if y is None else np.concatenate([batch[1] for batch in batches])
