"""Rows of a file in which several lie in a block, such as a chunk of HDF5 or a row group of Parquet.

Blocks are read whole, by threads that are ahead of the training, and held while their window is passed through.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from handson.core.errors import HandsonError
from handson.data.rows.ahead import READERS
from handson.data.rows.arena import Arena
from handson.data.rows.patience import patiently
from handson.data.rows.stored import Places, put, take

# A window has so many bytes, and so many blocks at least, so that rows that lie together are seen apart.
WINDOW_BYTES, LEAST_BLOCKS = 1 << 26, 4
# The window that is passed through, the next one, and the last, which slower threads may still need.
HELD_WINDOWS = 3
# What lies together in less is read together: a block has so many bytes, if a file's own have fewer.
BLOCK_BYTES = 1 << 20
# Larger blocks are refused: several must fit into memory.
MOST_BLOCK = 1 << 30


class BrokenRowsError(HandsonError):
    """Rows of a file that cannot be read.

    Attributes
    ----------
    rows : dict of int to str
        Why, for each of them.
    """

    def __init__(self, rows: dict[int, str]) -> None:
        self.rows = rows
        super().__init__(
            f"{rows[min(rows)].rstrip('.')}. Take such rows out, or leave them out when the data are read: read(..., "
            f"skip_broken=True)."
        )


class Reader(Protocol):
    """Reads the blocks of one kind of file.

    Attributes
    ----------
    name : str
        The file and the array in it, for errors.
    shape : tuple of int
        The number of rows and the shape of each.
    dtype : numpy.dtype
        What blocks hold.
    bounds : ndarray of int64
        The first row of each block, and the number of rows.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    bounds: np.ndarray

    def file(self, number: int) -> Path | None:
        """The file that a block lies in, which must not change from now on; None where it may be one of very many."""

    def read(self, number: int, out: np.ndarray) -> None:
        """Put the rows of a block into an array; opens the file if it is not open. Called by several threads.

        Where only some rows cannot be read, the others are there when `BrokenRowsError` names those.
        """

    def close(self) -> None:
        """Close the file."""


