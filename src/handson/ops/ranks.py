"""Functions by rank: where the largest value is, quantiles, medians."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float, convert, result_type
from handson.graph.operation import operation
from handson.ops.reductions import Axis, axes_of


def _arg(x: Tensor, axis: int | None, keepdims: bool, largest: bool) -> Tensor:
    x = x.to(torch.uint8) if x.dtype is torch.bool else x
    return (torch.argmax if largest else torch.argmin)(x, dim=axis, keepdim=keepdims).to(torch.int32)


def _nan_arg(x: Tensor, axis: int | None, keepdims: bool, largest: bool) -> Tensor:
    if not x.is_floating_point():
        return _arg(x, axis, keepdims, largest)
    missing = torch.isnan(x)
    found = _arg(torch.where(missing, -torch.inf if largest else torch.inf, x), axis, keepdims, largest)
    return torch.where(torch.all(missing, dim=axes_of(x, axis), keepdim=keepdims), -1, found)


@operation
def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where along an axis the largest value is.

    Examples
    --------
    >>> argmax([[1, 5], [7, 2]], axis=-1).tolist()
    [1, 0]
    """
    return _arg(x, axis, keepdims, largest=True)


@operation
def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where along an axis the smallest value is."""
    return _arg(x, axis, keepdims, largest=False)


@operation
def nanargmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where along an axis the largest value is that is not NaN; -1 where there is none."""
    return _nan_arg(x, axis, keepdims, largest=True)


@operation
def nanargmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where along an axis the smallest value is that is not NaN; -1 where there is none."""
    return _nan_arg(x, axis, keepdims, largest=False)


def _quantile(x: Tensor, q: Tensor, axis: Axis, method: str, keepdims: bool, function: Any = torch.quantile) -> Tensor:
    kind, axes = result_type(x.dtype, float), axes_of(x, axis)
    inside = torch.promote_types(kind, torch.float32)
    if axes:
        others = [i for i in range(x.dim()) if i not in axes]
        rows = x.permute(*others, *axes).reshape(*(x.shape[i] for i in others), -1)
    else:
        others, rows = list(range(x.dim())), x[..., None]
    found = function(rows.to(inside), q.to(rows.device, inside), dim=-1, interpolation=method)
    if keepdims:
        sides = [1 if i in axes else side for i, side in enumerate(x.shape)]
        found = found.reshape(*q.shape, *sides)
    return found.to(kind)


@operation
def quantile(x: Tensor, q: Tensor, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The values below which fractions q of all values along axes are."""
    return _quantile(x, q, axis, method, keepdims)


@operation
def nanquantile(x: Tensor, q: Tensor, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` of what is not NaN."""
    return _quantile(x, q, axis, method, keepdims, torch.nanquantile)


@operation
def percentile(x: Tensor, q: Tensor, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` with q in percent."""
    return _quantile(x, as_float(q) / 100, axis, method, keepdims)


@operation
def nanpercentile(x: Tensor, q: Tensor, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`percentile` of what is not NaN."""
    return _quantile(x, as_float(q) / 100, axis, method, keepdims, torch.nanquantile)


@operation
def median(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle value along axes; of an even number the mean of the two in the middle."""
    return _quantile(x, convert(0.5), axis, "linear", keepdims)


@operation
def nanmedian(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`median` of what is not NaN."""
    return _quantile(x, convert(0.5), axis, "linear", keepdims, torch.nanquantile)
