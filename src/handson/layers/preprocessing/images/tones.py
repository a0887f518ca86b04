"""The values of pixels changed: inverted, coarser, sharper, equalized, erased, blurred."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.layers.preprocessing.images.base import Drawn, Draws, each, rescaled
from handson.layers.preprocessing.images.colors import RangedLayer
from handson.layers.preprocessing.images.sampling import grid

BYTES = (0.0, 255.0)


@register
class RandomInvert(RangedLayer):
    """Turns dark into bright in each image, or not.

    Parameters
    ----------
    factor : float or two floats
        The probability is drawn between these; f stands for (0, f).
    value_range, seed, data_format
        As in `RandomPosterization`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomInvert((1.0, 1.0))(torch.tensor([55.0]).reshape(1, 1, 1, 1)).item()
    200.0
    """

    def __init__(
        self, factor: Any = 1.0, value_range: Any = (0, 255), seed: int | None = None, data_format: str | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"applied": draws.chance("applied", self.factor)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return torch.where(each(drawn["applied"]), self.value_range[1] - images, images)


@register
class RandomPosterization(RangedLayer):
    """Keeps the first bits of each value.

    Parameters
    ----------
    factor : int or two int
        How many bits, from 1 to 8, is drawn from the first up to before the second; f stands for (1, f).
    value_range : two numbers
        The least and the largest value of images.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomPosterization((2, 2))(torch.tensor([[[[10.0, 70.0, 200.0]]]])).flatten().tolist()
    [0.0, 64.0, 192.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, data_format=data_format, seed=seed, **kwargs)
        low, high = self.bounds("factor", factor, 1, 8)
        self.factor = (int(low), int(high))

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        low, high = self.factor
        return {"bits": low + draws.below("bits", max(high - low, 1))}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        step = each(2 ** (8 - drawn["bits"]))
        values = rescaled(images, self.value_range, BYTES).to(torch.uint8).to(images.dtype)
        return rescaled(torch.floor(values / step) * step, BYTES, self.value_range)


@register
class RandomSharpness(RangedLayer):
    """Makes each image sharper or smoother.

    Parameters
    ----------
    factor : float or two floats
        Drawn between these, from 0 (smooth) by 0.5 (no change) to 1 (sharp); f stands for (0, f).
    value_range, data_format, seed
        As in `RandomPosterization`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> RandomSharpness((0.5, 0.5))(torch.full((1, 2, 2, 1), 7.0)).flatten().tolist()
    [7.0, 7.0, 7.0, 7.0]
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
        channels = images.shape[-1]
        kernel = images.new_full((channels, 1, 3, 3), 1 / 13)
        kernel[:, :, 1, 1] = 5 / 13
        smooth = F.conv2d(images.movedim(-1, 1), kernel, padding=1, groups=channels).movedim(1, -1)
        return self.clipped(images + (1 - 2 * each(drawn["factor"])) * (smooth - images))


@register
class Solarization(RangedLayer):
    """Adds to values, and inverts those above a threshold.

    Parameters
    ----------
    addition_factor, threshold_factor : float or two floats
        Drawn between these shares of the range of values; f stands for (0, f).
    value_range : two numbers
        The least and the largest value of images.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer, and `data_format`.

    Notes
    -----
    The lower of two factors is a share too; Keras 3.15 takes it as a value from 0 to 255.

    Examples
    --------
    >>> Solarization(threshold_factor=(0.5, 0.5))(torch.tensor([[[[10.0, 200.0]]]])).flatten().tolist()
    [10.0, 55.0]
    """

    def __init__(
        self, addition_factor: Any = 0.0, threshold_factor: Any = 0.0, value_range: Any = (0, 255),
        seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(value_range, seed=seed, **kwargs)
        self.addition_factor = self.bounds("addition_factor", addition_factor, 0, 1, mirrored=False)
        self.threshold_factor = self.bounds("threshold_factor", threshold_factor, 0, 1, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {
            "addition": draws.uniform("addition", *self.addition_factor) * 255,
            "threshold": draws.uniform("threshold", *self.threshold_factor) * 255,
        }

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        values = (rescaled(images, self.value_range, BYTES) + each(drawn["addition"])).clamp(*BYTES)
        values = torch.where(values < each(drawn["threshold"]), values, 255 - values)
        return rescaled(values, BYTES, self.value_range)


@register
class AutoContrast(RangedLayer):
    """Stretches the values of each channel of each image to the whole range, also outside of training.

    Parameters
    ----------
    value_range : two numbers
        The least and the largest value of images.
    **kwargs
        The arguments of every layer, and `data_format`.

    Examples
    --------
    >>> AutoContrast()(torch.tensor([100.0, 110.0, 120.0]).reshape(1, 1, 3, 1)).flatten().tolist()
    [0.0, 127.5, 255.0]
    """

    training_only = False

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(value_range, **kwargs)

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        low, high = images.amin((1, 2), keepdim=True), images.amax((1, 2), keepdim=True)
        spread = torch.where(high > low, high - low, 1)
        return torch.where(high > low, rescaled((images - low) / spread, (0, 1), self.value_range), images)


@register
class Equalization(RangedLayer):
    """Makes all values of each channel of an image about equally frequent, while training.

    Parameters
    ----------
    value_range : two numbers
        The least and the largest value of images.
    bins : int
        How many values are told apart.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Each image has its own histogram; Keras takes one for the whole batch.

    Examples
    --------
    >>> Equalization()(torch.tensor([10.0, 11.0, 11.0, 12.0]).reshape(1, 2, 2, 1)).flatten().tolist()
    [0.0, 170.0, 170.0, 255.0]
    """

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.bins = whole("bins", bins, 2)

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        values = rescaled(images, self.value_range, BYTES).movedim(-1, 1).flatten(2)
        bins = (values * ((self.bins - 1) / 255)).long().clamp(0, self.bins - 1)
        counts = torch.zeros(*bins.shape[:2], self.bins, device=images.device)
        total = counts.scatter_add(2, bins, torch.ones_like(values, dtype=counts.dtype)).cumsum(2)
        least = total.gather(2, bins.amin(2, keepdim=True))
        spread = total[..., -1:] - least
        table = ((total - least) * 255 / spread.clamp(min=1)).round().clamp(*BYTES)
        found = torch.where(spread > 0, table.gather(2, bins), values)
        found = found.view(*found.shape[:2], *images.shape[1:3]).movedim(1, -1)
        return rescaled(found.to(images.dtype), BYTES, self.value_range)


@register
class RandomErasing(RangedLayer):
    """Covers a rectangle of each image, or not.

    Parameters
    ----------
    factor : float or two floats
        The probability is drawn between these; f stands for (0, f).
    scale : float or two floats
        The area of the rectangle is drawn between these shares of the image; f stands for (0, f).
    fill_value : float or one for each channel, optional
        What covers it; noise by default.
    value_range : two numbers
        The least and the largest value of images.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> image = RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=0)(torch.ones(1, 20, 20, 1))
    >>> 0.6 < image.mean().item() < 0.8
    True
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        self.scale = self.bounds("scale", scale, 0, 1, mirrored=False)
        self.fill_value = fill_value

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        sides = torch.sqrt(draws.uniform("scale", *self.scale, 2))
        drawn = {"applied": draws.chance("applied", self.factor)}
        for name, size, share in (("x", shape[2], sides[:, 0]), ("y", shape[1], sides[:, 1])):
            length = share * size
            drawn[f"{name}0"] = draws.uniform(name, 0.0, 1.0) * (size - length)
            drawn[f"{name}1"] = drawn[f"{name}0"] + length
        drawn["fill"] = self._fill(draws, shape)
        return drawn

    def _fill(self, draws: Draws, shape: torch.Size) -> Tensor:
        if self.fill_value is None:
            fill = draws.normal("fill", *shape[1:]) * self.value_range[1]
        else:
            fill = torch.as_tensor(self.fill_value, dtype=torch.float32, device=draws.rows.device)
            if fill.dim() > 1 or (fill.dim() == 1 and len(fill) != shape[3]):
                raise HandsonError(
                    f"RandomErasing: fill_value is a number, or one for each of the {shape[3]} channels; got "
                    f"{self.fill_value!r}."
                )
        return self.clipped(fill)

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return torch.where(self._covered(images, drawn), drawn["fill"].to(images.dtype), images)

    def _covered(self, images: Tensor, drawn: Drawn) -> Tensor:
        box = rectangle(images, drawn)
        return box & each(drawn["applied"])


