"""What the verbs of a model do: prepare the data, choose an engine, run the loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from handson.callbacks import Callback, CallbackList, Progress
from handson.callbacks.calls import PREDICT_BATCHES, TEST_BATCHES, as_list
from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.data.rows import arrays
from handson.data.rows.mapped import Data
from handson.layers.ownership import settle
from handson.layers.shapes import map_shapes
from handson.randomness.keys import check_seed, derive, fresh_seed
from handson.state.history import History
from handson.state.precision import note
from handson.state.state import trainable_weights
from handson.state.sums import Sums
from handson.training import evaluation, loop
from handson.training.engines import Engine, choose
from handson.training.memory import keep_blocks
from handson.training.preparation.arguments import Arguments
from handson.training.preparation.given import prepare_inputs
from handson.training.preparation.job import Job, Span
from handson.training.preparation.prepare import Rows, make_job, prepare_rows, split_rows
from handson.training.recording.fingerprint import of_run
from handson.training.recording.record import NoRecord, Record, recording

if TYPE_CHECKING:
    from handson.models import Model

# Evaluation and prediction take as many rows at a time as have so many values, within bounds: Keras's 32 are slow for
# small rows, and thousands of large ones need too much memory.
EVALUATED_VALUES, FEWEST_EVALUATED, MOST_EVALUATED = 1 << 19, 32, 4096
# Nets may train in threads; getting ready changes what belongs to the process, such as the filters of warnings.
_preparing = threading.Lock()
# Choices that were explained before in this process.
_told = {""}


def fit(model: Model, x: Any, y: Any, arguments: Arguments) -> History:
    """Train a net: see `Model.fit`."""
    history = History()
    model.optimizer.claim(model)
    with _preparing:
        y = _in_order(model, y)
        rows = prepare_rows(model, x, y, arguments.sample_weight, arguments.class_weight, arguments.missing)
        _remember_columns(model, x)
    for note_of_rows in rows.notes:
        arguments.tell(note_of_rows)
    with recording(arguments.run, arguments.resume, arguments.checkpoint_seconds, model, arguments.tell) as record:
        with _preparing:
            engine, validation = _prepare(model, rows, arrays.columns_of(y), arguments, history, record)
        return _run(model, engine, arguments, history, validation, record)


def _remember_columns(model: Model, x: Any) -> None:
    """Know the columns of a DataFrame of inputs by name from now on; only of one that could be used."""
    model.input_columns = model.input_columns or arrays.input_names(x)


def _in_order(model: Model, y: Any) -> Any:
    """The targets, their columns in the order that the net knows."""
    known, given = model.target_names, arrays.columns_of(y)
    return arrays.by_name(y, known, "targets") if known and given and sorted(known) == sorted(given) else y


def _prepare(
    model: Model,
    rows: Rows,
    columns: list[str] | None,
    arguments: Arguments,
    history: History,
    record: Record | NoRecord,
) -> tuple[Engine, Rows | None]:
    """The engine that trains on these rows, and the rows to validate on."""
    arguments.seed = seed = _run_seed(model, record.seed(arguments.seed))
    model.target_names = columns or model.target_names
    rows, validation = _validation(model, rows, arguments, history)
    augment = _augmentation(arguments.augment, model, rows)
    job = make_job(model, rows, arguments.batch_size, arguments.shuffle, seed, augment)
    record.begin(lambda: _described(model, rows, validation, arguments), seed)
    steps = (arguments.epochs - arguments.initial_epoch) * job.batches.steps
    engine = choose(job, arguments.engine, steps)
    reasons = [engine.reason if arguments.engine == "auto" else "", note(model.precision, model.device) or ""]
    for reason in reasons:
        if reason not in _told and arguments.verbose:
            _told.add(reason)
            arguments.tell(reason)
    if job.batches.note is not None:
        arguments.tell(job.batches.note)
    if not trainable_weights(model):
        arguments.tell("no weight of this net changes in this training: it has none, or all of its layers are frozen.")
    _keep_memory(model, arguments)
    return engine, validation


def _described(model: Model, rows: Rows, validation: Rows | None, arguments: Arguments) -> dict[str, Any]:
    return of_run(model, rows, validation, arguments.describe(), arguments.augment, arguments.callbacks)


def _run(
    model: Model,
    engine: Engine,
    arguments: Arguments,
    history: History,
    validation: Rows | None,
    record: Record | NoRecord,
) -> History:
    """Run the loop with its callbacks."""
    job = engine.job
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
    held_out = None
    if validation is not None:
        size = arguments.validation_batch_size or arguments.batch_size
        if arguments.validation_batch_size is None and not callbacks.define(*TEST_BATCHES):
            size = evaluation_batch(validation.inputs, arguments.batch_size)
        held_out = evaluation.Evaluation(engine, validation.batches(size, model.device), callbacks)
    epochs = range(arguments.initial_epoch, arguments.epochs)
    if epochs:
        settle(model)
    try:
        with torch.random.fork_rng() if job.foreign_randomness else nullcontext():
            return loop.run(
                model, engine, callbacks, history, epochs, held_out, arguments.validation_freq,
                arguments.evaluate_training, arguments.on_nan, arguments.tell, record,
            )  # fmt: skip
    finally:
        progress.close()
        for batches in (job.batches, held_out):
            if batches is not None:
                batches.close()


def _run_seed(model: Model, seed: int | None) -> int:
    """The seed of a run; a given one also draws again the weights that nothing has touched since."""
    if seed is None:
        return model.seed if model.seed is not None else fresh_seed()
    seed = check_seed(seed)
    if not model.seed_given:
        model.redraw(seed)
    return seed


def _validation(model: Model, rows: Rows, arguments: Arguments, history: History) -> tuple[Rows, Rows | None]:
    """The rows to train and to validate on."""
    data = arguments.validation_data
    if data is not None:
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise HandsonError("validation_data is (x, y) or (x, y, sample_weight).")
        targets = arrays.targets_by_name(data[1], model.target_names)
        return rows, prepare_rows(model, data[0], targets, data[2] if len(data) == 3 else None)
    if not arguments.validation_split:
        if arguments.groups is not None:
            raise HandsonError("groups decide how rows are split: give validation_split too, such as 0.2.")
        return rows, None
    seed = arguments.seed or 0
    training, validation, note = split_rows(model, rows, arguments.validation_split, seed, arguments.groups)
    history.notes.append(note)
    arguments.tell(note)
    return training, validation


def _measured(model: Model, validation: bool, evaluate_training: bool) -> list[str]:
    names = model.quantities()
    prefixes = ["", *(["val_"] if validation else []), *(["train_"] if evaluate_training else [])]
    return [prefix + name for prefix in prefixes for name in names]


def _augmentation(augment: Any, model: Model, rows: Rows) -> Any:
    """The augmentation for these rows; a plain function of (inputs, targets) is taken as it is."""
    if augment is None or (callable(augment) and not hasattr(augment, "bind")):
        return augment
    if not hasattr(augment, "bind"):
        raise HandsonError(f"augment is a handson.data.Augment or a function of (inputs, targets); got {augment!r}.")
    if len(rows.inputs) > 1 or len(rows.targets) > 1:
        raise HandsonError(
            "an Augment changes the images and the keypoints of a net with one input and one output; this net has more. "
            "Give augment a function of (inputs, targets), which changes the first of each, or put layers that augment "
            "into the net."
        )
    columns = 0 if model.loss is None or model.loss.targets == "labels" else rows.targets[0].shape[-1]
    bound = augment.bind(rows.inputs[0], columns, model.target_names, rows.targets[0] if columns else None)
    rows.masked[0] = rows.masked[0] or bound.loses_targets
    return bound


def _keep_memory(model: Model, arguments: Arguments) -> None:
    note = keep_blocks() if model.device.type == "cpu" else None
    if note:
        arguments.tell(note)


def _engine(model: Model, rows: Rows) -> Engine:
    return choose(make_job(model, rows, len(rows), False, model.seed or 0, None))


def evaluation_batch(inputs: Sequence[Data], least: int = FEWEST_EVALUATED) -> int:
    """How many rows are evaluated at a time.

    Examples
    --------
    >>> evaluation_batch([torch.zeros(9, 5)]), evaluation_batch([torch.zeros(9, 28, 28, 1)])
    (4096, 668)
    """
    values = sum(leaf.numel() for leaf in inputs) // max(len(inputs[0]), 1)
    return max(least, min(MOST_EVALUATED, EVALUATED_VALUES // max(values, 1)))


def evaluate(
    model: Model, x: Any, y: Any, batch_size: int | None, sample_weight: Any, callbacks: Any = None
) -> dict[str, float]:
    """Loss and metrics of some rows in evaluation mode: see `Model.evaluate`."""
    callbacks = as_list(callbacks)
    rows = prepare_rows(model, x, arrays.targets_by_name(y, model.target_names), sample_weight)
    engine = _engine(model, rows)
    size = _size(batch_size, rows.inputs, callbacks, TEST_BATCHES)
    called = CallbackList(callbacks, model, _params(model, len(rows), size))
    with closing(evaluation.Evaluation(engine, rows.batches(size, model.device), called)) as measure:
        return measure()


def _size(batch_size: int | None, inputs: Sequence[Data], callbacks: list[Callback], hooks: tuple[str, ...]) -> int:
    """Rows at a time: Keras's number where a callback asks for batches, else what is quick."""
    if batch_size is None:
        asked = any(callback.defines(*hooks) for callback in callbacks)
        return FEWEST_EVALUATED if asked else evaluation_batch(inputs)
    return whole("batch_size", batch_size, 1)


