"""What normalizations share, and batch normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson import initializers
from handson.core.errors import HandsonError, nearest
from handson.core.registry import register
from handson.layers.base import Layer, Shape, fraction
from handson.parallel import meeting

# Beside the number of values that count, as in Keras.
EPSILON = 1e-7


class Normalizing(Layer):
    """The base of normalizations that scale and shift what they normalized by `gamma` and `beta`."""

    floats_only, keeps_shape, supports_masking, wide = True, True, True, True

    # What the constructor of a class sets; see `BatchNormalization`.
    epsilon: float
    center: bool
    scale: bool
    gamma: Any
    beta: Any

    def set_up(self, arguments: dict[str, Any]) -> None:
        """Check and keep the arguments that all of them have."""
        self.epsilon = check_epsilon(type(self).__name__, arguments["epsilon"])
        self.center, self.scale = arguments["center"], arguments["scale"]
        for part in ("beta", "gamma"):
            for what in ("initializer", "regularizer", "constraint"):
                setattr(self, f"{part}_{what}", arguments[f"{part}_{what}"])

    def add_gamma_and_beta(self, sizes: Sequence[int], scale: bool, center: bool) -> None:
        """Make the weights, of some sizes, or None where they are not wanted."""
        self.gamma, self.beta = (
            self.add_weight(
                sizes,
                getattr(self, f"{part}_initializer"),
                part,
                regularizer=getattr(self, f"{part}_regularizer"),
                constraint=getattr(self, f"{part}_constraint"),
            )
            if wanted
            else None
            for part, wanted in (("gamma", scale), ("beta", center))
        )


def check_epsilon(owner: str, epsilon: float) -> float:
    """An epsilon that is not negative."""
    if not epsilon >= 0:
        raise HandsonError(f"{owner}: epsilon must not be negative; got {epsilon}.")
    return float(epsilon)


@register
class BatchNormalization(Normalizing):
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
    beta_constraint, gamma_constraint : str or Constraint, optional
        What the weights are made to obey after every step.
    renorm : bool
        Batch renormalization (Ioffe, 2017): in training too, outputs follow the moving moments, through corrections
        that count as constants in the backward pass.
    renorm_clipping : dict, optional
        Limits of the corrections: 'rmin' and 'rmax' of the factor, 'dmax' of the offset.
    renorm_momentum : float
        The momentum of the moments that the corrections go by.
    synchronized : bool
        There for code of Keras: the moments are those of the whole batch, on however many devices it is.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The variance is the mean squared deviation (divided by n, not by n - 1), in the moving average too: Keras's
    convention, not torch's. Steps that a mask leaves out do not count in the moments.

    Examples
    --------
    >>> layer = BatchNormalization()
    >>> y = layer(torch.randn(1000, 3) * 5 + 7)
    >>> bool(y.mean().abs() < 1e-4)
    True
    """

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
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        if not isinstance(axis, (int, np.integer)):
            raise HandsonError(f"BatchNormalization: axis is one whole number; got {axis!r}.")
        self.axis = int(axis)
        self.set_up(arguments)
        self.momentum = fraction("BatchNormalization", "momentum", momentum)
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.renorm, self.synchronized = bool(renorm), bool(synchronized)
        self.renorm_clipping = _checked_limits(renorm_clipping or {})
        self.renorm_momentum = fraction("BatchNormalization", "renorm_momentum", renorm_momentum)

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
        self.add_gamma_and_beta((size,), self.scale, self.center)
        self.moving_mean = self.add_weight((size,), self.moving_mean_initializer, "moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            (size,), self.moving_variance_initializer, "moving_variance", trainable=False
        )
        if self.renorm:
            root = RootOf(self.moving_variance_initializer)
            self.moving_stddev = self.add_weight((size,), root, "moving_stddev", trainable=False)
            self.renorm_mean = self.add_weight((size,), self.moving_mean_initializer, "renorm_mean", trainable=False)
            self.renorm_stddev = self.add_weight((size,), root, "renorm_stddev", trainable=False)

    def _takes(self, shape: Shape) -> bool:
        rank = len(self.built_shape or ())
        return len(shape) == rank and shape[self.axis] in (None, len(self.moving_mean))

    @property
    def uses_batch(self) -> bool:
        """Whether the moments are those of the batch: in training, unless the layer is frozen."""
        return self.training and self._trainable

    @property
    def meets(self) -> bool:  # type: ignore[override]
        """Whether shards of a batch wait for each other here."""
        return self._trainable

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        features_second = x.movedim(self.axis, 1)
        if self.uses_batch:
            if mask is not None or self.renorm or meeting.current() is not None:
                output = self._normalize_by_moments(features_second, self._counted(x, mask))
            else:
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

    def _counted(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """Which values count in the moments, features second; None for all."""
        if mask is None:
            return None
        if mask.shape != x.shape[:-1]:
            raise HandsonError(
                f"BatchNormalization {self.name!r}: a mask has the shape of the inputs without the last axis, "
                f"{tuple(x.shape[:-1])}; got {tuple(mask.shape)}."
            )
        return mask.to(torch.bool).unsqueeze(-1).expand(x.shape).movedim(self.axis, 1)

    def _normalize_by_moments(self, x: Tensor, counted: Tensor | None) -> Tensor:
        """As `_normalize_batch`, for moments of some of the values, and with corrections."""
        mean, variance = _moments(x, counted)
        gamma, beta = self.gamma, self.beta
        known, spread = mean.detach(), variance.detach()
        if self.renorm:
            factor, offset = self._correction(known, torch.sqrt(spread + self.epsilon))
            offset = offset if gamma is None else offset * gamma
            gamma = factor if gamma is None else factor * gamma
            beta = offset if beta is None else offset + beta
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        meeting.once(lambda: self._move_averages(known, spread))
        scale = torch.rsqrt(variance + self.epsilon)
        scale = scale if gamma is None else scale * gamma
        output = (x - mean.view(shape)) * scale.view(shape)
        return output if beta is None else output + beta.view(shape)

    @torch.no_grad()
    def _correction(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """The factor and the offset that lead from the moments of the batch to the moving ones."""
        expected = self.renorm_stddev.clamp(min=self.epsilon**0.5)
        limits = self.renorm_clipping
        factor = (deviation / expected).clamp(limits.get("rmin"), limits.get("rmax", math.inf))
        most = limits.get("dmax", math.inf)
        offset = ((mean - self.renorm_mean) / expected).clamp(-most, most)
        return factor, offset

    @torch.no_grad()
    def _move_averages(self, mean: Tensor, variance: Tensor) -> None:
        """Let the moving moments follow those of a batch."""
        deviation = torch.sqrt(variance + self.epsilon)
        _move(self.moving_mean, mean, self.momentum)
        if not self.renorm:
            _move(self.moving_variance, variance, self.momentum)
            return
        _move(self.renorm_mean, mean, self.renorm_momentum)
        _move(self.renorm_stddev, deviation, self.renorm_momentum)
        _move(self.moving_stddev, deviation, self.momentum)
        self.moving_variance.copy_((self.moving_stddev.square() - self.epsilon).clamp(min=0.0))


class RootOf(initializers.Initializer):
    """The square roots of what another initializer gives."""

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializer

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return torch.sqrt(initializers.call(self.initializer, shape, key))


def _checked_limits(limits: dict[str, float]) -> dict[str, float]:
    known = ("rmin", "rmax", "dmax")
    for name in limits:
        if name not in known:
            raise HandsonError(
                f"BatchNormalization: renorm_clipping has 'rmin', 'rmax' and 'dmax'; got {name!r}."
                f"{nearest(name, known)}"
            )
    if limits.get("rmin", 0.0) > limits.get("rmax", math.inf) or limits.get("dmax", 0.0) < 0:
        raise HandsonError(
            f"BatchNormalization: in renorm_clipping rmin is at most rmax, and dmax is not negative; got {limits}."
        )
    return dict(limits)


def _moments(x: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each feature, over the values that count."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    if counted is None and meeting.current() is None:
        variance, mean = torch.var_mean(x, axes, correction=0)
        return mean, variance
    if counted is None:
        sums, count = meeting.totals([x.sum(axes, keepdim=True), x.new_tensor(x.numel() // x.shape[1])])
        count = count.detach()
        mean = sums / count
        variance = meeting.total((x - mean).square().sum(axes, keepdim=True)) / count
        return mean.reshape(-1), variance.reshape(-1)
    present = counted.to(x.dtype).sum(axes, keepdim=True)
    sums, count = meeting.totals([torch.where(counted, x, 0.0).sum(axes, keepdim=True), present])
    count = count.detach() + EPSILON
    mean = sums / count
    variance = meeting.total(torch.where(counted, x - mean, 0.0).square().sum(axes, keepdim=True)) / count
    return mean.reshape(-1), variance.reshape(-1)


def _move(average: Tensor, value: Tensor, momentum: float) -> None:
    average.mul_(momentum).add_(value, alpha=1.0 - momentum)
