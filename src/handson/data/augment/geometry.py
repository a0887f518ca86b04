"""What moves pixels and keypoints: maps of whole batches, on the device that they are on."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.data.reading import keypoints as points


def resample(images: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Images (n, height, width, channels) under affine maps, bilinear; outside, the nearest pixel of the border."""
    height, width = images.shape[1:3]
    half = constant((width / 2, height / 2), images.device)
    (a, b), (c, d) = matrix.unbind(1)[0].unbind(1), matrix.unbind(1)[1].unbind(1)
    inverse = torch.stack((d, -b, -c, a), 1).view(-1, 2, 2) / (a * d - b * c).view(-1, 1, 1)
    back = -(inverse @ shift[:, :, None])[:, :, 0]
    theta = torch.cat((inverse * half[None, None, :] / half[None, :, None], (back / half)[:, :, None]), 2)
    view = images.permute(0, 3, 1, 2)
    grid = F.affine_grid(theta, list(view.shape), align_corners=False)
    moved = F.grid_sample(view, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved.permute(0, 2, 3, 1)


def flip_images(images: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Images (n, height, width, channels), those chosen mirrored left to right or top to bottom; pixels stay exact."""
    images = torch.where(horizontal.view(-1, 1, 1, 1), images.flip(2), images)
    return torch.where(vertical.view(-1, 1, 1, 1), images.flip(1), images)


def move_keypoints(
    targets: Tensor, pairs: points.Pairs, matrix: Tensor, shift: Tensor, size: tuple[int, int], units: Any = None
) -> Tensor:
    """Targets with the keypoints moved like the image; a point that leaves the frame becomes NaN.

    Parameters
    ----------
    targets : Tensor, shape (n, columns)
        In `units`.
    pairs : list of (int, int)
        The positions of the x and y columns.
    matrix, shift : Tensor
        From `affine_maps`, in pixels.
    size : (int, int)
        Width and height of the images.
    units : 'pixels' or (float, float), optional
        As in `Augment`.
    """
    if not pairs:
        return targets
    columns = constant(tuple(pairs), targets.device, torch.int64)
    low, high = (constant(edge, targets.device, targets.dtype) for edge in points.edges(units, size))
    centre, pixel = (low + high) / 2, (high - low) / constant(size, targets.device, targets.dtype)
    moved = ((targets[:, columns] - centre) / pixel) @ matrix.transpose(1, 2) + shift[:, None, :]
    moved = moved * pixel + centre
    inside = ((moved >= low) & (moved <= high)).all(2, keepdim=True)
    moved = torch.where(inside, moved, torch.nan)
    return targets.clone().index_copy_(1, columns.flatten(), moved.flatten(1))


def flip_keypoints(
    targets: Tensor, pairs: points.Pairs, matrix: Tensor, size: tuple[int, int], units: Any = None
) -> Tensor:
    """Targets with the keypoints mirrored like the image, x and y each by itself: one may be missing."""
    if not pairs:
        return targets
    columns = constant(tuple(pairs), targets.device, torch.int64)
    low, high = (constant(edge, targets.device, targets.dtype) for edge in points.edges(units, size))
    centre = (low + high) / 2
    signs = torch.diagonal(matrix, dim1=1, dim2=2)[:, None, :]
    moved = (targets[:, columns] - centre) * signs + centre
    return targets.clone().index_copy_(1, columns.flatten(), moved.flatten(1))


def swap_columns(targets: Tensor, swaps: points.Pairs, mirrored: Tensor) -> Tensor:
    """Targets with the columns of the two sides swapped in the rows that are mirrored."""
    if not swaps:
        return targets
    order = list(range(targets.shape[1]))
    for first, second in swaps:
        order[first], order[second] = second, first
    swapped = targets.index_select(1, constant(tuple(order), targets.device, torch.int64))
    return torch.where(mirrored[:, None], swapped, targets)


@functools.cache
def constant(values: tuple[Any, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """A small tensor that never changes, copied to the device once: a step must not wait for the host.

    Examples
    --------
    >>> constant((1, 2), torch.device("cpu")) is constant((1, 2), torch.device("cpu"))
    True
    """
    return torch.tensor(values, dtype=dtype, device=device)
