"""Theano's language: variables, expressions, functions with updates, gradients and loops, run by PyTorch.

Programs run with their imports changed: ``from handson import theano`` and ``import handson.theano.tensor as T``. An
expression knows its number of axes and its type; `function` puts what it needs in order once.

Examples
--------
>>> from handson import theano
>>> import handson.theano.tensor as T
>>> x, w = T.vector("x"), theano.shared(2.0, "w")
>>> cost = T.sum((w * x - 3) ** 2)
>>> train = theano.function([x], cost, updates=[(w, w - 0.1 * theano.grad(cost, w))])
>>> [round(float(train([1.0])), 3) for _ in range(3)], round(float(w.get_value()), 3)
([1.0, 0.64, 0.41], 2.488)
"""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.theano import gradient, sandbox, tensor
from handson.theano.compiling import Function, In, Out, Param, function
from handson.theano.configuration import config
from handson.theano.gradient import grad
from handson.theano.ifelse import ifelse
from handson.theano.plan import clone
from handson.theano.scanning import scan
from handson.theano.sharing import shared
from handson.theano.variable import TensorType, Variable

floatX = "floatX"

__all__ = [
    "Function", "In", "Out", "Param", "TensorType", "Variable", "clone", "config", "floatX", "function", "grad",
    "gradient", "ifelse", "sandbox", "scan", "shared", "tensor",
]  # fmt: skip

# What Theano has and this has not, with what to use in its place.
_MISSING = {
    "printing": "print what a function returns; handson.utils.plot_model draws a net",
    "compile": "PyTorch computes; there are no modes to choose",
    "Mode": "PyTorch computes; there are no modes to choose",
    "OpFromGraph": "write a Python function of variables",
    "Op": "write a handson.layers.Layer, whose call is a function of tensors",
    "map": "use theano.scan",
    "reduce": "use theano.scan",
    "sparse": "convert sparse data to arrays, x.toarray()",
    "misc": "there is nothing of it",
}


def __getattr__(name: str) -> Any:
    why = f": {_MISSING[name]}." if name in _MISSING else f".{nearest(name, __all__)}"
    raise AttributeError(f"handson.theano has no {name!r}{why}")
