"""Activation functions under Keras's names. Each maps a tensor to a tensor of the same shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError

Activation = Callable[[Tensor], Tensor]


def _register(function: Activation, *aliases: str) -> Activation:
    return registry.register(function, kind="activation", aliases=aliases)


# Where probabilities carry what they were computed from: a loss that takes it has a gradient that never dies.
LOGITS = "_handson_logits"


def with_logits(probabilities: Tensor, logits: Tensor) -> Tensor:
    """The probabilities, with the logits that they come from."""
    if probabilities.requires_grad or not torch.is_grad_enabled():
        setattr(probabilities, LOGITS, logits)
    return probabilities


def logits_of(outputs: Tensor) -> Tensor | None:
    """The logits that probabilities come from, None where that is not known."""
    return getattr(outputs, LOGITS, None)


def as_float(outputs: Tensor) -> Tensor:
    """Outputs as float32, with their logits."""
    if outputs.dtype == torch.float32:
        return outputs
    logits = logits_of(outputs)
    return outputs.float() if logits is None else with_logits(outputs.float(), logits.float())


def linear(x: Tensor) -> Tensor:
    """The identity: what a layer without an activation applies."""
    return x


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return torch.relu(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where positive, `negative_slope` times x elsewhere."""
    return F.leaky_relu(x, negative_slope)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return F.relu6(x)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2016)."""
    return F.elu(x, alpha)


def selu(x: Tensor) -> Tensor:
    """The scaled ELU, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""
    return F.selu(x)


def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x times the standard normal distribution function of x (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x, approximate="tanh" if approximate else "none")


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x), also called swish."""
    return F.silu(x)


def mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x)) (Misra, 2019)."""
    return F.mish(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return with_logits(torch.sigmoid(x), x)


def hard_sigmoid(x: Tensor) -> Tensor:
    """The piecewise linear sigmoid min(max(x / 6 + 1/2, 0), 1)."""
    return F.hardsigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return torch.tanh(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)): positive outputs."""
    return F.softplus(x)


def softsign(x: Tensor) -> Tensor:
    """x / (1 + abs(x))."""
    return F.softsign(x)


def exponential(x: Tensor) -> Tensor:
    """exp(x)."""
    return torch.exp(x)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Probabilities over an axis: exp(x) divided by its sum.

    Examples
    --------
    >>> softmax(torch.tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    probabilities = torch.softmax(x, dim=axis)
    return with_logits(probabilities, x) if axis in (-1, x.dim() - 1) else probabilities


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, computed without loss of precision."""
    return torch.log_softmax(x, dim=axis)


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
}.items():
    _register(_function, *_aliases)


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
