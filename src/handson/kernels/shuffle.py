"""The order of an epoch's rows: that of `handson.randomness.keys.permutation`, in less time."""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record, Word, missing
from handson.randomness import keys

# So many bits say where in memory a row of a part goes: a part stays in a processor's near memory.
NEAR = 14


class _Shuffle(Record):
    key: Word
    count: Int
    far: Int
    near: Int
    words: Pointer
    sorted_words: Pointer
    rows: Pointer
    ends: Pointer
    places: Pointer
    order: Pointer


_shuffle = Kernel("shuffle", _Shuffle)


def permutation(key: int, count: int) -> np.ndarray:
    """A random order of ``range(count)``, as int64.

    Examples
    --------
    >>> from handson.randomness import keys
    >>> np.array_equal(permutation(7, 1000), keys.permutation(7, 1000))
    True
    """
    if missing():
        return keys.permutation(key, count)
    bits = max(count.bit_length(), 1)
    far = max(bits - NEAR, 0)
    order = np.empty(count, np.int64)
    _shuffle(
        _Shuffle(
            key=key, count=count, far=far, near=bits - far,
            words=np.empty(count, np.uint64), sorted_words=np.zeros(count, np.uint64),
            rows=np.empty(count, np.int64), ends=np.zeros((1 << far) + 1, np.int64),
            places=np.empty((1 << (bits - far)) + 1, np.int64), order=order,
        )
    )  # fmt: skip
    return order
