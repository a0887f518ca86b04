"""The order of an epoch's rows: that of `handson.randomness.keys.permutation`, in less time."""

from __future__ import annotations

import numba
import numpy as np

from handson.randomness.keys import FIRST, GAMMA, SECOND

THIRTY, TWENTY_SEVEN, THIRTY_ONE = np.uint64(30), np.uint64(27), np.uint64(31)
# So many bits say where in memory a row of a part goes: a part stays in a processor's near memory.
NEAR = 14

_compiled = numba.njit(cache=True, nogil=True)


def permutation(key: int, count: int) -> np.ndarray:
    """A random order of ``range(count)``, as int64.

    Examples
    --------
    >>> from handson.randomness import keys
    >>> np.array_equal(permutation(7, 1000), keys.permutation(7, 1000))
    True
    """
    bits = max(count.bit_length(), 1)
    far = max(bits - NEAR, 0)
    words, rows, ends = np.empty(count, np.uint64), np.empty(count, np.int64), np.zeros((1 << far) + 1, np.int64)
    # Shifted by 64 a word would stay what it is.
    _deal(np.uint64(key), np.uint64(63 - far), words, rows, ends)
    order, sorted_words = np.empty(count, np.int64), np.zeros(count, np.uint64)
    _sort(np.uint64(64 - bits), np.uint64((1 << (bits - far)) - 1), words, rows, ends, order, sorted_words)
    return order


@numba.njit(inline="always")
def _word(key, row):
    """The random word of a row, as in `handson.randomness.keys.words64`."""
    state = np.uint64(row + 1) * GAMMA + key
    state = (state ^ (state >> THIRTY)) * FIRST
    state = (state ^ (state >> TWENTY_SEVEN)) * SECOND
    return state ^ (state >> THIRTY_ONE)


@_compiled
def _deal(key, shift, words, rows, ends):
    """Deal rows and their words into parts by the upper bits of the words; part k ends at `ends[k]`."""
    for row in range(len(rows) if len(ends) > 2 else 0):
        ends[((_word(key, row) >> np.uint64(1)) >> shift) + np.uint64(1)] += 1
    for part in range(1, len(ends)):
        ends[part] += ends[part - 1]
    for row in range(len(rows)):
        word = _word(key, row)
        part = (word >> np.uint64(1)) >> shift
        words[ends[part]], rows[ends[part]] = word, row
        ends[part] += 1


@_compiled
def _sort(shift, lower, words, rows, ends, order, sorted_words):
    """Put the rows into `order` by their words; `sorted_words` are zeros.

    Words are spread evenly: in a part their next bits say how many are smaller, but for the few that share these bits.
    """
    places = np.empty(lower + np.uint64(2), np.int64)
    first = 0
    for last in ends[:-1]:
        places[:] = 0
        for k in range(first, last):
            places[((words[k] >> shift) & lower) + np.uint64(1)] += 1
        places[0] = first
        for part in range(1, len(places)):
            places[part] += places[part - 1]
        for k in range(first, last):
            word = words[k]
            bits = (word >> shift) & lower
            place = places[bits]
            places[bits] += 1
            # Larger words of its bits make room. Those before them are smaller, or not there yet, which is zero.
            while place > first and sorted_words[place - 1] > word:
                sorted_words[place], order[place] = sorted_words[place - 1], order[place - 1]
                place -= 1
            sorted_words[place], order[place] = word, rows[k]
        first = last
