"""Activations on variables: those of `handson.activations`, which remember logits, so that losses stay exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations
from handson.theano.variable import Variable, apply, common, of_fractions, rank


def _one(name: str, compute: Callable[..., Tensor]) -> Any:
    def function(x: Any) -> Variable:
        return apply(compute, x, ndim=rank(x), dtype=of_fractions(common(x)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x): an expression; see `handson.activations`."
    return function


def _slow_sigmoid(x: Tensor) -> Tensor:
    """Theano's: 0.2 x + 0.5, between 0 and 1."""
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


sigmoid, softplus, softsign = (
    _one("sigmoid", activations.sigmoid),
    _one("softplus", F.softplus),
    _one("softsign", F.softsign),
)
hard_sigmoid = _one("hard_sigmoid", _slow_sigmoid)
ultra_fast_sigmoid = _one("ultra_fast_sigmoid", torch.sigmoid)
selu = _one("selu", F.selu)
logsoftmax = _one("logsoftmax", lambda x: torch.log_softmax(x, -1))


def softmax(x: Any) -> Variable:
    """Probabilities over the last axis; of a vector a matrix with one row, as in Theano."""
    return apply(_rows, x, ndim=max(2, rank(x)), dtype=of_fractions(common(x)))


def _rows(x: Tensor) -> Tensor:
    return activations.softmax(x if x.dim() > 1 else x[None])


def relu(x: Any, alpha: Any = 0) -> Variable:
    """max(x, 0), or with a slope where x is negative."""
    return apply(_relu, x, alpha, ndim=rank(x), dtype=common(x))


def _relu(x: Tensor, alpha: Any) -> Tensor:
    return torch.relu(x) if not isinstance(alpha, Tensor) and alpha == 0 else torch.where(x > 0, x, alpha * x)


def elu(x: Any, alpha: float = 1) -> Variable:
    """x where positive, alpha (exp(x) - 1) elsewhere."""
    return apply(F.elu, x, alpha, ndim=rank(x), dtype=common(x))


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> tuple[Variable, Variable]:
    """The cross-entropy of labels, and the probabilities."""
    from handson.theano.tensor.nnet.crossentropies import categorical_crossentropy

    found = softmax(x)
    return categorical_crossentropy(found, y_idx), found
