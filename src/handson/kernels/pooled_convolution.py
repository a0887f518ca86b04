"""A convolution, ReLU, 2x2 max-pooling and dropout, with a way back that knows what the pooling left over.

Of the gradient of the convolution's output only the winners of the windows are not 0: at most one value of four, and
none where a window has nothing positive or was dropped. The plain way back fills the others with zeros and multiplies
them too. Here lists of what is left are made, for each place its channels and for each channel its places, and the
products go through these.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.kernels.aligned import LINE, aligned
from handson.kernels.convolved_pool import Padding, in_single, outputs_of
from handson.kernels.picked_rows import add_picked_rows
from handson.kernels.pooled_relu import ONE, THREE, TWO, ZERO, Drop, outputs_for, pool_into
from handson.kernels.threads import over_rows
from handson.kernels.vectors import LANES, compiled, load, load_part, store_equal, sum_of

# The gradients of a kernel are summed in so many groups of images at most.
_MOST_GROUPS = 32
# There may be fewer groups, but not fewer than these, so that the sums of all have at most so many values.
_FEWEST_GROUPS, _MOST_VALUES = 4, 1 << 22
# So many values are put out by a convolution before they are pooled.
_CONVOLVED = 1 << 20
# A list of places has about so many: fewer are too short, and more see more of the image than is close at hand.
_PLACES = 32


@compiled
def _padded(images, n, top, left, across, room, start):
    """Put an image between its zeros."""
    channels = images.shape[3]
    for i in range(images.shape[1]):
        row, place = images[n, i].reshape(-1), start + ((i + top) * across + left) * channels
        room[place : place + len(row)] = row


@compiled
def _cleared(size):
    """Zeros, and where in them a line of the cache begins, after which there are so many and one line more."""
    room = np.zeros(size + 2 * LINE, np.float32)
    return room, -(room.ctypes.data // 4) % LINE


@compiled
def _list_places(gradient, winners, n, first, last, across, factors, picks, counts, most):
    """For each channel the gradients of the windows in rows of the pooling, and the places that they belong to."""
    counts[:] = 0
    for i in range(first, last):
        for j in range(gradient.shape[2]):
            corner = 2 * (i * across + j)
            for c in range(len(counts)):
                winner, place = np.int64(winners[n, i, j, c]), c * most + counts[c]
                factors[place] = gradient[n, i, j, c]
                picks[place] = corner + (winner >> 1) * across + (winner & 1)
                counts[c] += winner < 4


@compiled
def _sum(values, first, count):
    total = load_part(values, (first,), count)
    for k in range(LANES, count, LANES):
        total = total + load_part(values, (first + k,), count - k)
    return np.float64(sum_of(total))


@compiled
def kernel_gradients(starts, sums, biases, x, gradient, winners, group, padding, height, blocks):
    """For each group of images the gradients of the kernel, in `_strips`, and of the bias, neither of them scaled."""
    (top, bottom), (left, right) = padding
    images, rows, columns, inputs = x.shape
    _, down, along, channels = gradient.shape
    across = columns + left + right
    room, start = _cleared((rows + top + bottom) * across * inputs)
    at_once = max(1, min(down, _PLACES // along))
    most = at_once * along
    factors, picks = np.empty(channels * most, np.float32), np.empty(channels * most, np.int32)
    counts = np.empty(channels, np.int64)
    strip = blocks * LANES
    for g in range(len(starts)):
        total = sums[g]
        total[:] = np.float32(0)
        biases[g] = 0.0
        for n in range(starts[g], min(starts[g] + group, images)):
            _padded(x, n, top, left, across, room, start)
            for i in range(0, down, at_once):
                last = min(i + at_once, down)
                _list_places(gradient, winners, n, i, last, across, factors, picks, counts, most)
                for c in range(channels):
                    biases[g, c] += _sum(factors, c * most, counts[c])
                    if counts[c]:
                        add_picked_rows(
                            total, c * height * strip, strip, room, start, inputs, across * inputs, factors, picks,
                            c * most, counts[c], height, blocks,
                        )  # fmt: skip


@compiled
def _list_channels(gradient, winners, n, i, scale, lanes, factors, picks, counts, most):
    """For each window in a row of the pooling, and each corner, the channels that it won and their gradients."""
    channels = gradient.shape[3]
    counts[:] = 0
    for j in range(gradient.shape[2]):
        first = 4 * j
        for c in range(0, channels, LANES):
            more = channels - c
            winner, values = load_part(winners, (n, i, j, c), more), load_part(gradient, (n, i, j, c), more) * scale
            channel = load(lanes, (0,)) + np.float32(c)
            for corner, code in enumerate((ZERO, ONE, TWO, THREE)):
                place = (first + corner) * most + counts[first + corner]
                store_equal(factors, (place,), values, winner, code)
                counts[first + corner] += store_equal(picks, (place,), channel, winner, code)


@compiled
def input_gradients(below, gradient, winners, weights, padding, height, blocks, scale):
    """The gradients of the images, for weights (channels, height * blocks * LANES); see `_strips`."""
    (top, bottom), (left, right) = padding
    images, rows, columns, inputs = below.shape
    _, down, along, channels = gradient.shape
    across, strip = columns + left + right, blocks * LANES
    room, start = _cleared((rows + top + bottom) * across * inputs)
    most = channels + LANES
    factors, picks = np.empty(4 * along * most, np.float32), np.empty(4 * along * most, np.int32)
    counts, lanes = np.empty(4 * along, np.int64), np.arange(LANES).astype(np.float32)
    for n in range(images):
        room[:] = np.float32(0)
        for i in range(down):
            _list_channels(gradient, winners, n, i, scale, lanes, factors, picks, counts, most)
            # Corner by corner: the strips of neighbours overlap.
            for corner in range(4):
                for j in range(along):
                    k = 4 * j + corner
                    if counts[k]:
                        place = start + ((2 * i + corner // 2) * across + 2 * j + corner % 2) * inputs
                        add_picked_rows(
                            room, place, across * inputs, weights, 0, height * strip, strip, factors, picks, k * most,
                            counts[k], height, blocks,
                        )  # fmt: skip
        for i in range(rows):
            row, place = below[n, i].reshape(-1), start + ((i + top) * across + left) * inputs
            row[:] = room[place : place + len(row)]


def _blocks(values: int) -> int:
    """The vectors in a strip of so many values."""
    return -(-values // LINE) * (LINE // LANES)


def _strips(kernel: Tensor) -> tuple[np.ndarray, int]:
    """A kernel (height, width, inputs, channels) as (channels, height, width * inputs), and the vectors in a strip.

    Zeros are added to channels up to whole vectors, and to strips up to whole lines of the cache.
    """
    height, width, inputs, channels = kernel.shape
    blocks = _blocks(width * inputs)
    strips = aligned(channels + -channels % LANES, height * blocks * LANES)
    inside = strips[:channels].reshape(channels, height, -1)[:, :, : width * inputs]
    inside[:] = kernel.detach().permute(3, 0, 1, 2).reshape(channels, height, -1).numpy()
    return strips, blocks


class PooledConvolution(torch.autograd.Function):
    """`dropout(max_pool2d(relu(convolution), 2))` of images (n, h, w, c), float32 on a CPU. No `Drop`: all are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        convolve: Callable[[Tensor], Tensor],
        padding: Padding,
        drop: Drop | None,
    ) -> Tensor:
        """Outputs (n, h // 2, w // 2, channels), of a kernel (height, width, inputs, channels).

        `convolve` is the convolution with these weights, one place after another. It is asked for a few images at a
        time, so that what it puts out is still close at hand when it is pooled.
        """
        zeros, at_once = np.zeros(kernel.shape[3], np.float32), _at_once(x, kernel, padding)
        for first in range(0, len(x), at_once):
            part = slice(first, first + at_once)
            convolved = convolve(x[part]).contiguous()
            if first == 0:
                y, ctx.winners = outputs_for(len(x), convolved)
            dropped = None if drop is None else drop._replace(rows=drop.rows[part])
            ctx.scale = pool_into(y[part], ctx.winners[part], convolved, dropped, zeros, zeros + 1, zeros)
        ctx.save_for_backward(x, kernel)
        ctx.padding = padding
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the images, the kernel and the bias."""
        (x, kernel), gradient = ctx.saved_tensors, gradients[0].contiguous().numpy()
        found: list[Tensor | None] = [None] * 3
        if ctx.needs_input_grad[0]:
            found[0] = _of_images(x.shape, kernel, gradient, ctx.winners.numpy(), ctx.padding, ctx.scale)
        if any(ctx.needs_input_grad[1:3]):
            values = x.detach().contiguous().numpy()
            found[1:] = _of_kernel(values, kernel.shape, gradient, ctx.winners.numpy(), ctx.padding, ctx.scale)
        return *(one if needed else None for one, needed in zip(found, ctx.needs_input_grad, strict=False)), *[None] * 3


def _at_once(x: Tensor, kernel: Tensor, padding: Padding) -> int:
    """How many images are convolved before they are pooled."""
    return max(1, _CONVOLVED // prod(outputs_of(x.shape, kernel.shape, padding)[1:]))


def groups_of(count: int, values: int, most: int) -> tuple[np.ndarray, int]:
    """Where groups of images, or of parts of them, begin, and how large they are; each has sums of so many values.

    They follow from the sizes alone, and with them how sums are rounded.

    Examples
    --------
    >>> groups_of(9, 100, 4)
    (array([0, 3, 6]), 3)
    """
    groups = min(count, most, max(_FEWEST_GROUPS, _MOST_VALUES // values))
    group = -(-count // groups)
    return np.arange(0, count, group), group


def _of_images(
    shape: torch.Size, kernel: Tensor, gradient: np.ndarray, winners: np.ndarray, padding: Padding, scale: np.float32
) -> Tensor:
    """The gradient of the images."""
    below, (strips, blocks) = torch.empty(shape), _strips(kernel)
    over_rows(
        input_gradients, (below.numpy(), gradient, winners), strips.ravel(), padding, kernel.shape[0], blocks, scale
    )
    return below


def _of_kernel(
    x: np.ndarray, shape: torch.Size, gradient: np.ndarray, winners: np.ndarray, padding: Padding, scale: np.float32
) -> tuple[Tensor, Tensor]:
    """The gradients of the kernel and of the bias, summed in groups of images that follow from the sizes alone."""
    height, width, inputs, channels = shape
    blocks = _blocks(width * inputs)
    size = channels * height * blocks * LANES
    starts, group = groups_of(len(x), size, _MOST_GROUPS)
    sums, biases = aligned(len(starts), size), np.empty((len(starts), channels))
    given = x, gradient, winners, group, padding, height, blocks
    over_rows(kernel_gradients, (starts, sums, biases), *given, work=x.size)
    strips = (sums.sum(0, dtype=float) * scale).reshape(channels, height, -1)[:, :, : width * inputs]
    d_kernel = in_single(strips).view(channels, height, width, inputs).permute(1, 2, 3, 0)
    return d_kernel, in_single(biases.sum(0) * scale)
