"""A job as a program: what `handson.kernels.dense_program` needs to know of a net, its loss and its optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from handson import activations
from handson.core.lowering import lowered, rule_of
from handson.data.rows.batches import Batches
from handson.kernels import dense_program as kernel
from handson.kernels.aligned import aligned
from handson.randomness.keys import derive
from handson.training.engines.dense.flat_weights import FlatWeights
from handson.training.engines.dense.lowerings import ACTIVATIONS, Formula, Operations, Value
from handson.training.engines.dense.update import no_updates, places_of
from handson.training.preparation.job import Job

# Inputs, targets and sample weights.
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


class Program:
    """The operations of a net, and the arrays that they work on."""

    def __init__(self, job: Job) -> None:
        from handson.kernels.keyed_dropout import threshold_of

        operations = operations_of(job)
        self.formula = formula_of(job.loss)
        # The softmax or sigmoid at the end, where the loss takes its logits, or may take them in PyTorch.
        last = operations[-1].activation
        self.through = operations.pop().activation if last in _taken_as_logits(self.formula) else None
        self.weights = FlatWeights(job.module, job.optimizer)
        self.gradients = aligned(len(self.weights.rows[0]))
        self.trained, self.penalized = self.weights.trainable, places_of(job.penalized, self.weights)
        self._layers = _layers(operations, kernel.DROPOUT)
        self._norms = _layers(operations, kernel.BATCH_NORMALIZATION)
        self.operations = np.array(list(self._rows(operations)), np.int64)
        self.lowest = self._lowest()
        widths = [int(self.operations[0, 1]), *self.operations[:, 2].tolist()]
        size, widest = job.batches.batch_size, max(widths)
        self.width = widths[-1]
        self.places = _places(self.operations, size)
        self.measuring = _measuring(self.operations)
        self.measuring_places = _places(self.measuring, size)
        self.arena = aligned(int(self.places[-1]) + size * widest)
        self.masks = np.zeros(len(self.arena) if self._layers else 1, np.bool_)
        self.upper, self.lower = aligned(size * widest), aligned(size * widest)
        self.sums, self.compared = np.zeros((2, widest), np.float32), np.zeros((2, size * self.width), np.float32)
        self.turned = aligned(int(self.operations[:, 1:3].prod(1).max()))
        features = sum(layer.moving_mean.numel() for layer in self._norms)
        self.moving, self.moments = np.zeros((2, features), np.float32), np.zeros((2, features), np.float32)
        self.constants = np.array([(n.epsilon, n.momentum) for n in self._norms] or [(0, 0)], np.float32)
        rates = [layer.rate for layer in self._layers] or [0.0]
        self.thresholds = np.array([threshold_of(rate) for rate in rates], np.uint32)
        self.scales = np.array([1.0 / (1.0 - rate) for rate in rates], np.float32)
        self.loss = self._loss()
        self.net = self._net(self.operations, self.lowest, self.places)
        self._measured = self._net(self.measuring, 0, self.measuring_places)

    def _loss(self) -> Any:
        """The loss as the kernels take it; -1 is none of theirs."""
        from handson.kernels.dense_loss import Loss

        formula = self.formula
        if formula is None:
            return Loss(kind=-1, delta=1.0)
        logits = self.through is not None or formula.takes_logits
        return Loss(kind=formula.logits if logits else formula.kind, delta=formula.delta)

    def _rows(self, operations: Operations) -> Iterator[tuple[int, ...]]:
        """The operations, row by row: see `handson.kernels.dense_program`."""
        moments = 0

        def place(weight: Any) -> int:
            return -1 if weight is None else self.weights.place(weight)

        for each in operations:
            first, second = map(place, each.weights)
            row = (each.kind, each.before, each.after, first, second)
            if each.kind == kernel.MATMUL:
                yield *row, any(weight.requires_grad for weight in each.layer.parameters()), 0
            elif each.kind == kernel.BATCH_NORMALIZATION:
                yield *row, moments, self._norms.index(each.layer)
                moments += each.after
            elif each.kind == kernel.DROPOUT:
                yield *row[:3], 0, 0, 0, self._layers.index(each.layer)
            else:
                yield *row[:3], _code(each.activation), 0, 0, 0

    def _lowest(self) -> int:
        """The first operation with a weight that is trained: no gradient is needed before it."""
        held = np.isin(self.operations[:, kernel.KIND], (kernel.MATMUL, kernel.BATCH_NORMALIZATION))
        of_weights = self.operations[:, [kernel.FIRST, kernel.SECOND]]
        trained = (of_weights >= 0) & (of_weights < self.weights.ends[-1])
        return int(np.argmax(held & trained.any(1)))

    def keys(self, seed: int, ages: Sequence[int]) -> np.ndarray:
        """The keys of the dropout layers in some epochs, a row each: see `handson.layers.dropout.mask_key`."""
        seeds = [(seed if layer.seed is None else layer.seed, layer.path) for layer in self._layers]
        return np.array([[derive(*each, age) for each in seeds] or [0] for age in ages], np.uint64)

    def gather(self) -> None:
        """Copy weights, slots and moving moments into the flat arrays."""
        self.weights.gather()
        if self._norms:
            self.moving[0] = np.concatenate([layer.moving_mean.numpy() for layer in self._norms])
            self.moving[1] = np.concatenate([layer.moving_variance.numpy() for layer in self._norms])

    def _net(self, operations: np.ndarray, lowest: int, places: np.ndarray) -> Any:
        """Some operations as the kernels take them."""
        from handson.kernels.dense_program import Net

        return Net(
            operations=operations, places=places, count=len(operations), lowest=lowest, weights=self.weights.rows[0],
            gradients=self.gradients, moving=self.moving, moments=self.moments, features=self.moving.shape[1],
            constants=self.constants, thresholds=self.thresholds, scales=self.scales, masks=self.masks,
            arena=self.arena, upper=self.upper, lower=self.lower, sums=self.sums, compared=self.compared,
            turned=self.turned, most=self.sums.shape[1], compared_most=self.compared.shape[1],
        )  # fmt: skip

    def training(
        self, data: Arrays, order: np.ndarray, size: int, keys: np.ndarray, update: Any, outputs: np.ndarray,
        measuring: bool = False,
    ) -> Any:  # fmt: skip
        """Epochs on the rows of `order` as the kernels take them: see `handson.kernels.dense_program.Training`."""
        from handson.kernels.dense_loss import data_of
        from handson.kernels.dense_program import Span, Training
        from handson.kernels.threads import crew

        length = len(order) // len(keys)
        steps = -(-length // size)
        totals, counts = np.zeros(steps * len(keys)), np.zeros(steps * len(keys), np.int64)
        span = Span(
            order=order, length=length, batch_size=size, steps=steps, keys=keys, drops=keys.shape[1], totals=totals,
            counts=counts, outputs=outputs if len(outputs) else None,
        )  # fmt: skip
        net = self._measured if measuring else self.net
        net.start, net.threads = crew()
        return Training(net=net, data=data_of(*data), loss=self.loss, update=update, span=span)

    def run(self, training: Any) -> tuple[np.ndarray, np.ndarray]:
        """Run `training` on what was gathered; the sums and counts of the steps' losses."""
        totals, counts = (training.held["span"].held[name] for name in ("totals", "counts"))
        kernel.train(training, 0, len(totals))
        return totals, counts

    def measure(self, data: Arrays, size: int) -> tuple[float, int, np.ndarray]:
        """Sum and count of the loss in evaluation mode, and the outputs, for what was gathered.

        The rows are taken `size` at a time.
        """
        inputs, _, _ = data
        rows, outputs = np.arange(len(inputs)), np.empty((len(inputs), self.width), np.float32)
        update = no_updates()
        totals, counts = self.run(self.training(data, rows, size, self.keys(0, [0]), update, outputs, measuring=True))
        return float(totals.sum()), int(counts.sum()), outputs

    @torch.no_grad()
    def scatter(self) -> None:
        """Put the flat copies back."""
        self.weights.scatter()
        first = 0
        for layer in self._norms:
            last = first + layer.moving_mean.numel()
            layer.moving_mean.copy_(torch.from_numpy(self.moving[0, first:last]))
            layer.moving_variance.copy_(torch.from_numpy(self.moving[1, first:last]))
            first = last


