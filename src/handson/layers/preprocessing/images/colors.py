"""Colours changed at random: brightness, contrast, hue, saturation, and without colours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core.registry import register
from handson.layers.preprocessing.images.base import Drawn, Draws, ImageLayer, each, rescaled
from handson.ops.image import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv


class RangedLayer(ImageLayer):
    """The base of layers that know the least and the largest value of images."""

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = self.range_of(value_range)

    def clipped(self, images: Tensor) -> Tensor:
        """Images within the range of values."""
        return images.clamp(*self.value_range)


@register
class RandomBrightness(RangedLayer):
    """Adds a number to each image.

    Parameters
    ----------
    factor : float or two floats
        The number is drawn between these shares of the range of values; f stands for (-f, f).
    value_range : two numbers
        The least and the largest value of images, to which results are clipped.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer, and `data_format`.

    Examples
    --------
    >>> RandomBrightness((0.2, 0.2), (0, 1))(torch.zeros(1, 1, 1, 1)).item()
    0.2...
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, -1, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        low, high = self.value_range
        return {"added": draws.uniform("added", *self.factor) * (high - low)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self.clipped(images + each(drawn["added"]))


@register
class RandomContrast(RangedLayer):
    """Moves the values of each image from the mean of their channel, or towards it.

    Parameters
    ----------
    factor : float or two floats
        Distances are multiplied by a number from ``1 - lower`` to ``1 + upper``; f stands for (f, f), as Keras's
        documentation says (Keras 3.15 takes it for (0, f), and never lowers the contrast).
    value_range : two numbers
        The least and the largest value of images, to which results are clipped.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer, and `data_format`.

    Examples
    --------
    >>> image = torch.tensor([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> RandomContrast((0.5, -0.5))(image).flatten().tolist()
    [1.5, 2.5]
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed=seed, **kwargs)
        lower, upper = factor if isinstance(factor, (tuple, list)) and len(factor) == 2 else (factor, factor)
        for number in (lower, upper):
            self.bounds("factor", number, -1, 1)
        self.factor = (float(lower), float(upper))

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"factor": draws.uniform("factor", 1 - self.factor[0], 1 + self.factor[1])}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        mean = images.mean((1, 2), keepdim=True)
        return self.clipped((images - mean) * each(drawn["factor"]) + mean)


@register
class RandomHue(RangedLayer):
    """Turns the hue of each image, of red, green and blue.

    Parameters
    ----------
    factor : float or two floats
        The turn is drawn between these shares of half a circle, with either sign; f stands for (0, f).
    value_range, data_format, seed
        As in `RandomSaturation`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomHue((1.0, 1.0), (0, 1))(torch.tensor([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)).flatten().round().tolist()
    [0.0, 1.0, 1.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, data_format=data_format, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        sign = torch.where(draws.uniform("sign", 0.0, 1.0) > 0.5, -1.0, 1.0)
        return {"turn": draws.uniform("turn", *self.factor) * sign * 0.5}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        hue, saturation, value = rgb_to_hsv(rescaled(images, self.value_range, (0, 1))).unbind(-1)
        hue = torch.remainder(hue + drawn["turn"][:, None, None], 1.0)
        found = hsv_to_rgb(torch.stack([hue, saturation, value], -1)).clamp(0, 1)
        return rescaled(found, (0, 1), self.value_range)


@register
class RandomSaturation(RangedLayer):
    """Makes the colours of each image stronger or weaker.

    Parameters
    ----------
    factor : float or two floats
        Drawn between these, from 0 (grey) by 0.5 (no change) to 1 (full colours); f stands for (0, f).
    value_range : two numbers
        The least and the largest value of images.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The saturation ends at 1 for any range of values; Keras 3.15 lets it grow to 255 for images from 0 to 255, and takes
    f for (-f, f).

    Examples
    --------
    >>> RandomSaturation((0.0, 0.0))(torch.tensor([200.0, 100.0, 0.0]).reshape(1, 1, 1, 3)).flatten().tolist()
    [200.0, 200.0, 200.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, data_format=data_format, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        factor = draws.uniform("factor", *self.factor)
        return {"factor": factor / (1 - factor + 1e-7)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        hue, saturation, value = rgb_to_hsv(rescaled(images, self.value_range, (0, 1))).unbind(-1)
        saturation = (saturation * drawn["factor"][:, None, None]).clamp(0, 1)
        return rescaled(hsv_to_rgb(torch.stack([hue, saturation, value], -1)), (0, 1), self.value_range)


@register
class RandomColorJitter(RangedLayer):
    """Brightness, contrast, saturation and hue changed in this order.

    Parameters
    ----------
    value_range : two numbers
        The least and the largest value of images.
    brightness_factor, contrast_factor, saturation_factor, hue_factor : float or two floats, optional
        As in the layers of one of these; None leaves it.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomColorJitter((0, 1), brightness_factor=0.2, hue_factor=0.1)(torch.rand(2, 4, 4, 3)).shape
    torch.Size([2, 4, 4, 3])
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        factors = (brightness_factor, contrast_factor, saturation_factor, hue_factor)
        kinds = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)
        given = ((kind, factor) for kind, factor in zip(kinds, factors, strict=True) if factor is not None)
        # Held by a tuple of plain objects: they draw from this layer's numbers and are no layers of the net.
        self._parts = tuple(kind(factor, value_range=value_range) for kind, factor in given)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {part.stem: part.draw(draws.part(part.stem), shape) for part in self._parts}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        for part in self._parts:
            images = part.change(images, drawn[part.stem])
        return images


@register
class RandomGrayscale(ImageLayer):
    """Takes the colours from each image, or not.

    Parameters
    ----------
    factor : float
        The probability.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomGrayscale(1.0)(torch.tensor([100.0, 0.0, 0.0]).reshape(1, 1, 1, 3)).flatten().round().tolist()
    [30.0, 30.0, 30.0]
    """

    def __init__(
        self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1)[1]

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"applied": draws.uniform("applied", 0.0, 1.0) < self.factor}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return torch.where(each(drawn["applied"]), rgb_to_grayscale(images), images)


@register
class RandomColorDegeneration(RangedLayer):
    """Mixes each image with its grey one.

    Parameters
    ----------
    factor : float or two floats
        The share of the grey image is drawn between these; f stands for (0, f).
    value_range : two numbers
        The least and the largest value of images, to which results are clipped.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> image = torch.tensor([100.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
    >>> RandomColorDegeneration((0.5, 0.5))(image).flatten().round().tolist()
    [65.0, 15.0, 15.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, data_format=data_format, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"factor": draws.uniform("factor", *self.factor)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self.clipped(images + each(drawn["factor"]) * (rgb_to_grayscale(images) - images))
