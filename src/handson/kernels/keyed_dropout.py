"""Dropout with the words of `handson.randomness.words`, in one pass over the data.

The plain expression, `x * mask`, writes and reads a dozen arrays of whole numbers to make the mask. Here an element's
word lives in a register, and the backward pass draws it again instead of keeping it. Both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from handson.kernels.threads import over_rows

WEYL, MIX_1, MIX_2 = np.uint32(0x9E3779B9), np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
HALF_16, HALF_15 = np.uint32(16), np.uint32(15)


@numba.njit(cache=True, nogil=True)
def _mix(x):
    x = np.uint32(np.uint32(x ^ (x >> HALF_16)) * MIX_1)
    x = np.uint32(np.uint32(x ^ (x >> HALF_15)) * MIX_2)
    return np.uint32(x ^ (x >> HALF_15))


@numba.njit(cache=True, nogil=True)
def row_words(key, row):
    """The two words of a sample: `handson.randomness.words.row_words`."""
    low, high = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    start = _mix(np.uint32(np.uint32(np.uint32(row) * WEYL) + low))
    return _mix(np.uint32(start ^ high)), _mix(np.uint32(np.uint32(start + high) + WEYL))


@numba.njit(cache=True, nogil=True, inline="always")
def element_word(first, second, position):
    """The word of one element of a sample."""
    x = np.uint32(np.uint32(np.uint32(position) * WEYL) + first)
    x = np.uint32(np.uint32(x ^ (x >> HALF_16)) * MIX_1)
    x = np.uint32(np.uint32(np.uint32(x ^ (x >> HALF_15)) + second) * MIX_2)
    return np.uint32(x ^ (x >> HALF_15))


@numba.njit(cache=True, nogil=True)
def drop(x, y, rows, key, threshold, scale):
    """y = x * scale where an element's word reaches the threshold, x * 0 elsewhere; x and y of shape (n, count)."""
    for i in range(x.shape[0]):
        first, second = row_words(key, rows[i])
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * (scale if element_word(first, second, j) >= threshold else np.float32(0))


class KeyedDropout(torch.autograd.Function):
    """`drop` as a differentiable function of a contiguous float32 tensor on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, key: int, rows: Tensor, rate: float) -> Tensor:
        """Drop elements of x, of shape (n, ...), with probability `rate`."""
        ctx.settings = rows.numpy(), np.uint64(key), threshold_of(rate), np.float32(1.0 / (1.0 - rate))
        return _dropped(x, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """The same elements of the gradient."""
        return _dropped(gradients[0].contiguous(), *ctx.settings), None, None, None


def threshold_of(rate: float) -> np.uint32:
    """The smallest word that keeps its element."""
    return np.uint32(min(round(rate * 2**32), 2**32 - 1))


def _dropped(x: Tensor, rows: np.ndarray, *numbers: Any) -> Tensor:
    y = torch.empty_like(x)
    over_rows(drop, (x.detach().flatten(1).numpy(), y.flatten(1).numpy(), rows), *numbers)
    return y
