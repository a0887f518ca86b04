"""What all optimizers share: learning rate, clipping, weight decay, averages, slots, and the two ways to take a step.

What an optimizer remembers of each weight (its slots) is held under the weight's name, so that a checkpoint is a flat
list of tensors.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handson import schedules
from handson.core.described import Noun, jsonable, parameters_of
from handson.core.errors import HandsonError, whole
from handson.optimizers import shares
from handson.optimizers.arithmetic import blend
from handson.optimizers.by_hand import ByHand
from handson.optimizers.rate import LearningRate
from handson.schedules import Position, Schedule

Tensors = list[Tensor]
# What changes from step to step, by name: floats, or tensors without axes where a step is recorded and replayed.
Numbers = Mapping[str, Any]


class Optimizer(ByHand, Noun):
    """The base of all optimizers. One of your own defines `update`, and `slot_values` if it remembers something.

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
    ema_overwrite_frequency : int, optional
        After every so many steps the weights become their averages.
    loss_scale_factor : None
        There for code that names it: float32 and bfloat16 gradients do not underflow, so losses are not scaled.
    gradient_accumulation_steps : int, optional
        The weights change after every so many batches, by the mean of their gradients. Schedules count batches.
    rate_multipliers : dict of str to float, optional
        Learning rates that differ by layer: what the rate is multiplied by for the weights of a layer, by its name or
        its path in the net, as ``{'vgg16': 0.1, 'vgg16.block5_conv3': 0.5}``. A layer inside one that is named has the
        multiplier of that, unless it has its own; all others have 1.
    lr : float, optional
        Another name of `learning_rate`.
    decay : float
        Time-based decay: at step t the rate is learning_rate / (1 + decay * t), as the lectures write it.
    name : str, optional
        A name.

    Attributes
    ----------
    iterations : int
        Batches seen.
    slots : dict of str to dict of str to Tensor
        What is remembered of each weight: slots[slot name][weight name].
    recordable : bool
        A class says True of itself when its `update` looks at nothing that changes but its arguments and works with
        numbers that are tensors: then the engine of GPUs may record a step once and replay it.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class SignDescent(Optimizer):
    ...     recordable = True
    ...     def __init__(self, learning_rate=0.01, memory=0.9, **kwargs):
    ...         super().__init__(learning_rate, **kwargs)
    ...         self.memory = memory
    ...     def slot_values(self):
    ...         return {"mean": 0.0}
    ...     def update(self, weights, gradients, slots, rate, numbers):
    ...         for weight, gradient, mean in zip(weights, gradients, *slots):
    ...             mean.mul_(self.memory).add_(gradient, alpha=1 - self.memory)
    ...             weight.sub_(rate * mean.sign())
    >>> weight = torch.tensor([1.0, -1.0])
    >>> SignDescent(0.5).apply([torch.tensor([3.0, -0.1])], [weight])
    >>> weight.tolist()
    [0.5, -0.5]
    """

    kind = "optimizer"
    recordable = False
    _owner: weakref.ref[Any] | None = None
    _owner_name: str | None = None
    # Whether it was copied or unpickled, alone or in a net.
    _is_copy = False
    # The weight that each slot belongs to, by name; of slots from a file or a copy it is not known.
    _of: dict[str, weakref.ref[Tensor]] = {}  # noqa: RUF012
    # Whether any of the weights has a constraint: looked up once for many steps.
    _constrains = False
    scheduled: tuple[str, ...] = ("learning_rate",)
    # The numbers of a step that are in proportion to the learning rate.
    rated: tuple[str, ...] = ("rate",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: None = None,
        gradient_accumulation_steps: int | None = None,
        rate_multipliers: Mapping[str, float] | None = None,
        lr: float | None = None,
        decay: float = 0.0,
        name: str | None = None,
    ) -> None:
        learning_rate = learning_rate if lr is None else lr
        if decay:
            if isinstance(schedules.get(learning_rate), Schedule):
                raise HandsonError("decay is for a learning rate that is a number; this one is a schedule already.")
            learning_rate = _decaying(float(learning_rate), float(decay))
        self._decay = float(decay) if decay else None
        self._rate = hyperparameter("learning_rate", learning_rate)
        self.weight_decay, self.name = weight_decay, name
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        _check_bounds(clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        if loss_scale_factor is not None:
            raise HandsonError(
                f"loss_scale_factor keeps float16 gradients from underflowing, and handson computes in float32 or "
                f"bfloat16, which need no scale; got {loss_scale_factor!r}. Leave it out."
            )
        self.use_ema, self.ema_momentum = use_ema, _share("ema_momentum", ema_momentum)
        self.ema_overwrite_frequency = _count("ema_overwrite_frequency", ema_overwrite_frequency, 1)
        if ema_overwrite_frequency and not use_ema:
            raise HandsonError("ema_overwrite_frequency needs the averages of the weights: add use_ema=True.")
        self.gradient_accumulation_steps = _count("gradient_accumulation_steps", gradient_accumulation_steps, 2)
        self.rate_multipliers = shares.checked(rate_multipliers)
        self.iterations, self._position = 0, Position()
        self.slots: dict[str, dict[str, Tensor]] = {}

    @property
    def learning_rate(self) -> Any:
        """The learning rate at the moment, of a schedule that for the next step; it can be assigned at any time."""
        position = self._position._replace(iteration=self.iterations)
        return LearningRate(self.value("learning_rate", position), self)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = hyperparameter("learning_rate", value)
        self._rate = rate if self._decay is None or isinstance(rate, Schedule) else _decaying(rate, self._decay)

    @property
    def schedule(self) -> Schedule | None:
        """What rules the learning rate; None where it is a number."""
        return self._rate if isinstance(self._rate, Schedule) else None

    @property
    def given_rate(self) -> float | None:
        """The number that can be assigned to `learning_rate`, before `decay`; None where a schedule rules it."""
        if self._decay is not None and isinstance(self._rate, schedules.InverseTimeDecay):
            return float(self._rate.initial_learning_rate)
        return None if isinstance(self._rate, Schedule) else float(self._rate)

    @property
    def lr(self) -> Any:
        """Another name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    # What an optimizer of one's own defines.

    def slot_values(self) -> Mapping[str, float]:
        """The names of the slots and what they start from."""
        return {}

    def slot_shape(self, slot: str, name: str, weight: Tensor) -> tuple[int, ...]:
        """The shape of the slot of a weight: the weight's, unless a formula needs less."""
        return tuple(weight.shape)

    def slot_start(self, slot: str, name: str, weight: Tensor) -> Tensor:
        """What the slot of a weight starts from."""
        value, shape = self.slot_values()[slot], self.slot_shape(slot, name, weight)
        if shape == tuple(weight.shape):
            return torch.full_like(weight, value, requires_grad=False)
        return torch.full(shape, value, dtype=weight.dtype, device=weight.device)

    def numbers(self, position: Position) -> dict[str, float]:
        """What changes from step to step: 'rate', and what a formula adds, such as corrections of the first steps."""
        # As in Keras, the average starts from the weights after the first step.
        share = 1.0 - self.ema_momentum if self.updates(position) else 1.0
        return {"rate": self.value("learning_rate", position), "share": share}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        """Change the weights in place.

        Parameters
        ----------
        weights, gradients : list of Tensor
            The weights and their gradients, which may be overwritten.
        slots : list of list of Tensor
            What is remembered of each weight, in the order of `slot_values`; changed in place.
        rate : float or Tensor
            The learning rate, ``numbers["rate"]``.
        numbers : dict of str to float or Tensor
            See `numbers`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(...).")

    def decay(self, names: Sequence[str], weights: Tensors, rate: Any) -> None:
        """The decay of the weights before an update."""
        if self.weight_decay:
            torch._foreach_mul_(weights, 1.0 - rate * self.weight_decay)

    # Slots.

    def claim(self, owner: Any, given: bool = False) -> None:
        """Become the optimizer of a net, for good: what it remembers is about that net's weights.

        Parameters
        ----------
        owner : Model
            The net.
        given : bool
            Whether `compile` was given it, and not the net that it is a part of copied or loaded.

        Raises
        ------
        HandsonError
            When it is another net's, or a copy of that.
        """
        if given and self._is_copy and self.iterations:
            raise HandsonError(
                f"this {type(self).__name__} is a copy of one that has trained a net, and remembers its gradients. One "
                f"with the same settings: type(optimizer).from_config(optimizer.get_config())."
            )
        # Also when that net is gone: what happens must not depend on when memory is freed.
        if self._owner is not None and self._owner() is not owner and self.iterations:
            raise HandsonError(
                f"this {type(self).__name__} has trained another net, {self._owner_name!r}, and remembers its "
                f"gradients. Give each net an optimizer of its own."
            )
        self._owner, self._owner_name = weakref.ref(owner), owner.name

    def is_for(self, owner: Any) -> bool:
        """Whether it is the optimizer of this net."""
        return self._owner is not None and self._owner() is owner

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no owner yet."""
        return {name: value for name, value in vars(self).items() if name not in ("_owner", "_owner_name", "_of")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _is_copy=True)

    def keep_slots_of(self, weights: Mapping[str, Tensor]) -> None:
        """Drop the slots of weights that are gone: under a name that no weight has, or another one has now.

        Raises
        ------
        HandsonError
            When `rate_multipliers` names a layer that is not there.
        """
        shares.check_names(self.rate_multipliers, weights)
        for name in {name for held in self.slots.values() for name in held}:
            if name not in weights or not self._belongs(name, weights[name]):
                self._forget(name)

    def _belongs(self, name: str, weight: Tensor) -> bool:
        """Whether the slots under a name are this weight's, as far as is known, and fit it."""
        known, current = self._of.get(name), self.slot_names()
        fits = all(
            held[name].shape == self.held_shape(slot, name, weight)
            for slot, held in self.slots.items()
            if name in held and slot in current
        )
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
        self._constrains = any(getattr(weight, "constraint", None) is not None for weight in weights)
        for slot in self.slot_names():
            held = self.slots.setdefault(slot, {})
            for name, weight in zip(names, weights, strict=True):
                shape = self.held_shape(slot, name, weight)
                if name not in held or held[name].shape != shape or held[name].device != weight.device:
                    held[name] = self._start(slot, name, weight)
                if shape == weight.shape:
                    held[name] = laid_out(held[name], weight)

    def slot_names(self) -> list[str]:
        """All slots, those included that do not belong to the formula."""
        average = ["average"] if self.use_ema else []
        return [*self.slot_values(), *average, *(["gathered"] if self.gradient_accumulation_steps else [])]

    def held_shape(self, slot: str, name: str, weight: Tensor) -> tuple[int, ...]:
        """The shape of any slot of a weight."""
        return self.slot_shape(slot, name, weight) if slot in self.slot_values() else tuple(weight.shape)

    def _start(self, slot: str, name: str, weight: Tensor) -> Tensor:
        if slot == "average":
            return weight.detach().clone()
        return (
            torch.zeros_like(weight, requires_grad=False) if slot == "gathered" else self.slot_start(slot, name, weight)
        )

    # Steps.

    def step(self, names: Sequence[str], weights: Tensors, gradients: Tensors, position: Position) -> None:
        """One step at a position in the training, for weights whose slots are there (see `bind`).

        Parameters
        ----------
        names : sequence of str
            The names of the weights, under which their slots are held.
        weights, gradients : list of Tensor
            The weights, changed in place, and their gradients, which may be overwritten.
        position : Position
            Where the training stands: schedules depend on it.
        """
        if weights:
            self.take(names, weights, gradients, self.numbers(position))
        self.iterations += 1

    @torch.no_grad()
    def take(self, names: Sequence[str], weights: Tensors, gradients: Tensors, numbers: Numbers) -> None:
        """A step with its numbers: clip, decay, update, average, constrain."""
        gradients = list(map(laid_out, gradients, weights))
        if self._complete(names, gradients):
            self._change(names, weights, gradients, numbers)
        if self.use_ema:
            averages = [self.slots["average"][name] for name in names]
            blend(averages, weights, numbers["share"])
            if self.ema_overwrite_frequency and (self._updates + 1) % self.ema_overwrite_frequency == 0:
                torch._foreach_copy_(weights, averages)
        if self._constrains:
            _constrain(weights)

    def _change(self, names: Sequence[str], weights: Tensors, gradients: Tensors, numbers: Numbers) -> None:
        if self.clipnorm or self.clipvalue or self.global_clipnorm:
            self.clip(gradients)
        if not self.rate_multipliers:
            self._move(names, weights, gradients, numbers)
            return
        for share, places in shares.grouped(names, tuple(self.rate_multipliers.items())).items():
            group, slopes = [weights[place] for place in places], [gradients[place] for place in places]
            own = dict(numbers) | {name: numbers[name] * share for name in self.rated}
            self._move([names[place] for place in places], group, slopes, own)

    def _move(self, names: Sequence[str], weights: Tensors, gradients: Tensors, numbers: Numbers) -> None:
        """Decay and update of weights that have one learning rate."""
        decaying = (
            [pair for pair in zip(names, weights, strict=True) if self.decays(pair[0])] if self.undecayed else None
        )
        if decaying is None:
            self.decay(names, weights, numbers["rate"])
        elif decaying:
            self.decay([name for name, _ in decaying], [weight for _, weight in decaying], numbers["rate"])
        slots = [[self.slots[slot][name] for name in names] for slot in self.slot_values()]
        self.update(weights, gradients, slots, numbers["rate"], numbers)

    def _complete(self, names: Sequence[str], gradients: Tensors) -> bool:
        """Whether the weights change now; if gradients are gathered, they become the means of those of all batches."""
        steps = self.gradient_accumulation_steps
        if not steps:
            return True
        gathered = [self.slots["gathered"][name] for name in names]
        torch._foreach_add_(gathered, gradients)
        if (self.iterations + 1) % steps:
            return False
        torch._foreach_copy_(gradients, gathered)
        torch._foreach_div_(gradients, steps)
        torch._foreach_zero_(gathered)
        return True

    def updates(self, position: Position) -> int:
        """How often the weights have changed before a position."""
        return position.iteration // (self.gradient_accumulation_steps or 1)

    @property
    def _updates(self) -> int:
        return self.iterations // (self.gradient_accumulation_steps or 1)

    def eager_only(self) -> str | None:
        """A setting that only plain operations support, None if there is none."""
        if self.undecayed:
            return "exclude_from_weight_decay"
        for setting in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
            if getattr(self, setting):
                return f"{setting}={getattr(self, setting)}"
        return None

    def value(self, name: str, position: Position) -> float:
        """A hyper-parameter at a position: its number, or its schedule's value there."""
        setting, self._position = self.setting(name), position
        return float(setting.at(position) if isinstance(setting, Schedule) else setting)

    def setting(self, name: str) -> Any:
        """A hyper-parameter as it was given: a number or a schedule."""
        return self._rate if name == "learning_rate" else getattr(self, name)

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


