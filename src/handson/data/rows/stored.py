"""Rows that stay where they are stored: read and converted when they are asked for."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.data.rows.ahead import Ahead

# What goes over all rows takes so many values at a time, and so needs little memory.
PIECE = 1 << 19

Places = np.ndarray | range


class Source(Protocol):
    """What rows are read from; `StoredRows` makes of it what training needs.

    Attributes
    ----------
    shape : tuple of int
        The number of rows and the shape of each.
    dtype : numpy.dtype
        What the file holds.
    bounds : ndarray of int64, or None
        Where blocks of rows that are stored together begin, 0 first, and the number of rows. None where every row is
        read by itself.
    window : int
        Rows whose blocks are held together: an epoch shuffles blocks, and rows within a window of them.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def bounds(self) -> np.ndarray | None: ...
    @property
    def window(self) -> int: ...

    def fill(self, places: Places, out: np.ndarray) -> None:
        """Put some rows into an array, whose type may be another."""

    def announce(self, places: Places) -> None:
        """Begin to read some rows, and do not wait for them."""

    def close(self) -> None:
        """End what reads ahead, and give back its memory; rows can still be read."""


class StoredRows:
    """Rows of a source; they have of a tensor what training needs of its data.

    Parameters
    ----------
    source : Source
        Where rows are read from.

    Attributes
    ----------
    dtype : torch.dtype
        What rows are converted to: uint8 stays, everything else is float32, or int64 (-1 where missing) for labels.
    """

    device = torch.device("cpu")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._rows: np.ndarray | None = None
        self._row_shape = tuple(source.shape[1:])
        self.dtype = torch.uint8 if source.dtype in (np.uint8, np.bool_) else torch.float32

    # What it has of a tensor.

    def __len__(self) -> int:
        return self.source.shape[0] if self._rows is None else len(self._rows)

    @property
    def shape(self) -> torch.Size:
        """The number of rows and the shape of each."""
        return torch.Size((len(self), *self._row_shape))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 1 + len(self._row_shape)

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> int:
        """The number of values."""
        return self.shape.numel()

    def element_size(self) -> int:
        """Bytes of a value, once converted."""
        return self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether values may be NaN."""
        return self.source.dtype.kind == "f"

    @property
    def is_wide(self) -> bool:
        """Whether the values in the file have digits that float32 may not have."""
        kind = self.source.dtype
        return kind.itemsize == 8 or (kind.kind in "iu" and kind.itemsize == 4)

    def __getitem__(self, index: int | slice) -> Tensor:
        if not isinstance(index, slice):
            place = range(len(self))[self._number(index)]
            return self[place : place + 1][0]
        rows = range(len(self))[index]
        self.announce(rows)
        return self.read(rows)

    def _number(self, index: Any) -> int:
        try:
            return operator.index(index)
        except TypeError:
            raise HandsonError(
                "rows that stay in their file are taken by a number or a slice. Some of them are rows.select(numbers), "
                "with an array of numbers or a mask; rows[:] has all of them in memory."
            ) from None

    def index_select(self, axis: int, rows: Tensor) -> Tensor:
        """Some rows, as `torch.index_select` gives them."""
        self.announce(rows.numpy())
        return self.read(rows.numpy())

    def to(self, dtype: torch.dtype) -> StoredRows:
        """The same rows, converted to another type when they are read."""
        return self._changed(dtype=dtype)

    def squeeze(self, axis: int) -> StoredRows:
        """The same rows without their last axis, which has one entry."""
        return self._changed(_row_shape=self._row_shape[:-1])

    def unsqueeze(self, axis: int) -> StoredRows:
        """The same rows with one axis more, the last."""
        return self._changed(_row_shape=(*self._row_shape, 1))

    def shaped(self, shape: tuple[int, ...]) -> StoredRows:
        """The same rows, each with another shape of as many values."""
        return self._changed(_row_shape=shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:].numpy(), dtype)

    def _changed(self, **attributes: Any) -> StoredRows:
        other = copy.copy(self)
        vars(other).update(attributes)
        return other

    # What a tensor has not.

    def select(self, rows: np.ndarray) -> StoredRows:
        """Some of the rows, by number or mask; they stay in the file."""
        if rows.dtype == bool and len(rows) != len(self):
            raise IndexError(f"a mask of {len(rows):,} entries for {len(self):,} rows")
        chosen = np.flatnonzero(rows) if rows.dtype == bool else np.where(rows < 0, rows + len(self), rows)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(f"there are {len(self):,} rows; got numbers from {rows.min():,} to {rows.max():,}")
        return self._changed(_rows=chosen if self._rows is None else self._rows[chosen])

    def read(self, rows: Places, dtype: torch.dtype | None = None) -> Tensor:
        """Some of the rows in memory, as another type if one is given."""
        places = self.places(rows)
        result = torch.empty(len(places), *self.source.shape[1:], dtype=dtype or self.dtype)
        self.source.fill(places, result.numpy())
        return result.reshape(-1, *self._row_shape)

    def array(self) -> np.ndarray:
        """All rows in memory, of the type that they have in the file."""
        places = self.places(range(len(self)))
        found = np.empty((len(self), *self.source.shape[1:]), self.source.dtype.newbyteorder("="))
        self.source.fill(places, found)
        return found.reshape(-1, *self._row_shape)

    def announce(self, rows: Places) -> None:
        """Begin to read some rows, and do not wait for them."""
        self.source.announce(self.places(rows))

    def places(self, rows: Places) -> Places:
        """Where rows are in the source."""
        if self._rows is None:
            return rows
        return self._rows[rows.start : rows.stop] if isinstance(rows, range) and rows.step == 1 else self._rows[rows]

    def close(self) -> None:
        """End what reads ahead, and give back its memory; rows can still be read."""
        self.source.close()


def put(found: np.ndarray, out: np.ndarray, rows: Any = slice(None)) -> None:
    """Write values into rows of an array of another type; what is missing is -1 among whole numbers.

    Examples
    --------
    >>> out = np.zeros(3, np.int64)
    >>> put(np.array([1.0, np.nan]), out, slice(1, 3))
    >>> out.tolist()
    [0, 1, -1]
    """
    if out.dtype == np.int64 and found.dtype.kind == "f":
        found = np.where(np.isnan(found), -1, found)
    with np.errstate(over="ignore"):
        out[rows] = found


def take(array: np.ndarray, rows: np.ndarray, out: np.ndarray, chosen: Any = slice(None)) -> None:
    """Write some rows of an array into rows of another one, of which the type may be another.

    Examples
    --------
    >>> out = np.zeros(3, np.float32)
    >>> take(np.array([5, 6, 7]), np.array([2, 0]), out, slice(1, 3))
    >>> out.tolist()
    [0.0, 7.0, 5.0]
    """
    if array.dtype == out.dtype and array.flags.c_contiguous and array.flags.aligned and isinstance(chosen, slice):
        # `clip` reads straight into the target; all rows are there.
        np.take(array, rows, 0, out=out[chosen], mode="clip")
    else:
        put(array[rows], out, chosen)


Data = Tensor | StoredRows


def pieces(data: Data, rows: int = 0) -> Iterator[tuple[int, Tensor]]:
    """All rows, so many at a time, each piece with its first row; stored ones are read ahead.

    Parameters
    ----------
    data : Tensor or StoredRows
        The rows.
    rows : int
        How many rows a piece has; by default as many as have `PIECE` values.

    Examples
    --------
    >>> [(first, piece.tolist()) for first, piece in pieces(torch.arange(5), 2)]
    [(0, [0, 1]), (2, [2, 3]), (4, [4])]
    """
    rows = rows or max(1, PIECE // max(1, math.prod(data.shape[1:])))
    starts = range(0, len(data), rows)
    if isinstance(data, Tensor):
        yield from ((first, data[first : first + rows]) for first in starts)
        return
    following = {first: first + rows for first in starts[:-1]}
    with closing(Ahead(lambda first: data[first : first + rows], following.get)) as ahead:
        yield from ((first, ahead.get(first)) for first in starts)
