"""ReLU and 2x2 max-pooling in one pass over the data.

The plain expression, `max_pool2d(relu(x), 2)`, writes a large array between the two and one of positions, and walks
through both on the way back. Here each value is read once, and what is kept is a byte for each output: which of the
four won, or 4 where none is positive. Both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

NONE = np.uint8(4)


@numba.njit(cache=True, nogil=True)
def pool(x, y, winners):
    """y[n, i, j, c] = the largest of relu(x) in a window; a NaN in it wins, as in PyTorch."""
    zero = np.float32(0)
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(y.shape[3]):
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


@numba.njit(cache=True, nogil=True)
def unpool(gradient, winners, below):
    """The gradient goes to the winner of each window; everything else is 0, rows and columns left over too."""
    zero = np.float32(0)
    height, width = gradient.shape[1], gradient.shape[2]
    for n in range(gradient.shape[0]):
        for i in range(height):
            for j in range(width):
                for c in range(gradient.shape[3]):
                    value, winner = gradient[n, i, j, c], winners[n, i, j, c]
                    below[n, 2 * i, 2 * j, c] = value if winner == 0 else zero
                    below[n, 2 * i, 2 * j + 1, c] = value if winner == 1 else zero
                    below[n, 2 * i + 1, 2 * j, c] = value if winner == 2 else zero
                    below[n, 2 * i + 1, 2 * j + 1, c] = value if winner == 3 else zero
        below[n, 2 * height :] = zero
        below[n, :, 2 * width :] = zero


class PooledRelu(torch.autograd.Function):
    """`max_pool2d(relu(x), 2)` of images (n, h, w, c), float32 on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Outputs of shape (n, h // 2, w // 2, c)."""
        images, height, width, channels = x.shape
        x = x.contiguous()
        y = torch.empty(images, height // 2, width // 2, channels)
        ctx.winners, ctx.shape = torch.empty(y.shape, dtype=torch.uint8), x.shape
        pool(x.detach().numpy(), y.numpy(), ctx.winners.numpy())
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradient of the inputs."""
        below = torch.empty(ctx.shape)
        unpool(gradients[0].contiguous().numpy(), ctx.winners.numpy(), below.numpy())
        return below
