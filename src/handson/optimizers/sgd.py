"""Steps along the gradient or its sign: SGD and Lion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from handson.core import registry
from handson.core.errors import HandsonError
from handson.optimizers.arithmetic import add_scaled
from handson.optimizers.base import Numbers, Optimizer, Tensors, hyperparameter
from handson.schedules import Position, Schedule


@registry.register
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's (Sutskever et al., 2013).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    momentum : float or Schedule
        m = momentum * m - rate * g; the weight moves by m.
    nesterov : bool
        The weight moves by momentum * m - rate * g instead.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> SGD(lr=0.1, momentum=0.9, nesterov=True).learning_rate
    0.1
    """

    recordable = True
    scheduled = ("learning_rate", "momentum")

    def __init__(self, learning_rate: Any = 0.01, momentum: Any = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = hyperparameter("momentum", momentum), nesterov
        if not isinstance(self.momentum, Schedule) and self.momentum > 1:
            raise HandsonError(f"SGD: momentum lies in [0, 1]; got {momentum}.")

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def numbers(self, position: Position) -> dict[str, float]:
        return super().numbers(position) | {"momentum": self.value("momentum", position)}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        if not slots:
            add_scaled(weights, gradients, -rate)
            return
        momentum, (velocities,) = numbers["momentum"], slots
        torch._foreach_mul_(gradients, rate)
        if isinstance(momentum, float):
            # The lines below as one kernel, which takes no tensor for the momentum. It keeps m with the rate in it, as
            # Keras does, when it climbs the scaled gradients by -1.
            torch._fused_sgd_(
                weights, gradients, velocities, weight_decay=0.0, momentum=momentum, lr=-1.0, dampening=0.0,
                nesterov=self.nesterov, maximize=True, is_first_step=False,
            )  # fmt: skip
            return
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_sub_(velocities, gradients)
        if self.nesterov:
            torch._foreach_sub_(weights, gradients)
        add_scaled(weights, velocities, momentum if self.nesterov else 1.0)


@registry.register
class Lion(Optimizer):
    """Steps of one size for all weights, along the sign of a blend of momentum and gradient (Chen et al., 2023).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size; three to ten times smaller than Adam's.
    beta_1, beta_2 : float
        The weight moves by -rate * sign(beta_1 * m + (1 - beta_1) * g); then m = beta_2 * m + (1 - beta_2) * g.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([1.0, 1.0])
    >>> Lion(0.5).apply([torch.tensor([0.1, -9.0])], [weight])
    >>> weight.tolist()
    [0.5, 1.5]
    """

    recordable = True

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0 < beta_1 <= 1:
            raise HandsonError(f"Lion: beta_1 lies in (0, 1], at 0 momentum would have no part in it; got {beta_1}.")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        (momenta,) = slots
        blended = list(torch._foreach_mul(momenta, self.beta_1))
        torch._foreach_add_(blended, gradients, alpha=1.0 - self.beta_1)
        torch._foreach_sign_(blended)
        add_scaled(weights, blended, -rate)
        torch._foreach_mul_(momenta, self.beta_2)
        torch._foreach_add_(momenta, gradients, alpha=1.0 - self.beta_2)
