"""Functions of Theano that work value by value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.graph import logits as kept_logits
from handson.graph.logits import logits_of
from handson.theano.configuration import config
from handson.theano.variable import Variable, apply, common, constant, of_fractions, rank, type_of


def _widest(*values: Any) -> int:
    return max(map(rank, values))


def _one(name: str, compute: Callable[..., Tensor], fractions: bool = True, dtype: str | None = None) -> Any:
    """A function of one argument; its results are fractions, or keep the type."""

    def function(x: Any) -> Variable:
        kind = common(x)
        return apply(compute, x, ndim=rank(x), dtype=dtype or (of_fractions(kind) if fractions else kind))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x), value by value: an expression."
    return function


def _two(
    name: str, compute: Callable[..., Any], dtype: str | None = None, fractions: bool = False, counts: bool = False
) -> Any:
    """A function of two or more arguments, with broadcasting; `counts` if truth values are numbers to it."""

    exact = _on_numbers(compute)

    def pair(x: Any, y: Any) -> Variable:
        kind = common(x, y)
        truths = "bool" in (type_of(x), type_of(y))
        kind = dtype or (of_fractions(kind) if fractions else kind)
        return apply(exact if truths and counts else compute, x, y, ndim=_widest(x, y), dtype=kind)

    def function(x: Any, y: Any, *more: Any) -> Variable:
        found = pair(x, y)
        for other in more:
            found = pair(found, other)
        return found

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x, y), value by value, with broadcasting: an expression."
    return function


def _numbers(x: Any) -> Any:
    """Truth values as numbers, with which torch can compute."""
    return x.to(torch.int64) if isinstance(x, Tensor) and x.dtype is torch.bool else x


def _on_numbers(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: operation(_numbers(x), _numbers(y))


def _tensors(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors, of one type."""
    like = x if isinstance(x, Tensor) else y
    return _as_like(x, like), _as_like(y, like)


