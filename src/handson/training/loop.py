"""The training loop: one page, from the first epoch to the last.

It never looks into a step. It cuts an epoch into spans at the steps where something must be looked at, and asks the
engine to run each span; between spans it reads the sums, checks that they are finite, and shows progress. Epochs at
whose ends nobody looks may run several at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from handson.callbacks.calls import CallbackList
from handson.state.history import History
from handson.training.engines import Engine
from handson.training.evaluation import Evaluation
from handson.training.guard import Guard, check_counted
from handson.training.pace import Ahead, Pace
from handson.training.recording.record import NoRecord, Record

if TYPE_CHECKING:
    from handson.training.preparation.net import Net


def run(
    model: Net,
    engine: Engine,
    callbacks: CallbackList,
    history: History,
    epochs: range,
    validation: Evaluation | None,
    validation_frequency: int,
    evaluate_training: bool,
    on_nan: str,
    tell: Callable[[str], None],
    record: Record | NoRecord,
) -> History:
    """Train for a range of epochs; see `Model.fit` for what the arguments mean."""
    training = engine.job.batches
    guard, pace = Guard(engine, on_nan, tell), Pace(callbacks)
    model.stop_training = False
    callbacks.train_begin()
    remaining = record.begin_at(epochs, engine, callbacks, history)
    ahead = Ahead(model, engine, callbacks, history, guard, pace)
    ahead.allowed &= validation is None and not evaluate_training and isinstance(record, NoRecord)
    epoch = remaining.start
    while epoch < remaining.stop and not model.stop_training:
        passed = ahead.run(epoch, epochs.stop)
        if passed:
            epoch += passed
            continue
        callbacks.epoch_begin(epoch)
        first, sums = record.enter(epoch, callbacks, history)
        logs = engine.job.report(sums)
        for span in pace.spans(epoch, first, training, epochs.stop, model.age):
            engine.train(span, sums, keep=guard.before(span))
            logs = engine.job.report(sums)  # the one place where the host waits for the device
            if not guard.after(span, sums):
                model.stop_training = True
                break
            callbacks.look(span.last, logs)
            if callbacks.step_interval:
                callbacks.step_end(span.last - 1, logs)
            record.after_span(span, sums, engine, callbacks, history)
        check_counted(sums, epoch, "training")
        model.age += 1
        with engine.averaged():
            if validation is not None and (epoch + 1) % validation_frequency == 0:
                logs |= prefixed("val_", validation())
                check_counted(validation.sums, epoch, "validation")
            if evaluate_training:
                logs |= prefixed("train_", engine.job.report(engine.evaluate(training)))
            callbacks.epoch_end(epoch, logs)
        history.append(epoch, logs)
        record.after_epoch(epoch, engine, callbacks, history)
        epoch += 1
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
