"""Gives variables the operators of Python, and the functions of `theano.tensor` as methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handson.theano.tensor import elementwise, making, products, reductions, shaping
from handson.theano.variable import Variable

METHODS: dict[str, Callable[..., Any]] = {
    "dot": products.dot, "diagonal": products.diag, "trace": products.trace, "flatten": shaping.flatten,
    "transpose": lambda x, *axes: shaping.transpose(x, (axes[0] if len(axes) == 1 else axes) if axes else None),
    "dimshuffle": shaping.dimshuffle, "swapaxes": shaping.swapaxes, "repeat": shaping.repeat, "take": shaping.take,
    "sort": shaping.sort, "argsort": shaping.argsort, "nonzero": shaping.nonzero, "squeeze": shaping.squeeze,
    "reshape": lambda x, *shape, ndim=None: shaping.reshape(x, shape[0] if len(shape) == 1 else shape, ndim),
    "astype": elementwise.cast, "clip": elementwise.clip, "round": elementwise.round, "fill": making.fill,
    "zeros_like": making.zeros_like, "ones_like": making.ones_like, "copy": elementwise.identity,
    "set": lambda x, key, y: shaping.set_subtensor(shaping.get(x, key), y),
    "norm": lambda x, L, axis=None: reductions.norm(x, L, axis),
} | {
    name: getattr(reductions, name)
    for name in (
        "sum", "mean", "prod", "var", "std", "max", "min", "argmax", "argmin", "any", "all", "cumsum", "cumprod", "ptp",
    )
}  # fmt: skip
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.true_div,
    "floordiv": elementwise.int_div, "mod": elementwise.mod, "pow": elementwise.pow, "matmul": products.dot,
    "and": elementwise.and_, "or": elementwise.or_, "xor": elementwise.xor,
}  # fmt: skip
COMPARISONS = {"lt": elementwise.lt, "le": elementwise.le, "gt": elementwise.gt, "ge": elementwise.ge}
UNARY = {"neg": elementwise.neg, "abs": elementwise.abs_, "invert": elementwise.invert}


def _attach() -> None:
    """`==` stays a question of identity, as in Theano: variables are kept in dictionaries."""
    for name, function in METHODS.items():
        setattr(Variable, name, function)
    for name, function in OPERATORS.items():
        setattr(Variable, f"__{name}__", lambda a, b, function=function: function(a, b))
        setattr(Variable, f"__r{name}__", lambda a, b, function=function: function(b, a))
    for name, function in COMPARISONS.items():
        setattr(Variable, f"__{name}__", lambda a, b, function=function: function(a, b))
    for name, function in UNARY.items():
        setattr(Variable, f"__{name}__", lambda a, function=function: function(a))
    setattr(Variable, "__getitem__", lambda x, key: shaping.get(x, key))  # noqa: B010
    Variable.shape = property(shaping.shape)
    Variable.size = property(lambda x: reductions.prod(shaping.shape(x)))
    Variable.T = property(shaping.transpose)


_attach()
