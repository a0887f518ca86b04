"""Normalizations within each sample: over axes, in groups of features, to length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, positive
from handson.layers.joining import whole
from handson.layers.normalization import Normalizing, check_epsilon
from handson.ops.normal import unit


def axes_of(owner: str, axis: Any) -> tuple[int, ...]:
    """One axis or several, as whole numbers."""
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    if not axes or not all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in axes):
        raise HandsonError(f"{owner}: axis is a whole number or several; got {axis!r}.")
    return tuple(map(int, axes))


def fits_axes(layer: Any, shape: Shape, axes: list[int]) -> bool:
    """Whether a shape has as many axes as the layer was built for, and in some of them the same sizes."""
    built = layer.built_shape
    return len(shape) == len(built) and all(None in (shape[a], built[a]) or shape[a] == built[a] for a in axes)


@register
class LayerNormalization(Normalizing):
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
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    beta_constraint, gamma_constraint : str or Constraint, optional
        What the weights are made to obey after every step.
    rms_scaling : bool
        x / sqrt(variance + epsilon) gamma, without a mean: what Keras once took for RMS normalization, which is
        `RMSNormalization`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> y = LayerNormalization()(torch.tensor([[1.0, 3.0], [10.0, 30.0]]))
    >>> [[round(value, 2) for value in row] for row in y.tolist()]
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        self.axis = axes_of("LayerNormalization", axis)
        self.set_up(arguments)
        self.rms_scaling = bool(rms_scaling)

    def build(self, input_shape: Shape) -> None:
        rank, scale, center = len(input_shape), self.scale or self.rms_scaling, self.center and not self.rms_scaling
        axes = sorted(axis % rank for axis in self.axis)
        if any(not -rank <= axis < rank for axis in self.axis) or axes[0] == 0 or len(set(axes)) < len(axes):
            raise HandsonError(f"LayerNormalization {self.name!r}: axis={self.axis} does not fit inputs {input_shape}.")
        sizes = [input_shape[axis] for axis in axes]
        if (center or scale) and None in sizes:
            raise HandsonError(f"LayerNormalization {self.name!r} needs known sizes of its axes: {input_shape}.")
        self._axes, self._trailing = axes, axes == list(range(axes[0], rank))
        self._broadcast = [input_shape[axis] if axis in axes else 1 for axis in range(1, rank)]
        self.add_gamma_and_beta(sizes, scale, center)  # type: ignore[arg-type]

    def _takes(self, shape: Shape) -> bool:
        return fits_axes(self, shape, self._axes)

    def forward(self, x: Tensor) -> Tensor:
        if self.rms_scaling:
            scale = torch.rsqrt(torch.var(x, self._axes, correction=0, keepdim=True) + self.epsilon)
            return x * scale * self.gamma.view(self._broadcast)
        if self._trailing:
            return torch.layer_norm(x, x.shape[self._axes[0] :], self.gamma, self.beta, self.epsilon)
        variance, mean = torch.var_mean(x, self._axes, correction=0, keepdim=True)
        x = (x - mean) * torch.rsqrt(variance + self.epsilon)
        x = x if self.gamma is None else x * self.gamma.view(self._broadcast)
        return x if self.beta is None else x + self.beta.view(self._broadcast)


@register
class GroupNormalization(Normalizing):
    """Brings groups of features of each sample to mean 0 and variance 1, then scales and shifts them. Wu and He (2018).

    Parameters
    ----------
    groups : int
        The number of groups, which divides the number of features; -1 makes a group of each feature.
    axis : int
        The axis of the features.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether a learned offset `beta` and a learned factor `gamma` are applied to each feature.
    beta_initializer, gamma_initializer : str or Initializer
        What the weights start from.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    beta_constraint, gamma_constraint : str or Constraint, optional
        What the weights are made to obey after every step.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> y = GroupNormalization(groups=2)(torch.tensor([[1.0, 3.0, 10.0, 30.0]]))
    >>> [round(value, 2) for value in y[0].tolist()]
    [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        self.groups = groups if groups == -1 else positive("GroupNormalization", "groups", groups)
        self.axis = whole("GroupNormalization", "axis", axis)
        self.set_up(arguments)

    def build(self, input_shape: Shape) -> None:
        rank, title = len(input_shape), f"GroupNormalization {self.name!r}"
        size = input_shape[self.axis] if -rank <= self.axis < rank and self.axis % rank else None
        if size is None:
            raise HandsonError(f"{title} needs an axis of features of known size; axis={self.axis} of {input_shape}.")
        self._count = size if self.groups == -1 else self.groups
        if size % self._count:
            raise HandsonError(f"{title}: groups={self.groups} does not divide the {size} features of {input_shape}.")
        self.add_gamma_and_beta((size,), self.scale, self.center)

    def _takes(self, shape: Shape) -> bool:
        return fits_axes(self, shape, [self.axis])

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs.movedim(self.axis, 1)
        if not x.requires_grad:  # torch 2.13 crashes in the backward pass of channels-last inputs without a gradient
            x = x.contiguous()
        gamma = self.gamma
        if gamma is None and self.beta is not None:  # which torch has no backward pass for
            gamma = torch.ones_like(self.beta)
        return F.group_norm(x, self._count, gamma, self.beta, self.epsilon).movedim(1, self.axis)


@register
class RMSNormalization(Layer):
    """Divides each sample by the root of the mean of its squares over some axes, and scales it. Zhang et al. (2019).

    Parameters
    ----------
    axis : int or sequence of int
        The axes that the mean is taken over.
    epsilon : float
        Added to the mean of the squares.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Unlike in Keras, masks travel on.

    Examples
    --------
    >>> RMSNormalization(epsilon=0)(torch.tensor([[3.0, 4.0]])).square().mean().item()
    1.0
    """

    floats_only, keeps_shape, supports_masking, wide = True, True, True, True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = axes_of("RMSNormalization", axis), check_epsilon("RMSNormalization", epsilon)

    def build(self, input_shape: Shape) -> None:
        self._axes = within(self, input_shape, self.axis)
        sizes = [input_shape[axis] for axis in self._axes]
        if None in sizes:
            raise HandsonError(f"RMSNormalization {self.name!r} needs known sizes of its axes: {input_shape}.")
        self._broadcast = [size if axis in self._axes else 1 for axis, size in enumerate(input_shape)]
        self._trailing = self._axes == list(range(self._axes[0], len(input_shape)))
        self.scale = self.add_weight(sizes, "ones", "scale")  # type: ignore[arg-type]

    def _takes(self, shape: Shape) -> bool:
        return fits_axes(self, shape, self._axes)

    def call(self, inputs: Tensor) -> Tensor:
        if self._trailing:
            return F.rms_norm(inputs, self.scale.shape, self.scale.to(inputs.dtype), self.epsilon)
        squares = inputs.square().mean(dim=self._axes, keepdim=True)
        return inputs * torch.rsqrt(squares + self.epsilon) * self.scale.view(self._broadcast)


def within(layer: Layer, shape: Shape, axes: tuple[int, ...]) -> list[int]:
    """The axes of a shape, counted from the front and sorted, if it has them."""
    rank = len(shape)
    found = sorted({axis % rank for axis in axes if -rank <= axis < rank})
    if len(found) < len(axes):
        raise HandsonError(f"{type(layer).__name__} {layer.name!r}: axis={axes} does not fit inputs {shape}.")
    return found


@register
class UnitNormalization(Layer):
    """Brings each sample to length 1 over some axes.

    Parameters
    ----------
    axis : int or sequence of int
        The axes that the length is taken over.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> UnitNormalization()(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6..., 0.8...]]
    """

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axes_of("UnitNormalization", axis)

    def build(self, input_shape: Shape) -> None:
        within(self, input_shape, self.axis)

    def call(self, inputs: Tensor) -> Tensor:
        return unit(inputs, self.axis, 1e-12)
