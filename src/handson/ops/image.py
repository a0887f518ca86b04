"""Functions of images, one or a batch; channels last unless `data_format='channels_first'`."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph.conversion import as_float, convert
from handson.graph.operation import operation
from handson.ops.convolve import channels_last, chosen, conv
from handson.ops.joining import pad

# Each with its name in torch, whose "nearest" is off by half a pixel.
INTERPOLATIONS = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic"}


def _batched(images: Tensor, data_format: str | None) -> Tensor:
    """A batch with channels first."""
    if images.dim() not in (3, 4):
        raise ValueError("images have three axes, or four for a batch")
    batch = images if images.dim() == 4 else images[None]
    return batch.movedim(-1, 1) if channels_last(data_format) else batch


def _as_before(batch: Tensor, images: Tensor, data_format: str | None) -> Tensor:
    """Images as they came: channels where they were, one or a batch, and their type, to which values are rounded."""
    out = batch.movedim(1, -1) if channels_last(data_format) else batch
    out = out if images.dim() == 4 else out[0]
    return out.to(images.dtype) if images.is_floating_point() else out.round().to(images.dtype)


@operation
def resize(
    images: Tensor, size: Sequence[int], interpolation: str = "bilinear", antialias: bool = False,
    crop_to_aspect_ratio: bool = False, pad_to_aspect_ratio: bool = False, fill_mode: str = "constant",
    fill_value: float = 0.0, data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """Images of another size; to keep their proportions they are cropped, or padded with a value.

    Examples
    --------
    >>> resize(torch.ones(4, 6, 3), (2, 3)).shape
    torch.Size([2, 3, 3])
    """
    mode = INTERPOLATIONS[chosen("interpolation", interpolation, tuple(INTERPOLATIONS))]
    chosen("fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("images are cropped or padded, not both")
    batch, (high, wide) = _batched(images, data_format), size
    batch = as_float(batch).to(torch.float32) if batch.dtype != torch.float64 else batch
    if crop_to_aspect_ratio:
        batch = _cropped(batch, high, wide)
    elif pad_to_aspect_ratio:
        batch = _padded(batch, high, wide, fill_value)
    smooth = mode != "nearest-exact"
    aligned = False if smooth else None
    out = F.interpolate(batch, (high, wide), mode=mode, align_corners=aligned, antialias=antialias and smooth)
    # Cubic curves overshoot, and bytes do not hold that.
    out = out.clamp(0, 255) if images.dtype is torch.uint8 else out
    return _as_before(out, images, data_format)


def _cropped(batch: Tensor, high: int, wide: int) -> Tensor:
    """The middle of images, in the proportions of a size."""
    height, width = batch.shape[2:]
    h, w = max(min(height, width * high // wide), 1), max(min(width, height * wide // high), 1)
    top, left = (height - h) // 2, (width - w) // 2
    return batch[:, :, top : top + h, left : left + w]


def _padded(batch: Tensor, high: int, wide: int, value: float) -> Tensor:
    """Images with a border, in the proportions of a size."""
    height, width = batch.shape[2:]
    top = (max(height, width * high // wide) - height) // 2
    left = (max(width, height * wide // high) - width) // 2
    return F.pad(batch, (left, left, top, top), value=value)


@operation
def rgb_to_grayscale(images: Tensor, data_format: str | None = None) -> Tensor:
    """The brightness, as one channel: 0.2989 red + 0.587 green + 0.114 blue."""
    axis = -1 if channels_last(data_format) else -3
    if images.shape[axis] == 1:
        return images.clone()
    red, green, blue = images.unbind(axis)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(images.dtype).unsqueeze(axis)


def _fractions(images: Tensor) -> None:
    if not images.is_floating_point():
        raise ValueError("colours are fractions from 0 to 1: divide bytes by 255")


@operation
def rgb_to_hsv(images: Tensor, data_format: str | None = None) -> Tensor:
    """Red, green and blue, from 0 to 1, as hue, saturation and value."""
    _fractions(images)
    axis = -1 if channels_last(data_format) else -3
    red, green, blue = images.unbind(axis)
    value, least = images.amax(axis), images.amin(axis)
    spread = value - least
    sixth = 1 / (6 * torch.where(spread > 0, spread, 1))
    hue = torch.where(value == green, sixth * (blue - red) + 1 / 3, sixth * (red - green) + 2 / 3)
    hue = torch.where(value == red, sixth * (green - blue), hue)
    hue = torch.where(spread > 0, hue, 0)
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1), 0)
    return torch.stack([hue + (hue < 0), saturation, value], axis)


@operation
def hsv_to_rgb(images: Tensor, data_format: str | None = None) -> Tensor:
    """Hue, saturation and value as red, green and blue, from 0 to 1."""
    _fractions(images)
    axis = -1 if channels_last(data_format) else -3
    hue, saturation, value = images.unbind(axis)
    turn = torch.remainder(hue, 1) * 6
    shares = ((turn - 3).abs() - 1, 2 - (turn - 2).abs(), 2 - (turn - 4).abs())
    return torch.stack([value * (1 - saturation + saturation * share.clamp(0, 1)) for share in shares], axis)


def _three(
    name: str, before: int | None, after: int | None, target: int | None, size: int, sign: int
) -> tuple[int, int]:
    """What is cut from, or put to, both ends of an axis, from two of: before, after, the size it then has."""
    given = {f"before ({name})": before, f"after ({name})": after, f"target ({name})": target}
    if sum(value is None for value in given.values()) != 1:
        raise ValueError(f"of {', '.join(given)} exactly two are given; got {list(given.values())}")
    change = 0 if target is None else sign * (target - size)
    first = change - (after or 0) if before is None else before
    last = change - first if after is None else after
    if first < 0 or last < 0 or (sign < 0 and first + last > size):
        raise ValueError(f"there is no such {name}: {first} before and {last} after an axis of size {size}")
    return int(first), int(last)


def _sides(images: Tensor, data_format: str | None) -> tuple[int, int]:
    """Which axes are height and width."""
    if images.dim() not in (3, 4):
        raise ValueError("images have three axes, or four for a batch")
    return (images.dim() - 3, images.dim() - 2) if channels_last(data_format) else (images.dim() - 2, images.dim() - 1)


@operation
def crop_images(
    images: Tensor, top_cropping: int | None = None, left_cropping: int | None = None,
    bottom_cropping: int | None = None, right_cropping: int | None = None, target_height: int | None = None,
    target_width: int | None = None, data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """Images without some rows and columns at their borders."""
    high, wide = _sides(images, data_format)
    ends = {
        high: _three("height", top_cropping, bottom_cropping, target_height, images.shape[high], -1),
        wide: _three("width", left_cropping, right_cropping, target_width, images.shape[wide], -1),
    }
    for axis, (first, last) in ends.items():
        images = images.narrow(axis, first, images.shape[axis] - first - last)
    return images


@operation
def pad_images(
    images: Tensor, top_padding: int | None = None, left_padding: int | None = None, bottom_padding: int | None = None,
    right_padding: int | None = None, target_height: int | None = None, target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """Images with some rows and columns of zeros at their borders."""
    high, wide = _sides(images, data_format)
    widths = [(0, 0)] * images.dim()
    widths[high] = _three("height", top_padding, bottom_padding, target_height, images.shape[high], 1)
    widths[wide] = _three("width", left_padding, right_padding, target_width, images.shape[wide], 1)
    return pad(images, widths)


@operation
def extract_patches(
    images: Tensor, size: int | Sequence[int], strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1, padding: str = "valid", data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """The values of each window as the channels of a pixel; three sizes are for volumes."""
    window = (size, size) if isinstance(size, int) else tuple(size)
    single = images.dim() == len(window) + 1
    batch = images[None] if single else images
    channels = batch.shape[-1 if channels_last(data_format) else 1]
    count = channels
    for side in window:
        count *= side
    # A kernel with one 1 for each value of a window: the convolution copies them.
    kernel = torch.eye(count, dtype=batch.dtype, device=batch.device).reshape(*window, channels, count)
    steps = window if strides is None else strides
    out = conv(batch, kernel, steps, padding, data_format, dilation_rate)
    return out[0] if single else out


def within(index: Tensor, size: int, mode: str) -> Tensor:
    """Where an index outside of an axis is taken to be."""
    if mode == "wrap":
        return index % size
    if mode == "reflect":
        turned = index % (2 * size)
        return torch.where(turned < size, turned, 2 * size - 1 - turned)
    if mode == "mirror":
        turned = index % max(2 * size - 2, 1)
        return torch.where(turned < size, turned, 2 * size - 2 - turned)
    return index.clamp(0, size - 1)


def neighbours(at: Tensor, order: int) -> Iterator[tuple[Tensor, Any]]:
    """The indices around a place, with their weights."""
    if order == 0:
        yield at.round().long() if at.is_floating_point() else at.long(), 1
        return
    low = as_float(at).floor()
    share = at - low
    yield low.long(), 1 - share
    yield low.long() + 1, share


@operation
def map_coordinates(
    inputs: Tensor, coordinates: Tensor, order: int, fill_mode: str = "constant", fill_value: float = 0.0
) -> Tensor:  # fmt: skip
    """The values at coordinates, one row for each axis: the nearest (order 0), or interpolated linearly (order 1)."""
    mode = chosen("fill_mode", fill_mode, ("constant", "nearest", "wrap", "mirror", "reflect"))
    if order not in (0, 1):
        raise ValueError(f"order is 0 (nearest) or 1 (linear); got {order!r}")
    if len(coordinates) != inputs.dim():
        raise ValueError("coordinates have one row for each axis of the inputs")
    around = [list(neighbours(at, order)) for at in coordinates]
    total: Any = 0
    for corner in itertools.product(*around):
        places = [index for index, _ in corner]
        values = inputs[tuple(within(i, side, mode) for i, side in zip(places, inputs.shape, strict=True))]
        if mode == "constant":
            known = [(i >= 0) & (i < side) for i, side in zip(places, inputs.shape, strict=True)]
            values = torch.where(functools.reduce(operator.and_, known), values, convert(fill_value, inputs.dtype))
        total = total + functools.reduce(operator.mul, (weight for _, weight in corner)) * values
    return total.to(inputs.dtype) if inputs.is_floating_point() else total.round().to(inputs.dtype)


@operation
def affine_transform(
    images: Tensor, transform: Tensor, interpolation: str = "bilinear", fill_mode: str = "constant",
    fill_value: float = 0, data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """Images whose pixel (x, y) is what was at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    `transform` is (a0, a1, a2, b0, b1, b2, 0, 0), one for all images or one for each.
    """
    order = ("nearest", "bilinear").index(chosen("interpolation", interpolation, ("nearest", "bilinear")))
    batch, rows = _batched(images, data_format), as_float(transform)
    if rows.dim() not in (1, 2) or rows.shape[-1] != 8:
        raise ValueError("a transform has eight numbers")
    rows = rows.expand(len(batch), 8)
    height, width = batch.shape[2:]
    y, x = torch.meshgrid(
        *(torch.arange(s, device=rows.device, dtype=rows.dtype) for s in (height, width)), indexing="ij"
    )
    out = []
    for image, (a0, a1, a2, b0, b1, b2, *_) in zip(batch, rows, strict=True):
        at = torch.stack([b0 * x + b1 * y + b2, a0 * x + a1 * y + a2])
        planes = [map_coordinates(plane, at, order, fill_mode, fill_value) for plane in image]
        out.append(torch.stack(planes))
    return _as_before(torch.stack(out), images, data_format)


@operation
def gaussian_blur(
    images: Tensor, kernel_size: Sequence[int] = (3, 3), sigma: Sequence[float] = (1.0, 1.0),
    data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """Images smoothed with a Gaussian; beyond the border is 0."""
    batch = as_float(_batched(images, data_format))
    for axis, (size, width) in enumerate(zip(kernel_size, sigma, strict=True)):
        at = torch.arange(size, dtype=batch.dtype, device=batch.device) - (size - 1) / 2
        curve = torch.exp(-0.5 * (at / width) ** 2)
        sides = (-1, 1) if axis == 0 else (1, -1)
        kernel = (curve / curve.sum()).reshape(1, 1, *sides).expand(batch.shape[1], 1, -1, -1)
        reach = [0, 0, (size - 1) // 2, size // 2] if axis == 0 else [(size - 1) // 2, size // 2, 0, 0]
        batch = F.conv2d(F.pad(batch, reach), kernel, groups=batch.shape[1])
    return _as_before(batch, images, data_format)


@operation
def sobel_edges(images: Tensor, data_format: str | None = None) -> Tensor:
    """How fast brightness changes downward and to the right, as a new last axis; beyond the border is 0."""
    if images.dim() != 4:
        raise HandsonError(f"sobel_edges takes a batch of images; got the shape {tuple(images.shape)}.")
    batch = as_float(_batched(images, data_format))
    right = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=batch.dtype, device=batch.device)
    edges = []
    for kernel in (right.T, right):
        weight = kernel.expand(batch.shape[1], 1, 3, 3)
        found = F.conv2d(batch, weight, padding=1, groups=batch.shape[1])
        edges.append(found.movedim(1, -1) if channels_last(data_format) else found)
    return torch.stack(edges, dim=-1)
