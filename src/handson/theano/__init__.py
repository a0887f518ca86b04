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
from handson.theano import gradient, sandbox, scan_module, tensor
from handson.theano.compiling import Function, In, Mode, Out, Param, function
from handson.theano.configuration import config
from handson.theano.gradient import Lop, Rop, grad
from handson.theano.ifelse import ifelse
from handson.theano.plan import clone
from handson.theano.scanning import foldl, foldr, map, reduce, scan
from handson.theano.sharing import shared
from handson.theano.tensor import as_tensor_variable, dot
from handson.theano.variable import TensorType, Variable

floatX = "floatX"

__all__ = [
    "Function", "In", "Lop", "Mode", "Out", "Param", "Rop", "TensorType", "Variable", "as_tensor_variable", "clone",
    "config", "dot", "floatX", "foldl", "foldr", "function", "grad", "gradient", "ifelse", "map", "reduce", "sandbox",
    "scan", "scan_module", "shared", "tensor",
]  # fmt: skip

# What Theano has and this has not, with what to use in its place.
_MISSING = {
    "printing": "print what a function returns; handson.utils.plot_model draws a net",
    "compile": "PyTorch computes; there are no modes to choose",
    "OpFromGraph": "write a Python function of variables",
    "Op": "write a handson.layers.Layer, whose call is a function of tensors",
    "sparse": "convert sparse data to arrays, x.toarray()",
    "misc": "there is nothing of it",
}


def __getattr__(name: str) -> Any:
    why = f": {_MISSING[name]}." if name in _MISSING else f".{nearest(name, __all__)}"
    raise AttributeError(f"handson.theano has no {name!r}{why}")
