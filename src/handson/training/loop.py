"""The training loop: one page, from the first epoch to the last.

It never looks into a step. It cuts an epoch into spans at the steps where something must be looked at, and asks the
engine to run each span; between spans it reads the sums, checks that they are finite, and shows progress. Epochs at
whose ends nobody looks may run several at once.
"""

from __future__ import annotations

from typing import Any

from handson.training.guard import Guard, check_counted
from handson.training.pace import Ahead, Pace
from handson.training.session import Session


def run(session: Session) -> None:
    """Train for the epochs of a session."""
    model, engine, callbacks, history = session.model, session.engine, session.callbacks, session.history
    record, last = session.record, session.epochs.stop
    guard, pace = Guard(engine, session.arguments.on_nan, session.arguments.tell), Pace(callbacks)
    model.stop_training = False
    callbacks.train_begin()
    remaining = record.begin_at(session.epochs, engine, callbacks, history)
    ahead = Ahead(session, guard, pace)
    epoch = remaining.start
    while epoch < remaining.stop and not model.stop_training:
        passed = ahead.run(epoch, last)
        if passed:
            epoch += passed
            continue
        callbacks.epoch_begin(epoch)
        logs = _train(session, epoch, guard, pace)
        with engine.averaged():
            logs |= _measure(session, epoch)
            callbacks.epoch_end(epoch, logs)
        history.append(epoch, logs)
        record.after_epoch(epoch, engine, callbacks, history)
        epoch += 1
    if record.finished:
        return
    engine.finish()
    history.seconds = record.seconds
    callbacks.train_end({name: values[-1] for name, values in history.history.items()})
    record.finish(last, engine, callbacks, history)


def _train(session: Session, epoch: int, guard: Guard, pace: Pace) -> dict[str, Any]:
    """The steps of one epoch, span by span; what they report."""
    model, engine, callbacks = session.model, session.engine, session.callbacks
    first, sums = session.record.enter(epoch, callbacks, session.history)
    logs = engine.job.report(sums)
    for span in pace.spans(epoch, first, engine.job.batches, session.epochs.stop, model.age):
        session.look_inside(span)
        engine.train(span, sums, keep=guard.before(span))
        logs = engine.job.report(sums)  # the one place where the host waits for the device
        if not guard.after(span, sums):
            model.stop_training = True
            break
        callbacks.look(span.last, logs)
        if callbacks.step_interval:
            callbacks.step_end(span.last - 1, logs)
            if model.stop_training:
                break
        session.record.after_span(span, sums, engine, callbacks, session.history)
    check_counted(sums, epoch, "training")
    model.age += 1
    return logs


def _measure(session: Session, epoch: int) -> dict[str, float]:
    """What is measured after an epoch: rows held out, and the training rows as they are now."""
    found: dict[str, float] = {}
    validation, engine = session.validation, session.engine
    if validation is not None and session.validates(epoch):
        found |= prefixed("val_", validation())
        check_counted(validation.sums, epoch, "validation")
    if session.arguments.evaluate_training:
        found |= prefixed("train_", engine.job.report(engine.evaluate(engine.job.batches)))
    return found


def prefixed(prefix: str, means: dict[str, float]) -> dict[str, float]:
    """The means of an evaluation under the names that the history gives them."""
    return {f"{prefix}{name}": mean for name, mean in means.items()}
