"""How far a training runs until something is due: a part of an epoch, or several epochs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from handson.schedules import UNKNOWN
from handson.state.sums import Sums
from handson.training.preparation.job import Span, Stretch
from handson.training.session import Session

# The longest span of data of unknown length, whose batches wait for it in memory.
MOST_UNKNOWN = 64


class Pace:
    """Cuts a training into stretches: where a callback wants a step, and often enough for progress and for Ctrl-C.

    The length of a stretch follows from how long the last ones took; results do not depend on it. Epochs at whose ends
    nothing is due are one stretch: small data are through in less time than it takes to look after an epoch.

    Parameters
    ----------
    session : Session
        The training.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        callbacks = session.callbacks
        self.seconds = 0.1 if callbacks.looks else 1.0
        self.length = 1
        # The first steps, in which a net changes most, are looked into at 0, 1, 3, 7, 15, ...
        self.growth = 2 if callbacks.lookers else 16
        self.crosses_epochs = not session.due_between

    def stretches(self, epoch: int, first: int, sums: Sums) -> Iterator[Stretch]:
        """The stretches from a step of an epoch on: up to its end, or one of several epochs.

        Parameters
        ----------
        epoch, first : int
            The epoch as this `fit` counts, and its first step that is left.
        sums : Sums
            What its steps have reported so far.
        """
        count = self._epochs(epoch, first)
        if count > 1:
            yield from self._timed(Stretch(self._whole(epoch, count), [sums, *(Sums() for _ in range(count - 1))]))
            return
        session, batches = self.session, self.session.engine.job.batches
        while batches.steps is None or first < batches.steps:
            # Data of unknown length are read as far as the span goes.
            length = self._length(epoch, first) if batches.steps is not None else min(self.length, MOST_UNKNOWN)
            last = batches.reach(session.model.age, first, first + length)
            if last == first:
                return
            interval = session.callbacks.step_interval
            if interval:
                last = min(last, first - first % interval + interval)
                session.callbacks.step_begin(first)
            yield from self._timed(Stretch([self._span(epoch, first, last)], [sums]))
            first = last

    def _epochs(self, epoch: int, first: int) -> int:
        """How many whole epochs are one stretch, 0 for a part of one."""
        session, steps = self.session, self.session.engine.job.batches.steps
        left = session.epochs.stop - epoch - bool(session.callbacks.lookers)  # the last step is one by itself
        return min(left, self.length // steps) if self.crosses_epochs and steps else 0

    def _length(self, epoch: int, first: int) -> int:
        """The most steps of an epoch's next stretch: the last step that callbacks may look into is one by itself."""
        session, steps = self.session, self.session.engine.job.batches.steps
        if session.callbacks.lookers and epoch == session.epochs.stop - 1 and first < steps - 1:
            return min(self.length, steps - 1 - first)
        return self.length

    def _whole(self, epoch: int, count: int) -> list[Span]:
        span = self._span(epoch, 0, self.session.engine.job.batches.steps)
        return [span._replace(epoch=span.epoch + number) for number in range(count)]

    def _span(self, epoch: int, first: int, last: int) -> Span:
        steps = self.session.engine.job.batches.steps
        length = UNKNOWN if steps is None else steps
        age = self.session.model.age
        return Span(age, first, last, length, self.session.epochs.stop, age - epoch)

    def _timed(self, stretch: Stretch) -> Iterator[Stretch]:
        """The stretch; how long its steps took decides on the next."""
        started = time.perf_counter()
        yield stretch
        self.learn(sum(span.last - span.first for span in stretch.spans), time.perf_counter() - started)

    def learn(self, steps: int, seconds: float) -> None:
        """Take up how long some steps took."""
        self.length = max(1, min(self.growth * steps, int(steps * self.seconds / max(seconds, 1e-9))))
