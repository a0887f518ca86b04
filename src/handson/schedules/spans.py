"""Schedules that span the whole of `fit`, whose length they learn from the position, or count epochs."""

from __future__ import annotations

from handson.core import registry
from handson.core.errors import HandsonError
from handson.schedules.base import Position, Schedule, half_cosine


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
        steps = position.known_steps() * position.epochs
        done = position.progress * (steps - 1)
        peak = max(self.warmup * steps - 1.0, 0.0)
        if done < peak:
            return self.maximum * half_cosine(self.start_factor, 1.0, done / peak)
        return self.maximum * half_cosine(1.0, self.final_factor, (done - peak) / max(steps - 1.0 - peak, 1e-9))


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
        return half_cosine(self.first, self.last, position.progress)
