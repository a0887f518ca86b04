"""Activation functions under Keras's names. Each maps a tensor to a tensor of the same shape."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.core.serializers import serializers
from handson.graph import apply, logits, symbolic
from handson.graph.conversion import convert

Activation = Callable[[Tensor], Tensor]
Function = TypeVar("Function", bound=Callable[..., Any])


def _register(function: Activation, *aliases: str) -> Activation:
    return registry.register(function, kind="activation", aliases=aliases)


def _of_anything(function: Function) -> Function:
    """An activation that takes arrays too, and symbols, on which it makes a node that a file knows by its name."""

    @functools.wraps(function)
    def called(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, Tensor):
            if symbolic(x):
                return apply(called, (x, *args), kwargs)
            x = convert(x)
        return function(x, *args, **kwargs)

    return called  # type: ignore[return-value]


@_of_anything
def linear(x: Tensor) -> Tensor:
    """The identity: what a layer without an activation applies."""
    return x


@_of_anything
def relu(x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0); with arguments, x above a threshold up to a largest value, and a slope below.

    Parameters
    ----------
    negative_slope : float
        Values below the threshold become negative_slope * (x - threshold).
    max_value : float, optional
        The largest output.
    threshold : float
        Values up to it are cut off.

    Examples
    --------
    >>> relu(torch.tensor([-1.0, 0.5, 9.0]), negative_slope=0.5, max_value=6.0).tolist()
    [-0.5, 0.5, 6.0]
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return torch.relu(x)
    passed = torch.where(x > threshold, x, 0.0)
    passed = passed if max_value is None else passed.clamp(0.0, max_value)
    return passed - negative_slope * torch.relu(threshold - x) if negative_slope else passed


@_of_anything
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where positive, `negative_slope` times x elsewhere."""
    return F.leaky_relu(x, negative_slope)


@_of_anything
def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return F.relu6(x)


@_of_anything
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2016)."""
    return F.elu(x, alpha)


@_of_anything
def selu(x: Tensor) -> Tensor:
    """The scaled ELU, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""
    return F.selu(x)


@_of_anything
def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x times the standard normal distribution function of x (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x, approximate="tanh" if approximate else "none")


@_of_anything
def silu(x: Tensor) -> Tensor:
    """x sigmoid(x), also called swish."""
    return F.silu(x)


@_of_anything
def mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x)) (Misra, 2019)."""
    return F.mish(x)


@_of_anything
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return logits.sigmoid(x)


@_of_anything
def hard_sigmoid(x: Tensor) -> Tensor:
    """The piecewise linear sigmoid min(max(x / 6 + 1/2, 0), 1)."""
    return F.hardsigmoid(x)


@_of_anything
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return torch.tanh(x)


@_of_anything
def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)): positive outputs."""
    return F.softplus(x)


@_of_anything
def softsign(x: Tensor) -> Tensor:
    """x / (1 + abs(x))."""
    return F.softsign(x)


@_of_anything
def exponential(x: Tensor) -> Tensor:
    """exp(x)."""
    return torch.exp(x)


