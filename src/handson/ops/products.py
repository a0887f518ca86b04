"""Products of tensors: dot, einsum, tensordot and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float, result_type
from handson.graph.operation import operation


def _multiplied(function: Callable[..., Tensor], *xs: Tensor) -> Tensor:
    """A product in the type that holds all of them; whole numbers are exact."""
    kind = result_type(*(x.dtype for x in xs))
    inside = torch.int32 if kind is torch.bool else kind
    return function(*(x.to(inside) for x in xs)).to(kind)


@operation
def dot(x1: Tensor, x2: Tensor) -> Tensor:
    """The sum of products over the last axis of x1 and the second-last, or only, axis of x2.

    Examples
    --------
    >>> dot([1, 2], [3, 4]).item()
    11
    """
    if x1.dim() == 0 or x2.dim() == 0:
        return _multiplied(torch.multiply, x1, x2)
    return _multiplied(lambda a, b: torch.tensordot(a, b, dims=([-1], [-2 if b.dim() > 1 else -1])), x1, x2)


@operation
def vdot(x1: Tensor, x2: Tensor) -> Tensor:
    """The sum of the products of all values."""
    return _multiplied(lambda a, b: torch.vdot(a.reshape(-1), b.reshape(-1)), x1, x2)


@operation
def inner(x1: Tensor, x2: Tensor) -> Tensor:
    """The sums of products over the last axes."""
    return _multiplied(torch.inner, x1, x2)


@operation
def outer(x1: Tensor, x2: Tensor) -> Tensor:
    """Each value of x1 times each of x2."""
    return torch.outer(x1.reshape(-1), x2.reshape(-1))


@operation
def kron(x1: Tensor, x2: Tensor) -> Tensor:
    """Each value of x1 replaced by itself times x2."""
    return torch.kron(x1, x2)


@operation
def tensordot(x1: Tensor, x2: Tensor, axes: Any = 2) -> Tensor:
    """The sums of products over so many axes, the last of x1 and the first of x2, or over pairs of axes.

    Examples
    --------
    >>> tensordot([[1, 2]], [[3, 4]], axes=[[1], [1]]).tolist()
    [[11]]
    """
    if not isinstance(axes, int):
        first, second = axes
        axes = [[side] if isinstance(side, int) else list(side) for side in (first, second)]
    return _multiplied(lambda a, b: torch.tensordot(a, b, dims=axes), x1, x2)


@operation
def einsum(subscripts: str, *operands: Tensor, optimize: Any = None) -> Tensor:
    """The sum of products that letters for axes describe; `optimize` changes nothing in the result.

    Examples
    --------
    >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1]).tolist()
    [3, 7]
    """
    kind = result_type(*(x.dtype for x in operands))
    kind = torch.int32 if kind is torch.int8 else kind
    return torch.einsum(subscripts.replace(" ", ""), *(x.to(kind) for x in operands))


@operation
def cross(
    x1: Tensor, x2: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:  # fmt: skip
    """The vector product of vectors in space; of two in the plane a number."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = x1.movedim(axisa, -1), x2.movedim(axisb, -1)
    kind = result_type(a.dtype, b.dtype)
    a, b = a.to(kind), b.to(kind)
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (torch.nn.functional.pad(v, (0, 1)) if v.shape[-1] == 2 else v for v in (a, b))
    return torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=-1).movedim(-1, axisc)


@operation
def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum over a diagonal."""
    small = x.dtype in (torch.bool, torch.uint8, torch.int8, torch.int16)
    return torch.diagonal(x, offset, axis1, axis2).sum(-1, dtype=torch.int32 if small else x.dtype)


@operation
def correlate(x1: Tensor, x2: Tensor, mode: str = "valid") -> Tensor:
    """The sums of products of two rows, one moved along the other: 'valid', 'same' or 'full'."""
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"mode is 'valid', 'same' or 'full'; got {mode!r}")
    kind = result_type(x1.dtype, x2.dtype, float)
    a, b = x1.to(kind), x2.to(kind)
    if len(b) > len(a):
        # The shorter one moves; the result then runs backwards.
        return correlate(x2, x1, mode).flip(0)
    full = torch.nn.functional.conv1d(a[None, None], b[None, None], padding=len(b) - 1)[0, 0]
    size = {"full": len(full), "same": len(a), "valid": len(a) - len(b) + 1}[mode]
    start = (len(full) - size) // 2
    return full[start : start + size]


@operation
def corrcoef(x: Tensor) -> Tensor:
    """The correlation of each row with each other one."""
    rows = as_float(x if x.dim() > 1 else x[None])
    centered = rows - rows.mean(dim=1, keepdim=True)
    products = centered @ centered.mT
    widths = products.diagonal().sqrt()
    found = (products / widths[:, None] / widths).clamp(-1, 1)
    return found if x.dim() > 1 else found[0, 0]


@operation
def cdist(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each row of x to each row of y."""
    return torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), dim=-1)
