"""Distributions about one location: normal and Laplace."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing, nearest
from handson.core.registry import register
from handson.distributions.base import Distribution, Moments, Undo, distance, positive, standardized

# What the second half of the outputs may be, and how it becomes a standard deviation.
SPREADS = {
    "std": lambda raw: raw,
    "variance": Tensor.sqrt,
    "log_variance": lambda raw: torch.exp(0.5 * raw),
    "softplus": positive,
}


class Located(Distribution):
    """The base of families with a location and a scale: the first and the second half of the parameters."""

    size = 2

    def _constrain(self, raw: Tensor) -> Tensor:
        location, scale = raw.chunk(2, -1)
        return torch.cat([location, positive(scale)], -1)

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        location, scale = parameters.chunk(2, -1)
        return torch.cat([undo(location), scale * factor.abs()], -1)


@register
class Normal(Located):
    """Normal distributions: means, then standard deviations.

    Parameters
    ----------
    spread : {'softplus', 'log_variance', 'std', 'variance'}
        What the second half of a net's outputs is: any numbers, whose softplus is the standard deviation; the logarithm
        of the variance; or, where a net makes them positive itself, standard deviation or variance.

    Examples
    --------
    >>> normal = Normal("std")
    >>> normal.moments(torch.tensor([[3.0, 0.5]])).variance
    tensor([[0.2500]])
    >>> normal.quantile(torch.tensor([[3.0, 0.5]]), 0.5)
    tensor([[3.]])
    """

    exact_crps = True

    def __init__(self, spread: str = "softplus") -> None:
        if spread not in SPREADS:
            raise HandsonError(
                f"Normal: spread is one of {listing(SPREADS)}; got {spread!r}.{nearest(str(spread), SPREADS)}"
            )
        self.spread = spread

    def _constrain(self, raw: Tensor) -> Tensor:
        mean, spread = raw.chunk(2, -1)
        return torch.cat([mean, SPREADS[self.spread](spread)], -1)

    def check(self, raw: Tensor) -> None:
        spread = raw.chunk(2, -1)[1]
        if self.spread in ("std", "variance") and not self._read and bool((spread <= 0).any()):
            raise HandsonError(
                f"Normal({self.spread!r}) wants a second half of positive outputs, and the net gives "
                f"{spread.min().item():.3g} for the first rows. End the net with layers.GaussianDensity(), or say "
                f"spread='log_variance'."
            )

    def moments(self, parameters: Tensor) -> Moments:
        mean, std = parameters.chunk(2, -1)
        return Moments(mean, std.square())

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        mean, std = parameters.chunk(2, -1)
        return -0.5 * standardized(y, mean, std).square() - std.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        return torch.special.ndtr(standardized(y, *parameters.chunk(2, -1)))

    def quantile(self, parameters: Tensor, level: float) -> Tensor:
        mean, std = parameters.chunk(2, -1)
        return mean + std * torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).item()

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)) with z = (y - mean) / s: Gneiting & Raftery (2007)."""
        mean, std = parameters.chunk(2, -1)
        return distance(y - mean, std) - std / math.sqrt(math.pi)

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor]:
        from handson.distributions.mixture import Mixture

        means, stds = zip(*(each.chunk(2, -1) for each in parameters), strict=True)
        shares = [torch.full_like(means[0], -math.log(len(means)))] * len(means)
        return Mixture(len(means)).as_read(), torch.cat([*shares, *means, *stds], -1)


@register
class Laplace(Located):
    """Laplace distributions, whose tails are heavier: means, then scales b of exp(-abs(y - mean) / b) / (2 b).

    Examples
    --------
    >>> Laplace().as_read().moments(torch.tensor([[3.0, 0.5]])).variance
    tensor([[0.5000]])
    """

    exact_crps = True

    def moments(self, parameters: Tensor) -> Moments:
        mean, scale = parameters.chunk(2, -1)
        return Moments(mean, 2 * scale.square())

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        mean, scale = parameters.chunk(2, -1)
        return -standardized(y, mean, scale).abs() - (2 * scale).log()

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        z = standardized(y, *parameters.chunk(2, -1))
        tail = 0.5 * torch.exp(-z.abs())
        return torch.where(z < 0, tail, 1 - tail)

    def quantile(self, parameters: Tensor, level: float) -> Tensor:
        mean, scale = parameters.chunk(2, -1)
        z = math.log(2 * level) if level < 0.5 else -math.log(2 * (1 - level))
        return mean + scale * z

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """b (abs(z) + exp(-abs(z)) - 3/4): Jordan, Krüger & Lerch (2019)."""
        mean, scale = parameters.chunk(2, -1)
        z = standardized(y, mean, scale).abs()
        return scale * (z + torch.exp(-z) - 0.75)
