"""Optimizers, with Keras's names, arguments, defaults and formulas.

An optimizer works on lists of tensors at once: `update` states the formula of a step for all weights. What it
remembers of each weight (its slots) is held under the weight's name, so that a checkpoint is a flat list of tensors.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handson import schedules
from handson.core import registry
from handson.core.described import Noun, jsonable, parameters_of
from handson.core.errors import HandsonError, listing
from handson.schedules import Position, Schedule

Tensors = list[Tensor]


class Optimizer(Noun):
    """The base of all optimizers: learning rate, clipping, weight decay, averaging of weights, slots.

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size.
    weight_decay : float, optional
        Before each step every weight is multiplied by 1 - learning_rate * weight_decay.
    clipnorm, clipvalue, global_clipnorm : float, optional
        Bounds of the norm of each gradient, of each of its values, or of the norm of all gradients together.
    use_ema : bool
        Keep an exponential moving average of the weights; validation and the trained net use it.
    ema_momentum : float
        average = ema_momentum * average + (1 - ema_momentum) * weight.
    lr : float, optional
        Another name of `learning_rate`.
    decay : float
        Time-based decay: at step t the rate is learning_rate / (1 + decay * t), as the lectures write it.
    name : str, optional
        A name.

    Attributes
    ----------
    iterations : int
        Steps done.
    slots : dict of str to dict of str to Tensor
        What is remembered of each weight: slots[slot name][weight name].
    """

    kind = "optimizer"
    _owner: weakref.ref[Any] | None = None
    _owner_name: str | None = None
    # The weight that each slot belongs to, by name; of slots from a file or a copy it is not known.
    _of: dict[str, weakref.ref[Tensor]] = {}  # noqa: RUF012
    scheduled: tuple[str, ...] = ("learning_rate",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        lr: float | None = None,
        decay: float = 0.0,
        name: str | None = None,
    ) -> None:
        learning_rate = learning_rate if lr is None else lr
        if decay:
            if isinstance(schedules.get(learning_rate), Schedule):
                raise HandsonError("decay is for a learning rate that is a number; this one is a schedule already.")
            learning_rate = schedules.InverseTimeDecay(float(learning_rate), 1, float(decay))
        self._rate = _hyperparameter("learning_rate", learning_rate)
        self.weight_decay, self.name = weight_decay, name
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        if sum(bound is not None for bound in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise HandsonError("give one of clipnorm, clipvalue and global_clipnorm, not several.")
        for bound in ("clipnorm", "clipvalue", "global_clipnorm"):
            if getattr(self, bound) is not None and not getattr(self, bound) > 0:
                raise HandsonError(f"{bound} must be positive; got {getattr(self, bound)}.")
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.iterations = 0
        self.slots: dict[str, dict[str, Tensor]] = {}

    @property
    def learning_rate(self) -> float | Schedule:
        """The learning rate or its schedule; a number can be assigned at any time."""
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._rate = _hyperparameter("learning_rate", value)

    @property
    def lr(self) -> float | Schedule:
        """Another name of `learning_rate`."""
        return self._rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def slot_values(self) -> Mapping[str, float]:
        """The names of the slots and what they start from; 'average' starts from the weight itself."""
        return {}

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
        """Change the weights in place. `slots` are in the order of `slot_values`."""
        raise NotImplementedError(f"{type(self).__name__} must define update(...).")

    def claim(self, owner: Any) -> None:
        """Become the optimizer of a net, for good: what it remembers is about that net's weights.

        Raises
        ------
        HandsonError
            When it is another net's.
        """
        # Also when that net is gone: what happens must not depend on when memory is freed.
        if self._owner is not None and self._owner() is not owner and self.iterations:
            raise HandsonError(
                f"this {type(self).__name__} has trained another net, {self._owner_name!r}, and remembers its "
                f"gradients. Give each net an optimizer of its own."
            )
        self._owner, self._owner_name = weakref.ref(owner), owner.name

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no owner yet."""
        return {name: value for name, value in vars(self).items() if name not in ("_owner", "_owner_name", "_of")}

    def keep_slots_of(self, weights: Mapping[str, Tensor]) -> None:
        """Drop the slots of weights that are gone: under a name that no weight has, or another one has now."""
        for name in {name for held in self.slots.values() for name in held}:
            if name not in weights or not self._belongs(name, weights[name]):
                self._forget(name)

    def _belongs(self, name: str, weight: Tensor) -> bool:
        """Whether the slots under a name are this weight's, as far as is known, and fit it."""
        known = self._of.get(name)
        fits = all(held[name].shape == weight.shape for held in self.slots.values() if name in held)
        return fits and (known is None or known() is weight)

    def _forget(self, name: str) -> None:
        for held in self.slots.values():
            held.pop(name, None)
        self._of = {each: known for each, known in self._of.items() if each != name}

    def bind(self, names: Sequence[str], weights: Tensors) -> None:
        """Make the slots of named weights; those there already are kept if they are these weights' and fit."""
        for name, weight in zip(names, weights, strict=True):
            if not self._belongs(name, weight):
                self._forget(name)
        self._of = self._of | {name: weakref.ref(weight) for name, weight in zip(names, weights, strict=True)}
        starts: dict[str, float | None] = {**self.slot_values(), **({"average": None} if self.use_ema else {})}
        for slot, start in starts.items():
            held = self.slots.setdefault(slot, {})
            for name, weight in zip(names, weights, strict=True):
                if name not in held or held[name].device != weight.device:
                    held[name] = weight.detach().clone() if start is None else torch.full_like(weight, start)
                    held[name].requires_grad_(False)
                held[name] = laid_out(held[name], weight)

    @torch.no_grad()
    def apply(self, names: Sequence[str], weights: Tensors, gradients: Tensors, position: Position) -> None:
        """One step: clip, decay, update, average.

        Parameters
        ----------
        names : sequence of str
            The names of the weights, under which their slots are held.
        weights, gradients : list of Tensor
            The weights, changed in place, and their gradients, which may be overwritten.
        position : Position
            Where the training stands: schedules depend on it.
        """
        if not weights:
            self.iterations += 1
            return
        rate = self.value("learning_rate", position)
        gradients = [laid_out(gradient, weight) for gradient, weight in zip(gradients, weights, strict=True)]
        if self.clipnorm or self.clipvalue or self.global_clipnorm:
            self.clip(gradients)
        if self.weight_decay:
            torch._foreach_mul_(weights, 1.0 - rate * self.weight_decay)
        slots = [[self.slots[slot][name] for name in names] for slot in self.slot_values()]
        self.update(weights, gradients, slots, rate, position)
        if self.use_ema:
            averages = [self.slots["average"][name] for name in names]
            # As in Keras, the average starts from the weights after the first step.
            torch._foreach_lerp_(averages, weights, 1.0 - self.ema_momentum if self.iterations else 1.0)
        self.iterations += 1

    def value(self, name: str, position: Position) -> float:
        """A hyper-parameter at a position: its number, or its schedule's value there."""
        setting = self._rate if name == "learning_rate" else getattr(self, name)
        return float(setting.at(position) if isinstance(setting, Schedule) else setting)

    def clip(self, gradients: Tensors) -> None:
        """Bound the gradients in place, as the arguments say."""
        if self.clipvalue:
            torch._foreach_clamp_max_(gradients, self.clipvalue)
            torch._foreach_clamp_min_(gradients, -self.clipvalue)
            return
        norms = torch._foreach_norm(gradients)
        bound = self.clipnorm or self.global_clipnorm or 0.0
        if self.global_clipnorm:
            norms = (torch.linalg.vector_norm(torch.stack(list(norms))),) * len(gradients)
        torch._foreach_mul_(gradients, [torch.clamp(bound / (norm + 1e-12), max=1.0) for norm in norms])

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments, with the learning rate as it is now (`lr` and `decay` are other ways to write it)."""
        config = super().get_config(compact)
        config.pop("lr", None)
        config.pop("decay", None)
        if compact and self._rate == parameters_of(type(self))["learning_rate"].default:
            config.pop("learning_rate", None)
        else:
            config["learning_rate"] = jsonable(self._rate, compact)
        return config


def laid_out(tensor: Tensor, weight: Tensor) -> Tensor:
    """The tensor with its values in the order that the weight's have in memory: fused kernels rely on it."""
    return tensor if tensor.stride() == weight.stride() else torch.empty_like(weight).copy_(tensor)


