"""`lasagne.utils`: conversions, and how parameters are made."""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.theano import Variable, config, shared
from handson.theano.sharing import SharedVariable
from handson.theano.tensor import as_tensor_variable, concatenate
from handson.theano.tensor.products import to_one_hot
from handson.theano.variable import rank


def floatX(arr: Any) -> Any:
    """An array of the type that `theano.config.floatX` says."""
    return np.asarray(arr, dtype=config.floatX)


def shared_empty(dim: int = 2, dtype: Any = None) -> SharedVariable:
    """A shared variable with so many axes of size 1."""
    return shared(np.zeros((1,) * dim, dtype=dtype or config.floatX))


def as_theano_expression(input: Any) -> Any:
    """A variable for an array, a number or a variable; of lists and dictionaries each entry."""
    if isinstance(input, Variable):
        return input
    if isinstance(input, dict):
        return {key: as_theano_expression(value) for key, value in input.items()}
    if isinstance(input, (list, tuple)):
        return [as_theano_expression(value) for value in input]
    return as_tensor_variable(np.asarray(input))


def one_hot(x: Any, m: int | None = None) -> Any:
    """A row for each label, with a one at its place."""
    if m is None:
        raise HandsonError("one_hot: how many labels there are is not known before there are values; pass m.")
    return to_one_hot(x, m)


def unique(l: Any) -> list[Any]:  # noqa: E741  # Lasagne's name
    """The entries of a list, each once, in their order.

    Examples
    --------
    >>> unique([1, 2, 1])
    [1, 2]
    """
    found: list[Any] = []
    for one in l:
        if not any(one is other or (not isinstance(one, Variable) and one == other) for other in found):
            found.append(one)
    return found


def as_tuple(x: Any, N: int, t: Any = None) -> tuple[Any, ...]:
    """One value for each of N axes, from one for all or one for each.

    Examples
    --------
    >>> as_tuple(3, 2), as_tuple((1, 2), 2)
    ((3, 3), (1, 2))
    """
    found = tuple(x) if isinstance(x, (tuple, list)) else (x,) * N
    if len(found) != N:
        raise HandsonError(f"expected one value or {N} of them; got {x!r}.")
    if t is not None and not all(isinstance(one, t) for one in found):
        raise HandsonError(f"expected values of type {getattr(t, '__name__', t)}; got {x!r}.")
    return found


def inspect_kwargs(func: Any) -> list[str]:
    """The arguments of a function that have defaults."""
    import inspect

    parameters = inspect.signature(func).parameters.values()
    return [one.name for one in parameters if one.default is not one.empty]


def compute_norms(array: Any, norm_axes: Any = None) -> Any:
    """The norms of the units of a weight: of columns, of filters, of vectors their absolute values."""
    import handson.theano.tensor as T

    found = array if isinstance(array, Variable) else np.asarray(array)
    axes = _norm_axes(rank(found), norm_axes)
    if isinstance(found, Variable):
        return T.sqrt(T.sum(T.sqr(found), axis=axes)) if axes else abs(found)
    return np.sqrt(np.sum(found**2, axis=axes)) if axes else np.abs(found)


def _norm_axes(ndim: int, given: Any) -> tuple[int, ...]:
    """The axes over which a unit's weights lie."""
    if given is not None:
        return tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if ndim > 5:
        raise HandsonError(f"the norms of a weight with {ndim} axes: say over which axes, norm_axes=(...).")
    return () if ndim == 1 else (0,) if ndim == 2 else tuple(range(1, ndim))


def create_param(spec: Any, shape: tuple[int, ...], name: str | None = None) -> Variable:
    """A parameter of a shape, from an initializer, an array, a number, a variable or a function of the shape.

    Raises
    ------
    HandsonError
        When the shape is another one.
    """
    if any(side is None or side <= 0 for side in shape):
        raise HandsonError(f"the shape of the parameter {name or ''} must be known and positive; got {shape}.")
    if isinstance(spec, Variable):
        if spec.ndim != len(shape):
            raise HandsonError(f"the parameter {name or ''} has {len(shape)} axes; got {spec!r}.")
        spec.name = spec.name or name
        return spec
    if isinstance(spec, (int, float, np.generic)):
        spec = np.full(shape, spec)
    if callable(spec):
        spec = spec(shape)
        if isinstance(spec, Variable):
            return create_param(spec, shape, name)
    array = np.asarray(spec)
    if array.shape != tuple(shape):
        raise HandsonError(f"the parameter {name or ''} has shape {tuple(shape)}; got values of shape {array.shape}.")
    return shared(array.astype(config.floatX) if array.dtype.kind == "f" or array.dtype.kind in "iub" else array, name)


__all__ = [
    "as_theano_expression", "as_tuple", "compute_norms", "concatenate", "create_param", "floatX", "inspect_kwargs",
    "one_hot", "shared_empty", "unique",
]  # fmt: skip
