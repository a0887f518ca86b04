"""Activation functions under Keras's names. Each maps a tensor to a tensor of the same shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Logits(NamedTuple):
    """What probabilities were computed from.

    Attributes
    ----------
    activation : str
        'softmax' or 'sigmoid': which of them.
    values : Tensor
        The logits.
    versions : tuple of int
        How often probabilities and logits had been written to: afterwards they belong together no more.
    """

    activation: str
    values: Tensor
    versions: tuple[int, int]


def with_logits(probabilities: Tensor, activation: str, logits: Tensor) -> Tensor:
    """The probabilities, with the logits that they come from."""
    setattr(probabilities, LOGITS, Logits(activation, logits, _versions(probabilities, logits)))
    return probabilities


def logits_of(probabilities: Tensor, activation: str) -> Tensor | None:
    """The logits that an activation made probabilities of; None where it did not, or where either was changed since.

    Examples
    --------
    >>> p = sigmoid(torch.tensor([2.0]))
    >>> logits_of(p, "sigmoid"), logits_of(p, "softmax"), logits_of(p * 1, "sigmoid"), logits_of(p.mul_(1), "sigmoid")
    (tensor([2.]), None, None, None)
    """
    found: Logits | None = getattr(probabilities, LOGITS, None)
    if found is None or found.activation != activation or found.versions != _versions(probabilities, found.values):
        return None
    return found.values


def _versions(probabilities: Tensor, logits: Tensor) -> tuple[int, int]:
    if probabilities.is_inference() or logits.is_inference():  # these count no versions
        return -1, -1
    return probabilities._version, logits._version


def like(outputs: Tensor, changed: Callable[[Tensor], Tensor]) -> Tensor:
    """Outputs in another form (another type, without a gradient), their logits likewise."""
    result = changed(outputs)
    found: Logits | None = getattr(outputs, LOGITS, None)
    if result is outputs or found is None or logits_of(outputs, found.activation) is None:
        return result
    return with_logits(result, found.activation, changed(found.values))


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
    return with_logits(torch.sigmoid(x), "sigmoid", x)


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
    return with_logits(probabilities, "softmax", x) if axis in (-1, x.dim() - 1) else probabilities


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
