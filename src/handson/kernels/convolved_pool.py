"""A convolution of images with few channels, ReLU, 2x2 max-pooling and dropout in one pass over the images.

The first convolution of a net has few inputs for an output: its result is the largest array of a step, and takes longer
to write and to read than to compute. Here two of its rows at a time are computed, pooled and forgotten. The way back
needs the winners of the windows only, for nobody asks for the gradient of the images.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.kernels.keyed_dropout import row_words
from handson.kernels.pooled_relu import Drop, drop_image, dropping, pool_rows, unpool_rows
from handson.kernels.threads import over_rows
from handson.kernels.tiles import add_gathered_product
from handson.kernels.vectors import LANES, compiled, load, store

# With more points in a window the arithmetic outweighs the memory, and PyTorch's convolutions are better at it.
MOST_POINTS = 32

# Rows above and below, columns left and right.
Padding = tuple[tuple[int, int], tuple[int, int]]


def outputs_of(x: tuple[int, ...], kernel: tuple[int, ...], padding: Padding) -> tuple[int, int, int, int]:
    """The shape of what a kernel (height, width, inputs, channels) makes of images (n, h, w, inputs)."""
    down, along = (size + sum(more) - side + 1 for size, more, side in zip(x[1:3], padding, kernel[:2], strict=True))
    return x[0], down, along, kernel[3]


class Windows(NamedTuple):
    """The windows of a convolution in images.

    Attributes
    ----------
    planes : ndarray of shape (n, channels * height * width + LANES)
        For each image its padded channels one after another, and so many zeros more as a vector may read too far.
    across : int
        How many values there are between one row and the next.
    points : ndarray of int64
        The values that a window sees, counted from its first, in the order of a kernel (height, width, channels).
    places : ndarray of int64
        Where the windows of two rows begin that belong to whole 2x2 windows of the pooling: first all of the upper row.
    shape : (int, int)
        How many windows there are, down and across.
    """

    planes: np.ndarray
    across: int
    points: np.ndarray
    places: np.ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(x: Tensor, window: tuple[int, int], padding: Padding = ((0, 0), (0, 0)), centre: Any = None) -> Windows:
        """The windows of images (n, h, w, c) with zeros around them, less the centre of each channel if it is given."""
        images, *sizes, channels = x.shape
        height, width = (size + sum(more) for size, more in zip(sizes, padding, strict=True))
        planes = np.zeros((images, channels * height * width + LANES), np.float32)
        padded = planes[:, :-LANES].reshape(images, channels, height, width)
        (top, _), (left, _) = padding
        inside = padded[:, :, top : top + sizes[0], left : left + sizes[1]]
        inside[:] = x.detach().numpy().transpose(0, 3, 1, 2)
        if centre is not None:
            padded -= centre[:, None, None]
        shape = height - window[0] + 1, width - window[1] + 1
        return Windows(planes, width, *_offsets((height, width, channels), window), shape)


@lru_cache
def _offsets(image: tuple[int, int, int], window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points and places of the windows in an image (height, width, channels)."""
    height, width, channels = image
    down, along = (np.arange(size) for size in window)
    points = down[:, None, None] * width + along[:, None] + np.arange(channels) * height * width
    places = np.arange(2)[:, None] * width + np.arange((width - window[1] + 1) // 2 * 2)
    return points.ravel(), places.ravel()


@compiled
def pool_images(
    y, winners, planes, rows, across, points, places, kernel, centre, factor, shift, key, threshold, scale
):  # fmt: skip
    """What `handson.kernels.pooled_relu.pool` makes of the convolution of images with a kernel in blocks."""
    half = len(places) // 2
    sums = np.empty((len(places), kernel.shape[1] * LANES), np.float32)
    for n in range(len(y)):
        for i in range(y.shape[1]):
            sums[:] = np.float32(0)
            add_gathered_product(sums, planes[n, 2 * i * across :], places, points, kernel)
            pool_rows(sums[:half], sums[half:], y[n, i], winners[n, i], centre, factor, shift)
        first, second = row_words(key, rows[n])
        drop_image(y[n], winners[n], first, second, threshold, scale)


@compiled
def image_gradients(gradient, winners, planes, kernels, sums, across, points, places, scale):
    """For each image the gradient of the kernel, (points, channels), and the sum of what reaches each channel.

    There may be more channels than the gradient has, up to a whole block.
    """
    half, blocks = len(places) // 2, kernels.shape[2] // LANES
    slopes = np.zeros((len(places), kernels.shape[2]), np.float32)
    for n in range(len(gradient)):
        kernels[n] = sums[n] = np.float32(0)
        for i in range(gradient.shape[1]):
            unpool_rows(gradient[n, i], winners[n, i], slopes[:half], slopes[half:], scale)
            right = slopes.reshape(len(places), blocks, LANES)
            add_gathered_product(kernels[n], planes[n, 2 * i * across :], points, places, right)
            for c in range(0, kernels.shape[2], LANES):
                total = load(sums, (n, c))
                for j in range(len(places)):
                    total = total + load(slopes, (j, c))
                store(sums, (n, c), total)


def pooled_windows(
    windows: Windows, kernel: Tensor, drop: Drop | None, centre: Any, factor: Any, shift: Any
) -> tuple[Tensor, Tensor, np.float32]:
    """`pool_images` on all cores: the outputs, the winners, and what gradients are scaled with."""
    channels, points = kernel.shape[-1], len(windows.points)
    wider = np.zeros((points, channels + -channels % LANES), np.float32)
    wider[:, :channels] = kernel.detach().numpy().reshape(points, channels)
    y = torch.empty(len(windows.planes), windows.shape[0] // 2, windows.shape[1] // 2, channels)
    winners = torch.empty(y.shape, dtype=torch.uint8)
    rows, *dropped = dropping(drop, len(y))
    arrays = y.numpy(), winners.numpy(), windows.planes, rows
    places = windows.across, windows.points, windows.places, wider.reshape(points, -1, LANES)
    over_rows(pool_images, arrays, *places, centre, factor, shift, *dropped)
    return y, winners, dropped[-1]


def summed_gradients(
    windows: Windows, gradient: Tensor, winners: Tensor, scale: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the kernel (points, channels), and the sum of what reaches each channel, in double precision."""
    images, *_, channels = gradient.shape
    wider = channels + -channels % LANES
    kernels, sums = (np.empty((images, *shape, wider), np.float32) for shape in ([len(windows.points)], []))
    arrays = gradient.contiguous().numpy(), winners.numpy(), windows.planes, kernels, sums
    over_rows(image_gradients, arrays, windows.across, windows.points, windows.places, scale)
    return kernels.sum(0, dtype=float)[:, :channels], sums.sum(0, dtype=float)[:channels]


class ConvolvedPooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(convolution), 2))` of windows. No `Drop`: all are kept."""

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, bias: Tensor | None, windows: Windows, drop: Drop | None) -> Tensor:
        """Outputs (n, h // 2, w // 2, channels), of a kernel (height, width, inputs, channels)."""
        zeros = np.zeros(kernel.shape[-1], np.float32)
        shift = zeros if bias is None else bias.detach().numpy()
        ctx.windows, ctx.shape = windows, kernel.shape
        y, *ctx.found = pooled_windows(windows, kernel, drop, zeros, zeros + 1, shift)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the kernel and of the bias."""
        d_kernel, d_bias = summed_gradients(ctx.windows, gradients[0], *ctx.found)
        return in_single(d_kernel).view(ctx.shape), in_single(d_bias) if ctx.needs_input_grad[1] else None, None, None


def in_single(values: np.ndarray) -> Tensor:
    """A tensor of float32 from double precision."""
    return torch.from_numpy(values.astype(np.float32))
