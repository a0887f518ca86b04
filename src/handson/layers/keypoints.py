"""Layers that turn maps into coordinates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.errors import HandsonError
from handson.layers.base import Layer, Shape
from handson.layers.convolution import IMAGES
from handson.registry import register


@register
class SpatialSoftArgmax2D(Layer):
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

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 4, IMAGES)
        if None in input_shape[1:]:
            raise HandsonError(f"SpatialSoftArgmax2D {self.name!r} needs images of known size; got {input_shape}.")
        _, height, width, _ = (size or 0 for size in input_shape)
        x = (2 * torch.arange(width) + 1) / width - 1
        y = (2 * torch.arange(height) + 1) / height - 1
        places = torch.stack((x.expand(height, width), y[:, None].expand(height, width)), -1)
        self.register_buffer("places", places.reshape(-1, 2), persistent=False)

    def output_shape(self, input_shape: Shape) -> Shape:
        maps = input_shape[-1]
        return (input_shape[0], None if maps is None else 2 * maps)

    places: Tensor

    def forward(self, x: Tensor) -> Tensor:
        probability = torch.softmax(x.flatten(1, 2), 1)
        return torch.matmul(probability.transpose(1, 2), self.places).flatten(1)
