"""The training loop: one page, from the first epoch to the last.

It never looks into a step. It asks the engine to run stretches of steps; between them it reads the sums, checks that
they are finite, and shows progress. Epochs at whose ends nothing is due are one stretch.
"""

from __future__ import annotations

from collections.abc import Sequence

from handson.state.averages import averaged, take_averages
from handson.state.sums import Sums
from handson.training.guard import Guard, check_counted
from handson.training.pace import Pace
from handson.training.session import Session


def run(session: Session) -> None:
    """Train for the epochs of a session."""
    model, engine, callbacks, history = session.model, session.engine, session.callbacks, session.history
    record = session.record
    guard, pace = Guard(engine, session.arguments.on_nan, session.arguments.tell), Pace(session)
    model.stop_training = False
    callbacks.train_begin()
    remaining = record.begin_at(session.epochs, session)
    epoch = remaining.start
    while epoch < remaining.stop and not model.stop_training:
        callbacks.epoch_begin(epoch)
        for sums in _train(session, epoch, guard, pace):
            _end_epoch(session, epoch, sums)
            epoch += 1
    if record.finished:
        return
    take_averages(engine.job.module, engine.job.optimizer)
    history.seconds = record.seconds
    callbacks.train_end({name: values[-1] for name, values in history.history.items()})
    record.finish(session.epochs.stop, session)


def _train(session: Session, epoch: int, guard: Guard, pace: Pace) -> Sequence[Sums]:
    """Run the steps of an epoch, or of several; what they report, for each epoch that is done."""
    callbacks = session.callbacks
    first, sums = session.record.enter(epoch, session)
    trained: Sequence[Sums] = [sums]
    for stretch in pace.stretches(epoch, first, sums):
        guard.before(stretch)
        session.run(stretch)
        trained, span = stretch.sums, stretch.spans[-1]
        for sums in trained:
            sums.read()  # the one place where the host waits for the device
        if guard.repeats(stretch):
            pace.crosses_epochs = False
            return []
        if not guard.after(stretch):
            session.model.stop_training = True
            break
        if callbacks.looks or callbacks.step_interval:
            _look(session, span.last, sums)
            if session.model.stop_training and callbacks.step_interval:
                break
        session.record.after_span(span, sums, session)
    return trained


def _look(session: Session, step: int, sums: Sums) -> None:
    """Call the callbacks that follow progress, or single steps."""
    callbacks, logs = session.callbacks, session.engine.job.report(sums)
    callbacks.look(step, logs)
    if callbacks.step_interval:
        callbacks.step_end(step - 1, logs)


def _end_epoch(session: Session, epoch: int, sums: Sums) -> None:
    """What is due at the end of an epoch."""
    job = session.engine.job
    check_counted(sums, epoch, "training")
    session.model.age += 1
    logs = job.report(sums)
    if session.due_between:
        with averaged(job.module, job.optimizer):
            logs |= _measure(session, epoch)
            session.callbacks.epoch_end(epoch, logs)
    session.history.append(epoch, logs)
    session.record.after_epoch(epoch, session)


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