@_of_anything
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Probabilities over an axis: exp(x) divided by its sum.

    Examples
    --------
    >>> softmax(torch.tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    return logits.softmax(x, axis)


@_of_anything
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, computed without loss of precision."""
    return torch.log_softmax(x, dim=axis)


@_of_anything
def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha (exp(x / alpha) - 1) elsewhere (Barron, 2017)."""
    return F.celu(x, alpha)


@_of_anything
def glu(x: Tensor, axis: int = -1) -> Tensor:
    """The first half of an axis times the sigmoid of the second half (Dauphin et al., 2017).

    Examples
    --------
    >>> glu(torch.tensor([4.0, 0.0])).tolist()
    [2.0]
    """
    return F.glu(x, axis)


@_of_anything
def hard_tanh(x: Tensor) -> Tensor:
    """min(max(x, -1), 1)."""
    return F.hardtanh(x)


@_of_anything
def hard_silu(x: Tensor) -> Tensor:
    """x times the piecewise linear sigmoid, also called hard swish (Howard et al., 2019)."""
    return F.hardswish(x)


@_of_anything
def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x, and 0 within the threshold of 0."""
    return F.hardshrink(x, threshold)


@_of_anything
def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by the threshold, and 0 within it."""
    return F.softshrink(x, threshold)


@_of_anything
def tanh_shrink(x: Tensor) -> Tensor:
    """x - tanh(x)."""
    return F.tanhshrink(x)


@_of_anything
def threshold(x: Tensor, threshold: float, default_value: float) -> Tensor:
    """x above the threshold, a default value elsewhere.

    Examples
    --------
    >>> threshold(torch.tensor([0.5, 2.0]), 1.0, -7.0).tolist()
    [-7.0, 2.0]
    """
    return F.threshold(x, threshold, default_value)


@_of_anything
def log_sigmoid(x: Tensor) -> Tensor:
    """The logarithm of `sigmoid`, computed without loss of precision."""
    return F.logsigmoid(x)


@_of_anything
def sparse_sigmoid(x: Tensor) -> Tensor:
    """(x + 1) / 2 between -1 and 1, 0 below, 1 above."""
    return (0.5 * (x + 1.0)).clamp(0.0, 1.0)


@_of_anything
def sparse_plus(x: Tensor) -> Tensor:
    """The integral of `sparse_sigmoid`: 0 below -1, (x + 1)^2 / 4 up to 1, x above."""
    return torch.where(x < 1.0, 0.25 * (x + 1.0).clamp(min=0.0).square(), x)


@_of_anything
def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2: a softplus without exponentials (Barron, 2021)."""
    return 0.5 * (x + torch.sqrt(x.square() + b))


@_of_anything
def sparsemax(x: Tensor, axis: int = -1) -> Tensor:
    """The nearest probabilities to x over an axis, of which many are exactly 0 (Martins and Astudillo, 2016).

    Keras 3.15 adds up cumulative sums where the paper adds up values; its outputs do not add up to 1.

    Examples
    --------
    >>> sparsemax(torch.tensor([2.0, 1.5, -1.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    x = x.movedim(axis, -1)
    largest = x.sort(-1, descending=True).values
    count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    inside = 1.0 + count * largest > largest.cumsum(-1)
    size = inside.sum(-1, keepdim=True)
    level = (torch.where(inside, largest, 0.0).sum(-1, keepdim=True) - 1.0) / size
    return (x - level).clamp(min=0.0).movedim(-1, axis)


# Not by name: `glu`, which halves an axis, and `threshold`, whose arguments have no defaults.
for _function, _aliases in {
    linear: (),
    relu: (),
    leaky_relu: (),
    relu6: (),
    elu: (),
    selu: (),
    gelu: (),
    silu: ("swish",),
    mish: (),
    sigmoid: (),
    hard_sigmoid: (),
    tanh: (),
    softplus: (),
    softsign: (),
    exponential: (),
    softmax: (),
    log_softmax: (),
    celu: (),
    hard_tanh: (),
    hard_silu: ("hard_swish",),
    hard_shrink: (),
    soft_shrink: (),
    tanh_shrink: (),
    log_sigmoid: (),
    sparse_sigmoid: (),
    sparse_plus: (),
    squareplus: (),
    sparsemax: (),
}.items():
    _register(_function, *_aliases)
    registry.register(_function, kind="op", name=f"activation.{_function.__name__}")


def get(identifier: Any) -> Activation:
    """The activation for a name, a function, or None (linear).

    Examples
    --------
    >>> get("relu") is relu, get(None) is linear
    (True, True)
    """
    if identifier is None:
        return linear
    function = registry.resolve("activation", identifier)
    if not callable(function):
        raise HandsonError(f"an activation is a name or a function of one tensor; got {identifier!r}.")
    return function


swish, hard_swish = silu, hard_silu
serialize, deserialize = serializers("activation", get)
