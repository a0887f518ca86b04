"""Arrays in files that need not fit into memory: their rows are read and converted when they are asked for."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.rows.blocks import even_bounds
from handson.data.rows.stored import Places, StoredRows, put, take

# Smaller arrays (in bytes, as float32) are held in memory although they are mapped.
LEAST_BYTES = 1 << 25


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


class MappedSource:
    """Rows of a memory-mapped array; every row is read by itself.

    Parameters
    ----------
    array : ndarray, shape (n, ...)
        An array for which `is_mapped` holds.
    what : str
        Its name in errors.
    window : int, optional
        Rows that are shuffled at a time, in blocks of 1 MiB; by default all of them.

    Raises
    ------
    HandsonError
        When the file is shorter than the array: reading on would end the process.
    """

    def __init__(self, array: np.ndarray, what: str, window: int | None = None) -> None:
        self._array, self._what, self._file = array, what, _file_of(array)
        self.shape, self.dtype = array.shape, array.dtype
        self.window = window or 0
        self.bounds = None if window is None else even_bounds(len(array), 1, array[:1].nbytes)
        self._map, first = _map_of(array)
        self._bytes = 0 if self._map is None else first + len(self._map)
        self._check_size()
        self._start = _address(array) - (_address(np.frombuffer(self._map, np.uint8)) if self._map is not None else 0)
        self._extent = _extent(array)
        self._place = first + self._start

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process needs to map the same rows."""
        if self._file is None:
            raise HandsonError(f"the {self._what} lie in a map without a file, which only this process knows.")
        array = self._array
        return _opened, (self._file, self._place, array.shape, array.dtype, array.strides, self._what, self.window)

    def fill(self, places: Places, out: np.ndarray) -> None:
        """Put some rows into an array.

        Raises
        ------
        HandsonError
            When the file has become shorter.
        """
        self._check_size()
        if isinstance(places, range):
            last = places.stop if places.stop >= 0 else None
            put(self._array[places.start : last : places.step], out)
        else:
            take(self._array, places, out)

    def announce(self, places: Places) -> None:
        """Ask the system to read some rows from the disk, all at once, and do not wait for them."""
        stride = self._array.strides[0]
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

    def close(self) -> None:
        """Nothing: the system reads ahead."""

    def _check_size(self) -> None:
        """Raise if the file ends before the map: the system ends a process that reads there.

        It ends one all the same whose file is cut in the very moment of a copy.
        """
        try:
            size = self._bytes if self._map is None else self._map.size()
        except (OSError, ValueError):
            return
        if size < self._bytes:
            raise HandsonError(
                f"the file of the {self._what} has {size:,} bytes, and had {self._bytes:,} when it was opened. Do not "
                f"write to a file that a net is trained on."
            )


class MappedRows(StoredRows):
    """Rows of a memory-mapped array; array, what and window are those of `MappedSource`.

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

    def __init__(self, array: np.ndarray, what: str, window: int | None = None) -> None:
        super().__init__(MappedSource(array, what, window))


def _file_of(data: Any) -> str | None:
    """The file that an array is mapped from."""
    found = None
    while isinstance(data, np.ndarray):
        found = getattr(data, "filename", None) or found
        data = data.base
    return None if found is None else str(found)


def _opened(
    file: str, place: int, shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...], what: str, window: int
) -> MappedSource:
    """Rows that begin at a place in a file."""
    content = np.memmap(file, np.uint8, "r")
    return MappedSource(np.ndarray(shape, dtype, content, place, strides), what, window or None)


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
