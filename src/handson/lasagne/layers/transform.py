"""Transformations of images that a net of their own chooses: spatial transformers (Jaderberg et al., 2015)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.lasagne.layers.base import MergeLayer, Shape
from handson.lasagne.utils import as_tuple
from handson.theano.variable import apply, common

BORDERS = {"nearest": "border", "mirror": "reflection"}


class TransformerLayer(MergeLayer):
    """Samples images where an affine map says; the map of each image is the output of another layer.

    Parameters
    ----------
    incoming : Layer or tuple
        The images, (n, channels, height, width).
    localization_network : Layer
        What gives the maps, (n, 6): two rows of three numbers, in coordinates from -1 to 1.
    downsample_factor : float or (float, float)
        The sides are divided by this.
    border_mode : {'nearest', 'mirror'}
        What is outside the image: its border, or its mirror image.
    name : str, optional
        A name.

    Examples
    --------
    >>> TransformerLayer((None, 1, 8, 8), (None, 6), downsample_factor=2).output_shape
    (None, 1, 4, 4)
    """

    def __init__(
        self, incoming: Any, localization_network: Any, downsample_factor: Any = 1, border_mode: str = "nearest",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__([incoming, localization_network], name)
        images, maps = self.input_shapes
        if len(images) != 4 or tuple(maps[1:]) != (6,):
            raise HandsonError(
                f"TransformerLayer takes images (n, channels, height, width) and maps (n, 6); got {images} and {maps}."
            )
        if border_mode not in BORDERS:
            raise HandsonError(f"TransformerLayer: border_mode is 'nearest' or 'mirror'; got {border_mode!r}.")
        self.downsample_factor = as_tuple(downsample_factor, 2)
        self.border_mode = border_mode

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        images = input_shapes[0]
        sides = zip(images[2:], self.downsample_factor, strict=True)
        return (*images[:2], *(None if side is None else int(side / factor) for side, factor in sides))

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        images, maps = inputs
        settings = self.downsample_factor, BORDERS[self.border_mode]
        return apply(_sampled, images, maps, *settings, ndim=4, dtype=common(images))


def _sampled(images: Tensor, maps: Tensor, factors: Any, border: str) -> Tensor:
    """Bilinear samples; -1 and 1 are the centres of the outermost pixels."""
    sides = [int(side / factor) for side, factor in zip(images.shape[2:], factors, strict=True)]
    grid = F.affine_grid(maps.reshape(-1, 2, 3), [*images.shape[:2], *sides], align_corners=True)
    return F.grid_sample(images, grid, padding_mode=border, align_corners=True)
