"""Distributions given by a table: shares of bins, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.distributions.base import Distribution, Moments, Undo, listed


@register
class Histogram(Distribution):
    """Distributions over bins in an order, even within each: the logarithms of their shares.

    Parameters
    ----------
    edges : sequence of float
        The edges of the bins, in the units of the targets, increasing: one more than there are bins.

    Examples
    --------
    >>> found = Histogram([0, 1, 2]).moments(torch.log(torch.tensor([[0.25, 0.75]])))
    >>> found.mean.item()
    1.25
    """

    exact_crps = True

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = listed("edges", edges)
        if len(self.edges) < 2 or any(b <= a for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise HandsonError(f"edges are two or more increasing numbers, one more than there are bins; got {edges}.")
        self.size = len(self.edges) - 1

    def _bins(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of shares, of shape (..., bins, columns); lower edges and widths, of shape (bins, 1)."""
        edges = torch.tensor(self.edges, dtype=parameters.dtype, device=parameters.device)[:, None]
        return parameters.unflatten(-1, (self.size, -1)), edges[:-1], edges.diff(dim=0)

    def _constrain(self, raw: Tensor) -> Tensor:
        return raw.unflatten(-1, (self.size, -1)).log_softmax(-2).flatten(-2)

    def check_targets(self, low: float, high: float) -> None:
        if low < self.edges[0] or high > self.edges[-1]:
            raise HandsonError(
                f"the bins reach from {self.edges[0]:g} to {self.edges[-1]:g}, and the targets from {low:g} to "
                f"{high:g}: give edges that hold them all."
            )

    def check_scaling(self, scale: Tensor) -> None:
        raise HandsonError("the edges of bins are in the units of the targets: leave scale_targets out.")

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        """Raise: see `check_scaling`."""
        self.check_scaling(factor)
        return parameters

    def moments(self, parameters: Tensor) -> Moments:
        shares, lower, widths = self._bins(parameters)
        shares, middles = shares.exp(), lower + widths / 2
        mean = (shares * middles).sum(-2)
        return Moments(mean, (shares * ((middles - mean.unsqueeze(-2)).square() + widths.square() / 12)).sum(-2))

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        shares, lower, widths = self._bins(parameters)
        bins = torch.bucketize(y, lower[1:, 0].contiguous(), right=True)
        found = (shares - widths.log()).gather(-2, bins.unsqueeze(-2)).squeeze(-2)
        inside = (y >= self.edges[0]) & (y <= self.edges[-1])
        return torch.where(inside, found, -torch.inf)

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        shares, lower, widths = self._bins(parameters)
        return (shares.exp() * ((y.unsqueeze(-2) - lower) / widths).clamp(0, 1)).sum(-2)

    def bracket(self, parameters: Tensor, level: float) -> tuple[Tensor, Tensor]:
        like = self.moments(parameters).mean
        return torch.full_like(like, self.edges[0]), torch.full_like(like, self.edges[-1])

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The integral of (F(x) - [x >= y])^2, which is a cubic in every bin."""
        shares, lower, widths = self._bins(parameters)
        above = shares.exp().cumsum(-2)
        below = above - shares.exp()
        part = ((y.unsqueeze(-2) - lower) / widths).clamp(0, 1)
        here = below + part * (above - below)
        left, right = _square(below, here), _square(here - 1, above - 1)
        outside = F.relu(self.edges[0] - y) + F.relu(y - self.edges[-1])
        return (widths * (part * left + (1 - part) * right)).sum(-2) + outside

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor]:
        return self.as_read(), torch.stack(parameters).logsumexp(0) - math.log(len(parameters))


def _square(first: Tensor, last: Tensor) -> Tensor:
    """The mean square of what goes evenly from a first to a last value."""
    return (first.square() + first * last + last.square()) / 3


@register
class Quantiles(Distribution):
    """Distributions by some of their quantiles.

    Between the levels, quantiles are those of a normal distribution bent to pass through the known ones (linear in
    ``Phi^-1(level)``): exact for normal distributions.

    Parameters
    ----------
    levels : sequence of float
        The levels, increasing.
    ordered : bool
        Whether a net gives the middle one and, by their softplus, the distances between neighbours, so that quantiles
        never cross; else it gives the quantiles themselves.

    Examples
    --------
    >>> quartiles = Quantiles([0.25, 0.5, 0.75])
    >>> quartiles.quantile(torch.tensor([[1.0, 2.0, 4.0]]), 0.5)
    tensor([[2.]])
    """

    loss = "pinball"

    def __init__(self, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95), ordered: bool = False) -> None:
        self.levels = listed("levels", levels)
        increasing = all(b > a for a, b in zip(self.levels, self.levels[1:], strict=False))
        if not increasing or not 0 < self.levels[0] <= self.levels[-1] < 1:
            raise HandsonError(f"levels are increasing numbers between 0 and 1; got {levels}.")
        self.ordered, self.size = ordered, len(self.levels)

    def parts(self, parameters: Tensor) -> Tensor:
        """The quantiles, of shape (..., levels, columns)."""
        return parameters.unflatten(-1, (self.size, -1))

    def _constrain(self, raw: Tensor) -> Tensor:
        if not self.ordered:
            return raw
        numbers, middle = self.parts(raw), self.size // 2
        center = numbers[..., middle : middle + 1, :]
        steps = F.softplus(numbers)
        up = center + steps[..., middle + 1 :, :].cumsum(-2)
        down = center - steps[..., :middle, :].flip(-2).cumsum(-2).flip(-2)
        return torch.cat([down, center, up], -2).flatten(-2)

    def check_scaling(self, scale: Tensor) -> None:
        if bool((scale < 0).any()):
            raise HandsonError("quantiles cannot be scaled by a negative number: give scale_targets a positive scale.")

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        return undo(self.parts(parameters)).flatten(-2)

    def check_level(self, level: float) -> None:
        super().check_level(level)
        if not self.levels[0] <= level <= self.levels[-1]:
            raise HandsonError(
                f"the net knows quantiles from {self.levels[0]:g} to {self.levels[-1]:g}; got the level {level:g}. "
                f"Train it with more levels: layers.QuantileHead(levels=[...])."
            )

    def _normal_scores(self, like: Tensor) -> Tensor:
        levels = torch.tensor(self.levels, dtype=torch.float64, device=like.device)
        return torch.special.ndtri(levels).to(like.dtype)

    def quantile(self, parameters: Tensor, level: float) -> Tensor:
        self.check_level(level)
        known = self.parts(parameters)
        if level in self.levels or self.size == 1:
            return known[..., self.levels.index(level), :]
        above = next(number for number, one in enumerate(self.levels) if one > level)
        scores = self._normal_scores(parameters)
        wanted = torch.special.ndtri(torch.tensor(level, dtype=torch.float64))
        share = ((wanted - scores[above - 1]) / (scores[above] - scores[above - 1])).item()
        return known[..., above - 1, :] * (1 - share) + known[..., above, :] * share

    def moments(self, parameters: Tensor) -> Moments:
        """The median, and the square of half the distance between the quantiles one standard deviation around it."""
        outer = torch.special.ndtr(torch.tensor([-1.0, 1.0], dtype=torch.float64)).tolist()
        known = [self.levels[0] <= level <= self.levels[-1] for level in (outer[0], 0.5, outer[1])]
        median = self.quantile(parameters, 0.5) if known[1] else self.parts(parameters)[..., self.size // 2, :]
        if not all(known):
            return Moments(median)
        low, high = (self.quantile(parameters, level) for level in outer)
        return Moments(median, ((high - low) / 2).square())

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The level that y is at; outside of the quantiles as the two next to it go on, of only one the side of it."""
        known, scores = self.parts(parameters), self._normal_scores(parameters)
        if self.size == 1:
            return torch.where(y < known[..., 0, :], self.levels[0] / 2, (1 + self.levels[0]) / 2)
        y = y.unsqueeze(-2)
        place = (y >= known).sum(-2, keepdim=True).clamp(1, self.size - 1)
        low, high = known.gather(-2, place - 1), known.gather(-2, place)
        share = (y - low) / (high - low).clamp(min=torch.finfo(known.dtype).tiny)
        score = scores[place - 1] + share * (scores[place] - scores[place - 1])
        return torch.special.ndtr(score).squeeze(-2)

    def check_crps(self) -> None:
        raise HandsonError("the CRPS of some quantiles is not known: measure 'pinball', which is nearest to it.")

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """Raise: see `check_crps`."""
        self.check_crps()
        return y

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor]:
        """The mean of each quantile, as usual (Vincent, 1912), which keeps the shape of the distributions."""
        return self.as_read(), torch.stack(parameters).mean(0)


def central(level: float) -> tuple[float, float]:
    """The levels of the quantiles at both ends of the central interval of a probability.

    Examples
    --------
    >>> central(0.5)
    (0.25, 0.75)
    """
    return (1 - level) / 2, (1 + level) / 2


def several(levels: Any) -> list[float]:
    """Levels that a user asked for."""
    return listed("quantiles", levels)
