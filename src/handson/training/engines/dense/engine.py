"""The engine of dense nets on a CPU: a span of steps is one call of a compiled program.

Small nets spend their time not in arithmetic but between the operations. Here nothing is between them: weights and
slots are copied into flat arrays, the program of `handson.kernels.dense_program` runs all steps of the span, and the
results are copied back. Only a loss of a user is computed in every step by PyTorch. Evaluation takes the same program,
without what it trains with; prediction is that of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from handson.averages import Function
from handson.core.lowering import NoLowering
from handson.core.pure import is_builtin
from handson.data.rows.batches import Batches
from handson.kernels.denormals import flushed
from handson.kernels.dense_program import MATMUL
from handson.losses.base import MEANS
from handson.metrics import LossMetric, Metric
from handson.state.state import named_weights, trainable_weights
from handson.state.sums import Sums
from handson.training.engines.dense import steps as dense_steps
from handson.training.engines.dense import update as program_update
from handson.training.engines.dense.lowerings import Operations
from handson.training.engines.dense.program import Arrays, Program, arrays, operations_of
from handson.training.engines.eager import Eager
from handson.training.preparation.job import Job, Span, Stretch

# Above this a step is mostly matrix products, and above that the inputs are kept as float32 only once.
MOST_WEIGHTS, MOST_INPUTS = 1 << 20, 1 << 28


class DenseProgram(Eager):
    """Runs the steps of a stack of dense layers as one program; everything else as the reference does.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = "engine='dense': the steps of this net run as one compiled program; engine='eager' runs them in PyTorch."

    def __init__(self, job: Job) -> None:
        from handson.kernels.shuffle import permutation

        super().__init__(job)
        self._scale_targets = job.objective.scalings[0]
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
        if self._program.formula is not None:
            self._train(stretch)
            return
        for span, sums in stretch.parts():
            self._train(Stretch([span], [sums]))

    def _train(self, stretch: Stretch) -> None:
        """Run spans of the same length, one after another, as one call of the program."""
        job, program, spans = self.job, self._program, stretch.spans
        steps = spans[0].last - spans[0].first
        orders = [self._order(span) for span in spans]
        order = np.concatenate(orders) if len(orders) > 1 else orders[0]
        outputs = np.empty((len(order) if job.metrics else 0, program.width), np.float32)
        program.gather()
        with flushed():
            totals, counts = self._run(spans, order, outputs)
        program.scatter()
        job.optimizer.iterations += len(totals)
        for number, (of_span, rows) in enumerate(zip(stretch.sums, orders, strict=True)):
            part = slice(number * steps, (number + 1) * steps)
            of_span.add_steps("loss", totals[part], counts[part])
            if job.metrics:
                output = torch.from_numpy(outputs[number * len(rows) : (number + 1) * len(rows)])
                self._add_metrics(of_span, torch.from_numpy(rows), output, job.batches)

    def _order(self, span: Span) -> np.ndarray:
        """The rows of a span."""
        batches, size = self.job.batches, self.job.batches.batch_size
        order = batches.order(span.age).numpy() if batches.shuffle else np.arange(len(batches))
        return order[span.first * size : span.last * size]

    def _run(self, spans: Sequence[Span], order: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The steps of the spans on the flat weights: the sums and counts of their losses."""
        job, program = self.job, self._program
        if program.formula is None:
            return dense_steps.train(program, job, spans[0], self._arrays(job.batches), order, outputs, self._loss)
        keys = program.keys(job.seed, [span.age for span in spans])
        update = program_update.updates(job, program.penalized, program.weights, spans)
        size = job.batches.batch_size
        return program.run(program.training(self._arrays(job.batches), order, size, keys, update, outputs))

    @torch.no_grad()
    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        if not self._measures(batches):
            return super().evaluate(batches, sums)
        job, program = self.job, self._program
        program.gather()
        with flushed():
            total, count, outputs = program.measure(self._arrays(batches), job.batches.batch_size)
        sums = Sums() if sums is None else sums
        sums.add("loss", total + float(self.added() or 0.0) * count, count)
        if job.metrics:
            self._add_metrics(sums, torch.arange(len(batches)), torch.from_numpy(outputs), batches)
        return sums

    def _measures(self, batches: Batches) -> bool:
        """Whether there is a program for an evaluation."""
        fits = not batches.streams and batches.inputs[0].numel() <= MOST_INPUTS
        return fits and self._program.formula is not None and self._still_runs()

    def _loss(self, rows: np.ndarray, output: np.ndarray) -> tuple[float, float, np.ndarray]:
        """The loss of a batch in PyTorch, as sum and count, and the gradient of the outputs."""
        batches, places = self.job.batches, torch.from_numpy(rows)
        outputs = torch.from_numpy(output).requires_grad_()
        weights = batches.weights[0]
        weights = None if weights is None else weights.index_select(0, places)
        targets = batches.targets[0].index_select(0, places)
        if self._scale_targets is not None:
            targets = self._scale_targets.apply(targets)
        # A copy, since a loss may change what it is given.
        through = self._program.through
        predictions = outputs.clone() if through is None else through(outputs)
        total, count = self.job.loss.sums(targets, predictions, weights, batches.masked[0])
        number = float(count)
        (gradient,) = torch.autograd.grad(total / max(number, 1.0), outputs)
        return float(total.detach()), number, gradient.numpy()

    def _add_metrics(self, sums: Sums, rows: Tensor, prediction: Tensor, batches: Batches) -> None:
        """The metrics of some rows, summed batch by batch so that they do not depend on how many there are."""
        from handson.kernels.dense_program import segment_sums

        if self._program.through is not None:
            prediction = self._program.through(prediction)
        (parameters,) = self.job.objective.in_units([prediction])
        point = self.job.terms[0].point(parameters)
        masked = batches.masked[0]
        targets = batches.targets[0].index_select(0, rows)
        for metric in self.job.metrics:
            prediction = parameters if metric.of_distributions else point
            if not _is_elementwise(metric):
                pairs = zip(targets.split(batches.batch_size), prediction.split(batches.batch_size), strict=True)
                for y_true, y_pred in pairs:
                    sums.measure(metric.name, metric, y_true, y_pred, None, masked)
                continue
            wanted = metric.fill(targets) if masked else targets
            values = metric.values(wanted, prediction).to(torch.float32).numpy().reshape(len(rows), -1)
            present = metric.present(targets).numpy() if masked else np.ones(values.shape, np.bool_)
            sums.add_steps(metric.name, *segment_sums(values, present.reshape(values.shape), batches.batch_size))


def _is_elementwise(metric: Metric) -> bool:
    """Whether a metric gives every sample a value that does not depend on the others: handson's own do."""
    own = metric.loss if isinstance(metric, LossMetric) else metric
    return metric.is_mean and is_builtin(own) and not isinstance(own, Function) and not own.batchwise


def _check_net(job: Job) -> None:
    """Raise `NoLowering` unless the program can run the net."""
    if job.own_loss:
        raise NoLowering("a loss that the net defines itself")
    if job.several:
        raise NoLowering("a net with several inputs or outputs")
    chain = getattr(job.module, "chain", None)
    if not (chain and chain()):
        raise NoLowering("a net that is no plain stack of layers")
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
    _check_size(job, operations_of(job))


def _check_size(job: Job, operations: Operations) -> None:
    if not any(each.kind == MATMUL for each in operations):
        raise NoLowering("a net without Dense layers")
    if not trainable_weights(job.module):
        raise NoLowering("a net without weights to train")
    weights = sum(weight.numel() for weight in named_weights(job.module).values())
    if weights > MOST_WEIGHTS or job.batches.inputs[0].numel() > MOST_INPUTS:
        raise NoLowering("a net or data of this size")


def _check_training(job: Job) -> None:
    """Raise `NoLowering` unless the program can run what stays as it is for a whole training."""
    if job.precision == "bfloat16":
        raise NoLowering("precision='bfloat16'")
    if job.batches.streams:
        raise NoLowering("data that are read from their file while it trains")
    if job.augment is not None:
        raise NoLowering("augmentation")
    if job.terms[0].weighted_metrics:
        raise NoLowering("weighted metrics")
    if job.terms[0].loss is None or job.terms[0].weight != 1.0:
        raise NoLowering("an output without a loss of weight 1")
    if any(scaling is not None and scaling.needs_double for scaling in job.target_scalings):
        raise NoLowering("targets that float32 would round")
    if job.loss.reduction not in MEANS:
        raise NoLowering(f"the loss's reduction={job.loss.reduction!r}")
    for average in (job.loss, *job.metrics):
        if not average.pure:
            raise NoLowering(f"the {average.kind} {average.name}, which is not declared: handson.register(pure=True)")
