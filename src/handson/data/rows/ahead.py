"""Reading ahead: threads fetch what will be asked for next, while the caller computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

# Threads that read and decode: what comes out does not depend on how many there are.
READERS = max(2, min(8, os.cpu_count() or 1))

Key = TypeVar("Key")
Value = TypeVar("Value")


class Ahead(Generic[Key, Value]):
    """Values by key, the next ones of which are read in advance.

    What comes out is what ``read`` gives, whatever was read ahead: when another key is asked for than was expected,
    reading begins anew from there. What ``read`` raises is raised by `get`.

    Parameters
    ----------
    read : function of a key
        Gives its value; called in other threads.
    following : function of a key
        The key that comes after it, None after the last.
    depth : int
        How many values are held or being read at most, beside the one that the caller has.
    threads : int
        How many threads read.

    Examples
    --------
    >>> ahead = Ahead(lambda number: number**2, lambda number: number + 1 if number < 9 else None)
    >>> [ahead.get(number) for number in (0, 1, 2, 7, 8, 9)]
    [0, 1, 4, 49, 64, 81]
    >>> ahead.close()
    """

    def __init__(
        self, read: Callable[[Key], Value], following: Callable[[Key], Key | None], depth: int = 1, threads: int = 1
    ) -> None:
        self._read, self._following, self._depth = read, following, depth
        self._pending: deque[tuple[Key, Future[Value]]] = deque()
        self._pool = ThreadPoolExecutor(threads, "handson-read")

    def get(self, key: Key) -> Value:
        """The value of a key."""
        if not self._pending or self._pending[0][0] != key:
            self._drop()
            self._submit(key)
        value = self._pending.popleft()[1]
        last = self._pending[-1][0] if self._pending else key
        while len(self._pending) < self._depth:
            following = self._following(last)
            if following is None:
                break
            self._submit(following)
            last = following
        return value.result()

    def _submit(self, key: Key) -> None:
        self._pending.append((key, self._pool.submit(self._read, key)))

    def _drop(self) -> None:
        for _, value in self._pending:
            value.cancel()
        self._pending.clear()

    def close(self) -> None:
        """End the threads; values that are being read are waited for and dropped."""
        self._drop()
        self._pool.shutdown(wait=True, cancel_futures=True)
