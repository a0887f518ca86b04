"""The rows that train, as what they are to a net: distinct rows, each with a weight.

A row of weight 2 is the same as that row twice, and a row of weight 0 is none. So rows that are alike become one that
has their weights together, and the rows are put into an order that follows from their values. What is trained is then a
function of the data as a weighted set: the same net, bit for bit, however rows are weighted, repeated or ordered.
"""

from __future__ import annotations

import math
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
    if hasattr(x, "sum_duplicates") and not x.has_canonical_format:
        x = x.copy()
        x.sum_duplicates()
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


def _digests(array: Any) -> np.ndarray:
    """64 bits that follow from the values of each row; zeros add nothing to them, whatever their sign."""
    columns = math.prod(array.shape[1:])
    factors = words64(derive("rows"), columns) | np.uint64(1)
    with np.errstate(over="ignore"):
        if hasattr(array, "tocsr"):
            sums = np.cumsum(_words(array.data) * factors[array.indices], dtype=np.uint64)
            sums = np.concatenate([np.zeros(1, np.uint64), sums])
            return _mixed(sums[array.indptr[1:]] - sums[array.indptr[:-1]])
        rows = max(1, PIECE // max(1, columns))
        pieces = (array[start : start + rows] for start in range(0, len(array), rows))
        return np.concatenate([_mixed((_words(_flat(piece)) * factors).sum(1, dtype=np.uint64)) for piece in pieces])


def _words(values: np.ndarray) -> np.ndarray:
    return _mixed((values.astype(np.float64) + 0.0).view(np.uint64))


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), math.prod(array.shape[1:]))


def _mixed(words: np.ndarray) -> np.ndarray:
    """Every bit of a word depends on every other: the last steps of SplitMix64."""
    for bits, factor in ((np.uint64(30), FIRST), (np.uint64(27), SECOND)):
        words = (words ^ (words >> bits)) * factor
    return words ^ (words >> np.uint64(31))


def _same(array: Any, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether rows are alike, pair by pair."""
    if hasattr(array, "tocsr"):
        return np.asarray((array[one] != array[other]).sum(1)).ravel() == 0
    return (_flat(array[one]) == _flat(array[other])).all(1)
