"""Convolution and pooling over 1, 2 or 3 axes; channels last unless `data_format='channels_first'`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.graph.conversion import result_type
from handson.graph.operation import operation

Sides = int | Sequence[int]

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
LARGEST = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_MEANS = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_LARGEST = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def chosen(name: str, value: Any, known: Sequence[str]) -> str:
    """An argument that is one of some words, in small letters."""
    if not isinstance(value, str) or value.lower() not in known:
        raise HandsonError(f"{name} is one of {', '.join(known)}; got {value!r}.{nearest(str(value), known)}")
    return value.lower()


def channels_last(data_format: str | None) -> bool:
    """Whether the channels are the last axis; None is Keras's default, that they are."""
    formats = ("channels_last", "channels_first")
    return data_format is None or chosen("data_format", data_format, formats) == formats[0]


def _in_front(x: Tensor, data_format: str | None) -> Tensor:
    if not 3 <= x.dim() <= 5:
        raise ValueError("the inputs have a batch, one to three axes and channels")
    return x.movedim(-1, 1) if channels_last(data_format) else x


def _back(x: Tensor, data_format: str | None) -> Tensor:
    return x.movedim(1, -1) if channels_last(data_format) else x


def _each(name: str, value: Sides, count: int) -> tuple[int, ...]:
    sides = (value,) * count if isinstance(value, int) else tuple(int(side) for side in value)
    if len(sides) != count:
        raise ValueError(f"{name} is a number or {count} numbers; got {value!r}")
    return sides


