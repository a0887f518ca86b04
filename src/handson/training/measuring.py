"""What measures and predicts: the verbs `evaluate`, `predict` and `train_on_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from handson.callbacks import Callback, CallbackList
from handson.callbacks.calls import PREDICT_BATCHES, TEST_BATCHES, as_list
from handson.core.errors import HandsonError, whole
from handson.data.rows import arrays
from handson.data.rows.openings import is_batches
from handson.data.rows.stored import Data
from handson.layers.ownership import settle
from handson.layers.shapes import flat_shapes
from handson.losses import DistributionLoss, MeanSquaredError
from handson.randomness.keys import derive
from handson.state.sums import Sums
from handson.training import evaluation
from handson.training.engines import Engine, choose
from handson.training.engines.eager import Eager
from handson.training.monte_carlo import samples
from handson.training.preparation.compiled import Term
from handson.training.preparation.contract import head_of
from handson.training.preparation.given import in_known_order, prepare_inputs, remember_columns
from handson.training.preparation.job import Job, Span, Stretch
from handson.training.preparation.net import Net, module_of
from handson.training.preparation.prepare import make_job, prepare_rows
from handson.training.preparation.readers import Reading, read_to_measure
from handson.training.preparation.streams import inputs_of_batches
from handson.training.spread import PredictOptions, RawOutput, answer

# Evaluation and prediction take as many rows at a time as have so many values, within bounds: Keras's 32 are slow for
# small rows, and thousands of large ones need too much memory.
PLAIN = PredictOptions()
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


def predict(model: Net, x: Any, options: PredictOptions = PLAIN) -> Any:
    """Outputs in the units of the targets: see `Model.predict`."""
    if is_batches(x):
        of_one = replace(options, batch_size=None, steps=None, callbacks=as_list(options.callbacks))
        batches = inputs_of_batches(x, options.steps, options.batch_size)
        parts = [raw_outputs(model, part, of_one) for part in batches]
        if not parts:
            raise HandsonError("the data have no batch to predict.")
        found = [_joined(each) for each in zip(*parts, strict=True)]
    else:
        found = raw_outputs(model, x, options)
    if "predict_step" in model.own_steps:
        return answer(options, found, lambda leaves: leaves[0] if len(leaves) == 1 else list(leaves))
    return answer(options, found, model.arranged_outputs)


def raw_outputs(model: Net, x: Any, options: PredictOptions = PLAIN) -> list[RawOutput]:
    """What a net gives for some rows, for each output."""
    if model.output_shape is not None and hasattr(x, "shape") and len(x) == 0:
        sizes = [(0, *(size or 0 for size in shape[1:])) for shape in flat_shapes(model.output_shape)]
        return _by_output(model, [[torch.zeros(shape) for shape in sizes]])
    inputs = prepare_inputs(model, x)
    callbacks = as_list(options.callbacks)
    size = _size(options.batch_size, inputs, callbacks, PREDICT_BATCHES)
    if options.steps is not None:
        size = whole("batch_size", options.batch_size or FEWEST_EVALUATED, 1)
        inputs = [leaf[: size * whole("steps", options.steps, 1)] for leaf in inputs]
    called = CallbackList(callbacks, model, _params(model, len(inputs[0]), size))
    engine = predictor(model, len(inputs))
    if options.spread == "dropout":
        runs = whole("samples", options.samples, 2)
        return _by_output(model, samples(Eager(engine.job), inputs, size, runs, model.seed or 0))
    return _by_output(model, [evaluation.predict(engine, inputs, size, called)])


def _by_output(model: Net, runs: list[list[Tensor]]) -> list[RawOutput]:
    """The outputs of one or several runs, by output."""
    terms = _read_as(model)
    families = [terms[number].distribution if len(terms) == len(runs[0]) else None for number in range(len(runs[0]))]
    return [RawOutput([family] * len(runs), [run[number] for run in runs]) for number, family in enumerate(families)]


def _joined(parts: Sequence[RawOutput]) -> RawOutput:
    """What nets give at one output, from several batches."""
    return RawOutput(
        parts[0].families, [torch.cat(leaves) for leaves in zip(*(one.parameters for one in parts), strict=True)]
    )


def _read_as(model: Net) -> list[Term]:
    """How outputs are read: as the loss says, or, of a net that was never compiled, as its last layers say."""
    if model.compiled:
        return model.terms
    heads = [head_of(model, number) for number in range(len(model.output_names))]
    return [Term("", None if head is None else DistributionLoss().for_head(head)) for head in heads]


def predictor(model: Net, inputs: int = 1) -> Engine:
    """An engine that predicts; a net that was never compiled can predict too."""
    outputs = len(model.output_names)
    terms = _read_as(model)
    job = Job(
        module_of(model),
        model.device,
        # A loss decides nothing in a prediction but how outputs are read.
        [term if term.distribution is not None else Term("", MeanSquaredError()) for term in terms],
        input_scalings=model.input_scalings or [None] * inputs,
        target_scalings=model.target_scalings or [None] * outputs,
        precision=model.precision,
    )
    return choose(job)


def train_on_batch(model: Net, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> dict[str, float]:
    """One step on one batch: see `Model.train_on_batch`."""
    model.optimizer.claim(model)
    rows = prepare_rows(model, x, in_known_order(model, y), sample_weight, class_weight)
    remember_columns(model, x)
    seed = derive(model.seed or 0, "train_on_batch")
    job = make_job(model, rows, lambda: Reading(rows).batches(len(rows), model.device), seed, None)
    engine, sums, age = choose(job), Sums(), model.optimizer.iterations
    settle(model)
    with torch.random.fork_rng() if job.foreign_randomness else nullcontext():
        engine.run(Stretch([Span(age, 0, 1, 1, 1, age)], [sums]))
    return engine.job.report(sums)
