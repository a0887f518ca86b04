"""Student's t, and the distribution of means and variances that evidential regression predicts."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from handson.core.registry import register
from handson.distributions.base import Distribution, Moments, Undo, positive, standardized

# Steps of the continued fraction of the incomplete beta function, and what stands for zero in it.
FRACTIONS, LOOKS, TINY = 200, 8, 1e-30


@register
class StudentT(Distribution):
    """Student's t distributions, for targets with outliers: locations, scales, then degrees of freedom above 2.

    Examples
    --------
    >>> StudentT().as_read().moments(torch.tensor([[3.0, 0.5, 4.0]])).variance
    tensor([[0.5000]])
    """

    size = 3
    exact_crps = True

    def _constrain(self, raw: Tensor) -> Tensor:
        location, scale, freedom = raw.chunk(3, -1)
        return torch.cat([location, positive(scale), 2 + positive(freedom)], -1)

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        location, scale, freedom = parameters.chunk(3, -1)
        return torch.cat([undo(location), scale * factor.abs(), freedom.expand_as(location)], -1)

    def moments(self, parameters: Tensor) -> Moments:
        location, scale, freedom = parameters.chunk(3, -1)
        return Moments(location, scale.square() * freedom / (freedom - 2))

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        location, scale, freedom = parameters.chunk(3, -1)
        return _log_density(standardized(y, location, scale), freedom) - scale.log()

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        location, scale, freedom = parameters.chunk(3, -1)
        return _cdf(standardized(y, location, scale), freedom)

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The formula of Jordan, Krüger & Lerch (2019), appendix A."""
        location, scale, freedom = parameters.chunk(3, -1)
        z = standardized(y, location, scale)
        density = _log_density(z, freedom).exp()
        halves = _log_beta(0.5, freedom - 0.5) - 2 * _log_beta(0.5, freedom / 2)
        between = 2 * freedom.sqrt() / (freedom - 1) * halves.exp()
        inner = z * (2 * _cdf(z, freedom) - 1) + 2 * density * (freedom + z.square()) / (freedom - 1)
        return scale * (inner - between)


@register
class NormalInverseGamma(Distribution):
    """What evidential regression predicts: how means and variances of normal distributions are spread.

    The parameters are gamma (the mean), nu, alpha and beta of Amini et al. (2020): the variance of the data is
    ``beta / (alpha - 1)``, that of the mean ``beta / (nu (alpha - 1))``, and a target has a t distribution.

    Examples
    --------
    >>> found = NormalInverseGamma().as_read().moments(torch.tensor([[3.0, 2.0, 5.0, 4.0]]))
    >>> found.mean.item(), found.aleatoric.item(), found.epistemic.item()
    (3.0, 1.0, 0.5)
    """

    size = 4
    exact_crps = True
    loss = "evidential"

    def _constrain(self, raw: Tensor) -> Tensor:
        gamma, nu, alpha, beta = raw.chunk(4, -1)
        return torch.cat([gamma, positive(nu), 1 + positive(alpha), positive(beta)], -1)

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        gamma, nu, alpha, beta = parameters.chunk(4, -1)
        return torch.cat([undo(gamma), nu, alpha, beta * factor.square()], -1)

    def moments(self, parameters: Tensor) -> Moments:
        gamma, nu, alpha, beta = parameters.chunk(4, -1)
        variance = beta / (alpha - 1)
        return Moments(gamma, variance, variance / nu)

    def marginal(self, parameters: Tensor) -> Tensor:
        """The parameters of the t distributions of the targets."""
        gamma, nu, alpha, beta = parameters.chunk(4, -1)
        return torch.cat([gamma, (beta * (1 + nu) / (nu * alpha)).sqrt(), 2 * alpha], -1)

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        return StudentT().log_density(self.marginal(parameters), y)

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        return StudentT().cdf(self.marginal(parameters), y)

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        return StudentT().crps(self.marginal(parameters), y)


def _log_beta(a: float | Tensor, b: Tensor) -> Tensor:
    a = torch.as_tensor(a, dtype=b.dtype, device=b.device)
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _log_density(z: Tensor, freedom: Tensor) -> Tensor:
    tail = 0.5 * (freedom + 1) * torch.log1p(z.square() / freedom)
    return torch.lgamma(0.5 * (freedom + 1)) - torch.lgamma(0.5 * freedom) - 0.5 * (freedom * math.pi).log() - tail


class _Cdf(torch.autograd.Function):
    """The distribution function of t: its derivative by z is the density, which no continued fraction has to give."""

    @staticmethod
    def forward(context: Any, z: Tensor, freedom: Tensor) -> Tensor:
        context.save_for_backward(z, freedom)
        double, square = freedom.double(), z.double().square()
        tail = 0.5 * incomplete_beta(0.5 * double, torch.full_like(double, 0.5), double / (double + square))
        return torch.where(z > 0, 1 - tail, tail).to(z.dtype)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        z, freedom = context.saved_tensors
        step = 1e-4 * freedom.double()
        above, below = (_Cdf.apply(z.double(), freedom.double() + sign * step) for sign in (1, -1))
        by_freedom = ((above - below) / (2 * step)).to(z.dtype)
        return gradient * _log_density(z, freedom).exp(), gradient * by_freedom


def _cdf(z: Tensor, freedom: Tensor) -> Tensor:
    return _Cdf.apply(z, freedom.expand_as(z))


def incomplete_beta(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """The regularized incomplete beta function, by Lentz's continued fraction (Numerical Recipes, section 6.4).

    Examples
    --------
    >>> a, b, x = torch.tensor([2.0, 3.0, 0.25], dtype=torch.float64)
    >>> round(incomplete_beta(a, b, x).item(), 6)
    0.261719
    """
    turned = x > (a + 1) / (a + b + 2)  # where it converges faster from the other side
    a, b, x = torch.where(turned, b, a), torch.where(turned, a, b), torch.where(turned, 1 - x, x)
    x = x.clamp(0, 1)
    front = a * x.clamp(min=TINY).log() + b * torch.log1p(-x.clamp(max=1 - 1e-16)) - _log_beta(a, b)
    found = torch.where(x > 0, front.exp() / a * _fraction(a, b, x), 0.0)
    return torch.where(turned, 1 - found, found)


def _fraction(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    upper, lower = torch.ones_like(x), 1 / _away(1 - (a + b) * x / (a + 1))
    value = before = lower
    for step in range(1, FRACTIONS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            lower, upper = 1 / _away(1 + term * lower), _away(1 + term / upper)
            value = value * lower * upper
        if step % LOOKS == 0 and x.device.type == "cpu":  # a GPU does not wait to be asked
            if torch.allclose(value, before, rtol=1e-10, atol=0):
                break
            before = value
    return value


def _away(x: Tensor) -> Tensor:
    """Numbers that are not zero."""
    return torch.where(x.abs() < TINY, TINY, x)
