"""The order of an epoch's rows: that of `handson.randomness.keys.permutation`, with words from a compiled program."""

from __future__ import annotations

import numba
import numpy as np

from handson.randomness.keys import FIRST, GAMMA, SECOND

THIRTY, TWENTY_SEVEN, THIRTY_ONE = np.uint64(30), np.uint64(27), np.uint64(31)


def permutation(key: int, count: int) -> np.ndarray:
    """A random order of ``range(count)``, as int64.

    Examples
    --------
    >>> from handson.randomness import keys
    >>> np.array_equal(permutation(7, 1000), keys.permutation(7, 1000))
    True
    """
    words = np.empty(count, np.uint64)
    _fill(np.uint64(key), words)
    return np.argsort(words)


@numba.njit(cache=True, nogil=True)
def _fill(key, words):
    """Random words as in `handson.randomness.keys.words64`."""
    for row in range(len(words)):
        state = np.uint64(row + 1) * GAMMA + key
        state = (state ^ (state >> THIRTY)) * FIRST
        state = (state ^ (state >> TWENTY_SEVEN)) * SECOND
        words[row] = state ^ (state >> THIRTY_ONE)
