"""Keras's schedules, which count optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from handson.core import registry
from handson.core.errors import HandsonError
from handson.schedules.base import Position, Schedule, half_cosine


def _check_steps(owner: Schedule, decay_steps: float) -> None:
    if not decay_steps > 0:
        raise HandsonError(f"{type(owner).__name__}: decay_steps must be positive; got {decay_steps}.")


class _ByPeriods(Schedule):
    """The base of what decays from one period of steps to the next."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        _check_steps(self, decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase = decay_rate, staircase

    def periods(self, position: Position) -> float:
        """How many periods have gone by, only whole ones with `staircase`."""
        periods = position.iteration / self.decay_steps
        return math.floor(periods) if self.staircase else periods


@registry.register
class ExponentialDecay(_ByPeriods):
    """initial_learning_rate * decay_rate ^ (step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        The value at step 0.
    decay_steps : float
        After how many steps the value is multiplied by `decay_rate`.
    decay_rate : float
        The factor.
    staircase : bool
        Whether the value changes only after each `decay_steps`.
    name : str, optional
        A name.

    Examples
    --------
    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(10)
    0.05
    """

    def at(self, position: Position) -> float:
        return self.initial_learning_rate * self.decay_rate ** self.periods(position)


@registry.register
class InverseTimeDecay(_ByPeriods):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps): the time-based `decay` of the lectures.

    Parameters
    ----------
    initial_learning_rate : float
        The value at step 0.
    decay_steps, decay_rate : float
        See above.
    staircase : bool
        Whether the value changes only after each `decay_steps`.
    name : str, optional
        A name.

    Examples
    --------
    >>> InverseTimeDecay(0.01, decay_steps=1, decay_rate=0.1)(10)
    0.005
    """

    def at(self, position: Position) -> float:
        return self.initial_learning_rate / (1.0 + self.decay_rate * self.periods(position))


@registry.register
class PiecewiseConstantDecay(Schedule):
    """One value up to each boundary (in steps, inclusive), and a last one after them.

    Parameters
    ----------
    boundaries : sequence of int
        Steps, in order.
    values : sequence of float
        One more than boundaries.
    name : str, optional
        A name.

    Examples
    --------
    >>> [PiecewiseConstantDecay([2, 5], [0.1, 0.01, 0.001])(step) for step in (2, 3, 6)]
    [0.1, 0.01, 0.001]
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str | None = None) -> None:
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
    """From initial_learning_rate to end_learning_rate over decay_steps, as a power of the rest.

    Parameters
    ----------
    initial_learning_rate, end_learning_rate : float
        The first and the last value.
    decay_steps : int
        The number of steps from one to the other.
    power : float
        The value is end + (initial - end) * (1 - step / decay_steps) ^ power.
    cycle : bool
        Go on beyond `decay_steps` with twice, three times ... as many steps, and not with the last value.
    name : str, optional
        A name.

    Examples
    --------
    >>> PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.0)(5)
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
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
    """Half a cosine over decay_steps, after an optional linear warm-up (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    initial_learning_rate : float
        The value at step 0.
    decay_steps : int
        The number of steps of the half cosine.
    alpha : float
        The last value, as a share of the highest.
    warmup_target : float, optional
        The highest value, to which the value rises from the initial one.
    warmup_steps : int
        The number of steps of the rise.
    name : str, optional
        A name.

    Examples
    --------
    >>> CosineDecay(0.0, decay_steps=10, warmup_target=0.5, warmup_steps=5)(5)
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
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
        return top * half_cosine(1.0, self.alpha, step / self.decay_steps)


@registry.register
class CosineDecayRestarts(Schedule):
    """Half cosines one after the other, each from the top (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    initial_learning_rate : float
        The value at step 0.
    first_decay_steps : int
        The length of the first period.
    t_mul, m_mul : float
        Each period is `t_mul` times as long and starts `m_mul` times as high as the one before.
    alpha : float
        The lowest value, as a share of the initial one.
    name : str, optional
        A name.

    Examples
    --------
    >>> restarts = CosineDecayRestarts(0.1, first_decay_steps=10, m_mul=0.5)
    >>> [round(restarts(step), 6) for step in (0, 5, 10, 20)]
    [0.1, 0.05, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = None,
    ) -> None:
        if not (first_decay_steps > 0 and t_mul > 0):
            raise HandsonError(
                f"CosineDecayRestarts: first_decay_steps and t_mul must be positive; got {first_decay_steps} and "
                f"{t_mul}."
            )
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha = t_mul, m_mul, alpha

    def at(self, position: Position) -> float:
        step, length, height = float(position.iteration), float(self.first_decay_steps), 1.0
        if self.t_mul == 1.0:
            periods, step = divmod(step, length)
            height = self.m_mul**periods
        while step >= length and length > 1e-9:  # shrinking periods come to an end
            step, length, height = step - length, length * self.t_mul, height * self.m_mul
        cosine = height * half_cosine(1.0, 0.0, step / length)
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)
