"""A step size of its own for each weight, by the size of its past gradients: RMSprop, Adagrad, Adadelta, Ftrl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from handson.core import registry
from handson.core.errors import HandsonError
from handson.optimizers.arithmetic import add_ratio, add_scaled
from handson.optimizers.base import Numbers, Optimizer, Tensors
from handson.schedules import Position


@registry.register(aliases=("RMSProp", "rmsprop"))
class RMSprop(Optimizer):
    """Divides the gradient by a moving root mean square of its size (Tieleman and Hinton, 2012).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    rho : float
        v = rho * v + (1 - rho) * g^2.
    momentum : float
        m = momentum * m + rate * g / sqrt(v + epsilon); the weight moves by -m.
    epsilon : float
        Keeps the divisor from zero.
    centered : bool
        Divide by the standard deviation of the gradient instead.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([1.0])
    >>> RMSprop(0.01, momentum=0.9).apply([torch.tensor([2.0])], [weight])
    >>> weight
    tensor([0.9684])
    """

    recordable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def slot_values(self) -> Mapping[str, float]:
        slots = {"velocity": 0.0}
        slots |= {"momentum": 0.0} if self.momentum else {}
        return slots | ({"mean": 0.0} if self.centered else {})

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        velocities = slots[0]
        torch._foreach_mul_(velocities, self.rho)
        torch._foreach_addcmul_(velocities, gradients, gradients, 1.0 - self.rho)
        if self.centered:
            torch._foreach_lerp_(slots[-1], gradients, 1.0 - self.rho)
            divisors = list(torch._foreach_addcmul(velocities, slots[-1], slots[-1], -1.0))
            torch._foreach_add_(divisors, self.epsilon)
        else:
            divisors = list(torch._foreach_add(velocities, self.epsilon))
        torch._foreach_sqrt_(divisors)
        if self.momentum:
            torch._foreach_mul_(slots[1], self.momentum)
            add_ratio(slots[1], gradients, divisors, rate)
            torch._foreach_sub_(weights, slots[1])
        else:
            add_ratio(weights, gradients, divisors, -rate)


@registry.register
class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all its squares so far (Duchi et al., 2011).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    initial_accumulator_value : float
        What the sums start from.
    epsilon : float
        Keeps the divisor from zero.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([1.0])
    >>> Adagrad(0.1, epsilon=1e-6).apply([torch.tensor([2.0])], [weight])
    >>> weight
    tensor([0.9012])
    """

    recordable = True

    def __init__(
        self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slot_values(self) -> Mapping[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        (accumulators,) = slots
        torch._foreach_addcmul_(accumulators, gradients, gradients)
        divisors = torch._foreach_add(accumulators, self.epsilon)
        torch._foreach_sqrt_(divisors)
        add_ratio(weights, gradients, list(divisors), -rate)


@registry.register
class Adadelta(Optimizer):
    """Scales the gradient by the ratio of root mean squares of past steps and past gradients (Zeiler, 2012).

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    rho : float
        The decay of the two moving averages.
    epsilon : float
        Keeps the roots from zero.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([1.0])
    >>> Adadelta(1.0, rho=0.9).apply([torch.tensor([2.0])], [weight])
    >>> weight
    tensor([0.9990])
    """

    recordable = True

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def slot_values(self) -> Mapping[str, float]:
        return {"gradient_square": 0.0, "step_square": 0.0}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        squares, steps_squared = slots
        torch._foreach_mul_(squares, self.rho)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - self.rho)
        steps = list(torch._foreach_add(steps_squared, self.epsilon))
        torch._foreach_div_(steps, torch._foreach_add(squares, self.epsilon))
        torch._foreach_sqrt_(steps)
        torch._foreach_mul_(steps, gradients)
        torch._foreach_mul_(steps_squared, self.rho)
        torch._foreach_addcmul_(steps_squared, steps, steps, 1.0 - self.rho)
        add_scaled(weights, steps, -rate)


@registry.register
class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013), which makes weights exactly zero: for sparse features.

    With n the sum of squared gradients and p = -learning_rate_power, each step does

        z += g' - ((n + g^2)^p - n^p) / rate * w,    g' = g + 2 * l2_shrinkage_regularization_strength * w
        n += g^2
        w = (clip(z, -l1, l1) - z) / (n^p / rate + 2 * l2 + beta / rate)

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    learning_rate_power : float
        How fast the step size falls, at most 0; 0 for one that stays.
    initial_accumulator_value : float
        What n starts from.
    l1_regularization_strength, l2_regularization_strength : float
        l1 and l2.
    l2_shrinkage_regularization_strength : float
        An L2 penalty in the gradient alone.
    beta : float
        The paper's beta.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.tensor([0.0, 0.0])
    >>> Ftrl(0.5, l1_regularization_strength=1.0).apply([torch.tensor([0.5, 2.0])], [weight])
    >>> weight[0].item()
    0.0
    """

    recordable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if not learning_rate_power <= 0:
            raise HandsonError(f"Ftrl: learning_rate_power is at most 0; got {learning_rate_power}.")
        self.learning_rate_power, self.beta = learning_rate_power, beta
        self.initial_accumulator_value = _not_negative("initial_accumulator_value", initial_accumulator_value)
        self.l1_regularization_strength = _not_negative("l1_regularization_strength", l1_regularization_strength)
        self.l2_regularization_strength = _not_negative("l2_regularization_strength", l2_regularization_strength)
        self.l2_shrinkage_regularization_strength = _not_negative(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength
        )

    def slot_values(self) -> Mapping[str, float]:
        return {"accumulator": self.initial_accumulator_value, "linear": 0.0}

    def numbers(self, position: Position) -> dict[str, float]:
        numbers = super().numbers(position)
        if not numbers["rate"] > 0:
            raise HandsonError(
                f"Ftrl divides by the learning rate, which is {numbers['rate']} at step {position.iteration}. Take a "
                f"schedule that stays above 0, such as CosineDecay(..., alpha=0.01)."
            )
        return numbers

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        power, bound = -self.learning_rate_power, self.l1_regularization_strength
        constant = 2.0 * self.l2_regularization_strength + self.beta / rate
        for weight, gradient, squares, linear in zip(weights, gradients, *slots, strict=True):
            grown = squares + gradient.square()
            shrunk = gradient + 2.0 * self.l2_shrinkage_regularization_strength * weight
            linear.add_(shrunk - (grown**power - squares**power) / rate * weight)
            squares.copy_(grown)
            weight.copy_((linear.clamp(-bound, bound) - linear) / (grown**power / rate + constant))


def _not_negative(name: str, value: float) -> float:
    if not value >= 0:
        raise HandsonError(f"Ftrl: {name} is not negative; got {value}.")
    return value
