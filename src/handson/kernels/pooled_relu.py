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
def pool(x, y, winners, rows, centre, factor, shift, key, threshold, scale):
    """y[n, i, j, c] = the largest of relu((x - centre[c]) * factor[c] + shift[c]) in a window, scaled or dropped.

    A NaN in a window wins, as in PyTorch.
    """
    zero = np.float32(0)
    channels = y.shape[3]
    for n in range(y.shape[0]):
        first, second = row_words(key, rows[n])
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(channels):
                    a = (x[n, 2 * i, 2 * j, c] - centre[c]) * factor[c] + shift[c]
                    b = (x[n, 2 * i, 2 * j + 1, c] - centre[c]) * factor[c] + shift[c]
                    d = (x[n, 2 * i + 1, 2 * j, c] - centre[c]) * factor[c] + shift[c]
                    e = (x[n, 2 * i + 1, 2 * j + 1, c] - centre[c]) * factor[c] + shift[c]
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
                for corner in range(4):  # outermost, so that the loop over channels is vectorized
                    outputs = below[n, 2 * i + corner // 2, 2 * j + corner % 2]
                    for c in range(gradient.shape[3]):
                        outputs[c] = gradient[n, i, j, c] * scale if winners[n, i, j, c] == corner else zero
        below[n, 2 * height :] = zero
        below[n, :, 2 * width :] = zero


def pooled(x: Tensor, drop: Drop | None, centre: Any, factor: Any, shift: Any) -> tuple[Tensor, Tensor, np.float32]:
    """`pool` on all cores: the outputs, the winners, and what gradients are scaled with."""
    images, height, width, channels = x.shape
    y = torch.empty(images, height // 2, width // 2, channels)
    winners = torch.empty(y.shape, dtype=torch.uint8)
    key, rows, rate = (0, np.zeros(images, np.int64), 0.0) if drop is None else (drop.key, drop.rows.numpy(), drop.rate)
    scale = np.float32(1.0 / (1.0 - rate))
    arrays = x.detach().numpy(), y.numpy(), winners.numpy(), rows
    over_rows(pool, arrays, centre, factor, shift, np.uint64(key), threshold_of(rate), scale)
    return y, winners, scale


class PooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(x), 2))` of images (n, h, w, c), float32 on a CPU. No `Drop`: all are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop: Drop | None) -> Tensor:
        """Outputs of shape (n, h // 2, w // 2, c)."""
        zeros = np.zeros(x.shape[3], np.float32)
        y, ctx.winners, ctx.scale = pooled(x.contiguous(), drop, zeros, zeros + 1, zeros)
        ctx.shape = x.shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the inputs."""
        below = torch.empty(ctx.shape)
        gradient = gradients[0].contiguous().numpy()
        over_rows(unpool, (gradient, ctx.winners.numpy(), below.numpy()), ctx.scale)
        return below, None
