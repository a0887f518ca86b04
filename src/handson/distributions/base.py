"""What all distributions share: how numbers of a net become parameters, and what can be asked of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.described import Noun
from handson.core.errors import HandsonError

# The least scale that a net can give: likelihoods of smaller ones are not finite in float32.
LEAST = 1e-6
# Halvings of an interval in search of a quantile: all digits of float32, and more.
HALVINGS = 40
# Nodes of an integral on each side of a target, and how many standard deviations it reaches.
NODES, FAR = 48, 200.0
Undo = Callable[[Tensor], Tensor]


class Moments(NamedTuple):
    """Mean and variances of distributions, each of shape (..., columns).

    Attributes
    ----------
    mean : Tensor
        The point prediction; of quantiles the median.
    aleatoric : Tensor or None
        The variance of the data about the mean, which more data do not make smaller.
    epistemic : Tensor or None
        The variance of the mean itself: what the net does not know.
    """

    mean: Tensor
    aleatoric: Tensor | None = None
    epistemic: Tensor | None = None

    @property
    def variance(self) -> Tensor:
        """Both together."""
        parts = [part for part in (self.aleatoric, self.epistemic) if part is not None]
        return sum(parts[1:], parts[0])


class Distribution(Noun):
    """The base of all distributions: a family, whose parameters are numbers that a net gives.

    Parameters are the last axis of a tensor: those of the first kind for all columns of the targets, then those of the
    second kind, and so on. Targets of shape (n, columns) belong to parameters of shape (n, size * columns).

    Attributes
    ----------
    size : int
        How many parameters one distribution has.
    exact_crps : bool
        Whether `crps` is a formula, whose gradient may be followed.
    loss : str
        The loss that trains a net which gives its parameters.
    """

    kind = "distribution"
    size = 1
    exact_crps = False
    loss = "nll"
    _read = False

    # From a net's numbers to parameters.

    def constrain(self, raw: Tensor) -> Tensor:
        """The parameters for what a net gives: positive where they must be."""
        return raw if self._read else self._constrain(raw)

    def _constrain(self, raw: Tensor) -> Tensor:
        return raw

    def as_read(self) -> Distribution:
        """This family, where what is given are parameters already."""
        found = copy.copy(self)
        found._read = True
        return found

    def columns(self, outputs: int) -> int:
        """How many distributions so many outputs are.

        Raises
        ------
        HandsonError
            When the outputs are no multiple of `size`.
        """
        if outputs % self.size:
            raise HandsonError(
                f"{type(self).__name__} takes {self.size} outputs for each column of the targets; the net gives "
                f"{outputs}. Give the last layer {self.size} units for one column, {2 * self.size} for two."
            )
        return outputs // self.size

    def check(self, raw: Tensor) -> None:
        """Raise when outputs cannot be read: a standard deviation below zero, say."""

    def check_targets(self, low: float, high: float) -> None:
        """Raise when targets between two values have no density."""

    def check_scaling(self, scale: Tensor) -> None:
        """Raise when targets may not be divided by some numbers."""

    def rescaled(self, parameters: Tensor, undo: Undo, factor: Tensor) -> Tensor:
        """The parameters of shift + factor * y for those of y; `undo` does that with locations."""
        raise NotImplementedError(f"{type(self).__name__} must define rescaled(parameters, undo, factor).")

    # What can be asked.

    def moments(self, parameters: Tensor) -> Moments:
        """Mean and variances, of shape (..., columns)."""
        raise NotImplementedError(f"{type(self).__name__} must define moments(parameters).")

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the probability density at y."""
        loss = "crps" if self.exact_crps else "pinball"
        raise HandsonError(f"{type(self).__name__} has no density: train it with the loss {loss!r}.")

    def cdf(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The probability of values up to y."""
        raise NotImplementedError(f"{type(self).__name__} must define cdf(parameters, y).")

    def quantile(self, parameters: Tensor, level: float) -> Tensor:
        """The value that is exceeded with probability ``1 - level``."""
        parameters = parameters.double()
        low, high = self.bracket(parameters, level)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = self.cdf(parameters, middle) < level
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    def bracket(self, parameters: Tensor, level: float) -> tuple[Tensor, Tensor]:
        """Values below and above a quantile."""
        found = self.moments(parameters)
        reach = found.variance.sqrt()
        low, high = found.mean - reach, found.mean + reach
        for _ in range(HALVINGS):
            too_high, too_low = self.cdf(parameters, low) > level, self.cdf(parameters, high) < level
            if not bool((too_high | too_low).any()):
                break
            reach = reach * 2
            low, high = torch.where(too_high, low - reach, low), torch.where(too_low, high + reach, high)
        return low, high

    def crps(self, parameters: Tensor, y: Tensor) -> Tensor:
        """The continuous ranked probability score, in the units of y.

        Where there is no formula, the integral of (F(x) - [x >= y])^2 by Gauss's rule on both sides of y, with nodes
        that are dense about the mean and reach far into the tails.
        """
        found = self.moments(parameters)
        scale, place = found.variance.sqrt(), (y - found.mean) / found.variance.sqrt()
        middle, end = torch.asinh(place), torch.asinh(place.abs() + FAR)
        total = torch.zeros_like(y)
        for first, last, above in ((-end, middle, 0), (middle, end, 1)):
            for node, weight in zip(*map(np.ndarray.tolist, np.polynomial.legendre.leggauss(NODES)), strict=True):
                u = first + (last - first) * (node + 1) / 2
                share = self.cdf(parameters, found.mean + scale * torch.sinh(u)) - above
                total = total + weight / 2 * (last - first) * scale * torch.cosh(u) * share.square()
        return total

    def check_crps(self) -> None:
        """Raise when the score is not known."""

    def check_level(self, level: float) -> None:
        """Raise when a quantile is not known."""
        if not 0 < level < 1:
            raise HandsonError(f"levels of quantiles lie between 0 and 1; got {level!r}.")

    # Several nets.

    def pooled(self, parameters: list[Tensor]) -> tuple[Distribution, Tensor] | None:
        """The equal mixture of several distributions of this family, if it is of a family itself."""
        return None


def positive(raw: Tensor) -> Tensor:
    """Any numbers as positive ones: log(1 + exp(x)), and a little."""
    return F.softplus(raw) + LEAST


def standardized(y: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    return (y - location) / scale


def crps_of_samples(samples: Tensor, y: Tensor) -> Tensor:
    """The score of samples of shape (..., samples, columns): mean abs(x - y) - mean abs(x - x') / 2.

    Gneiting & Raftery (2007), equation 21, of the samples' empirical distribution.

    Examples
    --------
    >>> crps_of_samples(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0]))
    tensor([0.5000])
    """
    count = samples.shape[-2]
    ordered = samples.sort(-2).values
    ranks = 2 * torch.arange(1, count + 1, dtype=samples.dtype, device=samples.device) - count - 1
    between = (ordered * ranks[:, None]).sum(-2) / count**2
    return (samples - y.unsqueeze(-2)).abs().mean(-2) - between


def distance(mean: Tensor, std: Tensor) -> Tensor:
    """The mean of abs(x) for a normal x: Grimit et al. (2006).

    Examples
    --------
    >>> round(distance(torch.tensor(0.0), torch.tensor(1.0)).item(), 4)  # sqrt(2 / pi)
    0.7979
    """
    z = mean / std
    return mean * torch.erf(z / math.sqrt(2)) + std * torch.exp(-0.5 * z.square()) * math.sqrt(2 / math.pi)


def listed(name: str, values: Any) -> list[float]:
    """Numbers as a list of floats."""
    try:
        found = [float(value) for value in (values if hasattr(values, "__iter__") else [values])]
    except (TypeError, ValueError):
        found = []
    if not found or not all(abs(value) < float("inf") for value in found):
        raise HandsonError(f"{name} is a list of finite numbers; got {values!r}.")
    return found
