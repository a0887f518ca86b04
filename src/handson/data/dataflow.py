"""Data that come one element after another, changed on the way and put together to batches: tf.data in small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from itertools import count as count_up
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.core.masked import unmasked
from handson.randomness.keys import check_seed, derive, fresh_seed

# What programs pass for numbers that the library is to choose; here there is nothing to choose.
AUTOTUNE = -1


class Dataflow:
    """Elements that are read again in each epoch: arrays, or tuples and dictionaries of them.

    `fit` takes one whose elements are batches, (x, y) for example. Methods give a new dataflow, as those of
    `tf.data.Dataset` do, under their names.

    Parameters
    ----------
    read : function of int
        Gives the elements of an epoch.
    length : int, optional
        How many there are, if that is known.

    Examples
    --------
    >>> flow = Dataflow.from_tensor_slices((np.arange(6.0), np.arange(6)))
    >>> flow = flow.map(lambda x, y: (2 * x, y)).batch(4)
    >>> [x.tolist() for x, y in flow], len(flow)
    ([[0.0, 2.0, 4.0, 6.0], [8.0, 10.0]], 2)
    """

    # What a training asks: it can be read once more, and an epoch is read from its beginning.
    repeats, exact = True, False

    def __init__(self, read: Callable[[int], Iterable[Any]], length: int | None = None) -> None:
        self._read, self.length = read, length
        self._epoch = 0
        self.batch_size: int | None = None
        self.class_names: list[str] | None = None
        self.file_paths: list[str] | None = None

    @staticmethod
    def from_tensor_slices(data: Any) -> Dataflow:
        """The rows of an array, or of several at once."""
        data = arranged(data)
        arrays = tree.leaves(data)
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1:
            raise HandsonError(f"from_tensor_slices takes arrays of one length; got {sorted(lengths)}.")
        form = tree.spec(data)
        (length,) = lengths
        return Dataflow(
            lambda epoch: (tree.rebuild(form, [array[row] for array in arrays]) for row in range(length)), length
        )

    @staticmethod
    def from_generator(generator: Callable[[], Iterable[Any]], length: int | None = None) -> Dataflow:
        """What a function gives, called in each epoch."""
        if not callable(generator):
            raise HandsonError(f"from_generator takes a function that returns a generator; got {generator!r}.")
        return Dataflow(lambda epoch: generator(), length)

    @staticmethod
    def zip(*flows: Any) -> Dataflow:
        """Tuples with an element of each."""
        flows = tuple(flows[0]) if len(flows) == 1 and isinstance(flows[0], (tuple, list)) else flows
        lengths = [flow.length for flow in flows]
        length = None if None in lengths else min(lengths)
        return Dataflow(lambda epoch: zip(*(flow._read(epoch) for flow in flows), strict=False), length)

    # Reading.

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        """The elements of an epoch, from one on."""
        return islice(self._read(epoch), first, None)

    def __iter__(self) -> Iterator[Any]:
        self._epoch += 1
        return iter(self._read(self._epoch - 1))

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements, with arrays of NumPy in place of tensors."""
        return (tree.map_leaves(lambda leaf: leaf.numpy() if isinstance(leaf, Tensor) else leaf, one) for one in self)

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("how many elements this dataflow has is not known before it is read.")
        return self.length

    def cardinality(self) -> int:
        """How many elements there are; -2 if that is not known."""
        return -2 if self.length is None else self.length

    def __repr__(self) -> str:
        return f"<Dataflow of {'unknown length' if self.length is None else self.length}>"

    # Changing.

    def _like(
        self, read: Callable[[int], Iterable[Any]], length: int | None, batch_size: int | None = None
    ) -> Dataflow:
        flow = Dataflow(read, length)
        flow.batch_size = batch_size
        return flow

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None) -> Dataflow:
        """Apply a function to each element; the entries of a tuple are its arguments.

        Calls are made one after the other, so layers that draw random numbers repeat; `num_parallel_calls` and
        `deterministic` are there for programs written for TensorFlow.
        """
        return self._like(
            lambda epoch: (_call(function, one) for one in self._read(epoch)), self.length, self.batch_size
        )

    def filter(self, function: Callable[..., Any]) -> Dataflow:
        """Keep the elements for which a function is true."""
        return self._like(lambda epoch: (one for one in self._read(epoch) if bool(_call(function, one))), None)

    def batch(self, batch_size: int, drop_remainder: bool = False, **parallel: Any) -> Dataflow:
        """Put elements together, `batch_size` at a time; the last batch may be smaller, or is left out."""
        size = whole("batch_size", batch_size, 1)
        _only(parallel, "batch")
        length = None
        if self.length is not None:
            length = self.length // size if drop_remainder else -(-self.length // size)

        def read(epoch: int) -> Iterator[Any]:
            elements = iter(self._read(epoch))
            while rows := list(islice(elements, size)):
                if len(rows) == size or not drop_remainder:
                    yield stacked(rows)

        return self._like(read, length, size)

    def unbatch(self) -> Dataflow:
        """The rows of batches, one by one."""

        def read(epoch: int) -> Iterator[Any]:
            for batch in self._read(epoch):
                leaves, form = tree.leaves(batch), tree.spec(batch)
                yield from (tree.rebuild(form, row) for row in zip(*leaves, strict=True))

        return self._like(read, None)

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> Dataflow:
        """Another order in each epoch, a function of the seed and the epoch; only the next `buffer_size` are mixed."""
        size = whole("buffer_size", buffer_size, 1)
        key = fresh_seed() if seed is None else check_seed(seed)

        def read(epoch: int) -> Iterator[Any]:
            rng = np.random.default_rng(derive(key, "shuffle", epoch if reshuffle_each_iteration else 0))
            elements = iter(self._read(epoch))
            held = list(islice(elements, size))
            for one in elements:
                place = int(rng.integers(len(held)))
                yield held[place]
                held[place] = one
            yield from (held[place] for place in rng.permutation(len(held)))

        return self._like(read, self.length, self.batch_size)

    def take(self, count: int) -> Dataflow:
        """The first elements; -1 is all of them."""
        if count < 0:
            return self
        length = None if self.length is None else min(count, self.length)
        return self._like(lambda epoch: islice(self._read(epoch), count), length, self.batch_size)

    def skip(self, count: int) -> Dataflow:
        """All but the first elements."""
        length = None if self.length is None else max(self.length - count, 0)
        return self._like(lambda epoch: islice(self._read(epoch), count, None), length, self.batch_size)

    def repeat(self, count: int | None = None) -> Dataflow:
        """The elements `count` times; without a count without end, and `fit` needs steps_per_epoch then."""
        times = None if count is None or count < 0 else count
        length = None if self.length is None or times is None else self.length * times

        def read(epoch: int) -> Iterator[Any]:
            rounds = count_up() if times is None else range(times)
            # Each round has an order of its own, as an epoch has.
            return chain.from_iterable(self._read(derive(epoch, place) if place else epoch) for place in rounds)

        return self._like(read, length, self.batch_size)

    def concatenate(self, other: Dataflow) -> Dataflow:
        """These elements, and those of another dataflow."""
        known = self.length is not None and other.length is not None
        length = self.length + other.length if known else None  # type: ignore[operator]
        return self._like(lambda epoch: chain(self._read(epoch), other._read(epoch)), length, self.batch_size)

    def enumerate(self, start: int = 0) -> Dataflow:
        """Tuples of a number and an element."""
        return self._like(lambda epoch: enumerate(self._read(epoch), start), self.length)

    def cache(self, filename: str = "") -> Dataflow:
        """Keep the elements in memory once they were all read; what comes before is not done again."""
        if filename:
            raise HandsonError("cache keeps elements in memory; leave out the file name.")
        kept: list[Any] = []

        def read(epoch: int) -> Iterator[Any]:
            if kept:
                yield from kept
                return
            found = []
            for one in self._read(epoch):
                found.append(one)
                yield one
            kept[:] = kept or found

        return self._like(read, self.length, self.batch_size)

    def prefetch(self, buffer_size: int | None = None) -> Dataflow:
        """The same elements: `fit` reads ahead of its steps by itself."""
        return self


