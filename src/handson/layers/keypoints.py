"""Layers that turn maps into coordinates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from handson.core.registry import register
from handson.layers.base import Shape
from handson.layers.spatial import Spatial


@register
class SpatialSoftArgmax2D(Spatial):
    """Where each map is highest, softly: (n, height, width, maps) becomes (n, 2 * maps).

    A softmax over the positions of each map gives a probability for every position; the output is the expected x and y
    of each map, from -1 at the left or upper edge of the image to 1 at the right or lower one. Levine et al. (2016),
    "End-to-end training of deep visuomotor policies", section 5.1.

    Parameters
    ----------
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The outputs are in the order x and y of the first map, x and y of the second, and so on. A Dense layer on top turns
    the places of many maps into keypoints.

    Examples
    --------
    >>> maps = torch.zeros(1, 4, 4, 1)
    >>> maps[0, 3, 0, 0] = 100.0
    >>> SpatialSoftArgmax2D()(maps).tolist()
    [[-0.75, 0.75]]
    """

    rank = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, maps = self.parts(input_shape)
        return (batch, None if maps is None else 2 * maps)

    def call(self, inputs: Tensor) -> Tensor:
        probability = torch.softmax(inputs.flatten(1, 2), 1)
        places = _places(inputs.shape[1], inputs.shape[2], str(inputs.device))
        return torch.matmul(probability.transpose(1, 2), places).flatten(1)


@lru_cache(maxsize=8)
def _places(height: int, width: int, device: str) -> Tensor:
    """x and y of the middles of all pixels, row by row, shape (height * width, 2)."""
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)), -1).reshape(-1, 2)
