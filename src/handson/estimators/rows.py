"""The rows that train, as what they are to a net: distinct rows, each with a weight.

A row of weight 2 is the same as that row twice, and a row of weight 0 is none. So rows that are alike become one that
has their weights together, and the rows are put into an order that follows from their values. What is trained is then a
function of the data as a weighted set: the same net, bit for bit, however rows are weighted, repeated or ordered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.randomness.keys import FIRST, SECOND, derive, words64

# Values that are looked at together.
PIECE = 1 << 20


def checked_weights(sample_weight: Any, rows: int) -> np.ndarray:
    """The weights of rows as float64; 1 for each where none are given.

    Raises
    ------
    HandsonError
        For weights that are negative or not finite, or that are all zero.
    """
    if sample_weight is None:
        return np.ones(rows)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (rows,):
        raise HandsonError(f"sample_weight has one number for each of the {rows} rows; got the shape {weights.shape}.")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise HandsonError("sample_weight: weights are finite and not negative.")
    if not weights.any():
        raise HandsonError("sample_weight: all weights are zero, which leaves no row to learn from.")
    return weights


def distinct(x: Any, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, in an order that follows from their values, and the weight of each.

    Parameters
    ----------
    x : ndarray or sparse array, shape (n, ...)
        Inputs.
    codes : ndarray, shape (n,) or (n, columns)
        Targets.
    weights : ndarray, shape (n,)
        Weights; their mean is 1 in what is returned.

    Returns
    -------
    rows : ndarray of int64
        Where each distinct row stands first.
    weights : ndarray
        The weights of these rows.

    Examples
    --------
    >>> x, y = np.array([[1.0], [2.0], [1.0]]), np.zeros(3)
    >>> rows, weights = distinct(x, y, np.ones(3))
    >>> sorted(zip(x[rows, 0].tolist(), weights.tolist()))
    [(1.0, 1.3333333333333333), (2.0, 0.6666666666666666)]
    """
    keys = _digests(x) * FIRST + _digests(codes) * SECOND
    order = np.argsort(keys, kind="stable")
    begins = np.ones(len(order), bool)
    begins[1:] = keys[order][1:] != keys[order][:-1]
    first = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    again = np.flatnonzero(~begins)
    # Of rows that differ two in 2**64 have the same digest.
    begins[again] = ~(_same(x, order[again], first[again]) & _same(codes, order[again], first[again]))
    together = np.bincount(np.cumsum(begins) - 1, weights[order])
    return order[begins], together / together.mean()


def _pieces(array: Any) -> Iterator[np.ndarray]:
    """The rows as matrices, some at a time."""
    rows = max(1, PIECE // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, array.shape[0], rows):
        yield _matrix(array[start : start + rows])


def _matrix(array: Any) -> np.ndarray:
    dense = array.toarray() if hasattr(array, "toarray") else np.asarray(array)
    return dense.reshape(len(dense), -1)


def _digests(array: Any) -> np.ndarray:
    """64 bits that follow from the values of each row; -0.0 is 0.0."""
    columns = int(np.prod(array.shape[1:]))
    factors = words64(derive("rows"), columns) | np.uint64(1)
    with np.errstate(over="ignore"):
        found = [
            _mixed((_mixed((piece.astype(np.float64) + 0.0).view(np.uint64)) * factors).sum(1, dtype=np.uint64))
            for piece in _pieces(array)
        ]
    return np.concatenate(found)


def _mixed(words: np.ndarray) -> np.ndarray:
    """Every bit of a word depends on every other: the last steps of SplitMix64."""
    for bits, factor in ((np.uint64(30), FIRST), (np.uint64(27), SECOND)):
        words = (words ^ (words >> bits)) * factor
    return words ^ (words >> np.uint64(31))


def _same(array: Any, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether rows are alike, pair by pair."""
    if not len(one):
        return np.zeros(0, bool)
    pairs = zip(_pieces(array[one]), _pieces(array[other]), strict=True)
    return np.concatenate([(first == second).all(1) for first, second in pairs])