def _borders(x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """What 'same' padding puts before and after each axis, the last axis first, as torch wants it."""
    borders: list[int] = []
    for size, width, stride, apart in zip(x.shape[2:], kernel, strides, dilation, strict=True):
        reach = (width - 1) * apart + 1
        total = max(0, (-(-size // stride) - 1) * stride + reach - size)
        borders = [total // 2, total - total // 2, *borders]
    return borders


@operation
def conv(
    inputs: Tensor, kernel: Tensor, strides: Sides = 1, padding: str = "valid", data_format: str | None = None,
    dilation_rate: Sides = 1,
) -> Tensor:  # fmt: skip
    """Convolution with a kernel of shape (sides..., channels in, channels out).

    Fewer channels in the kernel than in the inputs make groups of channels.

    Examples
    --------
    >>> conv(torch.ones(1, 5, 1), torch.ones(3, 1, 1)).flatten().tolist()
    [3.0, 3.0, 3.0]
    """
    x, count = _in_front(inputs, data_format), inputs.dim() - 2
    if kernel.dim() != inputs.dim():
        raise ValueError("the kernel has as many axes as the inputs")
    if x.shape[1] % kernel.shape[-2]:
        raise ValueError(f"{x.shape[1]} channels cannot be divided into groups of {kernel.shape[-2]}")
    kind = result_type(x.dtype, kernel.dtype)
    weight = kernel.to(kind).movedim((-1, -2), (0, 1))
    step, apart = _each("strides", strides, count), _each("dilation_rate", dilation_rate, count)
    x = x.to(kind)
    if chosen("padding", padding, ("valid", "same")) == "same":
        x = F.pad(x, _borders(x, kernel.shape[:-2], step, apart))
    groups = x.shape[1] // kernel.shape[-2]
    return _back(CONVOLUTIONS[count](x, weight, None, step, 0, apart, groups), data_format)


@operation
def depthwise_conv(
    inputs: Tensor, kernel: Tensor, strides: Sides = 1, padding: str = "valid", data_format: str | None = None,
    dilation_rate: Sides = 1,
) -> Tensor:  # fmt: skip
    """Convolution of each channel by itself; kernel of shape (sides..., channels in, outputs of each channel)."""
    channels = inputs.shape[-1 if channels_last(data_format) else 1]
    if kernel.shape[-2] != channels:
        raise ValueError(f"the kernel is for {kernel.shape[-2]} channels; the inputs have {channels}")
    flat = kernel.reshape(*kernel.shape[:-2], 1, -1)
    return conv(inputs, flat, strides, padding, data_format, dilation_rate)


@operation
def separable_conv(
    inputs: Tensor, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Sides = 1, padding: str = "valid",
    data_format: str | None = None, dilation_rate: Sides = 1,
) -> Tensor:  # fmt: skip
    """`depthwise_conv`, and then a convolution of width 1 that mixes channels."""
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, data_format=data_format)


@operation
def conv_transpose(
    inputs: Tensor, kernel: Tensor, strides: Sides = 1, padding: str = "valid", output_padding: Sides | None = None,
    data_format: str | None = None, dilation_rate: Sides = 1,
) -> Tensor:  # fmt: skip
    """The transpose of a convolution; kernel of shape (sides..., channels out, channels in)."""
    x, count = _in_front(inputs, data_format), inputs.dim() - 2
    same = chosen("padding", padding, ("valid", "same")) == "same"
    kind = result_type(x.dtype, kernel.dtype)
    weight = kernel.to(kind).movedim((-1, -2), (0, 1))
    step, apart = _each("strides", strides, count), _each("dilation_rate", dilation_rate, count)
    more = (None,) * count if output_padding is None else _each("output_padding", output_padding, count)
    out = TRANSPOSED[count](x.to(kind), weight, None, step, 0, 0, 1, apart)
    crops: list[int] = []
    for width, stride, dilation, extra in zip(kernel.shape[:-2], step, apart, more, strict=True):
        crops = [*(-cut for cut in _crop((width - 1) * dilation + 1, stride, extra, same)), *crops]
    # Padding by less than nothing cuts off.
    return _back(F.pad(out, crops), data_format)


def _crop(reach: int, stride: int, extra: int | None, same: bool) -> tuple[int, int]:
    """What is cut off before and after an axis of the full transpose, for the size that Keras gives the output."""
    if not same:
        return 0, -(max(reach, stride) - reach if extra is None else extra)
    total = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
    left = min(total // 2 + total % 2, reach - 1)
    return reach - 1 - left, reach - 1 - (total - left)


def _pooled(
    x: Tensor, pool_size: Sides, strides: Sides | None, padding: str, data_format: str | None, largest: bool
) -> Tensor:  # fmt: skip
    x, count = _in_front(x, data_format), x.dim() - 2
    size = _each("pool_size", pool_size, count)
    step = size if strides is None else _each("strides", strides, count)
    function = (LARGEST if largest else MEANS)[count]
    if chosen("padding", padding, ("valid", "same")) == "valid":
        return _back(function(x, size, step), data_format)
    borders = _borders(x, size, step, (1,) * count)
    if largest:
        return _back(function(F.pad(x, borders, value=-torch.inf), size, step), data_format)
    # Only values inside count: the mean of a window over the border is of fewer.
    inside = function(F.pad(x.new_ones(1, 1, *x.shape[2:]), borders), size, step)
    return _back(function(F.pad(x, borders), size, step) / inside, data_format)


@operation
def max_pool(
    inputs: Tensor, pool_size: Sides, strides: Sides | None = None, padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """The largest value of each window.

    Examples
    --------
    >>> max_pool(torch.arange(4.0).reshape(1, 4, 1), 2).flatten().tolist()
    [1.0, 3.0]
    """
    return _pooled(inputs, pool_size, strides, padding, data_format, largest=True)


@operation
def average_pool(
    inputs: Tensor, pool_size: Sides, strides: Sides | None = None, padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window; with 'same' padding only values inside count."""
    return _pooled(inputs, pool_size, strides, padding, data_format, largest=False)


def _adaptive(x: Tensor, output_size: Sides, data_format: str | None, kinds: dict[int, Callable[..., Any]]) -> Tensor:
    moved, count = _in_front(x, data_format), x.dim() - 2
    return _back(kinds[count](moved, _each("output_size", output_size, count)), data_format)


@operation
def adaptive_average_pool(inputs: Tensor, output_size: Sides, data_format: str | None = None) -> Tensor:
    """The means of as many windows, of about one size, as the output has places."""
    return _adaptive(inputs, output_size, data_format, ADAPTIVE_MEANS)


@operation
def adaptive_max_pool(inputs: Tensor, output_size: Sides, data_format: str | None = None) -> Tensor:
    """The largest values of as many windows, of about one size, as the output has places."""
    return _adaptive(inputs, output_size, data_format, ADAPTIVE_LARGEST)


def _planes(*sides: Sides) -> list[tuple[int, ...]]:
    return [_each("a side", side, 2) for side in sides]


@operation
def unfold(x: Tensor, kernel_size: Sides, dilation: Sides = 1, padding: Sides = 0, stride: Sides = 1) -> Tensor:
    """The patches of images with channels first, each as a column: (batch, channels times places, patches)."""
    return F.unfold(x, *_planes(kernel_size, dilation, padding, stride))


@operation
def fold(
    x: Tensor, output_size: Sides, kernel_size: Sides, dilation: Sides = 1, padding: Sides = 0, stride: Sides = 1
) -> Tensor:  # fmt: skip
    """Images with channels first from the columns of `unfold`; where patches overlap they are added."""
    return F.fold(x, *_planes(output_size, kernel_size, dilation, padding, stride))


@operation
def depth_to_space(x: Tensor, block_size: int, data_format: str | None = "channels_last") -> Tensor:
    """Channels as blocks of pixels: each side `block_size` times as long."""
    if not channels_last(data_format):
        return F.pixel_shuffle(x, block_size)
    batch, high, wide, channels = x.shape
    blocks = x.reshape(batch, high, wide, block_size, block_size, channels // block_size**2)
    return blocks.transpose(2, 3).reshape(batch, high * block_size, wide * block_size, -1)


@operation
def space_to_depth(x: Tensor, block_size: int, data_format: str | None = "channels_last") -> Tensor:
    """Blocks of pixels as channels: each side `block_size` times shorter."""
    if not channels_last(data_format):
        return F.pixel_unshuffle(x, block_size)
    batch, high, wide, channels = x.shape
    blocks = x.reshape(batch, high // block_size, block_size, wide // block_size, block_size, channels)
    return blocks.transpose(2, 3).reshape(batch, high // block_size, wide // block_size, -1)
