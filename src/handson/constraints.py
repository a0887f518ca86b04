"""Constraints: what weights are made to obey after every step, with Keras's names and formulas.

A constraint is called with a weight and returns one of the same shape that obeys it. Layers take them as
`kernel_constraint` and `bias_constraint`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError
from handson.core.serializers import serializers

# Keras's fuzz factor: keeps norms that divide from zero.
EPSILON = 1e-7


class Constraint(Noun):
    """The base of all constraints. One of your own defines `__call__(weight)`.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Centered(Constraint):
    ...     def __call__(self, weight):
    ...         return weight - weight.mean()
    >>> handson.layers.Dense(2, kernel_constraint=Centered()).get_config()["kernel_constraint"]["class"]
    'Centered'
    """

    kind = "constraint"

    def __call__(self, weight: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(weight).")


class _OfNorms(Constraint):
    """Sets the norms of vectors along an axis: of the inputs of each unit of a Dense kernel, with axis 0."""

    axis: Any

    def __call__(self, weight: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(weight, dim=self.axis, keepdim=True)
        return weight * (self.wanted(norms) / (EPSILON + norms))

    def wanted(self, norms: Tensor) -> Tensor:
        """The norms that obey the constraint."""
        raise NotImplementedError


@registry.register
class MaxNorm(_OfNorms):
    """Bounds the norm of each vector of weights: w * min(|w|, max_value) / |w| (Srivastava et al., 2014).

    Parameters
    ----------
    max_value : float
        The largest norm.
    axis : int or tuple of int
        Along which norms are taken: 0 for the kernel of Dense, (0, 1, 2) for that of Conv2D.

    Examples
    --------
    >>> MaxNorm(1.0)(torch.tensor([[3.0, 0.1], [4.0, 0.0]])).round(decimals=4).tolist()
    [[0.6..., 0.1...], [0.8..., 0.0]]
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = _norm("MaxNorm", "max_value", max_value), _axes("MaxNorm", axis)

    def wanted(self, norms: Tensor) -> Tensor:
        return norms.clamp(max=self.max_value)


@registry.register
class UnitNorm(_OfNorms):
    """Makes the norm of each vector of weights 1: w / |w|.

    Parameters
    ----------
    axis : int or tuple of int
        Along which norms are taken: 0 for the kernel of Dense, (0, 1, 2) for that of Conv2D.

    Examples
    --------
    >>> UnitNorm()(torch.tensor([[3.0], [4.0]])).round(decimals=4).tolist()
    [[0.6...], [0.8...]]
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = _axes("UnitNorm", axis)

    def wanted(self, norms: Tensor) -> Tensor:
        return torch.ones_like(norms)


@registry.register
class MinMaxNorm(_OfNorms):
    """Moves the norm of each vector of weights into an interval: w * n / |w|, n = rate * clip(|w|) + (1 - rate) * |w|.

    Parameters
    ----------
    min_value, max_value : float
        The interval.
    rate : float
        The share of the way that is gone at each step.
    axis : int or tuple of int
        Along which norms are taken: 0 for the kernel of Dense, (0, 1, 2) for that of Conv2D.

    Examples
    --------
    >>> MinMaxNorm(0.0, 1.0, rate=0.5)(torch.tensor([[3.0]])).round(decimals=4).tolist()
    [[2.0]]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value = _norm("MinMaxNorm", "min_value", min_value)
        self.max_value = _norm("MinMaxNorm", "max_value", max_value)
        if min_value > max_value:
            raise HandsonError(f"MinMaxNorm: min_value {min_value} is larger than max_value {max_value}.")
        self.rate, self.axis = rate, _axes("MinMaxNorm", axis)

    def wanted(self, norms: Tensor) -> Tensor:
        return self.rate * norms.clamp(self.min_value, self.max_value) + (1.0 - self.rate) * norms


@registry.register
class NonNeg(Constraint):
    """Makes negative weights zero: max(w, 0).

    Examples
    --------
    >>> NonNeg()(torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, weight: Tensor) -> Tensor:
        return weight.clamp(min=0.0)


def _norm(owner: str, name: str, value: float) -> float:
    if not value >= 0:
        raise HandsonError(f"{owner}: {name} is a norm and not negative; got {value}.")
    return value


def _axes(owner: str, axis: Any) -> Any:
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    if not axes or not all(isinstance(each, int) and not isinstance(each, bool) for each in axes):
        raise HandsonError(f"{owner}: axis is a whole number or several of them; got {axis!r}.")
    return tuple(axis) if isinstance(axis, list) else axis


def get(identifier: Any) -> Any:
    """The constraint for a name, a configuration, a function or an object; None for none.

    Examples
    --------
    >>> get("non_neg"), get(None)
    (NonNeg(), None)
    """
    return None if identifier is None else registry.resolve("constraint", identifier)


serialize, deserialize = serializers("constraint", get)
max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm
