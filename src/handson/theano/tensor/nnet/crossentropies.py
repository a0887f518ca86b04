"""Cross-entropies on variables: those of `handson.losses`, computed from logits where probabilities come from them."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson import losses
from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, common, rank

_BINARY = losses.BinaryCrossentropy()
_CATEGORICAL, _SPARSE = losses.CategoricalCrossentropy(), losses.SparseCategoricalCrossentropy()


def _binary(output: Tensor, target: Tensor) -> Tensor:
    return _BINARY.values(target.to(output.dtype).expand_as(output), output)


def binary_crossentropy(output: Any, target: Any) -> Variable:
    """-t log(p) - (1 - t) log(1 - p), value by value."""
    return apply(_binary, output, target, ndim=max(rank(output), rank(target)), dtype=common(output))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """`binary_crossentropy` of sigmoid(output)."""
    return apply(_of_logits, output, target, ndim=rank(output), dtype=common(output))


def _of_logits(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, target.to(output.dtype), reduction="none")


def _labels(p: Tensor, y: Tensor) -> Tensor:
    return _SPARSE.values(y.long(), p)


def _distribution(p: Tensor, y: Tensor) -> Tensor:
    return _CATEGORICAL.values(y.to(p.dtype), p)


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """-log(p) of the true class, for labels; -sum(t log(p)) for distributions.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> p, y = T.matrix(), T.ivector()
    >>> categorical_crossentropy(p, y).eval({p: [[0.5, 0.5]], y: [1]}).round(4).tolist()
    [0.6930999755859375]
    """
    if rank(true_dist) == rank(coding_dist):
        return apply(_distribution, coding_dist, true_dist, ndim=rank(coding_dist) - 1, dtype=common(coding_dist))
    if rank(true_dist) != rank(coding_dist) - 1:
        raise HandsonError(
            f"categorical_crossentropy: for predictions with {rank(coding_dist)} axes the targets are labels with "
            f"{rank(coding_dist) - 1} or distributions with {rank(coding_dist)}; got {true_dist!r}."
        )
    return apply(_labels, coding_dist, true_dist, ndim=rank(true_dist), dtype=common(coding_dist))
