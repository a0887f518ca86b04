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
from handson.kernels.vectors import LANES, choose_equal, choose_winner, compiled, load_part, store_part

ZERO, ONE, TWO, THREE, NONE = (np.float32(number) for number in range(5))


class Drop(NamedTuple):
    """What is dropped: see `handson.kernels.keyed_dropout.drop`."""

    key: int
    rows: Tensor
    rate: float


@compiled
def pool_rows(upper, lower, y, winners, centre, factor, shift):
    """y[j, c] = the largest of relu((x - centre[c]) * factor[c] + shift[c]) in a window of two rows x of an image.

    A NaN in a window wins, as in PyTorch.
    """
    channels = y.shape[1]
    for c in range(0, channels, LANES):
        more = channels - c
        middle, slope = load_part(centre, (c,), more), load_part(factor, (c,), more)
        level = load_part(shift, (c,), more)
        for j in range(y.shape[0]):
            best, winner = (load_part(upper, (2 * j, c), more) - middle) * slope + level, ZERO
            other = (load_part(upper, (2 * j + 1, c), more) - middle) * slope + level
            best, winner = choose_winner(other, best, other, best), choose_winner(other, best, ONE, winner)
            other = (load_part(lower, (2 * j, c), more) - middle) * slope + level
            best, winner = choose_winner(other, best, other, best), choose_winner(other, best, TWO, winner)
            other = (load_part(lower, (2 * j + 1, c), more) - middle) * slope + level
            best, winner = choose_winner(other, best, other, best), choose_winner(other, best, THREE, winner)
            store_part(y, (j, c), choose_winner(best, ZERO, best, ZERO), more)
            store_part(winners, (j, c), choose_winner(best, ZERO, winner, NONE), more)


@numba.njit(cache=True, nogil=True)
def drop_image(y, winners, first, second, threshold, scale):
    """Scale or drop the outputs of an image, whose two words are given; with a threshold of 0 all stay."""
    height, width, channels = y.shape
    for i in range(height if threshold else 0):
        for j in range(width):
            start = (i * width + j) * channels
            for c in range(channels):
                kept = element_word(first, second, start + c) >= threshold
                y[i, j, c] *= scale if kept else np.float32(0)
                winners[i, j, c] = winners[i, j, c] if kept else np.uint8(NONE)


@numba.njit(cache=True, nogil=True)
def pool(x, y, winners, rows, centre, factor, shift, key, threshold, scale):
    """`pool_rows` and `drop_image` of all images x (n, h, w, c)."""
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            pool_rows(x[n, 2 * i], x[n, 2 * i + 1], y[n, i], winners[n, i], centre, factor, shift)
        first, second = row_words(key, rows[n])
        drop_image(y[n], winners[n], first, second, threshold, scale)


@compiled
def unpool_rows(gradient, winners, upper, lower, scale):
    """The gradient, scaled, goes to the winner of each window of two rows; all else in the windows is 0."""
    channels = gradient.shape[1]
    for j in range(gradient.shape[0]):
        for c in range(0, channels, LANES):
            more = channels - c
            slope, winner = load_part(gradient, (j, c), more) * scale, load_part(winners, (j, c), more)
            store_part(upper, (2 * j, c), choose_equal(winner, ZERO, slope, ZERO), more)
            store_part(upper, (2 * j + 1, c), choose_equal(winner, ONE, slope, ZERO), more)
            store_part(lower, (2 * j, c), choose_equal(winner, TWO, slope, ZERO), more)
            store_part(lower, (2 * j + 1, c), choose_equal(winner, THREE, slope, ZERO), more)


@numba.njit(cache=True, nogil=True)
def unpool(gradient, winners, below, scale):
    """`unpool_rows` of all images; rows and columns left over are 0 too."""
    zero = np.float32(0)
    height, width = gradient.shape[1], gradient.shape[2]
    for n in range(gradient.shape[0]):
        for i in range(height):
            unpool_rows(gradient[n, i], winners[n, i], below[n, 2 * i], below[n, 2 * i + 1], scale)
        below[n, 2 * height :] = zero
        below[n, :, 2 * width :] = zero


def dropping(drop: Drop | None, images: int) -> tuple[Any, ...]:
    """The rows, the key, the threshold and the scale that kernels take; all are kept where there is no `Drop`."""
    key, rows, rate = (0, np.zeros(images, np.int64), 0.0) if drop is None else (drop.key, drop.rows.numpy(), drop.rate)
    return rows, np.uint64(key), threshold_of(rate), np.float32(1.0 / (1.0 - rate))


def pooled(x: Tensor, drop: Drop | None, centre: Any, factor: Any, shift: Any) -> tuple[Tensor, Tensor, np.float32]:
    """`pool` on all cores: the outputs, the winners, and what gradients are scaled with."""
    y, winners = outputs_for(len(x), x)
    return y, winners, pool_into(y, winners, x, drop, centre, factor, shift)


def outputs_for(images: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Room for the outputs and the winners of so many images like those in x (n, h, w, c)."""
    _, height, width, channels = x.shape
    y = torch.empty(images, height // 2, width // 2, channels)
    return y, torch.empty(y.shape, dtype=torch.uint8)


def pool_into(
    y: Tensor, winners: Tensor, x: Tensor, drop: Drop | None, centre: Any, factor: Any, shift: Any
) -> np.float32:
    """`pool` on all cores; what gradients are scaled with."""
    rows, *dropped = dropping(drop, len(x))
    over_rows(pool, (x.detach().numpy(), y.numpy(), winners.numpy(), rows), centre, factor, shift, *dropped)
    scale: np.float32 = dropped[-1]
    return scale


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
