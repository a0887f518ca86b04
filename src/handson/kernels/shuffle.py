"""The order of an epoch's rows: that of `handson.randomness.keys.permutation`, in less time."""

from __future__ import annotations

import numba
import numpy as np

from handson.randomness.keys import FIRST, GAMMA, SECOND

THIRTY, TWENTY_SEVEN, THIRTY_ONE = np.uint64(30), np.uint64(27), np.uint64(31)
# So many rows stay in a processor's nearest memory; for more, NumPy's sorting is faster.
FEW = 1 << 15

_compiled = numba.njit(cache=True, nogil=True)


def permutation(key: int, count: int) -> np.ndarray:
    """A random order of ``range(count)``, as int64.

    Examples
    --------
    >>> from handson.randomness import keys
    >>> np.array_equal(permutation(7, 1000), keys.permutation(7, 1000))
    True
    """
    words = np.zeros(count, np.uint64)
    if count > FEW:
        _fill(np.uint64(key), words)
        return np.argsort(words)
    order, bits = np.empty(count, np.int64), max(count.bit_length(), 1)
    _sort(np.uint64(key), np.uint64(64 - bits), order, words, np.zeros((1 << bits) + 1, np.int64))
    return order


@numba.njit(inline="always")
def _word(key, row):
    """The random word of a row, as in `handson.randomness.keys.words64`."""
    state = np.uint64(row + 1) * GAMMA + key
    state = (state ^ (state >> THIRTY)) * FIRST
    state = (state ^ (state >> TWENTY_SEVEN)) * SECOND
    return state ^ (state >> THIRTY_ONE)


@_compiled
def _fill(key, words):
    for row in range(len(words)):
        words[row] = _word(key, row)


@_compiled
def _sort(key, shift, order, words, places):
    """Put the rows into `order` by their words; `words` and `places` are zeros.

    Words are spread evenly: their upper bits say how many are smaller, but for the few that share these bits.
    """
    for row in range(len(order)):
        places[(_word(key, row) >> shift) + np.uint64(1)] += 1
    for part in range(1, len(places)):
        places[part] += places[part - 1]
    for row in range(len(order)):
        word = _word(key, row)
        place = places[word >> shift]
        places[word >> shift] += 1
        # Larger words of its part make room. Those before its part are smaller, or not there yet, which is zero.
        while place > 0 and words[place - 1] > word:
            words[place], order[place] = words[place - 1], order[place - 1]
            place -= 1
        words[place], order[place] = word, row
