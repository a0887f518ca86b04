"""The functions of images of `keras.backend`: convolutions, poolings, paddings and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handson import ops
from handson.core.errors import HandsonError

Pair = tuple[int, int]


def conv1d(
    x: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:  # fmt: skip
    """Convolution of sequences; 'causal' padding looks at earlier steps only."""
    if padding == "causal":
        before, padding = (kernel.shape[0] - 1) * dilation_rate, "valid"
        x = ops.pad(
            x, [[0, 0], [0, 0], [before, 0]] if data_format == "channels_first" else [[0, 0], [before, 0], [0, 0]]
        )
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(
    x: Any, kernel: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of images."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv3d(
    x: Any, kernel: Any, strides: Any = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:  # fmt: skip
    """Convolution of volumes."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d_transpose(
    x: Any, kernel: Any, output_shape: Any = None, strides: Any = (1, 1), padding: str = "valid",
    data_format: str | None = None, dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """The transposed convolution of images; `output_shape` is checked, as it follows from the other arguments."""
    found = ops.conv_transpose(x, kernel, strides, padding, None, data_format, dilation_rate)
    if output_shape is not None and tuple(output_shape)[1:] != tuple(found.shape)[1:]:
        raise HandsonError(f"conv2d_transpose gives the shape {tuple(found.shape)}, not {tuple(output_shape)}.")
    return found


def depthwise_conv2d(
    x: Any, depthwise_kernel: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of each channel by itself."""
    return ops.depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)


def separable_conv2d(
    x: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str | None = None, dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """`depthwise_conv2d`, and then a convolution of width 1 that mixes channels."""
    return ops.separable_conv(x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


def pool2d(
    x: Any, pool_size: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:  # fmt: skip
    """The largest value, or with `pool_mode='avg'` the mean, of each window."""
    modes = {"max": ops.max_pool, "avg": ops.average_pool}
    if pool_mode not in modes:
        raise HandsonError(f"pool_mode is 'max' or 'avg'; got {pool_mode!r}.")
    return modes[pool_mode](x, pool_size, strides, padding, data_format)


def pool3d(
    x: Any, pool_size: Any, strides: Any = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:  # fmt: skip
    """As `pool2d`, for volumes."""
    return pool2d(x, pool_size, strides, padding, data_format, pool_mode)


def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str | None = None, interpolation: str = "nearest"
) -> Any:  # fmt: skip
    """Images that are larger by whole factors."""
    first = 2 if data_format == "channels_first" else 1
    size = x.shape[first] * height_factor, x.shape[first + 1] * width_factor
    return ops.image.resize(x, size, interpolation, data_format=data_format)


def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str | None = None
) -> Any:  # fmt: skip
    """Volumes that are larger by whole factors."""
    first = 2 if data_format == "channels_first" else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), first):
        x = ops.repeat(x, factor, axis=axis)
    return x


def temporal_padding(x: Any, padding: Pair = (1, 1)) -> Any:
    """Zeros before and after the steps of sequences."""
    return ops.pad(x, [[0, 0], list(padding), [0, 0]])


def spatial_2d_padding(x: Any, padding: Sequence[Pair] = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around images."""
    sides = [list(pair) for pair in padding]
    return ops.pad(x, [[0, 0], [0, 0], *sides] if data_format == "channels_first" else [[0, 0], *sides, [0, 0]])


def spatial_3d_padding(
    x: Any, padding: Sequence[Pair] = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:  # fmt: skip
    """Zeros around volumes."""
    return spatial_2d_padding(x, padding, data_format)