def _as_like(value: Any, like: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    kind = like.dtype if like.dtype.is_floating_point or isinstance(value, int) else getattr(torch, config.floatX)
    return torch.full((), value, dtype=kind, device=like.device)


def _largest(x: Any, y: Any) -> Tensor:
    return torch.maximum(*_tensors(x, y))


def _smallest(x: Any, y: Any) -> Tensor:
    return torch.minimum(*_tensors(x, y))


def _plain(x: Tensor) -> Tensor:
    return x


def _log(x: Tensor) -> Tensor:
    """Of probabilities, from the logits that they come from: exact where they are rounded to 0."""
    logits = logits_of(x, "softmax")
    if logits is not None:
        return torch.log_softmax(logits, -1)
    logits = logits_of(x, "sigmoid")
    return torch.log(x) if logits is None else F.logsigmoid(logits)


def _difference(x: Any, y: Any) -> Any:
    """x - y; 1 less a probability is one as well, whose logits are the negative ones."""
    logits = logits_of(y, "sigmoid") if _is_one(x) and isinstance(y, Tensor) else None
    return x - y if logits is None else kept_logits.with_logits(x - y, "sigmoid", -logits)


def _is_one(value: Any) -> bool:
    return not isinstance(value, (Tensor, Variable)) and value == 1


abs_ = _one("abs_", lambda x: torch.abs(_numbers(x)), fractions=False)
neg = _one("neg", lambda x: torch.neg(_numbers(x)), fractions=False)
sgn = _one("sgn", lambda x: torch.sign(_numbers(x)), fractions=False)
sqr = square = _one("sqr", lambda x: torch.square(_numbers(x)), fractions=False)
floor = _one("floor", torch.floor, fractions=False)
ceil = _one("ceil", torch.ceil, fractions=False)
trunc = _one("trunc", torch.trunc, fractions=False)
iround = _one("iround", lambda x: torch.round(x).to(torch.int64), dtype="int64")
exp, exp2, expm1 = _one("exp", torch.exp), _one("exp2", torch.exp2), _one("expm1", torch.expm1)
log, log2, log10 = _one("log", _log), _one("log2", torch.log2), _one("log10", torch.log10)
log1p, sqrt = _one("log1p", torch.log1p), _one("sqrt", torch.sqrt)
inv = _one("inv", torch.reciprocal)
sin, cos, tan = _one("sin", torch.sin), _one("cos", torch.cos), _one("tan", torch.tan)
arcsin, arccos, arctan = _one("arcsin", torch.asin), _one("arccos", torch.acos), _one("arctan", torch.atan)
sinh, cosh, tanh = _one("sinh", torch.sinh), _one("cosh", torch.cosh), _one("tanh", torch.tanh)
arcsinh, arccosh, arctanh = _one("arcsinh", torch.asinh), _one("arccosh", torch.acosh), _one("arctanh", torch.atanh)
erf, erfc, erfinv = _one("erf", torch.erf), _one("erfc", torch.erfc), _one("erfinv", torch.erfinv)
gammaln = _one("gammaln", torch.lgamma)
gamma = _one("gamma", lambda x: torch.lgamma(x).exp())
psi = _one("psi", torch.digamma)
isnan, isinf = _one("isnan", torch.isnan, dtype="bool"), _one("isinf", torch.isinf, dtype="bool")
invert = _one("invert", torch.bitwise_not, fractions=False)
deg2rad, rad2deg = _one("deg2rad", torch.deg2rad), _one("rad2deg", torch.rad2deg)
identity = _one("identity", _plain, fractions=False)

add = _two("add", operator.add, counts=True)
sub = _two("sub", _difference, counts=True)
mul = _two("mul", operator.mul, counts=True)
_quotient = _two("true_div", operator.truediv, fractions=True, counts=True)


def true_div(x: Any, y: Any, *more: Any) -> Variable:
    """true_div(x, y), value by value, with broadcasting: an expression.

    1 / (1 + exp(-z)) is a sigmoid, of which logarithms are computed from z.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> z = T.vector()
    >>> p = 1 / (1 + T.exp(-z))
    >>> T.log(1 - p).eval({z: [500.0]}).tolist()
    [-500.0]
    """
    logits = _negative_logits(y) if _is_one(constant(x)) and not more else None
    if logits is None:
        return _quotient(x, y, *more)
    return apply(kept_logits.sigmoid, neg(logits), ndim=logits.ndim, dtype=y.dtype)


def _negative_logits(value: Any) -> Variable | None:
    """Of 1 + exp(u) or exp(u) + 1 the variable u."""
    node = value.node if isinstance(value, Variable) else None
    if node is None or node.function is not operator.add:
        return None
    terms = sorted(node.arguments[0], key=lambda term: isinstance(term, Variable))
    if not _is_one(terms[0]) or terms[1].node is None or terms[1].node.function is not torch.exp:
        return None
    found: Variable = terms[1].node.arguments[0][0]
    return found


int_div = floor_div = _two("int_div", operator.floordiv, counts=True)
mod = _two("mod", operator.mod, counts=True)
pow = _two("pow", operator.pow, counts=True)  # named as in Theano
maximum, minimum = _two("maximum", _largest), _two("minimum", _smallest)
arctan2 = _two("arctan2", lambda x, y: torch.atan2(*_tensors(x, y)), fractions=True)
eq, neq = _two("eq", lambda x, y: x == y, "bool"), _two("neq", lambda x, y: x != y, "bool")
lt, le = _two("lt", lambda x, y: x < y, "bool"), _two("le", lambda x, y: x <= y, "bool")
gt, ge = _two("gt", lambda x, y: x > y, "bool"), _two("ge", lambda x, y: x >= y, "bool")
and_ = bitwise_and = _two("and_", lambda x, y: x & y)
or_ = bitwise_or = _two("or_", lambda x, y: x | y)
xor = bitwise_xor = _two("xor", lambda x, y: x ^ y)


def _rounded(x: Tensor) -> Tensor:
    """Halves away from zero: Theano's default."""
    return torch.trunc(x + 0.5 * torch.sign(x)) if x.is_floating_point() else x


def round(x: Any, mode: str = "half_away_from_zero") -> Variable:
    """The nearest whole numbers; halves go away from zero, or with mode='half_to_even' to even numbers."""
    compute = torch.round if mode == "half_to_even" else _rounded
    return apply(compute, x, ndim=rank(x), dtype=common(x))


def _chosen(condition: Any, x: Any, y: Any) -> Tensor:
    condition = condition if isinstance(condition, Tensor) else torch.as_tensor(condition)
    return torch.where(condition.to(torch.bool), x, y)


def switch(cond: Any, ift: Any, iff: Any) -> Variable:
    """One value where a condition holds, another elsewhere.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.vector()
    >>> T.switch(x > 0, x, 0.1 * x).eval({x: [-1.0, 2.0]}).tolist()
    [-0.10000000149011612, 2.0]
    """
    return apply(_chosen, cond, ift, iff, ndim=_widest(cond, ift, iff), dtype=common(ift, iff))


def where(cond: Any, ift: Any, iff: Any) -> Variable:
    """`switch` by NumPy's name."""
    return switch(cond, ift, iff)


def _clipped(x: Tensor, low: Any, high: Any) -> Tensor:
    return _smallest(_largest(x, low), high)


def clip(x: Any, min: Any, max: Any) -> Variable:
    """Values kept between two bounds."""
    return apply(_clipped, x, min, max, ndim=rank(x), dtype=common(x))


def _cast(x: Any, dtype: str) -> Tensor:
    return torch.as_tensor(x).to(getattr(torch, dtype))


def cast(x: Any, dtype: str) -> Variable:
    """Values of another type.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> cast(T.vector(), "int32").dtype
    'int32'
    """
    kind = config.floatX if dtype == "floatX" else str(dtype)
    return apply(_cast, x, kind, ndim=rank(x), dtype=kind)


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> Variable:
    """A variable for a variable, an array, a number, or a list of any of them."""
    if isinstance(x, Variable):
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(one, Variable) for one in x):
        return apply(_stacked, list(x), ndim=1 + _widest(*x), dtype=common(*x))
    import numpy as np

    array = np.asarray(x)
    value = torch.as_tensor(constant(array))
    value = value.to(getattr(torch, config.floatX)) if type_of(array) is None and value.is_floating_point() else value
    found = apply(_plain, value, ndim=value.dim(), dtype=str(value.dtype).removeprefix("torch."), name=name)
    return found


constant_variable = as_tensor_variable


def _stacked(values: list[Any]) -> Tensor:
    tensors = [value if isinstance(value, Tensor) else torch.as_tensor(value) for value in values]
    device = next((one.device for one in tensors if one.device.type != "cpu"), tensors[0].device)
    kind = tensors[0].dtype
    for one in tensors:
        kind = torch.promote_types(kind, one.dtype)
    return torch.stack([one.to(device, kind) for one in tensors])


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Whether two values differ by no more than atol + rtol |b|."""
    return apply(_close, a, b, rtol, atol, equal_nan, ndim=_widest(a, b), dtype="bool")


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Whether all values are close: see `isclose`."""
    return apply(torch.all, isclose(a, b, rtol, atol, equal_nan), ndim=0, dtype="bool")


def _close(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    return torch.isclose(*_tensors(a, b), rtol=rtol, atol=atol, equal_nan=equal_nan)
