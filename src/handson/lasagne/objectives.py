"""Lasagne's objectives: losses value by value or row by row, and what makes one number of them."""

from __future__ import annotations

from typing import Any

import handson.theano.tensor as T
from handson.core.errors import HandsonError
from handson.theano.tensor.nnet import crossentropies
from handson.theano.variable import Variable, rank


def binary_crossentropy(predictions: Any, targets: Any) -> Variable:
    """-t log(p) - (1 - t) log(1 - p), value by value."""
    return crossentropies.binary_crossentropy(predictions, targets)


def categorical_crossentropy(predictions: Any, targets: Any) -> Variable:
    """-log(p) of the true class, row by row; targets are labels, or distributions."""
    return crossentropies.categorical_crossentropy(predictions, targets)


def squared_error(a: Any, b: Any) -> Variable:
    """(a - b)^2, value by value.

    Examples
    --------
    >>> a, b = T.vector(), T.vector()
    >>> squared_error(a, b).eval({a: [1, 2], b: [1, 5]}).tolist()
    [0.0, 9.0]
    """
    return T.sqr(a - b)


def aggregate(loss: Any, weights: Any = None, mode: str = "mean") -> Variable:
    """One number for many: their mean, their sum, or with weights 'normalized_sum', the weighted mean."""
    if weights is not None:
        loss = loss * weights
    if mode == "mean":
        return T.mean(loss)
    if mode == "sum":
        return T.sum(loss)
    if mode == "normalized_sum":
        if weights is None:
            raise HandsonError("aggregate: mode='normalized_sum' divides by the sum of weights; pass them.")
        return T.sum(loss) / T.sum(weights)
    raise HandsonError(f"aggregate: mode is 'mean', 'sum' or 'normalized_sum'; got {mode!r}.")


def binary_hinge_loss(
    predictions: Any, targets: Any, delta: float = 1, log_odds: Any = None, binary: bool = True
) -> Variable:
    """max(0, delta - t p), where t is -1 or 1 (of 0 and 1 with `binary`), on log odds or on probabilities."""
    if log_odds is None:
        log_odds = True
    if not log_odds:
        predictions = T.log(predictions / (1 - predictions))
    signs = 2 * targets - 1 if binary else targets
    return T.nnet.relu(delta - predictions * signs)


def multiclass_hinge_loss(predictions: Any, targets: Any, delta: float = 1) -> Variable:
    """max(0, best of the wrong classes - true class + delta), row by row; targets are labels or one-hot."""
    if rank(targets) == rank(predictions):
        true = T.sum(predictions * targets, axis=1)
        wrong = T.max(T.switch(T.gt(targets, 0), -1e30, predictions), axis=1)
    else:
        rows = T.arange(targets.shape[0])
        true = predictions[rows, targets]
        wrong = T.max(T.set_subtensor(predictions[rows, targets], -1e30), axis=1)
    return T.nnet.relu(wrong - true + delta)


def huber_loss(predictions: Any, targets: Any, delta: float = 1) -> Variable:
    """Half the square of differences up to `delta`, and a line from there on (Huber, 1964), value by value.

    Examples
    --------
    >>> a, b = T.vector(), T.vector()
    >>> huber_loss(a, b).eval({a: [0, 3], b: [1, 0]}).tolist()
    [0.5, 2.5]
    """
    off = abs(predictions - targets)
    return T.switch(T.le(off, delta), 0.5 * T.sqr(off), delta * (off - 0.5 * delta))


def binary_jaccard_index(predictions: Any, targets: Any) -> Variable:
    """Of each row of zeros and ones, what both share over what either has; 1 where neither has anything."""
    either = T.sum(T.maximum(predictions, targets), axis=1)
    both = T.sum(T.minimum(predictions, targets), axis=1)
    return T.switch(T.gt(either, 0), both / T.maximum(either, 1), 1.0)


def binary_accuracy(predictions: Any, targets: Any, threshold: float = 0.5) -> Variable:
    """Whether probabilities lie on the side of the threshold that the targets say."""
    return T.eq(T.ge(predictions, threshold), T.ge(targets, threshold))


def categorical_accuracy(predictions: Any, targets: Any, top_k: int = 1) -> Variable:
    """Whether the true class is among the best `top_k`, row by row; targets are labels, or one-hot."""
    if rank(targets) == rank(predictions):
        targets = T.argmax(targets, axis=-1)
    elif rank(targets) != rank(predictions) - 1:
        raise HandsonError(f"categorical_accuracy: targets are labels or one-hot rows; got {targets!r}.")
    if top_k == 1:
        return T.eq(T.argmax(predictions, axis=-1), targets)
    best = T.argsort(predictions, axis=-1)[..., -top_k:]
    return T.any(T.eq(best, T.shape_padright(targets)), axis=-1)
