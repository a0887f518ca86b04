"""`theano.tensor.nlinalg`: decompositions and functions of matrices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.theano.tensor.products import det, diag, matrix_inverse, trace
from handson.theano.variable import Variable, apply, apply_several, common

__all__ = ["alloc_diag", "det", "diag", "eigh", "extract_diag", "matrix_dot", "matrix_inverse", "matrix_power", "pinv",
           "qr", "svd", "trace"]  # fmt: skip

alloc_diag = extract_diag = diag


def pinv(x: Any) -> Variable:
    """The pseudoinverse of a matrix."""
    return apply(torch.linalg.pinv, x, ndim=2, dtype=common(x))


def matrix_dot(*args: Any) -> Variable:
    """The product of several matrices."""
    return apply(_product, list(args), ndim=2, dtype=common(*args))


def _product(matrices: list[Tensor]) -> Tensor:
    return torch.linalg.multi_dot(matrices) if len(matrices) > 1 else matrices[0]


def matrix_power(M: Any, n: int) -> Variable:
    """A matrix multiplied with itself."""
    return apply(torch.linalg.matrix_power, M, n, ndim=2, dtype=common(M))


def eigh(a: Any) -> list[Variable]:
    """The eigenvalues of a symmetric matrix, rising, and its eigenvectors as columns.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.matrix()
    >>> eigh(x)[0].eval({x: [[2.0, 0.0], [0.0, 1.0]]}).tolist()
    [1.0, 2.0]
    """
    return apply_several(torch.linalg.eigh, (a,), [(1, common(a)), (2, common(a))])


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, the singular values and V transposed; the values alone where `compute_uv` is False."""
    if not compute_uv:
        return apply(torch.linalg.svdvals, a, ndim=1, dtype=common(a))
    return apply_several(torch.linalg.svd, (a, bool(full_matrices)), [(axes, common(a)) for axes in (2, 1, 2)])


def qr(a: Any) -> list[Variable]:
    """Q and R of a matrix."""
    return apply_several(torch.linalg.qr, (a,), [(2, common(a)), (2, common(a))])
