"""Schedules: numbers that change while a net trains, such as its learning rate or momentum.

A schedule is a pure function of the position in the training. Keras's schedules count optimizer steps; the ramps and
the one-cycle policy span the whole of `fit`, whose length they learn from the position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError, listing


class Position(NamedTuple):
    """Where a training stands.

    Attributes
    ----------
    iteration : int
        Optimizer steps since the net was compiled, over all calls of `fit`.
    epoch, step : int
        The epoch of this `fit` and the step in it, from 0.
    steps_per_epoch, epochs : int
        The length of an epoch, and the last epoch of this `fit`; 0 when not known.
    """

    iteration: int = 0
    epoch: int = 0
    step: int = 0
    steps_per_epoch: int = 0
    epochs: int = 0

    @property
    def progress(self) -> float:
        """The share of the steps of this `fit` that are done, from 0 at the first to 1 at the last."""
        last = self.steps_per_epoch * self.epochs - 1
        if last < 0:
            raise HandsonError("this schedule spans a whole training and has no value outside of fit().")
        return min(1.0, (self.epoch * self.steps_per_epoch + self.step) / last) if last else 0.0


class Schedule(Noun):
    """The base of all schedules: `at(position)` is the value.

    Examples
    --------
    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(10)
    0.05
    """

    kind = "schedule"

    def at(self, position: Position) -> float:
        """The value at a position."""
        raise NotImplementedError(f"{type(self).__name__} must define at(position).")

    def __call__(self, position: Position | int) -> float:
        return self.at(position if isinstance(position, Position) else Position(iteration=int(position)))


@registry.register
class LinearRamp(Schedule):
    """From one value to another, linearly over the whole training: the fourth lecture's `AdjustVariable`.

    Parameters
    ----------
    start, stop : float
        The values in the first and in the last epoch.
    every : {'epoch', 'step'}
        'epoch': one value for each epoch, as in the lecture. 'step': a new value at every step.

    Examples
    --------
    >>> ramp = LinearRamp(0.03, 0.01)
    >>> [round(ramp(Position(epoch=epoch, steps_per_epoch=4, epochs=3)), 6) for epoch in range(3)]
    [0.03, 0.02, 0.01]
    """

    def __init__(self, start: float, stop: float, every: str = "epoch") -> None:
        if every not in ("epoch", "step"):
            raise HandsonError(f"LinearRamp: every is 'epoch' or 'step'; got {every!r}.")
        self.first, self.last, self.every = float(start), float(stop), every

    def at(self, position: Position) -> float:
        if self.every == "epoch":
            position = Position(epoch=position.epoch, steps_per_epoch=1, epochs=position.epochs)
        return self.first + (self.last - self.first) * position.progress


@registry.register
class OneCycle(Schedule):
    """Up from a low value to the highest and down to almost nothing, along half cosines (Smith and Topin, 2018).

    Parameters
    ----------
    maximum : float
        The highest value.
    warmup : float
        The share of the training in which the value rises.
    start_factor, final_factor : float
        The first and the last value, as shares of the highest.

    Notes
    -----
    With the defaults this is torch's `OneCycleLR`.

    Examples
    --------
    >>> cycle = OneCycle(0.01)
    >>> [round(cycle(Position(step=step, steps_per_epoch=10, epochs=1)), 5) for step in (0, 2, 9)]
    [0.0004, 0.01, 0.0]
    """

    def __init__(
        self, maximum: float, warmup: float = 0.3, start_factor: float = 0.04, final_factor: float = 4e-6
    ) -> None:
        if not 0.0 <= warmup < 1.0:
            raise HandsonError(f"OneCycle: warmup is a share of the training, from 0 to below 1; got {warmup}.")
        self.maximum, self.warmup = float(maximum), float(warmup)
        self.start_factor, self.final_factor = float(start_factor), float(final_factor)

    def at(self, position: Position) -> float:
        steps = position.steps_per_epoch * position.epochs
        done = position.progress * (steps - 1)
        peak = max(self.warmup * steps - 1.0, 0.0)
        if done < peak:
            return self.maximum * _cosine(self.start_factor, 1.0, done / peak)
        return self.maximum * _cosine(1.0, self.final_factor, (done - peak) / max(steps - 1.0 - peak, 1e-9))


def _cosine(start: float, stop: float, share: float) -> float:
    """From start to stop along half a cosine."""
    return stop + (start - stop) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


@registry.register
class StepDecay(Schedule):
    """Multiplies the value by a factor every so many epochs.

    Parameters
    ----------
    initial_value : float
        The value in the first epochs.
    every : int
        After how many epochs it changes.
    factor : float
        What it is multiplied by.

    Examples
    --------
    >>> StepDecay(0.1, every=10, factor=0.5)(Position(epoch=20))
    0.025
    """

    def __init__(self, initial_value: float, every: int, factor: float = 0.1) -> None:
        if every < 1:
            raise HandsonError(f"StepDecay: every is a number of epochs, at least 1; got {every}.")
        self.initial_value, self.every, self.factor = float(initial_value), int(every), float(factor)

    def at(self, position: Position) -> float:
        return self.initial_value * self.factor ** (position.epoch // self.every)


def _check_steps(owner: Schedule, decay_steps: float) -> None:
    if not decay_steps > 0:
        raise HandsonError(f"{type(owner).__name__}: decay_steps must be positive; got {decay_steps}.")


@registry.register
class ExponentialDecay(Schedule):
    """initial_learning_rate * decay_rate ^ (step / decay_steps)."""

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        _check_steps(self, decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase = decay_rate, staircase

    def at(self, position: Position) -> float:
        power = position.iteration / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(power) if self.staircase else power)


@registry.register
class InverseTimeDecay(Schedule):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps): the time-based `decay` of the lectures.

    Examples
    --------
    >>> InverseTimeDecay(0.01, decay_steps=1, decay_rate=0.1)(10)
    0.005
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        _check_steps(self, decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase = decay_rate, staircase

    def at(self, position: Position) -> float:
        share = position.iteration / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (math.floor(share) if self.staircase else share))


@registry.register
class PiecewiseConstantDecay(Schedule):
    """One value up to each boundary (in steps, inclusive), and a last one after them."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise HandsonError(
                f"PiecewiseConstantDecay needs one value more than boundaries; got {len(boundaries)} boundaries and "
                f"{len(values)} values."
            )
        self.boundaries, self.values = list(boundaries), [float(value) for value in values]

    def at(self, position: Position) -> float:
        return self.values[sum(position.iteration > boundary for boundary in self.boundaries)]


