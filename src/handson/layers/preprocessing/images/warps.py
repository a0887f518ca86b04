"""Images bent: seen from another side, or as on rubber."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core.registry import register
from handson.layers.preprocessing.encoding import chosen
from handson.layers.preprocessing.images.base import Drawn, Draws, ImageLayer, each
from handson.layers.preprocessing.images.colors import RangedLayer
from handson.layers.preprocessing.images.sampling import FILL_MODES, INTERPOLATIONS, grid, resample, transformed
from handson.layers.preprocessing.images.tones import blurred


@register
class RandomPerspective(ImageLayer):
    """Moves the corners of each image, or not.

    Parameters
    ----------
    factor : float or two floats
        The probability is drawn between these; f stands for (0, f).
    scale : float
        Corners move by up to half this share of the size.
    interpolation : {'bilinear', 'nearest'}
        How values between pixels are found.
    fill_value : float
        The value beyond the border.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomPerspective(scale=0.2)(torch.ones(2, 8, 8, 3)).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        self.scale = self.bounds("scale", scale, 0, 1)[1]
        self.interpolation = chosen("RandomPerspective", "interpolation", interpolation, INTERPOLATIONS)
        self.fill_value = fill_value

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        down, right = shape[1] - 1.0, shape[2] - 1.0
        corners = torch.tensor([[0.0, 0], [right, 0], [0, down], [right, down]], device=draws.rows.device)
        shares = draws.uniform("corners", -0.5 * self.scale, 0.5 * self.scale, 4, 2)
        return {
            "applied": draws.chance("applied", self.factor),
            "start": corners.expand(len(shares), 4, 2),
            "end": corners * (1 + shares),
        }

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self._moved(images, drawn, self.interpolation)

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self._moved(masks, drawn, "nearest")

    def _moved(self, images: Tensor, drawn: Drawn, interpolation: str) -> Tensor:
        transforms = homography(drawn["end"], drawn["start"])
        moved = transformed(images, transforms, interpolation=interpolation, fill=self.fill_value)
        return torch.where(each(drawn["applied"]), moved, images)


def homography(start: Tensor, end: Tensor) -> Tensor:
    """The projective transforms, (n, 8), that take four points (x, y) each, (n, 4, 2), to four others."""
    x, y = start.unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    to_x, to_y = end.unbind(-1)
    first = torch.stack([x, y, one, zero, zero, zero, -to_x * x, -to_x * y], -1)
    second = torch.stack([zero, zero, zero, x, y, one, -to_y * x, -to_y * y], -1)
    return torch.linalg.solve(torch.cat([first, second], 1), torch.cat([to_x, to_y], 1))


@register
class RandomElasticTransform(RangedLayer):
    """Bends each image as if it were on rubber, or not. Simard, Steinkraus and Platt (2003).

    Parameters
    ----------
    factor : float or two floats
        The probability is drawn between these; f stands for (0, f).
    scale : float or two floats
        The strength is drawn between these, from 0 to 1; f stands for (0, f).
    interpolation : {'bilinear', 'nearest'}
        How values between pixels are found.
    fill_mode : {'reflect', 'wrap', 'constant', 'nearest'}
        What is beyond the border.
    fill_value : float
        The value beyond the border, for 'constant'.
    value_range : two numbers
        The least and the largest value of images, to which results are clipped.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Each image has its own strength; Keras draws one for the batch. Masks bend with their images; Keras bends them
    otherwise.

    Examples
    --------
    >>> RandomElasticTransform((1.0, 1.0), 0.5)(torch.ones(2, 8, 8, 3)).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        self.scale = self.bounds("scale", scale, 0, 1, mirrored=False)
        self.interpolation = chosen("RandomElasticTransform", "interpolation", interpolation, INTERPOLATIONS)
        self.fill_mode = chosen("RandomElasticTransform", "fill_mode", fill_mode, (*FILL_MODES, "mirror"))
        self.fill_value = fill_value

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        size = (shape[1], shape[2])
        strength = draws.uniform("scale", *self.scale)
        # Keras's widths: a shift of 10 % of the longer side, smoothed over 5 % of the shorter one.
        sigma = (0.05 * min(size) * strength).clamp(min=1e-6)
        reach = int(6 * 0.05 * min(size) * self.scale[1]) | 1
        noise = draws.normal("shift", *size, 2) * each(sigma)
        shift = blurred(noise, (reach, reach), sigma[:, None].expand(-1, 2))
        return {
            "applied": draws.chance("applied", self.factor),
            "shift": shift * each(0.1 * max(size) * strength),
        }

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self.clipped(self._bent(images, drawn, self.interpolation))

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self._bent(masks, drawn, "nearest")

    def _bent(self, images: Tensor, drawn: Drawn, interpolation: str) -> Tensor:
        y, x = grid(images)
        across, down = drawn["shift"].unbind(-1)
        bent = resample(images, y + down, x + across, interpolation, self.fill_mode, self.fill_value)
        return torch.where(each(drawn["applied"]), bent, images)
