"""Functions over axes: sums, means, extremes, quantiles, and what is true of all or any."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float, result_type, torch_type
from handson.graph.operation import operation

Axis = int | Sequence[int] | None
SMALL = (torch.bool, torch.uint8, torch.int8, torch.int16)


def axes_of(x: Tensor, axis: Axis) -> tuple[int, ...]:
    """The axes that are meant, counted from the front; None is all."""
    if axis is None:
        return tuple(range(x.dim()))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    for each in given:
        if not -x.dim() <= each < x.dim():
            raise IndexError(f"there is no axis {each}")
    return tuple(each % x.dim() for each in given)


def _reduction(name: str, function: Callable[..., Any], says: str) -> Callable[..., Any]:
    """An operation over axes from a function of a tensor, its axes and keepdims. No axes at all give x itself."""

    def called(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return function(x, axes_of(x, axis), keepdims)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


def _over(function: Callable[..., Tensor], *, wide: bool = False, floats: bool = False) -> Callable[..., Tensor]:
    """How torch reduces: `wide` sums small integers in 32 bits, `floats` makes fractions; no axes change nothing.

    Torch takes an empty list of axes for all of them.
    """

    def reduced(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
        x = as_float(x) if floats else x
        kind = torch.int32 if wide and x.dtype in SMALL else x.dtype
        return (function(x, dim=axes, keepdim=keepdims) if axes or not x.dim() else x).to(kind)

    return reduced


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    over = _over(function)
    return lambda x, axes, keepdims: over(x.to(torch.bool), axes, keepdims)


def _extreme(function: Callable[..., Tensor], replacement: float) -> Callable[..., Tensor]:
    """The largest or smallest value that is not NaN; NaN where there is none."""

    def reduced(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
        if not axes or not x.is_floating_point():
            return function(x, dim=axes, keepdim=keepdims) if axes else x
        missing = torch.isnan(x)
        found = function(torch.where(missing, replacement, x), dim=axes, keepdim=keepdims)
        return torch.where(torch.all(missing, dim=axes, keepdim=keepdims), torch.nan, found)

    return reduced


def _variance(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    x = as_float(x)
    return torch.var(x, dim=axes, keepdim=keepdims, correction=0) if axes else torch.zeros_like(x)


def _nan_variance(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    x = as_float(x)
    if not axes:
        return torch.where(torch.isnan(x), x, 0)
    known = ~torch.isnan(x)
    centered = torch.where(known, x - torch.nanmean(x, dim=axes, keepdim=True), 0).square()
    return centered.sum(dim=axes, keepdim=keepdims) / known.sum(dim=axes, keepdim=keepdims)


def _product(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    for each in sorted(axes, reverse=True):
        x = torch.prod(x, dim=each, keepdim=keepdims, dtype=torch.int32 if x.dtype in SMALL else x.dtype)
    return x.to(torch.int32) if x.dtype in SMALL else x


def _without_nan(x: Tensor) -> Tensor:
    return torch.where(torch.isnan(x), 1, x) if x.is_floating_point() else x


all = _reduction("all", _truth(torch.all), "Whether all values along axes are true.")
any = _reduction("any", _truth(torch.any), "Whether any value along axes is true.")
sum = _reduction("sum", _over(torch.sum, wide=True), "The sum along axes.")
mean = _reduction("mean", _over(torch.mean, floats=True), "The mean along axes; of integers a fraction.")
amax = _reduction("amax", _over(torch.amax), "The largest value along axes.")
amin = _reduction("amin", _over(torch.amin), "The smallest value along axes.")
var = _reduction("var", _variance, "The variance along axes, divided by the number of values.")
std = _reduction("std", lambda *given: torch.sqrt(_variance(*given)), "The root of the variance along axes.")
nansum = _reduction("nansum", _over(lambda x, **k: torch.nansum(x, **k), wide=True), "The sum of what is not NaN.")
nanmean = _reduction("nanmean", _over(torch.nanmean, floats=True), "The mean of what is not NaN.")
nanmax = _reduction("nanmax", _extreme(torch.amax, -torch.inf), "The largest value that is not NaN.")
nanmin = _reduction("nanmin", _extreme(torch.amin, torch.inf), "The smallest value that is not NaN.")
nanvar = _reduction("nanvar", _nan_variance, "The variance of what is not NaN.")
nanstd = _reduction("nanstd", lambda *given: torch.sqrt(_nan_variance(*given)), "The root of `nanvar`.")
nanprod = _reduction("nanprod", lambda x, *given: _product(_without_nan(x), *given), "The product of what is not NaN.")
ptp = _reduction(
    "ptp",
    lambda x, axes, keepdims: torch.amax(x, axes, keepdims) - torch.amin(x, axes, keepdims) if axes else x - x,
    "The largest value along axes minus the smallest.",
)
logsumexp = _reduction(
    "logsumexp",
    lambda x, axes, keepdims: torch.logsumexp(as_float(x), axes, keepdims) if axes else as_float(x),
    "The logarithm of the sum of exp(x) along axes, without overflow.",
)


def _with_initial(x: Tensor, axis: Axis, keepdims: bool, initial: float | None, largest: bool) -> Tensor:
    axes = axes_of(x, axis)
    if 0 in x.shape and initial is None:
        raise ValueError("there are no values; give `initial`, which is the result then")
    if x.numel() == 0 and initial is not None and builtins.any(x.shape[each] == 0 for each in axes):
        sides = [1 if i in axes else side for i, side in enumerate(x.shape) if keepdims or i not in axes]
        return torch.full(sides, initial, dtype=x.dtype, device=x.device)
    found = (torch.amax if largest else torch.amin)(x, axes, keepdims) if axes else x
    if initial is None:
        return found
    bound = torch.as_tensor(initial, dtype=found.dtype, device=found.device)
    return torch.maximum(found, bound) if largest else torch.minimum(found, bound)


@operation
def max(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Tensor:
    """The largest value along axes, and at least `initial`.

    Examples
    --------
    >>> max([[1, 5], [7, 2]], axis=1).tolist()
    [5, 7]
    """
    return _with_initial(x, axis, keepdims, initial, largest=True)


@operation
def min(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Tensor:
    """The smallest value along axes, and at most `initial`."""
    return _with_initial(x, axis, keepdims, initial, largest=False)


@operation
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The product along axes."""
    return _product(x if dtype is None else x.to(torch_type(dtype)), axes_of(x, axis), keepdims)


