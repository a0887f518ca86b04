"""Layers that give images another size: by cropping their middle, or by interpolation."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.spatial import Spatial, check_format, chosen
from handson.ops.image import INTERPOLATIONS, resize


class Sized(Spatial):
    """The base of layers whose outputs are images of one size; they take a batch, or a single image as Keras's do."""

    rank = 2

    def _set(self, height: int, width: int, data_format: str | None) -> None:
        owner = type(self).__name__
        self.height, self.width = positive(owner, "height", height), positive(owner, "width", width)
        self.data_format = check_format(owner, data_format)

    @property
    def axes(self) -> tuple[int, int]:
        """The axes of height and width, counted from the last one."""
        return (-3, -2) if self.last else (-2, -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) not in (3, 4):
            self.parts(input_shape)
        shape, (down, across) = list(input_shape), self.axes
        shape[down], shape[across] = self.height, self.width
        return tuple(shape)


@register
class CenterCrop(Sized):
    """Cuts the middle out of images; images that are too small are made larger first.

    Parameters
    ----------
    height, width : int
        The size of the outputs.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Of an image that is smaller in height or width, the largest part in the middle with the proportions of the output
    is resized, bilinearly.

    Examples
    --------
    >>> import torch
    >>> CenterCrop(1, 2)(torch.arange(12.0).view(1, 3, 4, 1)).flatten().tolist()
    [5.0, 6.0]
    """

    floats_only = True

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set(height, width, data_format)

    def call(self, inputs: Tensor) -> Tensor:
        down, across = self.axes
        rows, columns = inputs.shape[down] - self.height, inputs.shape[across] - self.width
        if rows >= 0 and columns >= 0:
            return inputs.narrow(down, rows // 2, self.height).narrow(across, columns // 2, self.width)
        return resize(inputs, (self.height, self.width), crop_to_aspect_ratio=True, data_format=self.data_format)


@register
class Resizing(Sized):
    """Gives images another size by interpolation.

    Parameters
    ----------
    height, width : int
        The size of the outputs.
    interpolation : {'bilinear', 'nearest', 'bicubic'}
        How values in between are found. Keras's 'lanczos3' and 'lanczos5' are not there, as in Keras on torch.
    crop_to_aspect_ratio : bool
        Cut the middle out of images first, so that things keep their proportions.
    pad_to_aspect_ratio : bool
        Put a border around images first, so that things keep their proportions.
    fill_mode : {'constant'}
        What the border holds: `fill_value`.
    fill_value : float
        The value of the border.
    antialias : bool
        Smooth images that get smaller; not with 'nearest'.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Whole numbers stay whole numbers of their type: values are rounded.

    Examples
    --------
    >>> import torch
    >>> Resizing(14, 28)(torch.zeros(2, 28, 28, 1)).shape
    torch.Size([2, 14, 28, 1])
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set(height, width, data_format)
        self.interpolation = chosen("Resizing", "interpolation", interpolation, tuple(INTERPOLATIONS))
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise HandsonError("Resizing: crop_to_aspect_ratio or pad_to_aspect_ratio, not both.")
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode = chosen("Resizing", "fill_mode", fill_mode, ("constant",))
        self.fill_value, self.antialias = fill_value, antialias

    def call(self, inputs: Tensor) -> Tensor:
        return resize(
            inputs,
            (self.height, self.width),
            self.interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )
