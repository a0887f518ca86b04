"""Layers that add or multiply noise while training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, fraction
from handson.layers.dropout import checked_noise_shape, kept, normal_noise, shape_of_noise
from handson.randomness.keys import check_seed

# The value that a SELU gives to large negative inputs (Klambauer et al., 2017): its two constants, with a minus sign.
SATURATED = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class _Noise(Layer):
    """The base of layers with random numbers of their own while training."""

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name

    def _rate(self, rate: Any) -> float:
        """The rate as a fraction below 1: at 1 there is no noise of this kind."""
        rate = fraction(type(self).__name__, "rate", rate)
        if rate == 1.0:
            raise HandsonError(f"{type(self).__name__}: rate is below 1; got {rate}.")
        return rate


@register
class GaussianNoise(_Noise):
    """Adds normal noise of mean 0 while training.

    Parameters
    ----------
    stddev : float
        The standard deviation, from 0 to 1 as in Keras: scale the inputs, or use a `Lambda`, for more.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The noise of a sample is a function of the run's seed, this layer's name, the epoch and the sample's id, as with
    `Dropout`.

    Examples
    --------
    >>> import torch
    >>> y = GaussianNoise(0.5).train()(torch.zeros(1000, 100))
    >>> round(y.std().item(), 2)
    0.5
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.stddev = fraction("GaussianNoise", "stddev", stddev)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.stddev == 0.0:
            return x
        return x + self.stddev * normal_noise(self, x)


@register
class GaussianDropout(_Noise):
    """Multiplies with normal noise of mean 1 and the variance of dropout, rate / (1 - rate), while training.

    Srivastava et al. (2014).

    Parameters
    ----------
    rate : float
        As in `Dropout`; below 1.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> y = GaussianDropout(0.5).train()(torch.ones(1000, 100))
    >>> round(y.mean().item(), 1), round(y.std().item(), 1)
    (1.0, 1.0)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._rate(rate)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        return x * (1.0 + math.sqrt(self.rate / (1.0 - self.rate)) * normal_noise(self, x))


@register
class AlphaDropout(_Noise):
    """Dropout for SELU: sets a share of the values to what a SELU saturates at, and keeps mean and variance.

    Klambauer et al. (2017).

    Parameters
    ----------
    rate : float
        The share; below 1.
    noise_shape : tuple, optional
        As in `Dropout`.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> y = AlphaDropout(0.3).train()(torch.randn(1000, 100))
    >>> round(abs(y.mean().item()), 1), round(y.std().item(), 1)
    (0.0, 1.0)
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._rate(rate)
        self.noise_shape = checked_noise_shape("AlphaDropout", noise_shape)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        share = self.rate
        scale = ((1.0 - share) * (1.0 + share * SATURATED**2)) ** -0.5
        chosen = kept(self, shape_of_noise(self, x.shape), x, share).to(x.dtype)
        return scale * (x * chosen + SATURATED * (1.0 - chosen)) - scale * SATURATED * share
