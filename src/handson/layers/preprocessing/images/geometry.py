"""Images moved: flipped, turned, zoomed, shifted, sheared, cropped."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import whole
from handson.core.registry import register
from handson.layers.preprocessing.encoding import chosen
from handson.layers.preprocessing.images.base import Drawn, Draws, ImageLayer, each
from handson.layers.preprocessing.images.sampling import FILL_MODES, INTERPOLATIONS, transformed
from handson.layers.shapes import Shape
from handson.ops.image import resize

FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")


@register
class RandomFlip(ImageLayer):
    """Mirrors each image, or not, with equal chances.

    Parameters
    ----------
    mode : {'horizontal_and_vertical', 'horizontal', 'vertical'}
        Left and right, up and down, or both, each decided for itself (Keras decides once for both).
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> images = torch.arange(6.0).reshape(1, 1, 6, 1)
    >>> sorted({tuple(RandomFlip("horizontal", seed=seed)(images).flatten().tolist())[0] for seed in range(9)})
    [0.0, 5.0]
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.mode = chosen("RandomFlip", "mode", mode, FLIPS)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {name: draws.uniform(name, 0.0, 1.0) <= 0.5 for name in FLIPS[:2] if name in self.mode}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        for name, axis in (("horizontal", 2), ("vertical", 1)):
            if name in drawn:
                images = torch.where(each(drawn[name]), images.flip(axis), images)
        return images

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self.change(masks, drawn)