@operation
def count_nonzero(x: Tensor, axis: Axis = None) -> Tensor:
    """How many values along axes are not 0."""
    axes = axes_of(x, axis)
    return (x != 0).sum(dim=axes, dtype=torch.int32) if axes else (x != 0).to(torch.int32)


@operation
def average(x: Tensor, axis: Axis = None, weights: Tensor | None = None) -> Tensor:
    """The mean along axes, weighted if there are weights: of the shape of x, or one for each place on one axis."""
    kind = result_type(x.dtype, float, *([] if weights is None else [weights.dtype]))
    x, axes = x.to(kind), axes_of(x, axis)
    if not axes or weights is None:
        return torch.mean(x, dim=axes) if axes else x
    weights = weights.to(kind)
    if weights.shape != x.shape:
        if weights.dim() != 1 or len(axes) != 1:
            raise ValueError("weights have the shape of x, or one axis, and then `axis` says which")
        weights = weights.reshape([-1 if i == axes[0] else 1 for i in range(x.dim())]).expand(x.shape)
    return torch.sum(x * weights, dim=axes) / torch.sum(weights, dim=axes)


def _accumulated(x: Tensor, axis: int | None, dtype: Any, function: Callable[..., Tensor]) -> Tensor:
    if axis is None:
        x, axis = x.flatten(), 0
    kind = x.dtype if dtype is None else torch_type(dtype)
    return function(x, dim=axis, dtype=torch.int32 if kind is torch.bool else kind)


@operation
def cumsum(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The sum up to each place along an axis."""
    return _accumulated(x, axis, dtype, torch.cumsum)


@operation
def cumprod(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The product up to each place along an axis."""
    return _accumulated(x, axis, dtype, torch.cumprod)


@operation
def nancumsum(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumsum` with NaN taken as 0."""
    return _accumulated(torch.where(torch.isnan(x), 0, x), axis, dtype, torch.cumsum)


@operation
def nancumprod(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumprod` with NaN taken as 1."""
    return _accumulated(_without_nan(x), axis, dtype, torch.cumprod)


@operation
def trapezoid(y: Tensor, x: Tensor | None = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral along an axis by the trapezoidal rule."""
    y = as_float(y) if y.dtype is torch.bool else y
    return torch.trapezoid(y, dx=dx, dim=axis) if x is None else torch.trapezoid(y, x, dim=axis)


@operation
def diff(a: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    """Each value minus the one before it, n times over."""
    return torch.diff(a, n=n, dim=axis)
