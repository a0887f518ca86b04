"""Regularizers: penalties on weights that are added to the loss, with Keras's names and formulas."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError
from handson.core.serializers import serializers


class Regularizer(Noun):
    """The base of all regularizers: called with a weight, it returns a scalar penalty.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Largest(Regularizer):
    ...     def __call__(self, weight):
    ...         return 0.1 * weight.abs().max()
    >>> handson.layers.Dense(2, kernel_regularizer=Largest()).kernel_regularizer
    Largest()
    """

    kind = "regularizer"

    def __call__(self, weight: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(weight).")


@registry.register(aliases=("l1_l2",))
class L1L2(Regularizer):
    """l1 times the sum of absolute values plus l2 times the sum of squares.

    Examples
    --------
    >>> import torch
    >>> L1L2(l1=0.1, l2=0.01)(torch.tensor([1.0, -2.0])).item()
    0.35...
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        l1, l2 = 0.0 if l1 is None else l1, 0.0 if l2 is None else l2
        if not (0 <= l1 < math.inf and 0 <= l2 < math.inf):
            raise HandsonError(f"a penalty is not negative; got l1={l1}, l2={l2}.")
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, weight: Tensor) -> Tensor:
        penalty = weight.new_zeros(())
        if self.l1:
            penalty = penalty + self.l1 * weight.abs().sum()
        if self.l2:
            penalty = penalty + self.l2 * weight.square().sum()
        return penalty


@registry.register
class L1(L1L2):
    """l1 times the sum of absolute values.

    Examples
    --------
    >>> import torch
    >>> L1(0.5)(torch.tensor([1.0, -2.0])).item()
    1.5
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=0.01 if l1 is None else l1)


@registry.register
class L2(L1L2):
    """l2 times the sum of squares.

    Examples
    --------
    >>> import torch
    >>> L2(0.5)(torch.tensor([1.0, -2.0])).item()
    2.5
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)


@registry.register
class OrthogonalRegularizer(Regularizer):
    """The mean absolute cosine between the rows, or the columns, of a matrix, times a factor.

    Parameters
    ----------
    factor : float
        The factor.
    mode : {'rows', 'columns'}
        What shall be orthogonal.

    Examples
    --------
    >>> import torch
    >>> OrthogonalRegularizer(0.5)(torch.eye(3)).item()
    0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if not 0 <= factor < math.inf:
            raise HandsonError(f"a penalty is not negative; got factor={factor}.")
        if mode not in ("rows", "columns"):
            raise HandsonError(f"OrthogonalRegularizer: mode is 'rows' or 'columns'; got {mode!r}.")
        self.factor, self.mode = float(factor), mode

    def __call__(self, weight: Tensor) -> Tensor:
        if weight.dim() != 2:
            raise HandsonError(f"OrthogonalRegularizer is for matrices; got a weight of shape {tuple(weight.shape)}.")
        vectors = F.normalize(weight if self.mode == "rows" else weight.T, dim=1, eps=1e-7)
        cosines = (vectors @ vectors.T).triu(1).abs()
        return self.factor * cosines.sum() / max(len(vectors) * (len(vectors) - 1) / 2, 1)


def get(identifier: Any) -> Regularizer | None:
    """The regularizer for a name, a configuration, a function or an object; None for none."""
    return None if identifier is None else registry.resolve("regularizer", identifier)


serialize, deserialize = serializers("regularizer", get)
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
