"""Linear algebra, over the last two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float
from handson.graph.operation import operation


@operation
def cholesky(x: Tensor, upper: bool = False) -> Tensor:
    """The lower, or upper, triangle whose product with its transpose is x."""
    return torch.linalg.cholesky(as_float(x), upper=upper)


@operation
def cholesky_inverse(x: Tensor, upper: bool = False) -> Tensor:
    """The inverse of the matrix whose `cholesky` is x."""
    return torch.cholesky_inverse(as_float(x), upper=upper)


@operation
def det(x: Tensor) -> Tensor:
    """The determinant."""
    return torch.linalg.det(as_float(x))


@operation
def logdet(x: Tensor) -> Tensor:
    """The logarithm of the determinant."""
    return torch.logdet(as_float(x))


@operation
def slogdet(x: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of the determinant, and the logarithm of its absolute value."""
    sign, value = torch.linalg.slogdet(as_float(x))
    return sign, value


@operation
def eig(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors, which are complex."""
    values, vectors = torch.linalg.eig(as_float(x))
    return values, vectors


@operation
def eigh(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(as_float(x))
    return values, vectors


@operation
def inv(x: Tensor) -> Tensor:
    """The inverse.

    Examples
    --------
    >>> inv([[2.0, 0.0], [0.0, 4.0]]).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return torch.linalg.inv(as_float(x))


@operation
def pinv(x: Tensor, rcond: float | None = None) -> Tensor:
    """The pseudo-inverse; singular values below rcond times the largest count as 0."""
    return torch.linalg.pinv(as_float(x), rtol=rcond)


@operation
def lu_factor(x: Tensor) -> tuple[Tensor, Tensor]:
    """The two triangles whose product is x with rows exchanged, in one matrix; and the exchanges, counted from 0."""
    factors, pivots = torch.linalg.lu_factor(as_float(x))
    return factors, pivots - 1


@operation
def norm(x: Tensor, ord: Any = None, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors along an axis, of matrices along two, or of all values."""
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return torch.linalg.norm(as_float(x), ord=ord, dim=axes, keepdim=keepdims)


@operation
def qr(x: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """A matrix with orthonormal columns and an upper triangle whose product is x."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode is 'reduced' or 'complete'; got {mode!r}")
    columns, triangle = torch.linalg.qr(as_float(x), mode=mode)
    return columns, triangle


@operation
def solve(a: Tensor, b: Tensor) -> Tensor:
    """The x for which a x = b."""
    a, b = as_float(a), as_float(b)
    return torch.linalg.solve(a, b)


@operation
def solve_triangular(a: Tensor, b: Tensor, lower: bool = False) -> Tensor:
    """The x for which a x = b, for an upper, or lower, triangle a."""
    a, b = as_float(a), as_float(b)
    if b.dim() == a.dim() - 1:
        return torch.linalg.solve_triangular(a, b[..., None], upper=not lower)[..., 0]
    return torch.linalg.solve_triangular(a, b, upper=not lower)


@operation
def svd(x: Tensor, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition: u, s and v transposed; or s alone."""
    if not compute_uv:
        return torch.linalg.svdvals(as_float(x))
    return tuple(torch.linalg.svd(as_float(x), full_matrices=full_matrices))


@operation
def lstsq(a: Tensor, b: Tensor, rcond: float | None = None) -> Tensor:
    """The x for which the squares of a x - b are least, by the pseudo-inverse."""
    a, b = as_float(a), as_float(b)
    rcond = max(a.shape[-2:]) * torch.finfo(a.dtype).eps if rcond is None else rcond
    return torch.linalg.pinv(a, rtol=rcond) @ b


@operation
def matrix_rank(x: Tensor, tol: float | None = None) -> Tensor:
    """How many singular values are above `tol`."""
    return torch.linalg.matrix_rank(as_float(x), atol=tol).to(torch.int32)