@registry.register
class PolynomialDecay(Schedule):
    """From initial_learning_rate to end_learning_rate over decay_steps, as a power of the rest."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        _check_steps(self, decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def at(self, position: Position) -> float:
        steps: float = self.decay_steps
        if self.cycle:
            steps *= max(1, math.ceil(position.iteration / steps))
        share = min(position.iteration / steps, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return self.end_learning_rate + span * (1.0 - share) ** self.power


@registry.register
class CosineDecay(Schedule):
    """Half a cosine over decay_steps, after an optional linear warm-up (Loshchilov and Hutter, 2017)."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        _check_steps(self, decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def at(self, position: Position) -> float:
        step, top = position.iteration, self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            step, top = step - self.warmup_steps, self.warmup_target
        return top * _cosine(1.0, self.alpha, step / self.decay_steps)


@registry.register
class Cosine(Schedule):
    """Half a cosine over the whole training, whatever its length.

    Parameters
    ----------
    start, stop : float
        The values at the first and at the last step.

    Examples
    --------
    >>> round(Cosine(0.1)(Position(step=5, steps_per_epoch=11, epochs=1)), 6)
    0.05
    """

    def __init__(self, start: float, stop: float = 0.0) -> None:
        self.first, self.last = float(start), float(stop)

    def at(self, position: Position) -> float:
        return _cosine(self.first, self.last, position.progress)


def get(identifier: Any) -> float | Schedule:
    """A number or a schedule, from a number, a configuration or an object."""
    if isinstance(identifier, bool) or identifier is None:
        raise HandsonError(f"expected a number or a schedule; got {identifier!r}.")
    if isinstance(identifier, (int, float, np.number)):
        return float(identifier)
    if hasattr(identifier, "__array__"):  # an array or a tensor of one value
        values = np.asarray(identifier)
        if values.size != 1 or values.dtype.kind not in "iuf":
            raise HandsonError(f"expected a number or a schedule; got {identifier!r}.")
        return float(values.item())
    schedule = registry.resolve("schedule", identifier)
    if not isinstance(schedule, Schedule):
        raise HandsonError(f"a schedule is one of {listing(registry.known('schedule'))}; got {identifier!r}.")
    return schedule