def _call(function: Callable[..., Any], element: Any) -> Any:
    return function(*element) if isinstance(element, tuple) else function(element)


def _only(given: dict[str, Any], method: str) -> None:
    unknown = given.keys() - {"num_parallel_calls", "deterministic", "name"}
    if unknown:
        raise TypeError(f"{method} has no argument {sorted(unknown)[0]!r}.")


def arranged(data: Any) -> Any:
    """Data with arrays for lists: as in tf.data, only tuples and dictionaries hold several.

    Examples
    --------
    >>> arranged(([1, 2], "a"))
    (array([1, 2]), 'a')
    """
    if isinstance(data, dict):
        return {name: arranged(value) for name, value in data.items()}
    if isinstance(data, tuple):
        return tuple(map(arranged, data))
    if isinstance(data, list):
        return np.array(data, dtype=object if data and isinstance(data[0], (str, bytes)) else None)
    return data if isinstance(data, (Tensor, np.ndarray, str, bytes)) or np.isscalar(data) else np.asarray(data)


def stacked(elements: list[Any]) -> Any:
    """Elements of one form as a batch.

    Examples
    --------
    >>> stacked([(1, "a"), (2, "b")])
    (array([1, 2]), array(['a', 'b'], dtype=object))
    """
    elements = [arranged(element) for element in elements]
    form = tree.spec(elements[0])
    columns = zip(*(tree.leaves(element) for element in elements), strict=True)
    return tree.rebuild(form, [_column(list(column)) for column in columns])


def _column(values: list[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.stack(values)
    if isinstance(values[0], (str, bytes)):
        return np.array(values, dtype=object)
    arrays = [unmasked(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise HandsonError(f"a batch has elements of one shape; got {sorted(shapes)[:4]}. Make them equal with map.")
    return np.stack(arrays)
