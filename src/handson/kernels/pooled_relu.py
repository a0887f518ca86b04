"""ReLU, 2x2 max-pooling and dropout in one pass over the data.

The plain expression, `dropout(max_pool2d(relu(x), 2))`, writes an array for each of the three and one of positions, and
walks through all of them on the way back. Here each value is read once, and what is kept is a byte for each output:
which of the four won, or 4 where none is positive or the output was dropped. Both give the same numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from handson.kernels.keyed_dropout import element_word, row_words, threshold_of
from handson.kernels.threads import over_rows

NONE = np.uint8(4)


class Drop(NamedTuple):
    """What is dropped: see `handson.kernels.keyed_dropout.drop`."""

    key: int
    rows: Tensor
    rate: float


@numba.njit(cache=True, nogil=True)
def pool(x, y, winners, rows, key, threshold, scale):
    """y[n, i, j, c] = the largest of relu(x) in a window, scaled or dropped; a NaN in it wins, as in PyTorch."""
    zero = np.float32(0)
    channels = y.shape[3]
    for n in range(y.shape[0]):
        first, second = row_words(key, rows[n])
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(channels):
                    a, b = x[n, 2 * i, 2 * j, c], x[n, 2 * i, 2 * j + 1, c]
                    d, e = x[n, 2 * i + 1, 2 * j, c], x[n, 2 * i + 1, 2 * j + 1, c]
                    best, winner = a, np.uint8(0)
                    if b > best or b != b:
                        best, winner = b, np.uint8(1)
                    if d > best or d != d:
                        best, winner = d, np.uint8(2)
                    if e > best or e != e:
                        best, winner = e, np.uint8(3)
                    y[n, i, j, c] = zero if best <= zero else best
                    winners[n, i, j, c] = NONE if best <= zero else winner
                start = (i * y.shape[2] + j) * channels
                for c in range(channels if threshold else 0):
                    kept = element_word(first, second, start + c) >= threshold
                    y[n, i, j, c] *= scale if kept else zero
                    winners[n, i, j, c] = winners[n, i, j, c] if kept else NONE


@numba.njit(cache=True, nogil=True)
def unpool(gradient, winners, below, scale):
    """The gradient, scaled, goes to the winner of each window; all else is 0, rows and columns left over too."""
    zero = np.float32(0)
    height, width = gradient.shape[1], gradient.shape[2]
    for n in range(gradient.shape[0]):
        for i in range(height):
            for j in range(width):
                for c in range(gradient.shape[3]):
                    value, winner = gradient[n, i, j, c] * scale, winners[n, i, j, c]
                    below[n, 2 * i, 2 * j, c] = value if winner == 0 else zero
                    below[n, 2 * i, 2 * j + 1, c] = value if winner == 1 else zero
                    below[n, 2 * i + 1, 2 * j, c] = value if winner == 2 else zero
                    below[n, 2 * i + 1, 2 * j + 1, c] = value if winner == 3 else zero
        below[n, 2 * height :] = zero
        below[n, :, 2 * width :] = zero


class PooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(x), 2))` of images (n, h, w, c), float32 on a CPU. No `Drop`: all are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop: Drop | None) -> Tensor:
        """Outputs of shape (n, h // 2, w // 2, c)."""
        images, height, width, channels = x.shape
        x = x.detach().contiguous()
        y = torch.empty(images, height // 2, width // 2, channels)
        ctx.winners, ctx.shape = torch.empty(y.shape, dtype=torch.uint8), x.shape
        rate = 0.0 if drop is None else drop.rate
        rows = np.zeros(images, np.int64) if drop is None else drop.rows.numpy()
        ctx.scale = np.float32(1.0 / (1.0 - rate))
        numbers = np.uint64(0 if drop is None else drop.key), threshold_of(rate), ctx.scale
        over_rows(pool, (x.numpy(), y.numpy(), ctx.winners.numpy(), rows), *numbers)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the inputs."""
        below = torch.empty(ctx.shape)
        gradient = gradients[0].contiguous().numpy()
        over_rows(unpool, (gradient, ctx.winners.numpy(), below.numpy()), ctx.scale)
        return below, None