def _hyperparameter(name: str, value: Any) -> float | Schedule:
    value = schedules.get(value)
    if isinstance(value, Schedule):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not number >= 0:
        raise HandsonError(f"{name} is a number that is not negative, or a schedule; got {value!r}.")
    return number


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

    scheduled = ("learning_rate", "momentum")

    def __init__(self, learning_rate: Any = 0.01, momentum: Any = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = _hyperparameter("momentum", momentum), nesterov
        if not isinstance(self.momentum, Schedule) and self.momentum > 1:
            raise HandsonError(f"SGD: momentum lies in [0, 1]; got {momentum}.")

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
        if not slots:
            torch._foreach_add_(weights, gradients, alpha=-rate)
            return
        momentum, (velocities,) = self.value("momentum", position), slots
        torch._foreach_mul_(gradients, rate)
        # The fused kernel keeps m with the rate in it, as Keras does, when it climbs the scaled gradients by -1.
        torch._fused_sgd_(
            weights, gradients, velocities, weight_decay=0.0, momentum=momentum, lr=-1.0, dampening=0.0,
            nesterov=self.nesterov, maximize=True, is_first_step=False,
        )  # fmt: skip


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
    """

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

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
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
            torch._foreach_addcdiv_(slots[1], gradients, divisors, rate)
            torch._foreach_sub_(weights, slots[1])
        else:
            torch._foreach_addcdiv_(weights, gradients, divisors, -rate)


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
    >>> Adam(lr=0.01, decay=0.1).learning_rate(10)
    0.005
    """

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

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
        step = self.iterations + 1
        self.corrected(weights, gradients, slots, rate * (1.0 - self.beta_2**step) ** 0.5 / (1.0 - self.beta_1**step))

    def corrected(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any) -> None:
        """`update` with a rate, a number or a tensor, that has the bias corrections in it already."""
        # After infinitely many steps the fused kernel's own corrections are 1.
        endless = [torch.full((), float("inf"), device=weights[0].device)] * len(weights)
        torch._fused_adam_(
            weights, gradients, slots[0], slots[1], slots[2] if self.amsgrad else [], endless, lr=rate,
            beta1=self.beta_1, beta2=self.beta_2, weight_decay=0.0, eps=self.epsilon, amsgrad=self.amsgrad,
            maximize=False,
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
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)


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
    """

    def __init__(
        self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slot_values(self) -> Mapping[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
        (accumulators,) = slots
        torch._foreach_addcmul_(accumulators, gradients, gradients)
        divisors = torch._foreach_add(accumulators, self.epsilon)
        torch._foreach_sqrt_(divisors)
        torch._foreach_addcdiv_(weights, gradients, divisors, -rate)


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
    """

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def slot_values(self) -> Mapping[str, float]:
        return {"gradient_square": 0.0, "step_square": 0.0}

    def update(
        self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: float, position: Position
    ) -> None:
        squares, steps_squared = slots
        torch._foreach_mul_(squares, self.rho)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - self.rho)
        steps = list(torch._foreach_add(steps_squared, self.epsilon))
        torch._foreach_div_(steps, torch._foreach_add(squares, self.epsilon))
        torch._foreach_sqrt_(steps)
        torch._foreach_mul_(steps, gradients)
        torch._foreach_mul_(steps_squared, self.rho)
        torch._foreach_addcmul_(steps_squared, steps, steps, 1.0 - self.rho)
        torch._foreach_add_(weights, steps, alpha=-rate)


def get(identifier: Any) -> Optimizer:
    """The optimizer for a name, a configuration or an object.

    Examples
    --------
    >>> get("adam").beta_2
    0.999
    """
    ours = inspect.isclass(identifier) and issubclass(identifier, Optimizer)
    if ours or isinstance(identifier, (str, dict)):
        identifier = registry.resolve("optimizer", identifier)
    if not isinstance(identifier, Optimizer):
        raise HandsonError(
            f"an optimizer is one of {listing(registry.known('optimizer'))}, or an object of these; got "
            f"{identifier!r}. Optimizers of torch.optim do not fit: theirs hold the weights."
        )
    return identifier
