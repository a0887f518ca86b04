"""Adam (Kingma and Ba, 2015) and its kin: AdamW, Adamax, Nadam, Lamb.

All keep m = beta_1 * m + (1 - beta_1) * g, and most v = beta_2 * v + (1 - beta_2) * g^2; these start from zero, for
which the first steps are corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import registry
from handson.optimizers.arithmetic import add_ratio
from handson.optimizers.base import Numbers, Optimizer, Tensors
from handson.schedules import Position


def corrections(step: int, beta_1: float, beta_2: float) -> dict[str, float]:
    """What corrects averages that start from zero, at a step from 1: m / bias, sqrt(v) / root.

    Examples
    --------
    >>> corrections(1, 0.5, 0.75)
    {'root': 0.5, 'bias': 0.5}
    """
    return {"root": (1.0 - beta_2**step) ** 0.5, "bias": 1.0 - beta_1**step}


@registry.register
class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba, 2015).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    beta_1, beta_2 : float
        m = beta_1 * m + (1 - beta_1) * g; v = beta_2 * v + (1 - beta_2) * g^2.
    epsilon : float
        The weight moves by -rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon): the paper's
        "epsilon hat", as in Keras; torch adds epsilon elsewhere.
    amsgrad : bool
        Use the largest v so far (Reddi et al., 2018).
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> Adam(lr=0.01, decay=0.1).schedule(10)
    0.005
    """

    recordable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "velocity": 0.0} | ({"velocity_maximum": 0.0} if self.amsgrad else {})

    def numbers(self, position: Position) -> dict[str, float]:
        return super().numbers(position) | corrections(self.updates(position) + 1, self.beta_1, self.beta_2)

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        # After infinitely many steps the fused kernel's own corrections are 1.
        endless = [torch.full((), float("inf"), device=weights[0].device)] * len(weights)
        torch._fused_adam_(
            weights, gradients, slots[0], slots[1], slots[2] if self.amsgrad else [], endless,
            lr=rate * numbers["root"] / numbers["bias"], beta1=self.beta_1, beta2=self.beta_2, weight_decay=0.0,
            eps=self.epsilon, amsgrad=self.amsgrad, maximize=False,
        )  # fmt: skip


@registry.register(aliases=("adamw",))
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    weight_decay : float
        Before each step every weight is multiplied by 1 - learning_rate * weight_decay.
    **kwargs
        The arguments of `Adam`.

    Examples
    --------
    >>> AdamW(0.01).weight_decay
    0.004
    """

    recordable = True

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)


class _Moments(Optimizer):
    """What the kin of Adam with formulas of their own share: arguments, slots, and the two moving averages."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "velocity": 0.0}

    def numbers(self, position: Position) -> dict[str, float]:
        return super().numbers(position) | corrections(self.updates(position) + 1, self.beta_1, self.beta_2)

    def remember(self, gradients: Tensors, slots: list[Tensors]) -> None:
        """Take the gradients into the two averages."""
        torch._foreach_lerp_(slots[0], gradients, 1.0 - self.beta_1)
        torch._foreach_mul_(slots[1], self.beta_2)
        torch._foreach_addcmul_(slots[1], gradients, gradients, 1.0 - self.beta_2)


@registry.register
class Adamax(_Moments):
    """Adam with the largest gradient, which fades, in place of a root mean square (Kingma and Ba, 2015, section 7).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    beta_1, beta_2 : float
        m = beta_1 * m + (1 - beta_1) * g; u = max(beta_2 * u, abs(g)).
    epsilon : float
        The weight moves by -rate / (1 - beta_1^t) * m / (u + epsilon).
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([1.0])
    >>> Adamax(0.5).apply([torch.tensor([9.0])], [weight])
    >>> round(weight.item(), 4)
    0.5
    """

    recordable = True

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "norm": 0.0}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        momenta, norms = slots
        torch._foreach_lerp_(momenta, gradients, 1.0 - self.beta_1)
        torch._foreach_mul_(norms, self.beta_2)
        torch._foreach_abs_(gradients)
        torch._foreach_maximum_(norms, gradients)
        add_ratio(weights, momenta, list(torch._foreach_add(norms, self.epsilon)), -rate / numbers["bias"])


@registry.register
class Nadam(_Moments):
    """Adam with Nesterov's momentum (Dozat, 2016).

    With u_t = beta_1 * (1 - 0.96^t / 2) and U_t = u_1 * ... * u_t, the weight moves by

        -rate * (u_(t+1) * m / (1 - U_(t+1)) + (1 - u_t) * g / (1 - U_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    beta_1, beta_2 : float
        m = beta_1 * m + (1 - beta_1) * g; v = beta_2 * v + (1 - beta_2) * g^2.
    epsilon : float
        Keeps the divisor from zero.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> Nadam(0.002).beta_1
    0.9
    """

    recordable = True

    def numbers(self, position: Position) -> dict[str, float]:
        step = self.updates(position) + 1
        ahead = _momentum(step + 1, self.beta_1) / (1.0 - _product(step + 1, self.beta_1))
        here = (1.0 - _momentum(step, self.beta_1)) / (1.0 - _product(step, self.beta_1))
        return super().numbers(position) | {"ahead": ahead, "here": here}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        self.remember(gradients, slots)
        steps = torch._foreach_mul(slots[0], numbers["ahead"])
        torch._foreach_mul_(gradients, numbers["here"])
        torch._foreach_add_(steps, gradients)
        add_ratio(weights, list(steps), _divisors(slots[1], numbers["root"], self.epsilon), -rate)


def _momentum(step: int, beta: float) -> float:
    return beta * (1.0 - 0.5 * 0.96**step)


@cache
def _factors() -> np.ndarray:
    """The products of 1 - 0.96^i / 2 over the first steps; later factors are 1 to all digits."""
    return np.cumprod(1.0 - 0.5 * 0.96 ** np.arange(1.0, 1001.0))


def _product(step: int, beta: float) -> float:
    return float(beta**step * _factors()[min(step, 1000) - 1])


def _divisors(velocities: Tensors, root: Any, epsilon: float) -> Tensors:
    """sqrt(v) / root + epsilon."""
    divisors = torch._foreach_sqrt(velocities)
    torch._foreach_div_(divisors, root)
    torch._foreach_add_(divisors, epsilon)
    return list(divisors)


@registry.register
class Lamb(_Moments):
    """Adam with steps as long as the weight is large, for very large batches (You et al., 2020).

    With u = (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon), the weight w moves by -rate * |w| / |u| * u,
    and by -rate * u where one of the norms is zero.

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    beta_1, beta_2 : float
        m = beta_1 * m + (1 - beta_1) * g; v = beta_2 * v + (1 - beta_2) * g^2.
    epsilon : float
        Keeps the divisor from zero.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([3.0, 4.0])
    >>> Lamb(0.1).apply([torch.tensor([1.0, 0.0])], [weight])
    >>> round(weight[0].item(), 4)
    2.5
    """

    recordable = True

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        self.remember(gradients, slots)
        steps = torch._foreach_div(slots[0], _divisors(slots[1], numbers["root"], self.epsilon))
        torch._foreach_div_(steps, numbers["bias"])
        torch._foreach_mul_(steps, list(map(_trust, weights, steps)))
        torch._foreach_mul_(steps, rate)
        torch._foreach_sub_(weights, steps)


def _trust(weight: Tensor, step: Tensor) -> Tensor:
    """The norm of a weight over that of its step, 1 where one of them is zero."""
    large, small = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(step)
    return torch.where((large > 0) & (small > 0), large / small, 1.0)