def operations_of(job: Job) -> Operations:
    """The operations of a plain stack of layers.

    Raises
    ------
    NoLowering
        When a layer has none.
    """
    operations, shape = Operations(), job.batches.inputs[0].shape[1:]
    value = Value(math.prod(shape), len(shape) == 1)
    for layer in job.module.chain() or []:  # type: ignore[operator]
        value = lowered(layer, "dense", operations, value)
    return operations


def formula_of(loss: Any) -> Formula | None:
    """The loss as the program computes it; None for one that PyTorch computes."""
    return lowered(loss, "dense") if rule_of(type(loss), "dense") else None


def _taken_as_logits(formula: Formula | None) -> tuple[Any, ...]:
    """The activations whose logits a loss takes: one that PyTorch computes finds them by itself (`graph/logits.py`)."""
    if formula is None:
        return activations.sigmoid, activations.softmax
    return () if formula.takes_logits or formula.through is None else (formula.through,)


def _layers(operations: Operations, kind: int) -> list[Any]:
    return [each.layer for each in operations if each.kind == kind]


def _code(activation: Any) -> int:
    return next(code for code, known in enumerate(ACTIVATIONS) if known is activation)


def _places(operations: np.ndarray, size: int) -> np.ndarray:
    """Where the input of each operation lies in the arena, and the last output.

    Activations work in place, but for those whose backward pass needs their inputs, and for one after another: the
    first still needs its outputs.
    """
    from handson.kernels import dense_program as kernel
    from handson.kernels.dense_activation import FIRST_OF_INPUTS

    places, before = [0], kernel.ACTIVATION
    for operation in operations:
        in_place = operation[kernel.KIND] == kernel.ACTIVATION != before and operation[kernel.FIRST] < FIRST_OF_INPUTS
        before = operation[kernel.KIND]
        places.append(places[-1] + (0 if in_place else size * int(operation[kernel.BEFORE])))
    return np.array(places)


def _measuring(operations: np.ndarray) -> np.ndarray:
    """The operations in evaluation mode."""
    kept = operations[operations[:, kernel.KIND] != kernel.DROPOUT]
    kept[kept[:, kernel.KIND] == kernel.BATCH_NORMALIZATION, kernel.KIND] = kernel.SCALING
    return kept


def arrays(job: Job, batches: Batches, program: Program) -> Arrays:
    """Inputs, scaled; targets as the loss of the program wants them, if it has one; sample weights, or nothing."""
    inputs = batches.inputs[0][:]
    inputs = (inputs.float() if job.input_scaling is None else job.input_scaling.apply(inputs)).reshape(len(inputs), -1)
    targets = batches.targets[0][:]
    if program.formula is None:
        targets = targets.new_zeros(0, 1)
    else:
        targets = targets if job.target_scaling is None else job.target_scaling.apply(targets)
        targets = program.formula.prepare(targets, program.width)
    weights = np.zeros(0, np.float32) if batches.weights[0] is None else batches.weights[0].numpy()
    return inputs.contiguous().numpy(), targets.to(torch.float32).contiguous().numpy(), weights