def _constrain(weights: Tensors) -> None:
    """Make weights obey their constraints."""
    for weight in weights:
        constraint = getattr(weight, "constraint", None)
        if constraint is not None:
            weight.copy_(constraint(weight))


def _decaying(rate: float, decay: float) -> Schedule:
    """The time-based decay of older Keras."""
    return schedules.InverseTimeDecay(rate, 1, decay)


def laid_out(tensor: Tensor, weight: Tensor) -> Tensor:
    """The tensor with its values in the order that the weight's have in memory: fused kernels rely on it."""
    return tensor if tensor.stride() == weight.stride() else torch.empty_like(weight).copy_(tensor)


def hyperparameter(name: str, value: Any) -> float | Schedule:
    """A number that is not negative, or a schedule."""
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


def _check_bounds(**bounds: float | None) -> None:
    if sum(bound is not None for bound in bounds.values()) > 1:
        raise HandsonError("give one of clipnorm, clipvalue and global_clipnorm, not several.")
    for name, bound in bounds.items():
        if bound is not None and not bound > 0:
            raise HandsonError(f"{name} must be positive; got {bound}.")


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise HandsonError(f"{name} lies in [0, 1]; got {value}.")
    return value


def _count(name: str, value: int | None, least: int) -> int | None:
    return None if value is None else whole(name, value, least)
