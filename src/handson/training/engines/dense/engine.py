"""The engine of nets of dense layers on a CPU: a stretch of steps is one call of a compiled program.

Small nets spend their time not in arithmetic but between the operations. Here nothing is between them: weights and
slots are copied into flat arrays, the program of `handson.kernels.dense_program` runs all steps of the stretch, and the
results are copied back. Only a loss of a user is computed in every step by PyTorch. Evaluation takes the same program,
without what it trains with; prediction is that of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.averages import Function
from handson.core.lowering import NoLowering
from handson.core.pure import is_builtin
from handson.data.rows.batches import Batches
from handson.kernels.denormals import flushed
from handson.kernels.dense_program import MATMUL, segment_sums
from handson.kernels.shuffle import permutation
from handson.losses.base import MEANS
from handson.metrics import LossMetric, Metric
from handson.state.state import named_weights, trainable_weights
from handson.state.sums import Sums
from handson.training.engines.dense import steps as dense_steps
from handson.training.engines.dense import update as program_update
from handson.training.engines.dense.nets import operations_of
from handson.training.engines.dense.operations import Operations
from handson.training.engines.dense.program import Arrays, Epochs, Head, Program, Steps, arrays
from handson.training.engines.eager import Eager
from handson.training.preparation.compiled import Term
from handson.training.preparation.job import Job, Span, Stretch
from handson.training.preparation.objective import ADDED

# Above this a step is mostly matrix products, and above that the inputs are kept as float32 only once.
MOST_WEIGHTS, MOST_INPUTS = 1 << 20, 1 << 28


class DenseProgram(Eager):
    """Runs the steps of a graph of dense layers as one program; everything else as the reference does.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = "engine='dense': the steps of this net run as one compiled program; engine='eager' runs them in PyTorch."
    stepwise = False

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        job.batches.permutation = permutation
        self._prepare()

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can.

        Examples
        --------
        >>> import handson
        >>> net = handson.Sequential([handson.layers.LSTM(3, input_shape=(5, 2))])
        >>> DenseProgram.obstacle(Job(net, torch.device("cpu")))
        'the layer lstm (LSTM)'
        """
        try:
            _check_net(job)
            _check_training(job)
            program_update.check(job)
        except NoLowering as reason:
            return str(reason)
        return None

    def _prepare(self) -> None:
        self._settings = self.job.settings()
        self._program = Program(self.job)
        # By the identity of the batches, which are held so that no others take their place in memory.
        self._held: dict[int, tuple[Batches, Arrays]] = {}

    def _arrays(self, batches: Batches) -> Arrays:
        """What the program reads of some rows: the same arrays each time."""
        if id(batches) not in self._held:
            self._held[id(batches)] = batches, arrays(self.job, batches, self._program)
        return self._held[id(batches)][1]

    def _still_runs(self) -> bool:
        """Whether the program runs the training as it is now; callbacks may have changed net or optimizer."""
        try:
            if self.job.settings() != self._settings or self._program.weights.trainable != self._program.trained:
                _check_net(self.job)
                self._prepare()
            program_update.check(self.job)
        except NoLowering:
            return False
        return not self.job.watched()

    def run(self, stretch: Stretch) -> None:
        if not self._still_runs():
            return super().run(stretch)
        if self._program.compiled:
            self._train(stretch)
            return
        for span, sums in stretch.parts():
            self._train(Stretch([span], [sums]))

    def _train(self, stretch: Stretch) -> None:
        """Run spans of the same length, one after another, as one call of the program."""
        job, program, spans = self.job, self._program, stretch.spans
        count = spans[0].last - spans[0].first
        orders = [self._order(span) for span in spans]
        order = np.concatenate(orders) if len(orders) > 1 else orders[0]
        program.gather()
        with flushed():
            steps = self._run(spans, order)
        program.scatter()
        job.optimizer.iterations += len(steps.penalties)
        for number, (of_span, rows) in enumerate(zip(stretch.sums, orders, strict=True)):
            self._note(of_span, steps.part(number * count, (number + 1) * count), len(rows))
            if job.measures:
                outputs = [each[number * len(rows) : (number + 1) * len(rows)] for each in steps.outputs]
                self._measure(of_span, torch.from_numpy(rows), outputs, job.batches)

    def _order(self, span: Span) -> np.ndarray:
        """The rows of a span."""
        batches, size = self.job.batches, self.job.batches.batch_size
        order = batches.order(span.epoch).numpy() if batches.shuffle else np.arange(len(batches))
        return order[span.first * size : span.last * size]

    def _run(self, spans: Sequence[Span], order: np.ndarray) -> Steps:
        """The steps of the spans on the flat weights."""
        job, program = self.job, self._program
        keys = program.keys(job.seed, [span.epoch for span in spans])
        epochs = Epochs(order, job.batches.batch_size, keys)
        update = program_update.updates(job, program.penalized, program.weights, spans)
        training, steps = program.training(self._arrays(job.batches), epochs, update, job.measures)
        if program.compiled:
            return program.run(training, steps)
        return dense_steps.train(program, training, steps, self._losses)

    @torch.no_grad()
    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        if not self._measures(batches):
            return super().evaluate(batches, sums)
        program = self._program
        program.gather()
        with flushed():
            steps = program.measure(self._arrays(batches), self.job.batches.batch_size)
        sums = Sums() if sums is None else sums
        steps.penalties[:] = float(self.added() or 0.0)
        self._note(sums, steps, len(batches))
        if self.job.measures:
            self._measure(sums, torch.arange(len(batches)), steps.outputs, batches)
        return sums

    def _measures(self, batches: Batches) -> bool:
        """Whether there is a program for an evaluation."""
        fits = not batches.streams and sum(leaf.numel() for leaf in batches.inputs) <= MOST_INPUTS
        return fits and self._program.compiled and self._still_runs()

    def _losses(self, rows: np.ndarray, outputs: list[np.ndarray]) -> list[tuple[float, float, np.ndarray]]:
        """The losses of a batch in PyTorch, as sums and counts, and the gradients of the outputs."""
        batches, places = self.job.batches, torch.from_numpy(rows)
        leaves = [torch.from_numpy(output).requires_grad_() for output in outputs]
        targets = [leaf.index_select(0, places) for leaf in batches.targets]
        weights = [None if leaf is None else leaf.index_select(0, places) for leaf in batches.weights]
        # Copies, since a loss may change what it is given.
        predictions = self._through([leaf if head.through else leaf.clone() for leaf, head in self._with_heads(leaves)])
        parts, found = self.job.objective.parts(targets, predictions, weights, batches.masked), []
        for part, leaf in zip(parts, leaves, strict=True):
            count = float(part.count)
            (gradient,) = torch.autograd.grad(part.weight * part.total / max(count, 1.0), leaf)
            found.append((float(part.total.detach()), count, gradient.numpy()))
        return found

    def _through(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """What the net gives, from what the program gives: that leaves out activations whose logits a loss takes."""
        return [head.through(output) if head.through else output for output, head in self._with_heads(outputs)]

    def _with_heads(self, outputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, Head]]:
        return zip(outputs, self._program.heads, strict=True)

    def _note(self, sums: Sums, steps: Steps, rows: int) -> None:
        """Add the losses of the steps of some rows to the sums, as `Objective.note` does."""
        terms, size = self.job.terms, self.job.batches.batch_size
        if len(terms) == 1:
            totals, counts = terms[0].weight * steps.totals[0], steps.counts[0]
            sums.add_steps("loss", totals + counts * steps.penalties, counts)
            return
        for term, totals, counts in zip(terms, steps.totals, steps.counts, strict=True):
            sums.add_steps(f"{term.path}_loss", totals, counts)
        if self.job.penalized:
            lengths = np.minimum(size, rows - size * np.arange(len(steps.penalties)))
            sums.add_steps(ADDED, steps.penalties * lengths, lengths)

    def _measure(self, sums: Sums, rows: Tensor, outputs: Sequence[np.ndarray], batches: Batches) -> None:
        """The metrics of some rows, summed batch by batch so that they do not depend on how many there are."""
        found = self.job.objective.in_units(self._through(list(map(torch.from_numpy, outputs))))
        for number, (term, output) in enumerate(zip(self.job.terms, found, strict=True)):
            if term.metrics:
                targets = batches.targets[number].index_select(0, rows)
                _measure_one(sums, term, targets, output, batches.masked[number], batches.batch_size)


def _measure_one(sums: Sums, term: Term, targets: Tensor, output: Tensor, masked: bool, size: int) -> None:
    """The metrics of one output."""
    point = term.point(output)
    for metric in term.metrics:
        prediction, key = output if metric.of_distributions else point, term.key(metric.name)
        if not _is_elementwise(metric):
            for y_true, y_pred in zip(targets.split(size), prediction.split(size), strict=True):
                sums.measure(key, metric, y_true, y_pred, None, masked)
            continue
        wanted = metric.fill(targets) if masked else targets
        values = metric.values(wanted, prediction).to(torch.float32).numpy().reshape(len(targets), -1)
        present = metric.present(targets).numpy() if masked else np.ones(values.shape, np.bool_)
        sums.add_steps(key, *segment_sums(values, present.reshape(values.shape), size))


def _is_elementwise(metric: Metric) -> bool:
    """Whether a metric gives every sample a value that does not depend on the others: handson's own do."""
    own = metric.loss if isinstance(metric, LossMetric) else metric
    return metric.is_mean and is_builtin(own) and not isinstance(own, Function) and not own.batchwise


