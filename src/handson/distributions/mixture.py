"""Mixtures of normal distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from handson.core.errors import whole
from handson.core.registry import register
from handson.distributions.base import Distribution, Moments, Undo, distance, positive


@register
class Mixture(Distribution):
    """Mixtures of normal distributions: logarithms of shares, means, then standard deviations of each component.

    Bishop, "Mixture density networks" (1994). The means of the components start apart, at quantiles of the standard
    normal distribution, for targets that are scaled.

    Parameters
    ----------
    components : int
        How many normal distributions are mixed.

    Examples
    --------
    >>> half = math.log(0.5)
    >>> found = Mixture(2).as_read().moments(torch.tensor([[half, half, -1.0, 1.0, 0.5, 0.5]]))
    >>> found.mean.item(), found.variance.item()
    (0.0, 1.25)
    """

    exact_crps = True

    def __init__(self, components: int) -> None:
        self.components = whole("components", components, 1)
        self.size = 3 * self.components

    def parts(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of shares, means and standard deviations, each of shape (..., components, columns)."""
        shares, means, stds = parameters.unflatten(-1, (3, self.components, -1)).unbind(-3)
        return shares, means, stds

    def _constrain(self, raw: Tensor) -> Tensor:
        shares, means, stds = self.parts(raw)
        levels = (torch.arange(self.components, dtype=raw.dtype, device=raw.device) + 0.5) / self.components
        means = means + torch.special.ndtri(levels)[:, None]
        return torch.stack([shares.log_softmax(-2), means, positive(stds)], -3).flatten(-3)

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        shares, means, stds = self.parts(parameters)
        return torch.cat([each.flatten(-2) for each in (shares, undo(means), stds * factor.abs())], -1)

    def moments(self, parameters: Tensor) -> Moments:
        shares, means, stds = self.parts(parameters)
        shares = shares.exp()
        mean = (shares * means).sum(-2)
        return Moments(mean, (shares * (stds.square() + (means - mean.unsqueeze(-2)).square())).sum(-2))

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        shares, means, stds = self.parts(parameters)
        z = (y.unsqueeze(-2) - means) / stds
        return (shares - 0.5 * z.square() - stds.log()).logsumexp(-2) - 0.5 * math.log(2 * math.pi)

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        shares, means, stds = self.parts(parameters)
        return (shares.exp() * torch.special.ndtr((y.unsqueeze(-2) - means) / stds)).sum(-2)

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """mean abs(x - y) - mean abs(x - x') / 2, both in closed form: Grimit et al. (2006)."""
        shares, means, stds = self.parts(parameters)
        shares = shares.exp()
        away = (shares * distance(y.unsqueeze(-2) - means, stds)).sum(-2)
        pairs = means.unsqueeze(-2) - means.unsqueeze(-3)
        spreads = (stds.unsqueeze(-2).square() + stds.unsqueeze(-3).square()).sqrt()
        between = shares.unsqueeze(-2) * shares.unsqueeze(-3) * distance(pairs, spreads)
        return away - 0.5 * between.sum((-2, -3))

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor]:
        shares, means, stds = zip(*(self.parts(each) for each in parameters), strict=True)
        shares = tuple(each - math.log(len(parameters)) for each in shares)
        parts = [torch.cat(each, -2).flatten(-2) for each in (shares, means, stds)]
        return Mixture(self.components * len(parameters)).as_read(), torch.cat(parts, -1)