def _params(model: Model, rows: int, size: int) -> dict[str, Any]:
    """What callbacks are told about an evaluation or a prediction."""
    names = _measured(model, False, False) if model.compiled else []
    return {"verbose": 0, "epochs": 1, "steps": -(-rows // size), "batch_size": size, "metrics": names}


def predict(model: Model, x: Any, batch_size: int | None, callbacks: Any = None) -> Any:
    """Outputs in the units of the targets: see `Model.predict`."""
    callbacks = as_list(callbacks)
    if model.output_shape is not None and hasattr(x, "__len__") and len(x) == 0:
        return map_shapes(lambda shape: np.zeros((0, *(size or 0 for size in shape[1:])), np.float32), model.output_shape)
    inputs = prepare_inputs(model, x)
    size = _size(batch_size, inputs, callbacks, PREDICT_BATCHES)
    called = CallbackList(callbacks, model, _params(model, len(inputs[0]), size))
    outputs = evaluation.predict(predictor(model, len(inputs)), inputs, size, called)
    form = map_shapes(lambda shape: 0, model.output_shape)
    return tree.rebuild(tree.spec(form), [output.numpy() for output in outputs])


def predictor(model: Model, inputs: int = 1) -> Engine:
    """An engine that predicts; a net that was never compiled can predict too."""
    outputs = len(model.output_names)
    job = Job(
        model,
        model.device,
        input_scalings=model.input_scalings or [None] * inputs,
        target_scalings=model.target_scalings or [None] * outputs,
        precision=model.precision,
    )
    return choose(job)


def train_on_batch(model: Model, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> dict[str, float]:
    """One step on one batch: see `Model.train_on_batch`."""
    model.optimizer.claim(model)
    rows = prepare_rows(model, x, _in_order(model, y), sample_weight, class_weight)
    _remember_columns(model, x)
    seed = derive(model.seed or 0, "train_on_batch")
    job = make_job(model, rows, len(rows), False, seed, None)
    engine, sums, age = choose(job), Sums(), model.optimizer.iterations
    settle(model)
    with torch.random.fork_rng() if job.foreign_randomness else nullcontext():
        engine.train(Span(0, 0, 1, 1, 1, age), sums)
    return engine.job.report(sums)
