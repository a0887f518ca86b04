"""How far a training runs until something is due: a part of an epoch, or several epochs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from handson.callbacks.calls import CallbackList
from handson.schedules import UNKNOWN
from handson.state.sums import Sums
from handson.training.guard import Guard, check_counted
from handson.training.preparation.job import Span
from handson.training.session import Session

# The longest span of data of unknown length, whose batches wait for it in memory.
MOST_UNKNOWN = 64


class Pace:
    """Cuts epochs into spans: where a callback wants a step, and often enough for progress and for Ctrl-C.

    The length of a span follows from how long the last ones took; results do not depend on it.

    Parameters
    ----------
    callbacks : CallbackList
        Who wants to look, and how often.
    """

    def __init__(self, callbacks: CallbackList) -> None:
        self.callbacks = callbacks
        self.seconds = 0.1 if callbacks.looks else 0.3 if callbacks.looks_inside else 1.0
        self.length = 1
        # The first steps, in which a net changes most, are looked into at 0, 1, 3, 7, 15, ...
        self.growth = 2 if callbacks.looks_inside else 16

    def spans(self, epoch: int, first: int, batches: Any, epochs: int, age: int) -> Iterator[Span]:
        """The spans of an epoch from a step on, one after another."""
        while batches.steps is None or first < batches.steps:
            # Data of unknown length are read as far as the span goes.
            length = self.length if batches.steps is not None else min(self.length, MOST_UNKNOWN)
            last = batches.reach(age, first, first + length)
            if last == first:
                return
            interval = self.callbacks.step_interval
            if interval:
                last = min(last, first - first % interval + interval)
                self.callbacks.step_begin(first)
            started = time.perf_counter()
            yield Span(epoch, first, last, UNKNOWN if batches.steps is None else batches.steps, epochs, age)
            self.learn(last - first, time.perf_counter() - started)
            first = last

    def learn(self, steps: int, seconds: float) -> None:
        """Take up how long some steps took."""
        self.length = max(1, min(self.growth * steps, int(steps * self.seconds / max(seconds, 1e-9))))


class Ahead:
    """Runs several epochs at once where nothing is due between them, in engines that can.

    Small data are through in less time than it takes to look after an epoch. A loss that is not finite takes
    everything back, and the epochs run again one by one, so that the first of them is found.
    """

    def __init__(self, session: Session, guard: Guard, pace: Pace) -> None:
        self.session, self.guard, self.pace = session, guard, pace
        self.allowed = not session.looks_between()

    def run(self, epoch: int, end: int) -> int:
        """Run epochs from one on, as many as the pace allows; returns how many."""
        session, engine = self.session, self.session.engine
        steps = engine.job.batches.steps
        count = min(end - epoch, self.pace.length // steps) if self.allowed and steps else 0
        if count < 2 or not engine.runs_ahead:
            return 0
        model, started = session.model, time.perf_counter()
        spans = [Span(epoch + k, 0, steps, steps, end, model.age + k) for k in range(count)]
        found = [Sums() for _ in spans]
        session.look_inside(spans[0])
        careful = self.guard.on_nan != "ignore"
        engine.train_epochs(spans, found, keep=careful)
        if careful and not all(sums.finite() for sums in found):
            engine.go_back()
            self.allowed = False
            return 0
        self.pace.learn(steps * count, time.perf_counter() - started)
        for span, sums in zip(spans, found, strict=True):
            check_counted(sums, span.epoch, "training")
            session.history.append(span.epoch, engine.job.report(sums))
        model.age += count
        session.callbacks.look(steps, engine.job.report(found[-1]))
        return count
