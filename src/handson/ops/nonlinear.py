"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.graph import logits
from handson.graph.conversion import as_float
from handson.graph.operation import operation


def _activation(name: str, function: Callable[..., Tensor], says: str, floats: bool = True) -> Callable[..., Any]:
    def called(x: Tensor) -> Tensor:
        return function(as_float(x) if floats else x)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


relu = _activation("relu", torch.relu, "max(x, 0).", floats=False)
relu6 = _activation("relu6", F.relu6, "min(max(x, 0), 6).", floats=False)
sigmoid = _activation("sigmoid", logits.sigmoid, "1 / (1 + exp(-x)).")
log_sigmoid = _activation("log_sigmoid", F.logsigmoid, "The logarithm of `sigmoid`, without overflow.")
hard_sigmoid = _activation("hard_sigmoid", F.hardsigmoid, "min(max(x / 6 + 1/2, 0), 1).")
sparse_sigmoid = _activation("sparse_sigmoid", lambda x: ((x + 1) / 2).clamp(0, 1), "min(max((x + 1) / 2, 0), 1).")
softplus = _activation("softplus", F.softplus, "log(1 + exp(x)).")
softsign = _activation("softsign", F.softsign, "x / (1 + abs(x)).")
silu = _activation("silu", F.silu, "x sigmoid(x), also called swish.")
hard_silu = _activation("hard_silu", F.hardswish, "x hard_sigmoid(x).")
selu = _activation("selu", F.selu, "The scaled ELU (Klambauer et al., 2017).")
tanh_shrink = _activation("tanh_shrink", F.tanhshrink, "x - tanh(x).")
hard_tanh = _activation("hard_tanh", F.hardtanh, "min(max(x, -1), 1).", floats=False)
sparse_plus = _activation(
    "sparse_plus",
    lambda x: torch.where(x <= -1, 0, torch.where(x < 1, (x + 1) ** 2 / 4, x)),
    "0 below -1, (x + 1)² / 4 up to 1, x above.",
)
swish, hard_swish = silu, hard_silu


@operation
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where positive, `negative_slope` times x elsewhere."""
    return F.leaky_relu(as_float(x), negative_slope)


@operation
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha (exp(x) - 1) elsewhere."""
    return F.elu(as_float(x), alpha)


@operation
def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)."""
    return F.celu(as_float(x), alpha)


@operation
def gelu(x: Tensor, approximate: bool = True) -> Tensor:
    """x times the standard normal distribution function of x, by default approximated with a tanh."""
    return F.gelu(as_float(x), approximate="tanh" if approximate else "none")


@operation
def glu(x: Tensor, axis: int = -1) -> Tensor:
    """The first half along an axis times the `sigmoid` of the second."""
    return F.glu(as_float(x), dim=axis)


@operation
def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """(x + sqrt(x² + b)) / 2."""
    x = as_float(x)
    return (x + torch.sqrt(x**2 + b)) / 2


@operation
def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by a threshold, and 0 where it would pass it."""
    return F.softshrink(as_float(x), threshold)


@operation
def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x, and 0 where abs(x) is at most a threshold."""
    return F.hardshrink(as_float(x), threshold)


@operation
def threshold(x: Tensor, threshold: float, default_value: float) -> Tensor:
    """x where above a threshold, a default value elsewhere."""
    return F.threshold(x, threshold, default_value)


def _along(function: Callable[..., Tensor], x: Tensor, axis: int | None) -> Tensor:
    """A function along an axis, or over all values."""
    x = as_float(x)
    return function(x, dim=axis) if axis is not None else function(x.reshape(-1), dim=-1).reshape(x.shape)


@operation
def softmax(x: Tensor, axis: int | None = -1) -> Tensor:
    """Probabilities: exp(x) divided by its sum along an axis, or over all values.

    Examples
    --------
    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return _along(logits.softmax, x, axis)


@operation
def log_softmax(x: Tensor, axis: int | None = -1) -> Tensor:
    """The logarithm of `softmax`, without loss of precision."""
    return _along(torch.log_softmax, x, axis)


@operation
def sparsemax(x: Tensor, axis: int = -1) -> Tensor:
    """The nearest probabilities to x, many of which are 0 (Martins and Astudillo, 2016)."""
    x = as_float(x).movedim(axis, -1)
    ordered = torch.sort(x, dim=-1, descending=True).values
    summed = torch.cumsum(ordered, dim=-1)
    count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    support = 1 + count * ordered > summed
    size = support.sum(-1, keepdim=True)
    level = (torch.where(support, ordered, 0).sum(-1, keepdim=True) - 1) / size
    return torch.clamp(x - level, min=0).movedim(-1, axis)
