"""Where batches come from that are no arrays: generators, functions, loaders, data sets of PyTorch and of Keras.

Each is opened at an epoch and a batch. What can be opened there gives the same batches again, so a training that was
killed goes on exactly; what cannot is read from its beginning, up to the batch that comes next.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from handson.core.errors import HandsonError
from handson.randomness.keys import derive, permutation


class Opening(Protocol):
    """What gives batches, as users write them.

    Attributes
    ----------
    length : int or None
        Batches in an epoch, where that is known.
    repeats : bool
        Whether the batches of an epoch can be read once more.
    exact : bool
        Whether an epoch opened at a batch gives what it gave before, without reading what lies before it.
    """

    @property
    def length(self) -> int | None: ...
    @property
    def repeats(self) -> bool: ...
    @property
    def exact(self) -> bool: ...

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch, from one on."""


def is_batches(x: Any) -> bool:
    """Whether this gives batches, and is no array or table, nor a list or dictionary of them.

    Examples
    --------
    >>> is_batches(iter([1])), is_batches(np.zeros(3)), is_batches([np.zeros(3)])
    (True, False, False)
    """
    if x is None or isinstance(x, (list, tuple, dict, str, bytes)) or any(
        hasattr(x, name) for name in ("shape", "iloc", "__array__")
    ):  # fmt: skip
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or hasattr(x, "__getitem__") or callable(x)


def opening(x: Any, batch_size: int | None, shuffle: bool, seed: int) -> Opening:
    """How a user's data are opened."""
    if all(hasattr(x, name) for name in ("open", "length", "repeats", "exact")):  # a Dataflow is an Opening
        return x
    if isinstance(x, Dataset) and not isinstance(x, IterableDataset):
        return _Samples(x, batch_size or 32, shuffle, seed)
    if isinstance(x, IterableDataset):
        return _Iterable(DataLoader(x, batch_size=batch_size or 32))
    if isinstance(x, DataLoader):
        return _Iterable(x)
    if hasattr(x, "__next__"):
        return _Iterator(x)
    if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        return _Batches(x, shuffle, seed)
    if hasattr(x, "__iter__"):
        return _Iterable(x)
    return _Function(x)


def _length(x: Any) -> int | None:
    try:
        return len(x)
    except TypeError:  # as that of a DataLoader over what has no length
        return None


class _Iterator:
    """A generator: it is read once, and goes on where it was left."""

    length, repeats, exact = None, False, False

    def __init__(self, x: Any) -> None:
        self._x = x

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        return iter(self._x)


class _Iterable:
    """What begins anew each time, such as a `torch.utils.data.DataLoader`."""

    repeats, exact = True, False

    def __init__(self, x: Any) -> None:
        self._x, self.length = x, _length(x)

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        return islice(iter(self._x), first, None)


class _Function:
    """A function that returns batches; it may ask for the `epoch`, and for the `step` to begin at."""

    length, repeats = None, True

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            names = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            names = set()
        self._function, self._asked = function, names & {"epoch", "step"}
        self.exact = "step" in self._asked

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        given = {"epoch": epoch, "step": first}
        made = iter(self._function(**{name: given[name] for name in self._asked}))
        return made if self.exact else islice(made, first, None)


class _Batches:
    """A `PyDataset` of Keras: batches by number, in an order of each epoch's own."""

    repeats = exact = True

    def __init__(self, x: Any, shuffle: bool, seed: int) -> None:
        self._x, self._shuffle, self._seed = x, shuffle, seed
        self.length = _length(x)

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        count = len(self._x)
        order = permutation(derive(self._seed, "shuffle", epoch), count) if self._shuffle else np.arange(count)
        begin, end = (getattr(self._x, name, None) for name in ("on_epoch_begin", "on_epoch_end"))
        if begin is not None:
            begin()
        for number in order[first:]:
            yield self._x[int(number)]
        if end is not None:
            end()


class _Samples:
    """A map-style data set of PyTorch: samples by number, put together to batches."""

    repeats = exact = True

    def __init__(self, x: Any, batch_size: int, shuffle: bool, seed: int) -> None:
        self._x, self._size, self._shuffle, self._seed = x, batch_size, shuffle, seed
        if _length(x) is None:
            raise HandsonError(
                f"{type(x).__name__} has no length: a data set of PyTorch needs __len__ and __getitem__."
            )
        self.length = -(-len(x) // batch_size)

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        count = len(self._x)
        order = permutation(derive(self._seed, "shuffle", epoch), count) if self._shuffle else np.arange(count)
        for start in range(first * self._size, count, self._size):
            yield default_collate([self._x[int(number)] for number in order[start : start + self._size]])
