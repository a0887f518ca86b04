"""The training loop: one page, from the first epoch to the last.

It never looks into a step. It cuts an epoch into spans at the steps where something must be looked at, and asks the
engine to run each span; between spans it reads the sums, checks that they are finite, and shows progress.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from handson.callbacks.base import CallbackList
from handson.data.batches import Batches
from handson.training.engines import Engine
from handson.training.guard import Guard
from handson.training.history import History
from handson.training.job import Span
from handson.training.record import NoRecord, Record

if TYPE_CHECKING:
    from handson.models import Model


def run(
    model: Model,
    engine: Engine,
    callbacks: CallbackList,
    history: History,
    epochs: range,
    validation: Batches | None,
    validation_frequency: int,
    evaluate_training: bool,
    on_nan: str,
    record: Record | NoRecord,
) -> History:
    """Train for a range of epochs; see `Model.fit` for what the arguments mean."""
    training = engine.job.batches
    guard, pace = Guard(engine, on_nan, model.tell), Pace(callbacks)
    model.stop_training = False
    callbacks.train_begin()
    for epoch in record.begin_at(epochs, engine, callbacks, history):
        if model.stop_training:
            break
        callbacks.epoch_begin(epoch)
        first, sums = record.enter(epoch, callbacks, history)
        logs = engine.job.report(sums)
        for span in pace.spans(epoch, first, training.steps, epochs.stop, model.age):
            engine.train(span, sums, keep=guard.before(span))
            logs = engine.job.report(sums)  # the one place where the host waits for the device
            if not guard.after(span, sums):
                model.stop_training = True
                break
            callbacks.look(span.last, logs)
            if callbacks.step_interval:
                callbacks.step_end(span.last - 1, logs)
            record.after_span(span, sums, engine, callbacks, history)
        model.age += 1
        with engine.averaged():
            if validation is not None and (epoch + 1) % validation_frequency == 0:
                logs |= prefixed("val_", engine.job.report(engine.evaluate(validation)))
            if evaluate_training:
                logs |= prefixed("train_", engine.job.report(engine.evaluate(training)))
            callbacks.epoch_end(epoch, logs)
        history.append(epoch, logs)
        record.after_epoch(epoch, engine, callbacks, history)
    if record.finished:
        return history
    engine.finish()
    history.seconds = record.seconds
    callbacks.train_end({name: values[-1] for name, values in history.history.items()})
    record.finish(epochs.stop, engine, callbacks, history)
    return history


def prefixed(prefix: str, means: dict[str, float]) -> dict[str, float]:
    """The means of an evaluation under the names that the history gives them."""
    return {f"{prefix}{name}": mean for name, mean in means.items()}


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
        self.seconds = 0.1 if callbacks.looks else 1.0
        self.length = 1

    def spans(self, epoch: int, first: int, steps: int, epochs: int, age: int) -> Iterator[Span]:
        """The spans of an epoch from a step on, one after another."""
        while first < steps:
            last = min(first + self.length, steps)
            interval = self.callbacks.step_interval
            if interval:
                last = min(last, first - first % interval + interval)
                self.callbacks.step_begin(first)
            started = time.perf_counter()
            yield Span(epoch, first, last, steps, epochs, age)
            elapsed = max(time.perf_counter() - started, 1e-9)
            self.length = max(1, min(16 * (last - first), int((last - first) * self.seconds / elapsed)))
            first = last
