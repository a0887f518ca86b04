"""Arrays in files that need not fit into memory: their rows are read and converted when they are asked for."""

from __future__ import annotations

import copy
import math
import mmap
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.data.rows.ahead import Ahead

# Smaller arrays (in bytes, as float32) are held in memory although they are mapped.
LEAST_BYTES = 1 << 25
# What goes over all rows takes so many values at a time, and so needs little memory.
PIECE = 1 << 19


def is_mapped(data: Any) -> bool:
    """Whether an array lies in a memory-mapped file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     mapped = np.memmap(file, np.float32, "w+", shape=(3, 2))
    >>> is_mapped(mapped), is_mapped(mapped[1:, None]), is_mapped(mapped + 1)
    (True, True, False)
    """
    return _map_of(data)[0] is not None


def _map_of(data: Any) -> tuple[mmap.mmap | None, int]:
    """The map that an array lies in, and where in the file the map begins."""
    first = 0
    while isinstance(data, np.ndarray):
        first = getattr(data, "offset", None) or first
        data = data.base
    return (data if isinstance(data, mmap.mmap) else None), first - first % mmap.ALLOCATIONGRANULARITY


class MappedRows:
    """Rows of a memory-mapped array; it has of a tensor what training needs of its data.

    Parameters
    ----------
    array : ndarray, shape (n, ...)
        An array for which `is_mapped` holds.
    what : str
        Its name in errors.

    Attributes
    ----------
    dtype : torch.dtype
        What rows are converted to: uint8 stays, everything else is float32, or int64 (-1 where missing) for labels.

    Raises
    ------
    HandsonError
        When the file is shorter than the array: reading on would end the process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     array = np.memmap(file, np.int16, "w+", shape=(4, 2))
    >>> array[:] = [[0, 1], [2, 3], [4, 5], [6, 7]]
    >>> rows = MappedRows(array, "inputs")
    >>> rows[1:3], rows.select(np.array([3, 0]))[:]
    (tensor([[2., 3.], [4., 5.]]), tensor([[6., 7.], [0., 1.]]))
    """

    device = torch.device("cpu")

    def __init__(self, array: np.ndarray, what: str) -> None:
        self._array, self._what = array, what
        self._rows: np.ndarray | None = None
        self._row_shape = array.shape[1:]
        self.dtype = torch.uint8 if array.dtype in (np.uint8, np.bool_) else torch.float32
        self._map, first = _map_of(array)
        self._bytes = 0 if self._map is None else first + len(self._map)
        self._check_size()
        self._start = _address(array) - (_address(np.frombuffer(self._map, np.uint8)) if self._map is not None else 0)
        self._extent = _extent(array)

    # What it has of a tensor.

    def __len__(self) -> int:
        return len(self._array) if self._rows is None else len(self._rows)

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
        return self._array.dtype.kind == "f"

    @property
    def is_wide(self) -> bool:
        """Whether the values in the file have digits that float32 may not have."""
        kind = self._array.dtype
        return kind.itemsize == 8 or (kind.kind in "iu" and kind.itemsize == 4)

    def __getitem__(self, index: int | slice) -> Tensor:
        if not isinstance(index, slice):
            return self[index : index + 1 or None][0]
        rows = range(len(self))[index]
        self.announce(rows)
        return self.read(rows)

    def index_select(self, axis: int, rows: Tensor) -> Tensor:
        """Some rows, as `torch.index_select` gives them."""
        self.announce(rows.numpy())
        return self.read(rows.numpy())

    def to(self, dtype: torch.dtype) -> MappedRows:
        """The same rows, converted to another type when they are read."""
        return self._changed(dtype=dtype)

    def squeeze(self, axis: int) -> MappedRows:
        """The same rows without their last axis, which has one entry."""
        return self._changed(_row_shape=self._row_shape[:-1])

    def unsqueeze(self, axis: int) -> MappedRows:
        """The same rows with one axis more, the last."""
        return self._changed(_row_shape=(*self._row_shape, 1))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:].numpy(), dtype)

    def _changed(self, **attributes: Any) -> MappedRows:
        other = copy.copy(self)
        vars(other).update(attributes)
        return other

    # What a tensor has not.

    def select(self, rows: np.ndarray) -> MappedRows:
        """Some of the rows, by number or mask; they stay in the file."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self._changed(_rows=chosen if self._rows is None else self._rows[chosen])

    def read(self, rows: np.ndarray | range, dtype: torch.dtype | None = None) -> Tensor:
        """Some of the rows in memory, as another type if one is given.

        Raises
        ------
        HandsonError
            When the file has become shorter.
        """
        self._check_size()
        places, dtype = self._places(rows), dtype or self.dtype
        result = torch.empty(len(places), *self._array.shape[1:], dtype=dtype)
        target = result.numpy()
        flags = self._array.flags
        if isinstance(places, range):
            last = places.stop if places.stop >= 0 else None
            found = self._array[places.start : last : places.step]
        elif self._array.dtype == target.dtype and flags.c_contiguous and flags.aligned:
            # `clip` reads straight into the target; all places are inside.
            np.take(self._array, places, 0, out=target, mode="clip")
            return result.reshape(-1, *self._row_shape)
        else:
            found = self._array[places]
        if dtype == torch.int64 and found.dtype.kind == "f":
            found = np.where(np.isnan(found), -1, found)
        with np.errstate(over="ignore"):
            np.copyto(target, found, casting="unsafe")
        return result.reshape(-1, *self._row_shape)

    def announce(self, rows: np.ndarray | range) -> None:
        """Ask the system to read some rows from the disk, all at once, and do not wait for them."""
        places, stride = self._places(rows), self._array.strides[0]
        if self._map is None or not len(places) or stride < self._extent or not hasattr(mmap, "MADV_WILLNEED"):
            return
        if isinstance(places, range) and abs(places.step) == 1 and stride - self._extent < mmap.PAGESIZE:
            first, last = min(places[0], places[-1]), max(places[0], places[-1])
            pages = [(self._start + first * stride, self._start + last * stride + self._extent)]
        else:
            pages = _stretches(self._start + np.sort(places).astype(np.int64) * stride, self._extent)
        for start, stop in pages:
            start -= start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, start, stop - start)

    def _places(self, rows: np.ndarray | range) -> np.ndarray | range:
        """Where rows are in the array."""
        if self._rows is None:
            return rows
        return self._rows[rows.start : rows.stop] if isinstance(rows, range) and rows.step == 1 else self._rows[rows]

    def _check_size(self) -> None:
        """Raise if the file ends before the map: the system ends a process that reads there."""
        try:
            size = self._bytes if self._map is None else self._map.size()
        except (OSError, ValueError):
            return
        if size < self._bytes:
            raise HandsonError(
                f"the file of the {self._what} has {size:,} bytes, and had {self._bytes:,} when it was opened. Do not "
                f"write to a file that a net is trained on."
            )


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def _extent(array: np.ndarray) -> int:
    """The bytes from the first value of a row to the last."""
    steps = zip(array.shape[1:], array.strides[1:], strict=True)
    return array.itemsize + sum((size - 1) * abs(stride) for size, stride in steps if size)


def _stretches(starts: np.ndarray, extent: int) -> list[tuple[int, int]]:
    """Rows of so many bytes at rising places, those on the same or adjacent pages as one.

    Examples
    --------
    >>> page = mmap.PAGESIZE
    >>> _stretches(np.array([0, 100, 5 * page, 6 * page + 5]), 50) == [(0, 150), (5 * page, 6 * page + 55)]
    True
    """
    stops = starts + extent
    apart = starts[1:] // mmap.PAGESIZE > (stops[:-1] - 1) // mmap.PAGESIZE + 1
    firsts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    lasts = np.concatenate([firsts[1:] - 1, [len(starts) - 1]])
    return list(zip(starts[firsts].tolist(), stops[lasts].tolist(), strict=True))


Data = Tensor | MappedRows


def pieces(data: Data, rows: int = 0) -> Iterator[tuple[int, Tensor]]:
    """All rows, so many at a time, each piece with its first row; mapped ones are read ahead.

    Parameters
    ----------
    data : Tensor or MappedRows
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
