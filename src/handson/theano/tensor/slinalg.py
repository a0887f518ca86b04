"""`theano.tensor.slinalg`: factors of matrices, and equations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.theano.variable import Variable, apply, common, rank

__all__ = ["cholesky", "expm", "kron", "solve", "solve_lower_triangular", "solve_upper_triangular"]


def cholesky(x: Any) -> Variable:
    """The lower triangle L of a positive matrix, x = L L'."""
    return apply(torch.linalg.cholesky, x, ndim=2, dtype=common(x))


def expm(x: Any) -> Variable:
    """The exponential of a matrix."""
    return apply(torch.linalg.matrix_exp, x, ndim=2, dtype=common(x))


def kron(a: Any, b: Any) -> Variable:
    """The Kronecker product."""
    return apply(torch.kron, a, b, ndim=max(rank(a), rank(b)), dtype=common(a, b))


def solve(a: Any, b: Any) -> Variable:
    """x with a x = b.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> a, b = T.matrix(), T.vector()
    >>> solve(a, b).eval({a: [[2.0, 0.0], [0.0, 4.0]], b: [2.0, 2.0]}).tolist()
    [1.0, 0.5]
    """
    return apply(torch.linalg.solve, a, b, ndim=rank(b), dtype=common(a, b))


def solve_lower_triangular(a: Any, b: Any) -> Variable:
    """`solve` where a is a lower triangle."""
    return apply(_triangular, a, b, False, ndim=rank(b), dtype=common(a, b))


def solve_upper_triangular(a: Any, b: Any) -> Variable:
    """`solve` where a is an upper triangle."""
    return apply(_triangular, a, b, True, ndim=rank(b), dtype=common(a, b))


def _triangular(a: Tensor, b: Tensor, upper: bool) -> Tensor:
    columns = b[:, None] if b.dim() == 1 else b
    return torch.linalg.solve_triangular(a, columns, upper=upper).reshape(b.shape)
