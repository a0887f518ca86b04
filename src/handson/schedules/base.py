"""Positions in a training, and what all schedules share."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from handson.core.described import Noun
from handson.core.errors import HandsonError

# Steps in an epoch whose length only its end will show.
UNKNOWN = -1


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

    def known_steps(self) -> int:
        """The steps of an epoch; an error where they are not known yet."""
        if self.steps_per_epoch == UNKNOWN:
            raise HandsonError(
                "this schedule spans a whole training, and how many batches the data give is not known: say it, "
                "fit(..., steps_per_epoch=100)."
            )
        return self.steps_per_epoch

    @property
    def progress(self) -> float:
        """The share of the steps of this `fit` that are done, from 0 at the first to 1 at the last."""
        last = self.known_steps() * self.epochs - 1
        if last < 0:
            raise HandsonError("this schedule spans a whole training and has no value outside of fit().")
        return min(1.0, (self.epoch * self.steps_per_epoch + self.step) / last) if last else 0.0


class Schedule(Noun):
    """The base of all schedules: `schedule(step)` and `schedule(position)` are the value.

    One of your own defines `__call__(step)`, as in Keras, or `at(position)`, which knows epochs too.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class InverseRoot(Schedule):
    ...     def __init__(self, scale=1.0, warmup=4):
    ...         self.scale, self.warmup = scale, warmup
    ...     def __call__(self, step):
    ...         return self.scale * min((step + 1) / self.warmup, (step + 1) ** -0.5)
    >>> InverseRoot(0.1)(8), handson.optimizers.SGD(InverseRoot(0.1)).schedule.at(Position(iteration=8))
    (0.0333..., 0.0333...)
    """

    kind = "schedule"

    def at(self, position: Position) -> float:
        """The value at a position."""
        if type(self).__call__ is Schedule.__call__:
            raise NotImplementedError(f"{type(self).__name__} must define at(position) or __call__(step).")
        return float(self(position.iteration))

    def __call__(self, position: Any) -> float:
        return self.at(position if isinstance(position, Position) else Position(iteration=int(position)))


# Keras's name.
LearningRateSchedule = Schedule


def half_cosine(start: float, stop: float, share: float) -> float:
    """From start to stop along half a cosine."""
    return stop + (start - stop) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
