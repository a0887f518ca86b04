"""Activations as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape
from handson.layers.calling import MASK

# What takes the place of a masked logit; float16 has no larger numbers.
LEAST, LEAST_OF_HALF = -1e9, -3e4


class _Elementwise(Layer):
    """The base of what is applied to every value alike."""

    floats_only, keeps_shape, supports_masking = True, True, True

    def _not_negative(self, argument: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise HandsonError(f"{type(self).__name__}: {argument} is a number, and not negative; got {value!r}.")
        return float(value)


@register
class Activation(_Elementwise):
    """Applies an activation function.

    Parameters
    ----------
    activation : str or function
        Its name, or a function from a tensor to one of the same shape.

    Examples
    --------
    >>> Activation("relu")(torch.tensor([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x)


@register
class ReLU(_Elementwise):
    """max(x, 0), with a largest value, a slope below, and a threshold, if they are given.

    x up to `max_value` where x is at least `threshold`; negative_slope * (x - threshold) below.

    Parameters
    ----------
    max_value : float, optional
        The largest output.
    negative_slope : float
        The slope below the threshold.
    threshold : float
        Where the outputs begin.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> ReLU(max_value=6, negative_slope=0.5)(torch.tensor([-2.0, 3.0, 9.0])).tolist()
    [-1.0, 3.0, 6.0]
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else self._not_negative("max_value", max_value)
        self.negative_slope = self._not_negative("negative_slope", negative_slope)
        self.threshold = self._not_negative("threshold", threshold)

    def forward(self, x: Tensor) -> Tensor:
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)


@register
class LeakyReLU(_Elementwise):
    """x where positive, negative_slope * x elsewhere. Maas et al. (2013).

    Parameters
    ----------
    negative_slope : float
        The slope of negative values.
    alpha : float, optional
        The name that `negative_slope` had in Keras 2.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> LeakyReLU(0.5)(torch.tensor([-2.0, 3.0])).tolist()
    [-1.0, 3.0]
    """

    def __init__(self, negative_slope: float = 0.3, alpha: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = self._not_negative("negative_slope", negative_slope if alpha is None else alpha)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What is remembered: the slope by its present name."""
        alpha = arguments.get("alpha")
        return Layer.kept_arguments(
            {
                key: alpha if key == "negative_slope" and alpha is not None else value
                for key, value in arguments.items()
                if key != "alpha"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        return activations.leaky_relu(x, self.negative_slope)


@register
class ELU(_Elementwise):
    """x where positive, alpha * (exp(x) - 1) elsewhere. Clevert et al. (2016).

    Parameters
    ----------
    alpha : float
        What large negative values come near to, with a minus sign.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> ELU()(torch.tensor([-50.0, 3.0])).tolist()
    [-1.0, 3.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return activations.elu(x, self.alpha)


@register
class PReLU(_Elementwise):
    """x where positive, alpha * x elsewhere, with a slope alpha that is learned. He et al. (2015).

    Parameters
    ----------
    alpha_initializer, alpha_regularizer, alpha_constraint
        What the slopes start from, a penalty on them, and what they are made to obey.
    shared_axes : int or sequence of int, optional
        The axes along which there is one slope: (1, 2) for one slope for each channel of images.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> layer = PReLU("ones", shared_axes=[1, 2])
    >>> layer(torch.tensor([[[[-2.0, 3.0]]]])).tolist(), layer.alpha.shape
    ([[[[-2.0, 3.0]]]], torch.Size([1, 1, 2]))
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer, self.alpha_regularizer = alpha_initializer, alpha_regularizer
        self.alpha_constraint = alpha_constraint
        self._shared = () if shared_axes is None else (shared_axes,) if isinstance(shared_axes, int) else shared_axes

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        if not all(isinstance(axis, int) and 1 <= axis < rank for axis in self._shared):
            raise HandsonError(
                f"PReLU {self.name!r}: shared_axes are axes of samples, from 1 to {rank - 1}; got {self._shared!r}."
            )
        sizes: list[Any] = [1 if axis in self._shared else input_shape[axis] for axis in range(1, rank)]
        if None in sizes:
            raise HandsonError(
                f"PReLU {self.name!r} needs known sizes of the axes that it has slopes for; got inputs of shape "
                f"{input_shape}. Share the slopes along the others with shared_axes=..."
            )
        self.alpha = self.add_weight(
            sizes, self.alpha_initializer, "alpha", regularizer=self.alpha_regularizer, constraint=self.alpha_constraint
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) - self.alpha * torch.relu(-x)


@register
class Softmax(_Elementwise):
    """Probabilities over an axis: exp(x) divided by its sum.

    Parameters
    ----------
    axis : int or sequence of int
        The axis, or the axes that the sum is over.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Called with `mask`, which is broadcast to the inputs, values where it is False have the probability 0. A mask that
    travels with a sequence is one of steps: it counts where the sum is over steps, else it travels on. Keras broadcasts
    that one too, along the wrong axis where the sizes happen to be the same.

    Examples
    --------
    >>> layer = Softmax()
    >>> layer(torch.tensor([1.0, 1.0])).tolist()
    [0.5, 0.5]
    >>> layer(torch.tensor([1.0, 1.0]), mask=torch.tensor([True, False])).tolist()
    [1.0, 0.0]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        kept = None if mask is None else self._kept(inputs, mask, axes)
        least = LEAST_OF_HALF if inputs.dtype == torch.float16 else LEAST
        x = inputs if kept is None else torch.where(kept, inputs, least)
        if len(axes) == 1:
            outputs = activations.softmax(x, axes[0])
        else:
            outputs = torch.exp(x - torch.logsumexp(x, axes, keepdim=True))
        return outputs if kept is None else torch.where(kept, outputs, 0.0)

    def _mask(self, leaf: Any) -> Any:
        """A mask as truth values; numbers above 1/2 are true."""
        return super()._mask(leaf > 0.5 if hasattr(leaf, "dtype") and leaf.dtype not in (bool, torch.bool) else leaf)

    def _kept(self, x: Tensor, mask: Tensor, axes: list[int]) -> Tensor | None:
        """Which values count, None for all."""
        if getattr(x, MASK, None) is not None and mask.shape == x.shape[: mask.dim()]:
            over_steps = any(axis % x.dim() < mask.dim() for axis in axes)
            return mask.reshape(*mask.shape, *[1] * (x.dim() - mask.dim())) if over_steps else None
        sizes = zip(reversed(mask.shape), reversed(x.shape), strict=False)
        if mask.dim() > x.dim() or any(size not in (1, other) for size, other in sizes):
            raise HandsonError(
                f"Softmax {self.name!r}: a mask of shape {tuple(mask.shape)} cannot be broadcast to inputs of shape "
                f"{tuple(x.shape)}."
            )
        return mask
