"""The verb `fit`: prepare the data, choose an engine, run the loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from handson.callbacks import BackupAndRestore, CallbackList, Progress
from handson.callbacks.calls import TEST_BATCHES
from handson.core.described import why_not
from handson.core.errors import HandsonError
from handson.data.augment.augment import BoundAugment
from handson.data.rows import arrays
from handson.data.rows.batches import Batches
from handson.data.rows.openings import is_batches
from handson.data.rows.stored import StoredRows
from handson.layers.ownership import settle
from handson.parallel.world import World
from handson.randomness.keys import check_seed, fresh_seed
from handson.state.history import History
from handson.state.in_training import in_training
from handson.state.precision import note
from handson.state.state import trainable_weights
from handson.training import evaluation, joining, loop, workers
from handson.training.engines import Engine, choose
from handson.training.looking import Looking
from handson.training.measuring import evaluation_batch
from handson.training.memory import keep_blocks
from handson.training.preparation.arguments import OF_BATCHES, Arguments
from handson.training.preparation.given import for_outputs, in_known_order, remember_columns
from handson.training.preparation.job import Job
from handson.training.preparation.prepare import as_scaled, make_job, split_rows
from handson.training.preparation.readers import Reading, read
from handson.training.recording.fingerprint import of_run
from handson.training.recording.record import NoRecord, Record, recording
from handson.training.session import Session

if TYPE_CHECKING:
    from handson.training.preparation.net import Net

# Nets may train in threads; getting ready changes what belongs to the process, such as the filters of warnings.
_preparing = threading.Lock()
# Choices that were explained before in this process.
_told = {""}


def fit(model: Net, x: Any, y: Any, arguments: Arguments) -> History:
    """Train a net: see `Model.fit`."""
    with in_training(model), joining.workers_of(arguments) as world:
        if world is not None and not world.leads:
            return _follow(model, x, y, arguments, world)
        return _lead(model, x, y, arguments, world)


def _follow(model: Net, x: Any, y: Any, arguments: Arguments, world: World) -> History:
    """Train a net as one of several workers, which obeys worker 0."""
    history, arguments.verbose, arguments.run, arguments.resume = History(), 0, None, "auto"
    try:
        y = in_known_order(model, y)
        reading = read(model, x, y, arguments)
        remember_columns(model, x)
        begin = world.beginning()
        arguments.take(begin)
    except HandsonError as error:
        world.report(error)
        raise
    job, validation = _prepare(model, reading, _target_columns(model, y), arguments, history, NoRecord())
    measured = None if validation is None else validation.batches(begin["size"], model.device)
    about = _about(model, reading, validation, arguments)
    end = joining.follow_launched(job, arguments, world, begin, measured, about)
    history.take(end["history"])
    model.age, model.history = end["age"], history
    return history


def _about(model: Net, reading: Reading, validation: Reading | None, arguments: Arguments) -> dict[str, Any]:
    """What has to be the same on all workers that were not started by one of them."""
    described = _described(model, reading, validation, arguments)
    batches = {name: described["fit"].get(name) for name in OF_BATCHES}
    return {name: described[name] for name in ("net", "compile", "data")} | {"fit": batches}


def _lead(model: Net, x: Any, y: Any, arguments: Arguments, world: World | None) -> History:
    """Train a net, alone or as the first of several workers."""
    history = History()
    model.optimizer.claim(model)
    with _preparing:
        y = in_known_order(model, y)
        reading = read(model, x, y, arguments)
        remember_columns(model, x)
    for noticed in reading.rows.notes:
        arguments.tell(noticed)
    with recording(arguments.run, arguments.resume, arguments.checkpoint_seconds, model, arguments.tell) as record:
        if isinstance(record, Record):
            for monitor in arguments.monitors:
                monitor.write_to(record.folder)
        with _preparing:
            job, validation = _prepare(model, reading, _target_columns(model, y), arguments, history, record)
        told = world is not None or arguments.opens
        about = _about(model, reading, validation, arguments) if told else {}
        beside = Beside(record, world, about, _looking(model, job, arguments, reading))
        _run(model, job, arguments, history, validation, beside)
    for callback in arguments.callbacks:
        if isinstance(callback, BackupAndRestore):
            callback.leave()
    return history


class Beside(NamedTuple):
    """What a training has beside it: its run folder, other workers, and what callbacks look into.

    Attributes
    ----------
    record : Record or NoRecord
        What writes the run down.
    world : World, optional
        The workers that were launched with this process.
    about : dict
        What others have to have in common with it.
    looking : Looking, optional
        What looks into steps.
    """

    record: Record | NoRecord
    world: World | None
    about: dict[str, Any]
    looking: Looking | None


def _target_columns(model: Net, y: Any) -> list[Any] | None:
    """The names of the columns of a DataFrame of targets; of several outputs a list for each."""
    if len(model.output_names) < 2 or y is None:
        return arrays.columns_of(y)
    found = [arrays.columns_of(part) for part in for_outputs("targets", y, model.output_names)]
    return found if any(found) else None


def _prepare(
    model: Net,
    reading: Reading,
    columns: list[Any] | None,
    arguments: Arguments,
    history: History,
    record: Record | NoRecord,
) -> tuple[Job, Reading | None]:
    """What is trained, and the data to validate on."""
    arguments.seed = seed = _run_seed(model, record.seed(arguments.seed))
    model.target_names = columns or model.target_names
    reading, validation = _validation(model, reading, arguments, history)
    augment = _augmentation(arguments.augment, model, reading)

    ahead = _is_ahead(augment, model, reading, arguments)

    def batches() -> Any:
        found = reading.batches(arguments.batch_size, model.device, arguments.shuffle, seed)
        return replace(found, augment=augment) if ahead else found

    job = make_job(model, reading.rows, batches, seed, None if ahead else augment)
    if validation is not None:
        as_scaled(model, validation.rows)
    record.begin(lambda: _described(model, reading, validation, arguments), seed, arguments.spread)
    _tell_once(arguments, note(model.precision, model.device) or "")
    if job.batches.note is not None:
        arguments.tell(job.batches.note)
    if not trainable_weights(model):
        arguments.tell("no weight of this net changes in this training: it has none, or all of its layers are frozen.")
    _keep_memory(model, arguments)
    return job, validation


def _tell_once(arguments: Arguments, reason: str) -> None:
    """Explain a choice, once in a process."""
    if reason not in _told and arguments.verbose:
        _told.add(reason)
        arguments.tell(reason)


@contextmanager
def _engine(job: Job, arguments: Arguments, measured: Batches | None, beside: Beside) -> Iterator[Engine]:
    """What executes the steps; workers are there while this lasts."""
    if arguments.sharded:
        with workers.leading(job, arguments, beside.world, measured, beside.about) as engine:
            yield engine
        return
    steps = (arguments.epochs - arguments.initial_epoch) * (job.batches.steps or 1)
    found = choose(job, arguments.engine, steps)
    _tell_once(arguments, found.reason if arguments.engine == "auto" else "")
    yield found


def _described(model: Net, reading: Reading, validation: Reading | None, arguments: Arguments) -> dict[str, Any]:
    lasting = [callback for callback in arguments.callbacks if not callback.passive]
    return of_run(model, reading, validation, arguments.describe(), arguments.augment, lasting)


def _run(
    model: Net,
    job: Job,
    arguments: Arguments,
    history: History,
    validation: Reading | None,
    beside: Beside,
) -> History:
    """Run the loop with its callbacks."""
    progress = Progress(arguments.verbose)
    params = {
        "verbose": progress.verbose,
        "epochs": arguments.epochs,
        "steps": job.batches.steps,
        "batch_size": arguments.batch_size,
        "metrics": _measured(model, validation is not None, arguments.evaluate_training),
    }
    history.params, history.seed, model.history = params, arguments.seed, history
    callbacks = CallbackList([*arguments.callbacks, progress], model, params)
    measured = None
    if validation is not None:
        size = arguments.validation_batch_size or arguments.batch_size
        if arguments.validation_batch_size is None and not callbacks.define(*TEST_BATCHES):
            size = evaluation_batch(validation.rows.inputs, arguments.batch_size)
        measured = validation.batches(size, model.device)
    try:
        with _engine(job, arguments, measured, beside) as engine:
            held_out = None if measured is None else evaluation.Evaluation(engine, measured, callbacks)
            session = Session(model, engine, callbacks, history, beside.record, arguments, held_out, beside.looking)
            if session.epochs:
                settle(model)
            with (
                nullcontext() if held_out is None else closing(held_out),
                torch.random.fork_rng() if job.foreign_randomness else nullcontext(),
            ):
                loop.run(session)
        waited = job.batches.waiting(beside.record.seconds)
        if waited is not None:
            arguments.tell(waited)
        return history
    finally:
        history.journal = arguments.monitors[0].journal if arguments.monitors else None
        progress.close()
        job.batches.close()


def _looking(model: Net, job: Job, arguments: Arguments, reading: Reading) -> Looking | None:
    """What callbacks look into, if any of them does."""
    if not any(callback.defines("on_look_inside") for callback in arguments.callbacks):
        return None
    first = None if isinstance(job.batches, Batches) else reading.rows.batches(len(reading.rows), model.device)
    return Looking(job, first)


def _run_seed(model: Net, seed: int | None) -> int:
    """The seed of a run; a given one also draws again the weights that nothing has touched since."""
    if seed is None:
        return model.seed if model.seed is not None else fresh_seed()
    seed = check_seed(seed)
    if not model.seed_given:
        model.redraw(seed)
    return seed


def _validation(model: Net, reading: Reading, arguments: Arguments, history: History) -> tuple[Reading, Reading | None]:
    """The data to train and to validate on."""
    data = arguments.validation_data
    if data is not None:
        if arguments.validation_split:
            split = arguments.validation_split
            note = f"validation_data are the rows to validate on: validation_split={split} divides none."
            history.notes.append(note)
            arguments.tell(note)
        return reading, _validation_data(model, data, arguments)
    if not arguments.validation_split:
        if arguments.groups is not None:
            raise HandsonError("groups decide how rows are split: give validation_split too, such as 0.2.")
        return reading, None
    if reading.opened is not None:
        raise HandsonError(
            "validation_split divides arrays; these data come in batches. Give the batches to validate on: "
            "validation_data=..."
        )
    seed = arguments.seed or 0
    training, validation, told = split_rows(model, reading.rows, arguments.validation_split, seed, arguments.groups)
    history.notes.append(told)
    arguments.tell(told)
    return Reading(training, limit=reading.limit), Reading(validation)


def _validation_data(model: Net, data: Any, arguments: Arguments) -> Reading:
    if is_batches(data):
        return read(model, data, None, arguments.of_validation())
    if not isinstance(data, (tuple, list)) or len(data) not in (1, 2, 3):
        raise HandsonError("validation_data is (x, y) or (x, y, sample_weight), or what gives batches of them.")
    x, y, weights = (*data, None, None)[:3]
    return read(model, x, arrays.targets_by_name(y, model.target_names), arguments.of_validation(weights))


def _measured(model: Net, validation: bool, evaluate_training: bool) -> list[str]:
    names = model.quantities()
    prefixes = ["", *(["val_"] if validation else []), *(["train_"] if evaluate_training else [])]
    return [prefix + name for prefix in prefixes for name in names]


def _is_ahead(augment: Any, model: Net, reading: Reading, arguments: Arguments) -> bool:
    """Whether the threads that read rows from a file augment them too: with the same bits, ahead of the steps.

    A user's function may not be called by threads, a GPU augments faster than they do, and shards do it side by side.
    """
    stays = any(isinstance(leaf, StoredRows) for leaf in reading.rows.inputs) and bool(reading.rows.targets)
    return isinstance(augment, BoundAugment) and stays and model.device.type == "cpu" and not arguments.sharded


def _augmentation(augment: Any, model: Net, reading: Reading) -> Any:
    """The augmentation for these rows; a plain function of (inputs, targets) is taken as it is."""
    if augment is None:
        return None
    if callable(augment) and not hasattr(augment, "bind"):
        if (why := why_not(augment, None, None)) is not None:
            raise HandsonError(f"augment is a function of (inputs, targets); {augment!r} is not: {why}.")
        return augment
    if not hasattr(augment, "bind"):
        raise HandsonError(f"augment is a handson.data.Augment or a function of (inputs, targets); got {augment!r}.")
    rows = reading.rows
    if reading.opened is not None:
        raise HandsonError(
            "an Augment looks at all rows before it changes any, and these data come in batches. Give augment a "
            "function of (inputs, targets), or augment what the batches hold."
        )
    if len(rows.inputs) > 1 or len(rows.targets) > 1:
        raise HandsonError(
            "an Augment changes the images and the keypoints of a net with one input and one output; this net has "
            "more. Give augment a function of (inputs, targets), which changes the first of each, or put layers that "
            "augment into the net."
        )
    _check_channels_last(model)
    columns = 0 if model.loss is None or model.loss.targets == "labels" else rows.targets[0].shape[-1]
    bound = augment.bind(rows.inputs[0], columns, model.target_names, rows.targets[0] if columns else None)
    rows.masked[0] = rows.masked[0] or bound.loses_targets
    return bound


def _check_channels_last(model: Net) -> None:
    """Raise where the net takes images whose channels come first: an Augment would move rows as columns."""
    for part in model.modules():
        if getattr(part, "data_format", None) == "channels_first":
            raise HandsonError(
                f"Augment changes images of shape (n, height, width, channels), and {getattr(part, 'name', part)!r} "
                f"takes them with data_format='channels_first'. Use 'channels_last' and numpy.moveaxis(x, 1, -1), or "
                f"layers that augment, such as RandomFlip(data_format='channels_first')."
            )


def _keep_memory(model: Net, arguments: Arguments) -> None:
    note = keep_blocks() if model.device.type == "cpu" else None
    if note:
        arguments.tell(note)
