"""Several predictions of one thing: samples, and equal mixtures of what several nets say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from handson.core.errors import whole
from handson.core.registry import register
from handson.distributions.base import Distribution, Moments, Undo, crps_of_samples


@register
class Empirical(Distribution):
    """Samples, or the predictions of several nets: each is as likely as any other.

    Parameters
    ----------
    count : int
        How many samples there are of each distribution.

    Examples
    --------
    >>> found = Empirical(3).moments(torch.tensor([[1.0, 2.0, 3.0]]))
    >>> found.mean.item(), round(found.epistemic.item(), 4)
    (2.0, 0.6667)
    """

    exact_crps = True

    def __init__(self, count: int) -> None:
        self.count = self.size = whole("count", count, 1)

    def parts(self, parameters: Tensor) -> Tensor:
        """The samples, of shape (..., count, columns)."""
        return parameters.unflatten(-1, (self.count, -1))

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        return undo(self.parts(parameters)).flatten(-2)

    def moments(self, parameters: Tensor) -> Moments:
        samples = self.parts(parameters.double())
        return Moments(samples.mean(-2), None, samples.var(-2, correction=0))

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        return (self.parts(parameters) <= y.unsqueeze(-2)).to(y.dtype).mean(-2)

    def quantile(self, parameters: Tensor, level: float) -> Tensor:
        return self.parts(parameters).quantile(level, dim=-2)

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        return crps_of_samples(self.parts(parameters), y)

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor]:
        return Empirical(self.count * len(parameters)), torch.cat(
            [self.parts(each) for each in parameters], -2
        ).flatten(-2)


class Pool(Distribution):
    """The equal mixture of distributions of any families, whose parameters are one behind another.

    Parameters
    ----------
    members : sequence of Distribution
        The families.

    Examples
    --------
    >>> from handson.distributions import Laplace
    >>> pool = Pool([Laplace().as_read()] * 2)
    >>> found = pool.moments(torch.tensor([[0.0, 1.0, 2.0, 1.0]]))
    >>> found.mean.item(), found.aleatoric.item(), found.epistemic.item()
    (1.0, 2.0, 1.0)
    """

    def __init__(self, members: Sequence[Distribution]) -> None:
        self.members = list(members)
        self.size = sum(member.size for member in self.members)

    def _each(self, parameters: Tensor) -> list[tuple[Distribution, Tensor]]:
        columns = self.columns(parameters.shape[-1])
        parts = parameters.split([member.size * columns for member in self.members], -1)
        return list(zip(self.members, parts, strict=True))

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        return torch.cat([member.rescaled(part, undo, factor) for member, part in self._each(parameters)], -1)

    def moments(self, parameters: Tensor) -> Moments:
        """By the law of total variance: the mean of the variances, and the variance of the means."""
        return mixed_moments([member.moments(part) for member, part in self._each(parameters)])

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        each = [member.log_density(part, y) for member, part in self._each(parameters)]
        return torch.stack(each).logsumexp(0) - math.log(len(each))

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        return torch.stack([member.cdf(part, y) for member, part in self._each(parameters)]).mean(0)


def mixed_moments(each: Sequence[Moments]) -> Moments:
    """The moments of an equal mixture, the disagreement of its members apart from what they say of the data."""
    means = torch.stack([found.mean for found in each]).double()
    aleatoric = [found.aleatoric for found in each if found.aleatoric is not None]
    epistemic = means.var(0, correction=0)
    own = [found.epistemic for found in each if found.epistemic is not None]
    if own:
        epistemic = epistemic + torch.stack(own).double().mean(0)
    return Moments(means.mean(0), torch.stack(aleatoric).double().mean(0) if aleatoric else None, epistemic)


def pool(families: Sequence[Distribution], parameters: Sequence[Tensor]) -> tuple[Distribution, Tensor]:
    """What several nets say together: the equal mixture of their distributions.

    Parameters
    ----------
    families : sequence of Distribution
        The family of each net's prediction.
    parameters : sequence of Tensor, shape (n, size * columns)
        Of each, in the units of the targets.
    """
    first = families[0]
    alike = all(type(family) is type(first) and family.get_config() == first.get_config() for family in families)
    found = first.pooled(list(parameters)) if alike else None
    return found or (Pool([family.as_read() for family in families]), torch.cat(list(parameters), -1))
