"""A convolution, ReLU, 2x2 max-pooling and dropout, with a backward pass that knows what the pooling left over.

Of the gradient of the convolution's output only the winners of the windows are not 0: at most one value of four, and
none where a window has nothing positive or was dropped. The plain backward pass fills the others with zeros and
multiplies them too. Here lists of what is left are made, for each place its channels and for each channel its places,
and the products go through these.
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
from handson.kernels.library import Int, Kernel, Pointer, Real, Record, lanes
from handson.kernels.pooled_relu import Drop, Lines, outputs_for, pool_into
from handson.kernels.threads import over_rows

# The gradients of a kernel are summed in so many groups of images at most.
_MOST_GROUPS = 32
# There may be fewer groups, but not fewer than these, so that the sums of all have at most so many values.
_FEWEST_GROUPS, _MOST_VALUES = 4, 1 << 22
# So many values are put out by a convolution before they are pooled.
_CONVOLVED = 1 << 20


class _KernelGradients(Record):
    starts: Pointer
    group: Int
    sums: Pointer
    biases: Pointer
    x: Pointer
    gradient: Pointer
    winners: Pointer
    images: Int
    rows: Int
    columns: Int
    inputs: Int
    down: Int
    along: Int
    channels: Int
    top: Int
    bottom: Int
    left: Int
    right: Int
    height: Int
    blocks: Int


class _InputGradients(Record):
    below: Pointer
    gradient: Pointer
    winners: Pointer
    weights: Pointer
    scale: Real
    images: Int
    rows: Int
    columns: Int
    inputs: Int
    down: Int
    along: Int
    channels: Int
    top: Int
    bottom: Int
    left: Int
    right: Int
    height: Int
    blocks: Int


kernel_gradients = Kernel("kernel_gradients", _KernelGradients)
_input_gradients = Kernel("input_gradients_of_pooled", _InputGradients)


def _sizes(x: tuple[int, ...], gradient: Tensor, padding: Padding, height: int, blocks: int) -> dict[str, int]:
    """The sizes of images, of the gradient of the outputs, and of a kernel's strips, for a record."""
    names = "images rows columns inputs down along channels top bottom left right height blocks"
    values = *x, *gradient.shape[1:], *padding[0], *padding[1], height, blocks
    return dict(zip(names.split(), values, strict=True))


def _blocks(values: int) -> int:
    """The vectors in a strip of so many values."""
    return -(-values // LINE) * (LINE // lanes())


def _strips(kernel: Tensor) -> tuple[np.ndarray, int]:
    """A kernel (height, width, inputs, channels) as (channels, height, width * inputs), and the vectors in a strip.

    Zeros are added to strips up to whole lines of the cache.
    """
    height, width, inputs, channels = kernel.shape
    blocks = _blocks(width * inputs)
    strips = aligned(channels, height * blocks * lanes())
    inside = strips.reshape(channels, height, -1)[:, :, : width * inputs]
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
        lines, at_once = Lines.plain(kernel.shape[3]), _at_once(x, kernel, padding)
        for first in range(0, len(x), at_once):
            part = slice(first, first + at_once)
            convolved = convolve(x[part]).contiguous()
            if first == 0:
                y, ctx.winners = outputs_for(len(x), convolved)
            dropped = None if drop is None else drop._replace(rows=drop.rows[part])
            ctx.scale = pool_into(y[part], ctx.winners[part], convolved, dropped, lines)
        ctx.save_for_backward(x, kernel)
        ctx.padding = padding
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the images, the kernel and the bias."""
        (x, kernel), given = ctx.saved_tensors, (gradients[0].contiguous(), ctx.winners, ctx.padding, ctx.scale)
        found: list[Tensor | None] = [None] * 3
        if ctx.needs_input_grad[0]:
            found[0] = _of_images(x.shape, kernel, *given)
        if any(ctx.needs_input_grad[1:3]):
            found[1:] = _of_kernel(x.detach().contiguous(), kernel.shape, *given)
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
    shape: torch.Size, kernel: Tensor, gradient: Tensor, winners: Tensor, padding: Padding, scale: float
) -> Tensor:
    """The gradient of the images."""
    below, (strips, blocks) = torch.empty(shape), _strips(kernel)
    record = _InputGradients(
        below=below, gradient=gradient, winners=winners, weights=strips, scale=scale,
        **_sizes(shape, gradient, padding, len(kernel), blocks),
    )  # fmt: skip
    over_rows(_input_gradients, record, len(below), work=below.numel())
    return below


def _of_kernel(
    x: Tensor, shape: torch.Size, gradient: Tensor, winners: Tensor, padding: Padding, scale: float
) -> tuple[Tensor, Tensor]:
    """The gradients of the kernel and of the bias, summed in groups of images that follow from the sizes alone."""
    height, width, inputs, channels = shape
    blocks = _blocks(width * inputs)
    size = channels * height * blocks * lanes()
    starts, group = groups_of(len(x), size, _MOST_GROUPS)
    sums, biases = aligned(len(starts), size), np.empty((len(starts), channels))
    record = _KernelGradients(
        starts=starts, group=group, sums=sums, biases=biases, x=x, gradient=gradient, winners=winners,
        **_sizes(x.shape, gradient, padding, height, blocks),
    )  # fmt: skip
    over_rows(kernel_gradients, record, len(starts), work=x.numel())
    strips = (sums.sum(0, dtype=float) * scale).reshape(channels, height, -1)[:, :, : width * inputs]
    d_kernel = in_single(strips).view(channels, height, width, inputs).permute(1, 2, 3, 0)
    return d_kernel, in_single(biases.sum(0) * scale)
