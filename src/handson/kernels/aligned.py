"""Arrays whose rows begin with a line of the processor's cache."""

from __future__ import annotations

import math

import numpy as np

# So many float32 are in a line of the cache, 64 bytes.
LINE = 16


def aligned(*shape: int) -> np.ndarray:
    """Zeros, float32, whose last axis is made longer so that each row begins with a line of the processor's cache.

    A vector of 64 bytes that lies across two lines takes two reads.

    Examples
    --------
    >>> rows = aligned(2, 3)
    >>> rows.shape, rows.ctypes.data % 64
    ((2, 16), 0)
    """
    shape = (*shape[:-1], -(-shape[-1] // LINE) * LINE)
    memory = np.zeros(math.prod(shape) + LINE, np.float32)
    first = -memory.ctypes.data % 64 // 4
    return memory[first : first + math.prod(shape)].reshape(shape)
