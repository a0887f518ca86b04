"""Normalization of activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, fraction


def _check_epsilon(owner: str, epsilon: float) -> float:
    if not epsilon >= 0:
        raise HandsonError(f"{owner}: epsilon must not be negative; got {epsilon}.")
    return float(epsilon)


@register
class BatchNormalization(Layer):
    """Brings each feature to mean 0 and variance 1 over the batch, then scales and shifts it.

    In training the moments are those of the batch, and moving averages of them are kept; these are used otherwise,
    and when the layer is frozen (``trainable=False``). Ioffe and Szegedy (2015).

    Parameters
    ----------
    axis : int
        The axis of the features.
    momentum : float
        moving = momentum * moving + (1 - momentum) * batch.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether a learned offset `beta` and a learned factor `gamma` are applied.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        What the weights start from.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The variance is the mean squared deviation (divided by n, not by n - 1), in the moving average too: Keras's
    convention, not torch's.

    Examples
    --------
    >>> layer = BatchNormalization()
    >>> y = layer(torch.randn(1000, 3) * 5 + 7)
    >>> bool(y.mean().abs() < 1e-4)
    True
    """

    floats_only, keeps_shape, supports_masking, wide = True, True, True, True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, np.integer)):
            raise HandsonError(f"BatchNormalization: axis is one whole number; got {axis!r}.")
        self.axis, self.epsilon = int(axis), _check_epsilon("BatchNormalization", epsilon)
        self.momentum = fraction("BatchNormalization", "momentum", momentum)
        self.center, self.scale = center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer

    def build(self, input_shape: Shape) -> None:
        if not -len(input_shape) <= self.axis < len(input_shape) or self.axis % len(input_shape) == 0:
            raise HandsonError(
                f"BatchNormalization {self.name!r}: axis={self.axis} is no feature axis of {input_shape}."
            )
        size = input_shape[self.axis]
        if size is None:
            raise HandsonError(
                f"BatchNormalization {self.name!r} needs a known size of axis {self.axis}: {input_shape}."
            )
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight((size,), self.gamma_initializer, "gamma", regularizer=self.gamma_regularizer)
        if self.center:
            self.beta = self.add_weight((size,), self.beta_initializer, "beta", regularizer=self.beta_regularizer)
        self.moving_mean = self.add_weight((size,), self.moving_mean_initializer, "moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            (size,), self.moving_variance_initializer, "moving_variance", trainable=False
        )

    @property
    def uses_batch(self) -> bool:
        """Whether the moments are those of the batch: in training, unless the layer is frozen."""
        return self.training and self._trainable

    def forward(self, x: Tensor) -> Tensor:
        features_second = x.movedim(self.axis, 1)
        if self.uses_batch:
            output = self._normalize_batch(features_second)
        else:
            output = torch.batch_norm(
                features_second, self.gamma, self.beta, self.moving_mean, self.moving_variance,
                False, 0.0, self.epsilon, torch.backends.cudnn.enabled,
            )  # fmt: skip
        return output.movedim(1, self.axis)

    def _normalize_batch(self, x: Tensor) -> Tensor:
        """Normalize with the moments of the batch and move the averages, in place.

        Torch adds the unbiased variance to the moving average; scaling the average before and after makes it the
        biased one, without another pass over the data.
        """
        count = x.numel() // x.shape[1]
        bias = (count - 1) / count
        mean, variance = self.moving_mean.clone(), self.moving_variance
        variance = variance / bias if bias else variance.clone()
        output = torch.batch_norm(
            x, self.gamma, self.beta, mean, variance, True, 1.0 - self.momentum, self.epsilon,
            torch.backends.cudnn.enabled,
        )  # fmt: skip
        self.moving_mean.copy_(mean)
        # One value has no unbiased variance; its biased variance is 0.
        self.moving_variance.copy_(variance * bias) if bias else self.moving_variance.mul_(self.momentum)
        return output


@register
class LayerNormalization(Layer):
    """Brings each sample to mean 0 and variance 1 over some axes, then scales and shifts it. Ba et al. (2016).

    Parameters
    ----------
    axis : int or sequence of int
        The axes that the moments are taken over. With (1, 2, 3) and neither center nor scale, every image is
        normalized by its own mean and contrast.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether a learned offset `beta` and a learned factor `gamma`, of the shape of these axes, are applied.
    beta_initializer, gamma_initializer : str or Initializer
        What the weights start from.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> y = LayerNormalization()(torch.tensor([[1.0, 3.0], [10.0, 30.0]]))
    >>> [[round(value, 2) for value in row] for row in y.tolist()]
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    floats_only, keeps_shape, supports_masking, wide = True, True, True, True

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = (axis,) if isinstance(axis, int) else tuple(axis)
        self.epsilon, self.center, self.scale = _check_epsilon("LayerNormalization", epsilon), center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        axes = sorted(axis % rank for axis in self.axis)
        if any(not -rank <= axis < rank for axis in self.axis) or axes[0] == 0 or len(set(axes)) < len(axes):
            raise HandsonError(f"LayerNormalization {self.name!r}: axis={self.axis} does not fit inputs {input_shape}.")
        sizes = [input_shape[axis] for axis in axes]
        if (self.center or self.scale) and None in sizes:
            raise HandsonError(f"LayerNormalization {self.name!r} needs known sizes of its axes: {input_shape}.")
        self._axes, self._trailing = axes, axes == list(range(axes[0], rank))
        self._broadcast = [input_shape[axis] if axis in axes else 1 for axis in range(1, rank)]
        self.gamma = self.add_weight(sizes, self.gamma_initializer, "gamma") if self.scale else None
        self.beta = self.add_weight(sizes, self.beta_initializer, "beta") if self.center else None

    def forward(self, x: Tensor) -> Tensor:
        if self._trailing:
            return torch.layer_norm(x, x.shape[self._axes[0] :], self.gamma, self.beta, self.epsilon)
        variance, mean = torch.var_mean(x, self._axes, correction=0, keepdim=True)
        x = (x - mean) * torch.rsqrt(variance + self.epsilon)
        x = x if self.gamma is None else x * self.gamma.view(self._broadcast)
        return x if self.beta is None else x + self.beta.view(self._broadcast)
