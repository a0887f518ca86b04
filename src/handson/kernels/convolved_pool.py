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
import torch.nn.functional as F
from torch import Tensor

from handson.kernels.keyed_dropout import row_words
from handson.kernels.pooled_relu import Drop, drop_image, dropping, pool_rows, unpool_rows
from handson.kernels.threads import over_rows
from handson.kernels.tiles import add_gathered_product
from handson.kernels.vectors import LANES, compiled, load, store

# With more points in a window the arithmetic outweighs the memory, and PyTorch's convolutions are better at it.
MOST_POINTS = 32


class Windows(NamedTuple):
    """The windows of a convolution in images that are padded already.

    Attributes
    ----------
    images : ndarray of shape (n, height * across)
        Each with its rows one after another.
    across : int
        The values of a row: its pixels times the channels.
    points : ndarray of int64
        The values that a window sees, counted from its first, in the order of a kernel (height, width, channels).
    places : ndarray of int64
        Where the windows of two rows begin that belong to whole 2x2 windows of the pooling: first all of the upper row.
    shape : (int, int)
        How many windows there are, down and across.
    """

    images: np.ndarray
    across: int
    points: np.ndarray
    places: np.ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(x: Tensor, window: tuple[int, int]) -> Windows:
        """The windows of contiguous float32 images (n, h, w, c)."""
        images, height, width, channels = x.shape
        shape = height - window[0] + 1, width - window[1] + 1
        offsets = _offsets(width, channels, window)
        return Windows(x.detach().numpy().reshape(images, -1), width * channels, *offsets, shape)


@lru_cache
def _offsets(width: int, channels: int, window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points and places of the windows in images of a width."""
    across, along = width * channels, (width - window[1] + 1) // 2 * 2
    points = np.arange(window[0])[:, None] * across + np.arange(window[1] * channels)
    places = np.arange(2)[:, None] * across + np.arange(along) * channels
    return points.ravel(), places.ravel()


@compiled
def pool_images(
    y, winners, images, rows, across, points, places, kernel, centre, factor, shift, key, threshold, scale
):  # fmt: skip
    """What `handson.kernels.pooled_relu.pool` makes of the convolution of images with a kernel in blocks."""
    half = len(places) // 2
    sums = np.empty((len(places), kernel.shape[1] * LANES), np.float32)
    for n in range(len(y)):
        for i in range(y.shape[1]):
            sums[:] = np.float32(0)
            add_gathered_product(sums, images[n, 2 * i * across :], places, points, kernel)
            pool_rows(sums[:half], sums[half:], y[n, i], winners[n, i], centre, factor, shift)
        first, second = row_words(key, rows[n])
        drop_image(y[n], winners[n], first, second, threshold, scale)


@compiled
def image_gradients(gradient, winners, images, kernels, sums, across, points, places, scale):
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
            add_gathered_product(kernels[n], images[n, 2 * i * across :], points, places, right)
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
    wider = F.pad(kernel.detach().reshape(points, channels), (0, -channels % LANES)).contiguous()
    y = torch.empty(len(windows.images), windows.shape[0] // 2, windows.shape[1] // 2, channels)
    winners = torch.empty(y.shape, dtype=torch.uint8)
    rows, *dropped = dropping(drop, len(y))
    arrays = y.numpy(), winners.numpy(), windows.images, rows
    places = windows.across, windows.points, windows.places, wider.view(points, -1, LANES).numpy()
    over_rows(pool_images, arrays, *places, centre, factor, shift, *dropped)
    return y, winners, dropped[-1]


def summed_gradients(
    windows: Windows, gradient: Tensor, winners: Tensor, scale: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the kernel (points, channels), and the sum of what reaches each channel, in double precision."""
    images, *_, channels = gradient.shape
    wider = channels + -channels % LANES
    kernels, sums = torch.empty(images, len(windows.points), wider), torch.empty(images, wider)
    arrays = gradient.contiguous().numpy(), winners.numpy(), windows.images, kernels.numpy(), sums.numpy()
    over_rows(image_gradients, arrays, windows.across, windows.points, windows.places, scale)
    return tuple(values.sum(0, dtype=torch.float64)[..., :channels].numpy() for values in (kernels, sums))


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
        return (
            torch.from_numpy(d_kernel).float().view(ctx.shape),
            torch.from_numpy(d_bias).float() if ctx.needs_input_grad[1] else None,
            None,
            None,
        )
