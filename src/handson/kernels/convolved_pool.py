"""A convolution of images with few channels, ReLU, 2x2 max-pooling and dropout in one pass over the images.

The first convolution of a net has few inputs for an output: its result is the largest array of a step, and takes longer
to write and to read than to compute. Here two of its rows at a time are computed, pooled and forgotten. The backward
pass needs the winners of the windows only: no gradient of the images is wanted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.kernels.library import Int, Kernel, Pointer, Real, Record, Word, lanes
from handson.kernels.pooled_relu import Drop, Lines, dropping
from handson.kernels.threads import over_rows

# With more points in a window the arithmetic outweighs the memory, and PyTorch's convolutions are better at it.
MOST_POINTS = 32

# Rows above and below, columns left and right.
Padding = tuple[tuple[int, int], tuple[int, int]]


def outputs_of(x: tuple[int, ...], kernel: tuple[int, ...], padding: Padding) -> tuple[int, int, int, int]:
    """The shape of what a kernel (height, width, inputs, channels) makes of images (n, h, w, inputs)."""
    down, along = (size + sum(more) - side + 1 for size, more, side in zip(x[1:3], padding, kernel[:2], strict=True))
    return x[0], down, along, kernel[3]


class _PoolWindows(Record):
    y: Pointer
    winners: Pointer
    planes: Pointer
    plane: Int
    across: Int
    points: Pointer
    places: Pointer
    window: Int
    count: Int
    down: Int
    channels: Int
    wider: Int
    kernel: Pointer
    centre: Pointer
    factor: Pointer
    shift: Pointer
    rows: Pointer
    key: Word
    threshold: Word
    scale: Real


class _WindowGradients(Record):
    gradient: Pointer
    winners: Pointer
    planes: Pointer
    plane: Int
    across: Int
    points: Pointer
    places: Pointer
    window: Int
    count: Int
    down: Int
    channels: Int
    wider: Int
    kernels: Pointer
    sums: Pointer
    scale: Real


_pool_windows, _window_gradients = Kernel("pool_windows", _PoolWindows), Kernel("window_gradients", _WindowGradients)


class Windows(NamedTuple):
    """The windows of a convolution in images.

    Attributes
    ----------
    planes : ndarray of shape (n, channels * height * width + lanes)
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
        size = channels * height * width
        planes = np.zeros((images, size + lanes()), np.float32)
        padded = planes[:, :size].reshape(images, channels, height, width)
        (top, _), (left, _) = padding
        inside = padded[:, :, top : top + sizes[0], left : left + sizes[1]]
        inside[:] = x.detach().numpy().transpose(0, 3, 1, 2)
        if centre is not None:
            padded -= centre[:, None, None]
        shape = height - window[0] + 1, width - window[1] + 1
        return Windows(planes, width, *_offsets((height, width, channels), window), shape)

    def fields(self) -> dict[str, Any]:
        """As kernels take them."""
        return {
            "planes": self.planes, "plane": self.planes.shape[1], "across": self.across, "points": self.points,
            "places": self.places, "window": len(self.points), "count": len(self.places),
        }  # fmt: skip


@lru_cache
def _offsets(image: tuple[int, int, int], window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points and places of the windows in an image (height, width, channels)."""
    height, width, channels = image
    down, along = (np.arange(size) for size in window)
    points = down[:, None, None] * width + along[:, None] + np.arange(channels) * height * width
    places = np.arange(2)[:, None] * width + np.arange((width - window[1] + 1) // 2 * 2)
    return points.ravel(), places.ravel()


def _whole(channels: int) -> int:
    """So many channels, filled up to whole vectors."""
    return channels + -channels % lanes()


def pooled_windows(windows: Windows, kernel: Tensor, drop: Drop | None, lines: Lines) -> tuple[Tensor, Tensor, float]:
    """The convolution, pooled, on all cores: the outputs, the winners, and what gradients are scaled with."""
    channels, points = kernel.shape[-1], len(windows.points)
    wider = np.zeros((points, _whole(channels)), np.float32)
    wider[:, :channels] = kernel.detach().numpy().reshape(points, channels)
    y = torch.empty(len(windows.planes), windows.shape[0] // 2, windows.shape[1] // 2, channels)
    winners, dropped = torch.empty(y.shape, dtype=torch.uint8), dropping(drop)
    record = _PoolWindows(
        y=y, winners=winners, **windows.fields(), down=y.shape[1], channels=channels, wider=wider.shape[1],
        kernel=wider, **lines.fields(), **dropped,
    )  # fmt: skip
    over_rows(_pool_windows, record, len(y), work=y.numel())
    return y, winners, float(dropped["scale"])


def summed_gradients(
    windows: Windows, gradient: Tensor, winners: Tensor, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the kernel (points, channels), and the sum of what reaches each channel, in double precision."""
    images, down, _, channels = gradient.shape
    wider = _whole(channels)
    kernels, sums = (np.empty((images, *shape, wider), np.float32) for shape in ([len(windows.points)], []))
    record = _WindowGradients(
        gradient=gradient.contiguous(), winners=winners, **windows.fields(), down=down, channels=channels, wider=wider,
        kernels=kernels, sums=sums, scale=scale,
    )  # fmt: skip
    over_rows(_window_gradients, record, images, work=gradient.numel())
    return kernels.sum(0, dtype=float)[:, :channels], sums.sum(0, dtype=float)[:channels]


class ConvolvedPooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(convolution), 2))` of windows. No `Drop`: all are kept."""

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, bias: Tensor | None, windows: Windows, drop: Drop | None) -> Tensor:
        """Outputs (n, h // 2, w // 2, channels), of a kernel (height, width, inputs, channels)."""
        lines = Lines.plain(kernel.shape[-1], None if bias is None else bias.detach().numpy())
        ctx.windows, ctx.shape = windows, kernel.shape
        y, *ctx.found = pooled_windows(windows, kernel, drop, lines)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the kernel and of the bias."""
        d_kernel, d_bias = summed_gradients(ctx.windows, gradients[0], *ctx.found)
        return in_single(d_kernel).view(ctx.shape), in_single(d_bias) if ctx.needs_input_grad[1] else None, None, None


def in_single(values: np.ndarray) -> Tensor:
    """A tensor of float32 from double precision."""
    return torch.from_numpy(values.astype(np.float32))