class Blocks:
    """The `handson.data.rows.stored.Source` of a file that is read in blocks.

    Parameters
    ----------
    reader : Reader
        Reads them.
    window : int, optional
        Rows of a window; by default those of 64 MiB, and of four blocks at least.

    Raises
    ------
    HandsonError
        For blocks of more than 1 GiB.
    """

    def __init__(self, reader: Reader, window: int | None = None) -> None:
        self.reader = reader
        self.shape, self.dtype, self.bounds = reader.shape, reader.dtype, reader.bounds
        width = max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)
        largest = int(np.diff(self.bounds).max(initial=1))
        if largest * width > MOST_BLOCK:
            raise HandsonError(
                f"{reader.name} is stored in blocks of {largest:,} rows, {largest * width:,} bytes; of blocks larger "
                f"than {MOST_BLOCK:,} several do not fit into memory. Write it again in smaller ones."
            )
        self.window = window or max(WINDOW_BYTES // width, LEAST_BLOCKS * largest)
        self._capacity = max(1, min(self.shape[0], HELD_WINDOWS * (self.window + 2 * largest)))
        # Rows that were left out because they cannot be read: nobody asks for them, but for others of their blocks.
        self._left_out: set[int] = set()
        self._prints = {path: _print_of(path) for path in map(reader.file, range(len(self.bounds) - 1)) if path}
        self._start()

    def _start(self) -> None:
        row = np.dtype((self.dtype, tuple(self.shape[1:])))
        self._arena = Arena(np.diff(self.bounds), self._capacity, row, self._read)
        self._lock = threading.Lock()
        self._wanted: deque[int] = deque()
        self._threads: list[threading.Thread] = []

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to read the same rows."""
        left = {"_arena", "_lock", "_wanted", "_threads"}
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    # Rows.

    def fill(self, places: Places, out: np.ndarray) -> None:
        """Put some rows into an array.

        Raises
        ------
        HandsonError
            When a block cannot be read, with its rows.
        """
        places = np.asarray(places, np.int64)
        numbers = np.searchsorted(self.bounds, places, "right") - 1
        present, which = np.unique(numbers, return_inverse=True)
        within = places - self.bounds[numbers]
        # As many blocks at a time as a window has.
        before = np.cumsum(np.diff(self.bounds)[present])
        cuts = np.flatnonzero(np.diff(before // max(1, self.window))) + 1
        if not len(cuts):
            self._gather(present, which, within, out, slice(None))
            return
        order = np.argsort(which, kind="stable")
        edges = np.searchsorted(which[order], [0, *cuts, len(present)])
        for first, last, chosen in zip([0, *cuts], [*cuts, len(present)], np.split(order, edges[1:-1]), strict=True):
            self._gather(present[first:last], which[chosen] - first, within[chosen], out, chosen)

    def _gather(self, numbers: np.ndarray, which: np.ndarray, within: np.ndarray, out: np.ndarray, chosen: Any) -> None:
        """Put rows of some blocks, by the number in them, into the chosen rows of an array."""
        try:
            with self._arena.holding(numbers.tolist()) as blocks:
                array = blocks[0].array if blocks else None
                if array is not None and all(block.array is array for block in blocks):
                    starts = np.array([block.start for block in blocks])
                    take(array, starts[which] + within, out, chosen)
                    return
                targets = np.arange(len(out))[chosen]
                for place, block in enumerate(blocks):
                    mine = which == place
                    put(block.rows[within[mine]], out, targets[mine])
        except MemoryError as error:
            raise HandsonError(
                f"{self.reader.name}: no memory for {self._capacity:,} rows, of three windows ({error}). Give a "
                f"smaller window, or free some."
            ) from error

    def _read(self, number: int, out: np.ndarray) -> None:
        first, last = int(self.bounds[number]), int(self.bounds[number + 1])
        where = f"{self.reader.name}, rows {first:,} to {last - 1:,}"

        def read() -> None:
            self._check_unchanged(self.reader.file(number))
            self.reader.read(number, out)

        try:
            patiently(where, read, self.reader.close)
        except BrokenRowsError as error:
            if not self._left_out.issuperset(error.rows):
                raise
        except HandsonError:
            raise
        except MemoryError as error:  # the rows are whole: they are not to be left out
            raise HandsonError(
                f"{where}: no memory for them ({error}). Give a smaller window, or free some."
            ) from error
        except Exception as error:  # readers are libraries of others, and raise what they like at damaged bytes
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise BrokenRowsError(dict.fromkeys(range(first, last), f"{where}: {reason}")) from error

    def broken(self) -> dict[int, str]:
        """Rows that cannot be read, and why; every block is read. Then the others of their blocks can be."""
        sizes = np.diff(self.bounds)

        def check(number: int) -> dict[int, str]:
            try:
                self._read(number, np.empty((int(sizes[number]), *self.shape[1:]), self.dtype))
            except BrokenRowsError as error:
                return error.rows
            return {}

        with ThreadPoolExecutor(READERS, "handson-check") as pool:
            found = list(pool.map(check, range(len(self.bounds) - 1)))
        self.close()
        broken = {row: reason for rows in found for row, reason in rows.items()}
        self._left_out |= broken.keys()
        return broken

    def _check_unchanged(self, path: Path | None) -> None:
        if path is not None and _print_of(path) != self._prints[path]:
            raise HandsonError(
                f"{path} has changed since it was opened. Do not write to a file that a net is trained on."
            )

    # Reading ahead.

    def announce(self, places: Places) -> None:
        """Let threads read the blocks of some rows."""
        numbers = np.unique(np.searchsorted(self.bounds, np.asarray(places, np.int64), "right") - 1)
        with self._lock:
            self._wanted.extend(number for number in numbers.tolist() if number not in self._arena)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for _ in range(min(READERS, len(self._wanted)) - len(self._threads)):
                thread = threading.Thread(target=self._read_wanted, name="handson-read-blocks", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no memory for one: who asks for the rows reads them
                    return
                self._threads.append(thread)

    def _read_wanted(self) -> None:
        """Read what is announced; a thread ends when that is done."""
        while self._wanted:
            try:
                number = self._wanted.popleft()
            except IndexError:
                return
            try:
                with self._arena.holding([number]):
                    pass
            except Exception:  # who asks for its rows is told
                return

    def close(self) -> None:
        """End the threads, close the file and give back the memory; who still reads opens it again."""
        with self._lock:
            self._wanted.clear()
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join()
        self._arena.clear()
        self.reader.close()


def _print_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def even_bounds(rows: int, unit: int, width: int) -> np.ndarray:
    """The bounds of equal blocks: so many units of a file as have `BLOCK_BYTES`, each of some rows of some bytes.

    Examples
    --------
    >>> even_bounds(10, 4, 1 << 20), even_bounds(10, 1, 1 << 18)
    (array([ 0,  4,  8, 10]), array([ 0,  4,  8, 10]))
    """
    size = unit * max(1, BLOCK_BYTES // max(1, unit * width))
    return np.append(np.arange(0, rows, size), rows).astype(np.int64)
