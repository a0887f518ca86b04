"""Regularizers: penalties on weights that are added to the loss, with Keras's names and formulas."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError


class Regularizer(Noun):
    """The base of all regularizers: called with a weight, it returns a scalar penalty."""

    kind = "regularizer"

    def __call__(self, weight: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(weight).")


@registry.register
class L1L2(Regularizer):
    """l1 times the sum of absolute values plus l2 times the sum of squares.

    Examples
    --------
    >>> import torch
    >>> L1L2(l1=0.1, l2=0.01)(torch.tensor([1.0, -2.0])).item()
    0.35...
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
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
    """l1 times the sum of absolute values."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


@registry.register
class L2(L1L2):
    """l2 times the sum of squares."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


def get(identifier: Any) -> Regularizer | None:
    """The regularizer for a name, a configuration, a function or an object; None for none."""
    return None if identifier is None else registry.resolve("regularizer", identifier)
