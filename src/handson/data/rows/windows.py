"""The order of rows that are stored in blocks: blocks are shuffled, and rows within a window of them.

A row in the middle of a compressed block costs as much to read as the whole block. So an epoch takes blocks in a random
order, some at a time, and mixes the rows of these: every block is read once an epoch, and little is held. Which rows
step s of epoch e sees is a function of the seed, e and s all the same, whoever reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from handson.data.rows.stored import Data, StoredRows
from handson.randomness import keys

# Windows whose rows are remembered: threads that read ahead may be in the next one already.
REMEMBERED = 4

Permutation = Callable[[int, int], np.ndarray]


class Plan(NamedTuple):
    """An epoch: its blocks in order, the first of each window, and the position of the first row of each."""

    blocks: np.ndarray
    firsts: np.ndarray
    starts: np.ndarray


class Windows:
    """Positions of an epoch in windows; rows of different windows are never mixed.

    Parameters
    ----------
    blocks : ndarray of int64, shape (n,)
        The block of each row.
    sizes : ndarray of int64
        The rows of each block in the file, of which some may have been left out here.
    window : int
        Rows in a window, at least; it ends with a block.

    Examples
    --------
    >>> windows = Windows(np.repeat([0, 1, 2, 3], 2), np.array([2, 2, 2, 2]), window=4)
    >>> windows.rows(None, 0, 8).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> first = windows.rows(keys.derive(0, "shuffle", 0), 0, 4)
    >>> len(set(first // 2)), sorted(windows.rows(keys.derive(0, "shuffle", 0), 0, 8).tolist())
    (2, [0, 1, 2, 3, 4, 5, 6, 7])
    """

    def __init__(self, blocks: np.ndarray, sizes: np.ndarray, window: int) -> None:
        rising = len(blocks) < 2 or bool((np.diff(blocks) >= 0).all())
        # Rows of a selection that is in no order are taken block by block.
        self._members = None if rising else np.argsort(blocks, kind="stable")
        present, counts = np.unique(blocks, return_counts=True)
        self._sizes, self.window = sizes[present], window
        self._bounds = np.concatenate([[0], np.cumsum(counts)])
        self._plan = lru_cache(2)(self._planned)
        self._window_rows = lru_cache(REMEMBERED)(self._mixed)

    @property
    def several(self) -> bool:
        """Whether there is more than one window; the rows of one alone are shuffled like those of an array."""
        return bool(self._sizes[:-1].sum() >= self.window)

    def rows(self, key: int | None, first: int, last: int, permutation: Permutation = keys.permutation) -> np.ndarray:
        """The rows at the positions [first, last) of an epoch; without a key in the order of the blocks."""
        if first >= last:
            return np.empty(0, np.int64)
        starts = self._plan(key, permutation).starts
        windows = range(int(np.searchsorted(starts, first, "right")) - 1, int(np.searchsorted(starts, last, "left")))
        parts = []
        for window in windows:
            start = int(starts[window])
            parts.append(self._window_rows(key, window, permutation)[max(first - start, 0) : last - start])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def of(self, key: int | None, position: int, permutation: Permutation = keys.permutation) -> int:
        """The window of a position."""
        return int(np.searchsorted(self._plan(key, permutation).starts, position, "right")) - 1

    def numbered(self, key: int | None, number: int, permutation: Permutation = keys.permutation) -> np.ndarray:
        """The rows of a window."""
        return self._window_rows(key, number, permutation)

    def _planned(self, key: int | None, permutation: Permutation) -> Plan:
        count = len(self._sizes)
        blocks = np.arange(count) if key is None else permutation(keys.derive(key, "blocks"), count)
        before = np.cumsum(self._sizes[blocks]) - self._sizes[blocks]
        numbers = before // self.window
        firsts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
        held = np.diff(self._bounds)[blocks]
        return Plan(blocks, firsts, (np.cumsum(held) - held)[firsts])

    def _mixed(self, key: int | None, window: int, permutation: Permutation) -> np.ndarray:
        plan = self._plan(key, permutation)
        last = plan.firsts[window + 1] if window + 1 < len(plan.firsts) else len(plan.blocks)
        bounds = self._bounds
        rows = np.concatenate([np.arange(bounds[b], bounds[b + 1]) for b in plan.blocks[plan.firsts[window] : last]])
        if key is not None:
            rows = rows[permutation(keys.derive(key, "window", window), len(rows))]
        return rows if self._members is None else self._members[rows]


def windows_of(leaves: list[Data]) -> Windows | None:
    """The windows of those rows that cost most to read; None where each row is read by itself."""
    stored = [leaf for leaf in leaves if isinstance(leaf, StoredRows) and leaf.source.bounds is not None]
    if not stored:
        return None
    costly = max(stored, key=lambda leaf: leaf.numel() * leaf.source.dtype.itemsize)
    bounds = costly.source.bounds
    assert bounds is not None  # noqa: S101
    places = np.asarray(costly.places(range(len(costly))))
    return Windows(np.searchsorted(bounds, places, "right") - 1, np.diff(bounds), costly.source.window)
