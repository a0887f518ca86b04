"""Products of vectors, matrices and tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, check_axes, common, rank


def _alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    kind = torch.promote_types(x.dtype, y.dtype)
    return (x, y) if x.dtype == y.dtype else (x.to(kind), y.to(kind))


def _dot(x: Tensor, y: Tensor) -> Tensor:
    x, y = _alike(x, y)
    return torch.matmul(x, y) if x.dim() and y.dim() < 3 else x * y if not x.dim() or not y.dim() else _rows(x, y)


def _rows(x: Tensor, y: Tensor) -> Tensor:
    """NumPy's rule for more axes: the last of x with the one before the last of y."""
    return torch.tensordot(x, y, dims=([x.dim() - 1], [y.dim() - 2]))


def dot(x: Any, y: Any) -> Variable:
    """The product of vectors and matrices, and of more axes by NumPy's rule.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x, w = T.matrix(), T.matrix()
    >>> T.dot(x, w).eval({x: [[1, 2]], w: [[3], [4]]}).tolist()
    [[11.0]]
    """
    if not rank(x) or not rank(y):
        from handson.theano.tensor.elementwise import mul

        return mul(x, y)
    axes = rank(x) + rank(y) - 2
    return apply(_dot, x, y, ndim=axes, dtype=common(x, y))


def _tensordot(x: Tensor, y: Tensor, axes: Any) -> Tensor:
    return torch.tensordot(*_alike(x, y), dims=axes)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Variable:
    """The sum of products over some axes of both."""
    pairs: Any = axes
    if isinstance(axes, int):
        count = axes
    else:
        pairs = [list(one) if isinstance(one, (tuple, list)) else [one] for one in axes]
        count = len(pairs[0])
    return apply(_tensordot, a, b, pairs, ndim=rank(a) + rank(b) - 2 * count, dtype=common(a, b))


def _batched(x: Tensor, y: Tensor) -> Tensor:
    x, y = _alike(x, y)
    left, right = (x[:, None] if x.dim() == 2 else x), (y[..., None] if y.dim() == 2 else y)
    found = torch.matmul(left, right)
    found = found.squeeze(1) if x.dim() == 2 else found
    return found.squeeze(-1) if y.dim() == 2 else found


def batched_dot(a: Any, b: Any) -> Variable:
    """The products of the vectors or matrices of two batches, one by one."""
    check_axes("what batched_dot takes", a, 2, 3)
    check_axes("what batched_dot takes", b, 2, 3)
    return apply(_batched, a, b, ndim=rank(a) + rank(b) - 3, dtype=common(a, b))


def batched_tensordot(x: Any, y: Any, axes: Any = 2) -> Variable:
    """The products over some axes of the entries of two batches, one by one: see `tensordot`."""
    count = len(axes[0]) if isinstance(axes, (list, tuple)) else axes
    return apply(_tensordots, x, y, axes, ndim=rank(x) + rank(y) - 1 - 2 * count, dtype=common(x, y))


def _tensordots(x: Tensor, y: Tensor, axes: Any) -> Tensor:
    if not isinstance(axes, int):  # counted with the axis of the batch
        axes = [[axis - 1 for axis in each] for each in axes]
    return torch.stack([torch.tensordot(one, other, axes) for one, other in zip(x, y, strict=True)])


def outer(x: Any, y: Any) -> Variable:
    """The products of all entries of one vector with all of another."""
    return apply(lambda x, y: torch.outer(x.flatten(), y.flatten()), x, y, ndim=2, dtype=common(x, y))


def diag(x: Any, k: int = 0) -> Variable:
    """The diagonal of a matrix, or the matrix with a diagonal."""
    check_axes("what diag takes", x, 1, 2)
    return apply(lambda x, k: torch.diag(x, k), x, k, ndim=3 - rank(x), dtype=common(x))


def tril(x: Any, k: int = 0) -> Variable:
    """The lower triangle of a matrix, zeros above."""
    return apply(lambda x, k: torch.tril(x, k), x, k, ndim=rank(x), dtype=common(x))


def triu(x: Any, k: int = 0) -> Variable:
    """The upper triangle of a matrix, zeros below."""
    return apply(lambda x, k: torch.triu(x, k), x, k, ndim=rank(x), dtype=common(x))


def trace(x: Any) -> Variable:
    """The sum of the diagonal."""
    return apply(torch.trace, x, ndim=0, dtype=common(x))


def matrix_inverse(x: Any) -> Variable:
    """The inverse of a matrix."""
    return apply(torch.linalg.inv, x, ndim=2, dtype=common(x))


def det(x: Any) -> Variable:
    """The determinant of a matrix."""
    return apply(torch.linalg.det, x, ndim=0, dtype=common(x))


def to_one_hot(y: Any, nb_class: int, dtype: Any = None) -> Variable:
    """A row for each label, with a one at its place."""
    from handson.theano.configuration import config

    if rank(y) != 1:
        raise HandsonError(f"to_one_hot takes a vector of labels; got {y!r}.")
    kind = dtype or config.floatX
    return apply(_one_hot, y, nb_class, kind, ndim=2, dtype=kind)


def _one_hot(y: Tensor, classes: int, dtype: str) -> Tensor:
    return torch.nn.functional.one_hot(y.to(torch.int64), classes).to(getattr(torch, dtype))
