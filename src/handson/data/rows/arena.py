"""Memory that blocks of rows are read into, again and again: no page of it is asked for, or cleared, twice.

It is a ring: a block is put behind the one that was read before it, where the oldest ones make room. Training reads
windows in their order, so the oldest blocks are those of windows that have been passed through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np


class Held:
    """A block in memory, or on its way there: so many rows of an array, from one on."""

    __slots__ = ("array", "begin", "done", "number", "ready", "start", "stop", "users")

    def __init__(self, number: int, array: np.ndarray, start: int, rows: int, begin: int) -> None:
        self.number, self.array, self.start, self.stop = number, array, start, start + rows
        # Its place on a ring that goes on for ever, and how many use it at the moment.
        self.begin, self.users = begin, 0
        self.ready = False
        self.done: Future[None] = Future()

    @property
    def rows(self) -> np.ndarray:
        """What it holds."""
        return self.array[self.start : self.stop]


class Arena:
    """Blocks by their numbers, as many as there is room for.

    Parameters
    ----------
    sizes : ndarray of int64
        The rows of each block.
    capacity : int
        The rows that there is room for: those of the largest block at least.
    row : numpy.dtype
        What a row is: a type, with a shape.
    read : function of (number, rows)
        Puts a block into an array. Called by the thread that asks for it first; the others wait.

    Examples
    --------
    >>> calls = []
    >>> def read(number, rows):
    ...     calls.append(number)
    ...     rows[:] = number
    >>> arena = Arena(np.array([2, 2, 2]), 4, np.dtype(int), read)
    >>> for number in (0, 1, 0, 2, 1, 0):
    ...     with arena.holding([number]) as (block,):
    ...         assert block.rows.tolist() == [number, number]
    >>> calls
    [0, 1, 2, 0]
    """

    def __init__(
        self, sizes: np.ndarray, capacity: int, row: np.dtype, read: Callable[[int, np.ndarray], None]
    ) -> None:
        self._sizes, self.capacity, self._row, self._read = sizes, capacity, row, read
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Give back the memory; who uses a block of it has it as long as it is used."""
        with self._lock:
            self._array: np.ndarray | None = None
            # In the order of their places; the next one is put behind the last.
            self._held: dict[int, Held] = {}
            self._end = 0

    def __contains__(self, number: int) -> bool:
        return number in self._held

    @contextmanager
    def holding(self, numbers: Sequence[int]) -> Iterator[list[Held]]:
        """Some blocks, which stay where they are while this lasts; what is not there is read.

        What `read` raises is raised here too, for everyone who waits for that block.
        """
        blocks: list[Held] = []
        try:
            with self._lock:
                blocks += self._ready(numbers)
            for number in numbers[len(blocks) :]:
                block, found = self._taken(number)
                blocks.append(block)
                if not found:
                    self._fill(block)
                block.done.result()
            yield blocks
        finally:
            with self._lock:
                for block in blocks:
                    block.users -= 1

    def _ready(self, numbers: Sequence[int]) -> Iterator[Held]:
        """The first of some blocks, as many as are there: mostly all of them."""
        for block in map(self._held.get, numbers):
            if block is None or not block.ready:
                return
            block.users += 1
            yield block

    def _taken(self, number: int) -> tuple[Held, bool]:
        """A block, used once more, and whether somebody reads it, or has."""
        with self._lock:
            block = self._held.get(number)
            found = block is not None
            block = block or self._placed(number)
            block.users += 1
            return block, found

    def _fill(self, block: Held) -> None:
        try:
            self._read(block.number, block.rows)
        except BaseException as error:
            with self._lock:
                if self._held.get(block.number) is block:
                    del self._held[block.number]
            block.done.set_exception(error)
        else:
            block.ready = True
            block.done.set_result(None)

    def _placed(self, number: int) -> Held:
        """A place for a block; what is not in use makes room, what is stays, and is gone round."""
        if self._array is None:
            self._array = np.empty(self.capacity, self._row)
        rows = int(self._sizes[number])
        begin, passed = self._next(self._end, rows), 0
        while self._held:
            oldest = next(iter(self._held.values()))
            if oldest.begin + self.capacity >= begin + rows:
                break
            del self._held[oldest.number]
            if oldest.users:
                self._held[oldest.number] = oldest
                oldest.begin += self.capacity
                begin = self._next(max(begin, oldest.begin + oldest.stop - oldest.start), rows)
                passed += 1
            if passed > len(self._held):  # everything is in use
                self._end = begin
                return Held(number, np.empty(rows, self._row), 0, rows, 0)
        self._end = begin + rows
        self._held[number] = block = Held(number, self._array, begin % self.capacity, rows, begin)
        return block

    def _next(self, begin: int, rows: int) -> int:
        """The first place from one on where so many rows lie together."""
        over = begin % self.capacity
        return begin if over + rows <= self.capacity else begin + self.capacity - over