def _check_net(job: Job) -> None:
    """Raise `NoLowering` unless the program can run the net."""
    if job.own_loss:
        raise NoLowering("a loss that the net defines itself")
    if job.device.type != "cpu":
        raise NoLowering(f"the device {job.device.type}")
    other = job.of_another_type()
    if other is not None:
        raise NoLowering(other)
    penalized = next((layer for layer in job.layers if layer.activity_regularizer is not None), None)
    if penalized is not None:
        raise NoLowering(f"the activity_regularizer of {penalized.name}")
    watched = job.watched()
    if watched:
        raise NoLowering(f"a net with hooks, which {getattr(watched[0], 'name', 'a part of it')} has")
    operations, _ = job.once(operations_of)
    _check_size(job, operations)


def _check_size(job: Job, operations: Operations) -> None:
    if not any(each.kind == MATMUL for each in operations):
        raise NoLowering("a net without Dense layers")
    if not trainable_weights(job.module):
        raise NoLowering("a net without weights to train")
    weights = sum(weight.numel() for weight in named_weights(job.module).values())
    if weights > MOST_WEIGHTS or sum(leaf.numel() for leaf in job.batches.inputs) > MOST_INPUTS:
        raise NoLowering("a net or data of this size")


def _check_training(job: Job) -> None:
    """Raise `NoLowering` unless the program can run what stays as it is for a whole training."""
    if job.precision == "bfloat16":
        raise NoLowering("precision='bfloat16'")
    if job.batches.streams:
        raise NoLowering("data that are read from their file while it trains")
    if job.augment is not None:
        raise NoLowering("augmentation")
    if any(each is not None and each.dim() > 1 for each in job.batches.weights):
        raise NoLowering("weights of steps")
    if any(scaling is not None and scaling.needs_double for scaling in job.target_scalings):
        raise NoLowering("targets that float32 would round")
    for term in job.terms:
        _check_term(term)


def _check_term(term: Term) -> None:
    """Raise `NoLowering` unless the program can run what is minimized and measured at an output."""
    if term.weighted_metrics:
        raise NoLowering("weighted metrics")
    if term.loss is None:
        raise NoLowering("an output without a loss")
    if term.loss.reduction not in MEANS:
        raise NoLowering(f"the loss's reduction={term.loss.reduction!r}")
    averages: list[Any] = [term.loss, *term.metrics]
    for average in averages:
        if not average.pure:
            raise NoLowering(f"the {average.kind} {average.name}, which is not declared: handson.register(pure=True)")
