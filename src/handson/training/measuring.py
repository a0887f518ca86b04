"""What measures and predicts: the verbs `evaluate`, `predict` and `train_on_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from typing import Any

import numpy as np
import torch

from handson.callbacks import Callback, CallbackList
from handson.callbacks.calls import PREDICT_BATCHES, TEST_BATCHES, as_list
from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.data.rows import arrays
from handson.data.rows.mapped import Data
from handson.data.rows.openings import is_batches
from handson.layers.ownership import settle
from handson.layers.shapes import map_shapes
from handson.randomness.keys import derive
from handson.state.sums import Sums
from handson.training import evaluation
from handson.training.engines import Engine, choose
from handson.training.preparation.given import prepare_inputs
from handson.training.preparation.job import Job, Span, Stretch
from handson.training.preparation.net import Net, module_of
from handson.training.preparation.prepare import make_job, prepare_rows
from handson.training.preparation.readers import Reading, read_to_measure
from handson.training.preparation.streams import inputs_of_batches

# Evaluation and prediction take as many rows at a time as have so many values, within bounds: Keras's 32 are slow for
# small rows, and thousands of large ones need too much memory.
EVALUATED_VALUES, FEWEST_EVALUATED, MOST_EVALUATED = 1 << 19, 32, 4096


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
    model: Net, x: Any, y: Any, batch_size: int | None, sample_weight: Any, steps: int | None, callbacks: Any = None
) -> dict[str, float]:
    """Loss and metrics of some rows in evaluation mode: see `Model.evaluate`."""
    callbacks = as_list(callbacks)
    reading = read_to_measure(model, x, arrays.targets_by_name(y, model.target_names), sample_weight, batch_size, steps)
    rows, device = reading.rows, model.device
    engine = choose(make_job(model, rows, lambda: reading.batches(len(rows), device), model.seed or 0, None))
    size = _size(batch_size, rows.inputs, callbacks, TEST_BATCHES)
    called = CallbackList(callbacks, model, _params(model, len(rows), size))
    with closing(evaluation.Evaluation(engine, reading.batches(size, device), called)) as measure:
        return measure()


def _size(batch_size: int | None, inputs: Sequence[Data], callbacks: list[Callback], hooks: tuple[str, ...]) -> int:
    """Rows at a time: Keras's number where a callback asks for batches, else what is quick."""
    if batch_size is None:
        asked = any(callback.defines(*hooks) for callback in callbacks)
        return FEWEST_EVALUATED if asked else evaluation_batch(inputs)
    return whole("batch_size", batch_size, 1)


def _params(model: Net, rows: int, size: int) -> dict[str, Any]:
    """What callbacks are told about an evaluation or a prediction."""
    names = model.quantities() if model.compiled else []
    return {"verbose": 0, "epochs": 1, "steps": -(-rows // size), "batch_size": size, "metrics": names}


def predict(model: Net, x: Any, batch_size: int | None, steps: int | None = None, callbacks: Any = None) -> Any:
    """Outputs in the units of the targets: see `Model.predict`."""
    callbacks = as_list(callbacks)
    if is_batches(x):
        parts = [predict(model, part, None, None, callbacks) for part in inputs_of_batches(x, steps, batch_size)]
        if not parts:
            raise HandsonError("the data have no batch to predict.")
        leaves = [np.concatenate(each) for each in zip(*map(tree.leaves, parts), strict=True)]
        return tree.rebuild(tree.spec(parts[0]), leaves)
    if model.output_shape is not None and hasattr(x, "shape") and len(x) == 0:
        return map_shapes(
            lambda shape: np.zeros((0, *(size or 0 for size in shape[1:])), np.float32), model.output_shape
        )
    inputs = prepare_inputs(model, x)
    size = _size(batch_size, inputs, callbacks, PREDICT_BATCHES)
    if steps is not None:
        size = whole("batch_size", batch_size or FEWEST_EVALUATED, 1)
        inputs = [leaf[: size * whole("steps", steps, 1)] for leaf in inputs]
    called = CallbackList(callbacks, model, _params(model, len(inputs[0]), size))
    outputs = [output.numpy() for output in evaluation.predict(predictor(model, len(inputs)), inputs, size, called)]
    if "predict_step" in model.own_steps:
        return outputs[0] if len(outputs) == 1 else outputs
    return model.arranged_outputs(outputs)


def predictor(model: Net, inputs: int = 1) -> Engine:
    """An engine that predicts; a net that was never compiled can predict too."""
    outputs = len(model.output_names)
    job = Job(
        module_of(model),
        model.device,
        input_scalings=model.input_scalings or [None] * inputs,
        target_scalings=model.target_scalings or [None] * outputs,
        precision=model.precision,
    )
    return choose(job)


def train_on_batch(model: Net, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> dict[str, float]:
    """One step on one batch: see `Model.train_on_batch`."""
    model.optimizer.claim(model)
    known, given = model.target_names, arrays.columns_of(y)
    y = arrays.by_name(y, known, "targets") if known and given and sorted(known) == sorted(given) else y
    rows = prepare_rows(model, x, y, sample_weight, class_weight)
    model.input_columns = model.input_columns or arrays.input_names(x)
    seed = derive(model.seed or 0, "train_on_batch")
    job = make_job(model, rows, lambda: Reading(rows).batches(len(rows), model.device), seed, None)
    engine, sums, age = choose(job), Sums(), model.optimizer.iterations
    settle(model)
    with torch.random.fork_rng() if job.foreign_randomness else nullcontext():
        engine.run(Stretch([Span(0, 0, 1, 1, 1, age)], [sums]))
    return engine.job.report(sums)