class AffineLayer(ImageLayer):
    """The base of layers that move images by a matrix; what comes from outside of them is filled."""

    def __init__(
        self, fill_mode: str, interpolation: str, fill_value: float, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.fill_mode = chosen(type(self).__name__, "fill_mode", fill_mode, FILL_MODES)
        self.interpolation = chosen(type(self).__name__, "interpolation", interpolation, INTERPOLATIONS)
        self.fill_value = fill_value

    def matrix(self, drawn: Drawn, shape: torch.Size) -> Tensor:
        """The transforms, (n, 8), of images of a shape."""
        raise NotImplementedError

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self._moved(images, drawn, self.interpolation)

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self._moved(masks, drawn, "nearest")

    def _moved(self, images: Tensor, drawn: Drawn, interpolation: str) -> Tensor:
        matrix = self.matrix(drawn, images.shape)
        fill = self.fill_value
        return transformed(images, matrix, interpolation=interpolation, fill_mode=self.fill_mode, fill=fill)


def _rows(*columns: Any) -> Tensor:
    """Six numbers for each image as transforms (n, 8)."""
    like = next(column for column in columns if isinstance(column, Tensor))
    full = [column if isinstance(column, Tensor) else torch.full_like(like, column) for column in (*columns, 0, 0)]
    return torch.stack(full, 1)


@register
class RandomRotation(AffineLayer):
    """Turns each image about its centre.

    Parameters
    ----------
    factor : float or two floats
        The angle is drawn between these shares of a full turn, counterclockwise; f stands for (-f, f).
    fill_mode : {'reflect', 'wrap', 'constant', 'nearest'}
        What is beyond the border.
    interpolation : {'bilinear', 'nearest'}
        How values between pixels are found.
    seed : int, optional
        A seed of its own, in place of the run's.
    fill_value : float
        The value beyond the border, for 'constant'.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> images = torch.arange(4.0).reshape(1, 2, 2, 1)
    >>> RandomRotation((0.25, 0.25))(images).round().flatten().tolist()
    [1.0, 3.0, 0.0, 2.0]
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, -1, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"angle": draws.uniform("angle", self.factor[0] * 360, self.factor[1] * 360)}

    def matrix(self, drawn: Drawn, shape: torch.Size) -> Tensor:
        angle = drawn["angle"] * (math.pi / 180)
        cos, sin = torch.cos(angle), torch.sin(angle)
        cy, cx = (shape[1] - 1) / 2, (shape[2] - 1) / 2
        return _rows(cos, -sin, cx - cx * cos + cy * sin, sin, cos, cy - cx * sin - cy * cos)


@register
class RandomZoom(AffineLayer):
    """Shows each image smaller (factors above 0) or larger (below 0).

    Parameters
    ----------
    height_factor : float or two floats
        The change is drawn between these shares of the height; f stands for (-f, f).
    width_factor : float or two floats, optional
        The same for the width; by default proportions stay.
    fill_mode, interpolation, seed, fill_value, data_format
        As in `RandomRotation`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomZoom(0.2)(torch.ones(2, 8, 8, 3)).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = self.bounds("height_factor", height_factor, -1, 1)
        self.width_factor = None if width_factor is None else self.bounds("width_factor", width_factor, -1, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        height = 1 + draws.uniform("height", *self.height_factor)
        width = height if self.width_factor is None else 1 + draws.uniform("width", *self.width_factor)
        return {"height": height, "width": width}

    def matrix(self, drawn: Drawn, shape: torch.Size) -> Tensor:
        height, width = drawn["height"], drawn["width"]
        return _rows(width, 0, (shape[2] - 1) / 2 * (1 - width), 0, height, (shape[1] - 1) / 2 * (1 - height))


@register
class RandomTranslation(AffineLayer):
    """Shifts each image.

    Parameters
    ----------
    height_factor, width_factor : float or two floats
        The shift down and to the right is drawn between these shares of the size; f stands for (-f, f).
    fill_mode, interpolation, seed, fill_value, data_format
        As in `RandomRotation`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> images = torch.arange(3.0).reshape(1, 1, 3, 1)
    >>> RandomTranslation(0, (1 / 3, 1 / 3), fill_mode="constant")(images).round().flatten().tolist()
    [0.0, 0.0, 1.0]
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = self.bounds("height_factor", height_factor, -1, 1)
        self.width_factor = self.bounds("width_factor", width_factor, -1, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        height, width = shape[1:3]
        return {
            "height": draws.uniform("height", *self.height_factor) * height,
            "width": draws.uniform("width", *self.width_factor) * width,
        }

    def matrix(self, drawn: Drawn, shape: torch.Size) -> Tensor:
        return _rows(1, 0, -drawn["width"], 0, 1, -drawn["height"])


@register
class RandomShear(AffineLayer):
    """Shifts the rows of each image, and its columns, the farther the more.

    Parameters
    ----------
    x_factor, y_factor : float or two floats
        The shift from one row, or column, to the next is drawn between these, with either sign; f stands for (0, f),
        and with either sign that is (-f, f).
    interpolation, fill_mode, fill_value, data_format, seed
        As in `RandomRotation`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomShear(0.2, 0.1)(torch.ones(2, 8, 8, 3)).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.x_factor = self.bounds("x_factor", x_factor, 0, 1)
        self.y_factor = self.bounds("y_factor", y_factor, 0, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        sign = torch.where(draws.uniform("sign", 0.0, 1.0) > 0.5, -1.0, 1.0)
        return {
            "x": draws.uniform("x", *self.x_factor) * sign,
            "y": draws.uniform("y", *self.y_factor) * sign,
        }

    def matrix(self, drawn: Drawn, shape: torch.Size) -> Tensor:
        return _rows(1, drawn["x"], 0, drawn["y"], 1, 0)


@register
class RandomCrop(ImageLayer):
    """Cuts a window out of each image, at another place for each.

    Outside of training, and for images that are too small, it is the largest window in the middle with the wanted
    proportions, resized.

    Parameters
    ----------
    height, width : int
        The size of the window.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    name : str, optional
        The layer's name.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomCrop(5, 4)(torch.ones(2, 8, 8, 3)).shape
    torch.Size([2, 5, 4, 3])
    """

    keeps_shape = False

    def __init__(
        self, height: int, width: int, seed: int | None = None, data_format: str | None = None, name: str | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(seed=seed, data_format=data_format, name=name, **kwargs)
        self.height, self.width = whole("height", height, 1), whole("width", width, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        spare = (shape[1] - self.height, shape[2] - self.width)
        if min(spare) < 0:
            return {}
        return {"top": draws.below("top", spare[0] + 1), "left": draws.below("left", spare[1] + 1)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        if not drawn:
            return self.unchanged(images)
        rows = drawn["top"][:, None] + torch.arange(self.height, device=images.device)
        columns = drawn["left"][:, None] + torch.arange(self.width, device=images.device)
        which = torch.arange(len(images), device=images.device)[:, None, None]
        return images[which, rows[:, :, None], columns[:, None, :]]

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self.change(masks, drawn)

    def unchanged(self, images: Tensor) -> Tensor:
        mode = "bilinear" if images.is_floating_point() else "nearest"
        return resize(images, (self.height, self.width), interpolation=mode, crop_to_aspect_ratio=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch = tuple(input_shape[:-3])
        if self.data_format == "channels_first":
            return (*batch, input_shape[-3], self.height, self.width)
        return (*batch, self.height, self.width, input_shape[-1])