def rectangle(images: Tensor, drawn: Drawn) -> Tensor:
    """Where the pixels of a rectangle from (y0, x0) to (y1, x1) are, (n, h, w, 1)."""
    y, x = grid(images)
    x0, x1, y0, y1 = (drawn[name][:, None, None] for name in ("x0", "x1", "y0", "y1"))
    return ((x >= x0) & (x < x1) & (y >= y0) & (y < y1))[..., None]


@register
class RandomGaussianBlur(RangedLayer):
    """Smooths each image with a Gaussian, or not.

    Parameters
    ----------
    factor : float or two floats
        The probability is drawn between these; f stands for (0, f).
    kernel_size : int or two int
        The size of the window, odd.
    sigma : float or two floats
        The standard deviation in pixels is drawn between these; f stands for (0, f).
    value_range, data_format, seed
        As in `RandomPosterization`.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Each image has its own two deviations; Keras draws one pair for the batch. Beyond the border is 0.

    Examples
    --------
    >>> RandomGaussianBlur((1.0, 1.0))(torch.ones(1, 9, 9, 1)).shape
    torch.Size([1, 9, 9, 1])
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, data_format=data_format, seed=seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(whole("kernel_size", size, 1) % 2 == 0 for size in sizes):
            raise HandsonError(f"RandomGaussianBlur: kernel_size is an odd number, or two; got {kernel_size!r}.")
        self.kernel_size = sizes
        self.sigma = self.bounds("sigma", sigma, 0, math.inf, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        sigma = draws.uniform("sigma", *self.sigma, 2) + 1e-6
        return {"applied": draws.chance("applied", self.factor), "sigma": sigma}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        smooth = blurred(images, self.kernel_size, drawn["sigma"])
        return self.clipped(torch.where(each(drawn["applied"]), smooth, images))


def blurred(images: Tensor, sizes: tuple[int, int], sigma: Tensor) -> Tensor:
    """Images smoothed with Gaussians of two widths each, (n, 2): down and to the right."""
    count, height, width, channels = images.shape
    out = images.movedim(-1, 1).reshape(1, count * channels, height, width)
    for axis, size in enumerate(sizes):
        at = torch.arange(size, dtype=images.dtype, device=images.device) - (size - 1) / 2
        curve = torch.exp(-0.5 * (at / sigma[:, axis, None]) ** 2)
        curve = (curve / curve.sum(1, keepdim=True)).repeat_interleave(channels, 0)
        window, reach = ((size, 1), (size // 2, 0)) if axis == 0 else ((1, size), (0, size // 2))
        out = F.conv2d(out, curve.view(-1, 1, *window), padding=reach, groups=count * channels)
    return out.view(count, channels, height, width).movedim(1, -1)
