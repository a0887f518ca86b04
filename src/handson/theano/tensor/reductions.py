"""Functions of Theano that take many values together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, common, of_fractions, rank


def _axes(x: Any, axis: Any) -> tuple[int, ...] | None:
    """The axes as a tuple of numbers from 0; None for all."""
    if axis is None:
        return None
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for one in axes:
        if not isinstance(one, int) or not -rank(x) <= one < rank(x):
            raise HandsonError(f"axis={axis!r} is not among the {rank(x)} axes of {x!r}.")
    return tuple(one % rank(x) for one in axes)


def _left(x: Any, axes: tuple[int, ...] | None, keepdims: bool) -> int:
    return rank(x) if keepdims else 0 if axes is None else rank(x) - len(set(axes))


def _reduced(compute: Callable[..., Tensor], x: Any, axis: Any, keepdims: bool, dtype: str, **more: Any) -> Variable:
    axes = _axes(x, axis)
    return apply(compute, x, axes, keepdims, ndim=_left(x, axes, keepdims), dtype=dtype, **more)


def _all(x: Tensor, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(range(x.dim())) if axes is None else axes


def _sum(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return x.sum() if axes is None and not keepdims else x.sum(_all(x, axes), keepdim=keepdims)


def _fractions(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def _mean(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    x = _fractions(x)
    return x.mean() if axes is None and not keepdims else x.mean(_all(x, axes), keepdim=keepdims)


def _var(x: Tensor, axes: Any, keepdims: bool, correction: int = 0) -> Tensor:
    return _fractions(x).var(_all(x, axes), correction=correction, keepdim=keepdims)


def _std(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return _var(x, axes, keepdims).sqrt()


def _amax(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return x.amax(_all(x, axes), keepdim=keepdims)


def _amin(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return x.amin(_all(x, axes), keepdim=keepdims)


def _prod(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    for axis in sorted(_all(x, axes), reverse=True):
        x = x.prod(axis, keepdim=keepdims)
    return x


def _any(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return _sum(x.to(torch.bool), axes, keepdims) > 0


def _every(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return ~_any(~x.to(torch.bool), axes, keepdims)


def _best(x: Tensor, axes: Any, keepdims: bool, largest: bool) -> Tensor:
    axis = None if axes is None else axes[0]
    return (torch.argmax if largest else torch.argmin)(x, dim=axis, keepdim=keepdims)


def sum(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Variable:
    """The sum over some axes, by default all."""
    return _typed(_reduced(_sum, x, axis, keepdims, common(x) if common(x) != "bool" else "int64"), dtype)


def mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Variable:
    """The mean over some axes, by default all; of whole numbers and truth values a fraction.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.matrix()
    >>> mean(x, axis=0).eval({x: [[1, 2], [3, 4]]}).tolist()
    [2.0, 3.0]
    """
    return _typed(_reduced(_mean, x, axis, keepdims, of_fractions(common(x))), dtype)


def _typed(found: Variable, dtype: Any) -> Variable:
    if dtype is None:
        return found
    from handson.theano.tensor.elementwise import cast

    return cast(found, dtype)


def prod(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Variable:
    """The product over some axes, by default all."""
    return _typed(_reduced(_prod, x, axis, keepdims, common(x)), dtype)


def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Variable:
    """The variance over some axes: squared deviations divided by n - ddof."""
    return _reduced(_var, x, axis, keepdims, of_fractions(common(x)), correction=ddof)


def std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Variable:
    """The standard deviation over some axes."""
    return apply(torch.sqrt, var(x, axis, ddof, keepdims), ndim=_left(x, _axes(x, axis), keepdims), dtype=common(x))


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The largest value over some axes."""
    return _reduced(_amax, x, axis, keepdims, common(x))


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The smallest value over some axes."""
    return _reduced(_amin, x, axis, keepdims, common(x))


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Where the largest value is along an axis."""
    return _reduced(_best, x, axis, keepdims, "int64", largest=True)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Where the smallest value is along an axis."""
    return _reduced(_best, x, axis, keepdims, "int64", largest=False)


def max_and_argmax(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Variable, Variable]:
    """The largest value along an axis, and where it is."""
    return max(x, axis, keepdims), argmax(x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether any value is not zero."""
    return _reduced(_any, x, axis, keepdims, "bool")


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether no value is zero."""
    return _reduced(_every, x, axis, keepdims, "bool")


def ptp(x: Any, axis: Any = None) -> Variable:
    """The largest value minus the smallest."""
    from handson.theano.tensor.elementwise import sub

    return sub(max(x, axis), min(x, axis))


def _norm(x: Tensor, order: Any, axes: Any) -> Tensor:
    return torch.linalg.vector_norm(x, order, axes)


def norm(x: Any, ord: Any = None, axis: Any = None) -> Variable:
    """The norm of vectors: Euclid's, or of another order."""
    axes = _axes(x, axis)
    return apply(_norm, x, 2 if ord is None else ord, axes, ndim=_left(x, axes, False), dtype=common(x))


def _cumulated(x: Tensor, axis: int | None, function: Any) -> Tensor:
    return function(x.flatten() if axis is None else x, 0 if axis is None else axis)


def cumsum(x: Any, axis: int | None = None) -> Variable:
    """The sums of the values so far, along an axis or over all values in order."""
    return apply(_cumulated, x, axis, torch.cumsum, ndim=1 if axis is None else rank(x), dtype=common(x))


def cumprod(x: Any, axis: int | None = None) -> Variable:
    """The products of the values so far."""
    return apply(_cumulated, x, axis, torch.cumprod, ndim=1 if axis is None else rank(x), dtype=common(x))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The logarithm of the sum of the exponentials, without overflow."""
    return _reduced(_logsumexp, x, axis, keepdims, common(x))


def _logsumexp(x: Tensor, axes: Any, keepdims: bool) -> Tensor:
    return torch.logsumexp(x, _all(x, axes), keepdim=keepdims)
