"""`theano.tensor`: variables, and the functions that make expressions of them.

Examples
--------
>>> from handson.theano import function, tensor as T
>>> x, y = T.matrix("x"), T.ivector("y")
>>> likelihood = -T.mean(T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y])
>>> f"{function([x, y], likelihood)([[0.0, 0.0]], [1]):.4f}"
'0.6931'
"""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.theano.gradient import Lop, Rop, grad, grad_clip, hessian, jacobian
from handson.theano.sharing import TensorSharedVariable, shared
from handson.theano.tensor import (
    elementwise,
    extra_ops,
    making,
    nlinalg,
    nnet,
    products,
    reductions,
    shaping,
    shared_randomstreams,
    signal,
    slinalg,
)
from handson.theano.tensor import methods as methods  # gives variables their operators
from handson.theano.variable import TensorType, Variable, constant

TensorVariable = Variable
TensorConstant = Variable

_NAMES: dict[str, Any] = {
    name: value
    for module in (elementwise, reductions, shaping, products, making)
    for name, value in vars(module).items()
    if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
} | making.MAKERS
_NAMES |= {
    "constant": elementwise.as_tensor_variable, "get_subtensor": shaping.get, "arange": making.arange,
    "round": elementwise.round, "pow": elementwise.pow, "power": elementwise.pow, "dtensor4": making.MAKERS["dtensor4"],
}  # fmt: skip
# What Theano has and this has not, with what to use in its place.
_MISSING = {
    "opt": "expressions are run by PyTorch; there is nothing to optimize by hand",
    "fft": "use handson.ops.fft2 in a layer's call",
}

__all__ = [
    "Lop", "Rop", "TensorConstant", "TensorSharedVariable", "TensorType", "TensorVariable", "Variable", "constant",
    "extra_ops", "grad", "grad_clip", "hessian", "jacobian", "nlinalg", "nnet", "shared", "shared_randomstreams",
    "signal", "slinalg", *sorted(_NAMES),
]  # fmt: skip

globals().update(_NAMES)


def __getattr__(name: str) -> Any:
    why = f": {_MISSING[name]}" if name in _MISSING else f".{nearest(name, _NAMES)}"
    raise AttributeError(f"handson.theano.tensor has no {name!r}{why} Any function of tensors can be a layer's call.")
