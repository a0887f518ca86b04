"""Images as seen at other places than their pixels: a whole batch at a time, each image by its own transform."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.ops.image import neighbours, within

# How places between pixels, and outside of an image, get a value.
INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("constant", "nearest", "wrap", "reflect")
# The names that the kernel for linear interpolation has for those that it knows.
FUSED = {"constant": "zeros", "nearest": "border", "reflect": "reflection"}


def resample(
    images: Tensor,
    y: Tensor,
    x: Tensor,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill: float = 0.0,
) -> Tensor:
    """The values of images, (n, h, w, c), at places (y, x), each of shape (n, rows, columns), in pixels.

    Examples
    --------
    >>> image = torch.tensor([[1.0, 3.0]]).reshape(1, 1, 2, 1)
    >>> resample(image, torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.5)).item()
    2.0
    """
    if interpolation == "bilinear" and fill_mode in FUSED:
        return _fused(images, y, x, FUSED[fill_mode], fill if fill_mode == "constant" else 0.0)
    count, height, width, channels = images.shape
    order = INTERPOLATIONS.index(interpolation)
    pixels = images.reshape(count * height * width, channels)
    first = (torch.arange(count, device=images.device) * (height * width))[:, None, None]
    total: Any = 0
    for row, share in neighbours(y, order):
        for column, part in neighbours(x, order):
            place = first + within(row, height, fill_mode) * width + within(column, width, fill_mode)
            values = pixels[place.flatten()].view(*place.shape, channels)
            if fill_mode == "constant":
                known = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                values = torch.where(known[..., None], values, values.new_tensor(fill))
            weight = share * part
            total = total + (values if isinstance(weight, int) else weight[..., None] * values)
    return total


def _fused(images: Tensor, y: Tensor, x: Tensor, padding: str, fill: float) -> Tensor:
    """The same by one kernel, which knows zeros only to fill with."""
    height, width = images.shape[1:3]
    places = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).to(images.dtype)
    values = (images - fill if fill else images).movedim(-1, 1)
    found = F.grid_sample(values, places, padding_mode=padding, align_corners=False).movedim(1, -1)
    return found + fill if fill else found


def grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """The row and the column of each pixel, (h, w)."""
    places = [torch.arange(size, dtype=torch.float32, device=images.device) for size in images.shape[1:3]]
    y, x = torch.meshgrid(*places, indexing="ij")
    return y, x


def transformed(images: Tensor, transforms: Tensor, **way: Any) -> Tensor:
    """Images whose pixel (x, y) is what was at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.

    Parameters
    ----------
    images : Tensor of shape (n, h, w, c)
        The images.
    transforms : Tensor of shape (n, 8)
        a0, a1, a2, b0, b1, b2, c0, c1 of each.
    **way
        As in `resample`.
    """
    y, x = grid(images)
    a0, a1, a2, b0, b1, b2, c0, c1 = (row[:, None, None] for row in transforms.unbind(1))
    k = c0 * x + c1 * y + 1
    return resample(images, (b0 * x + b1 * y + b2) / k, (a0 * x + a1 * y + a2) / k, **way)
