"""A job as a program: what `handson.kernels.dense_program` needs to know of a net, its losses and its optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from handson import activations
from handson.core.lowering import lowered, rule_of
from handson.data.rows.batches import Batches
from handson.kernels import dense_loss
from handson.kernels import dense_program as kernel
from handson.kernels.aligned import aligned
from handson.kernels.keyed_dropout import threshold_of
from handson.kernels.library import in_a_row
from handson.kernels.threads import crew
from handson.randomness.keys import derive
from handson.training.engines.dense.flat_weights import FlatWeights
from handson.training.engines.dense.formulas import Formula
from handson.training.engines.dense.layout import OF_TWO, Layout, evaluated, laid_out
from handson.training.engines.dense.nets import operations_of
from handson.training.engines.dense.operations import ACTIVATIONS, Operation, Operations
from handson.training.engines.dense.update import no_updates, places_of
from handson.training.preparation.job import Job


class Arrays(NamedTuple):
    """Rows as the program reads them: all inputs beside each other, and of each output the targets with weights."""

    inputs: np.ndarray
    targets: list[Any]


class Epochs(NamedTuple):
    """Epochs of the same length: the order of all rows, how many are a batch, and a row of dropout keys for each."""

    order: np.ndarray
    size: int
    keys: np.ndarray


class Steps(NamedTuple):
    """What steps give: of each output sums and counts of its losses, and what it was, if there was room; penalties."""

    totals: np.ndarray
    counts: np.ndarray
    penalties: np.ndarray
    outputs: list[np.ndarray]

    def part(self, first: int, last: int) -> Steps:
        """What the steps [first, last) give, but for the outputs."""
        return Steps(self.totals[:, first:last], self.counts[:, first:last], self.penalties[first:last], [])


class Head(NamedTuple):
    """An output of a net: its loss, None for one that PyTorch computes; its value; and what follows that.

    Attributes
    ----------
    formula : Formula, optional
        The loss as the program computes it.
    value, width : int
        The number of the value, and the size of a sample.
    through : function, optional
        The activation at the end, where the loss takes its logits, or may take them in PyTorch.
    weight : float
        Of the loss among those of other outputs.
    """

    formula: Formula | None
    value: int
    width: int
    through: Any
    weight: float

    def loss(self, layout: Layout, number: int) -> Any:
        """The loss as the kernels take it; -1 is none of theirs."""
        formula, (place, adds) = self.formula, layout.gradients[number]
        kind, delta = -1, 1.0
        if formula is not None:
            logits = self.through is not None or formula.takes_logits
            kind, delta = formula.logits if logits else formula.kind, formula.delta
        return dense_loss.Loss(
            kind=kind, delta=delta, weight=self.weight, columns=self.width, output=layout.outputs[number],
            gradient=place, adds=adds,
        )  # fmt: skip


class Program:
    """The operations of a net, and the arrays that they work on."""

    def __init__(self, job: Job) -> None:
        written, outputs = job.once(operations_of)
        self.heads = heads_of(job, written, outputs)
        self.compiled = all(head.formula is not None for head in self.heads)
        operations = _needed(written, self.heads)
        self.weights = FlatWeights(job.module, job.optimizer)
        self.gradients = aligned(len(self.weights.rows[0]))
        self.trained, self.penalized = self.weights.trainable, places_of(job.penalized, self.weights)
        self._drops = _layers(operations, kernel.DROPOUT)
        self._norms = _layers(operations, kernel.BATCH_NORMALIZATION)
        rows, values = np.array(list(self._rows(operations)), np.int64), [head.value for head in self.heads]
        size, last = job.batches.batch_size, int(self.weights.ends[-1])
        layout = laid_out(rows, values, size, last)
        layouts = layout, evaluated(layout)
        self._make_room(layout, size)
        features = sum(layer.moving_mean.numel() for layer in self._norms)
        self.moving, self.moments = np.zeros((2, features), np.float32), np.zeros((2, features), np.float32)
        constants = [each.constants for each in operations if each.constants is not None]
        self.constants = np.array(constants or [(0, 0)], np.float32)
        rates = [layer.rate for layer in self._drops] or [0.0]
        self.thresholds = np.array([threshold_of(rate) for rate in rates], np.uint32)
        self.scales = np.array([1.0 / (1.0 - rate) for rate in rates], np.float32)
        self._nets = [self._net(layout.operations) for layout in layouts]
        self.losses = [[head.loss(layout, number) for number, head in enumerate(self.heads)] for layout in layouts]

    def _make_room(self, layout: Layout, size: int) -> None:
        """The memory that steps work in."""
        rows = layout.operations
        widest = int(rows[:, [kernel.BEFORE, kernel.AFTER]].max())
        products = rows[rows[:, kernel.KIND] == kernel.MATMUL]
        largest = int(products[:, [kernel.BEFORE, kernel.AFTER]].prod(1).max())
        self.arena = aligned(layout.arena)
        self.slopes = aligned(layout.slopes)
        self.spare, self.turned = aligned(max(size * widest, largest + widest)), aligned(largest)
        self.masks = np.zeros(len(self.arena) if self._drops else 1, np.bool_)
        self.sums = np.zeros((2, widest), np.float32)
        self.compared = np.zeros((2, size * max(head.width for head in self.heads)), np.float32)

    def _rows(self, operations: Sequence[Operation]) -> Iterator[tuple[int, ...]]:
        """The operations, row by row, with the numbers of values in place of their places."""
        moments, drops, constants = 0, 0, 0

        def place(weight: Any) -> int:
            return -1 if weight is None else self.weights.place(weight)

        for each in operations:
            special: tuple[int, ...] = (each.column, each.again, 0, constants)
            if each.kind == kernel.MATMUL:
                trained = any(weight.requires_grad for weight in each.layer.parameters())
                special = (*map(place, each.weights), trained, 0)
            elif each.kind == kernel.BATCH_NORMALIZATION:
                special = (*map(place, each.weights), moments, constants)
                moments += each.after
            elif each.kind == kernel.DROPOUT:
                special = 0, 0, 0, drops
                drops += 1
            elif each.kind == kernel.ACTIVATION:
                special = _code(each.activation), 0, 0, 0
            elif each.kind in OF_TWO:
                special = each.other, each.again, 0, 0
            constants += each.constants is not None
            yield each.kind, each.before, each.after, *special, each.x, each.y, -1, -1, 0

    def keys(self, seed: int, epochs: Sequence[int]) -> np.ndarray:
        """The keys of the dropout layers in some epochs, a row each: see `handson.layers.dropout.mask_key`."""
        seeds, calls = [], Counter[str]()
        for layer in self._drops:
            call = f"{layer.path}#{calls[layer.path]}" if calls[layer.path] else layer.path
            calls[layer.path] += 1
            seeds.append((seed if layer.seed is None else layer.seed, call))
        return np.array([[derive(*each, epoch) for each in seeds] or [0] for epoch in epochs], np.uint64)

    def gather(self) -> None:
        """Copy weights, slots and moving moments into the flat arrays."""
        self.weights.gather()
        if self._norms:
            self.moving[0] = np.concatenate([layer.moving_mean.numpy() for layer in self._norms])
            self.moving[1] = np.concatenate([layer.moving_variance.numpy() for layer in self._norms])

    def _net(self, operations: np.ndarray) -> Any:
        """Some operations as the kernels take them."""
        return kernel.Net(
            operations=operations, count=len(operations), weights=self.weights.rows[0], gradients=self.gradients,
            moving=self.moving, moments=self.moments, features=self.moving.shape[1], constants=self.constants,
            thresholds=self.thresholds, scales=self.scales, masks=self.masks, arena=self.arena, slopes=self.slopes,
            spare=self.spare, sums=self.sums, compared=self.compared, turned=self.turned, most=self.sums.shape[1],
            compared_most=self.compared.shape[1],
        )  # fmt: skip

    def training(
        self, data: Arrays, epochs: Epochs, update: Any, outputs: bool, measuring: bool = False
    ) -> tuple[Any, Steps]:
        """Epochs as the kernels take them, and what their steps will give.

        See `handson.kernels.dense_program.Training`. Outputs are kept where that is asked for.
        """
        order, size, keys = epochs
        length = len(order) // len(keys)
        count = -(-length // size) * len(keys)
        steps = Steps(
            np.zeros((len(self.heads), count)), np.zeros((len(self.heads), count), np.int64), np.zeros(count),
            [np.empty((len(order) if outputs else 0, head.width), np.float32) for head in self.heads],
        )  # fmt: skip
        heads = [
            dense_loss.Head(loss=loss, targets=targets, totals=total, counts=number, outputs=kept if outputs else None)
            for loss, targets, total, number, kept in zip(
                self.losses[measuring], data.targets, *steps[:2], steps.outputs, strict=True
            )
        ]  # fmt: skip
        span = kernel.Span(
            order=order, length=length, batch_size=size, steps=count // len(keys), keys=keys, drops=keys.shape[1],
            penalties=steps.penalties,
        )  # fmt: skip
        net = self._nets[measuring]
        net.start, net.threads = crew()
        training = kernel.Training(
            net=net, inputs=data.inputs, columns=data.inputs.shape[1], heads=in_a_row(heads), outputs=len(heads),
            update=update, span=span,
        )  # fmt: skip
        return training, steps

    def run(self, training: Any, steps: Steps) -> Steps:
        """Run `training` on what was gathered."""
        kernel.train(training, 0, len(steps.penalties))
        return steps

    def output(self, number: int, rows: int) -> np.ndarray:
        """An output of the net, as the latest step left it."""
        width, place = self.heads[number].width, self.losses[False][number].output
        return self.arena[place : place + rows * width].reshape(rows, width)

    def put_gradient(self, number: int, gradient: np.ndarray) -> None:
        """Put the gradient of an output where the backward pass begins; those of several losses add up."""
        loss = self.losses[False][number]
        room = self.slopes[loss.gradient : loss.gradient + gradient.size]
        room[:] = gradient.ravel() + (room if loss.adds else 0)

    def measure(self, data: Arrays, size: int) -> Steps:
        """Losses and outputs in evaluation mode, for what was gathered; the rows are taken `size` at a time."""
        once = Epochs(np.arange(len(data.inputs)), size, self.keys(0, [0]))
        return self.run(*self.training(data, once, no_updates(), True, measuring=True))

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


def heads_of(job: Job, operations: Operations, outputs: Sequence[int]) -> list[Head]:
    """The outputs of a net with their losses."""
    makers = {each.y: each for each in operations}
    found = []
    for term, value in zip(job.terms, outputs, strict=True):
        formula, maker = formula_of(term.loss), makers[value]
        if maker.activation in _taken_as_logits(formula):
            found.append(Head(formula, maker.x, maker.after, maker.activation, term.weight))
        else:
            found.append(Head(formula, value, maker.after, None, term.weight))
    return found


def formula_of(loss: Any) -> Formula | None:
    """The loss as the program computes it; None for one that PyTorch computes."""
    return lowered(loss, "dense") if rule_of(type(loss), "dense") else None


def _taken_as_logits(formula: Formula | None) -> tuple[Any, ...]:
    """The activations whose logits a loss takes: one that PyTorch computes finds them by itself (`graph/logits.py`)."""
    if formula is None:
        return activations.sigmoid, activations.softmax
    return () if formula.takes_logits or formula.through is None else (formula.through,)


def _needed(operations: Operations, heads: Sequence[Head]) -> list[Operation]:
    """The operations without those at the end that the losses do without."""
    used = {each.x for each in operations} | {head.value for head in heads}
    return [each for each in operations if each.y in used]


def _layers(operations: Sequence[Operation], kind: int) -> list[Any]:
    return [each.layer for each in operations if each.kind == kind]


def _code(activation: Any) -> int:
    return next(code for code, known in enumerate(ACTIVATIONS) if known is activation)


def arrays(job: Job, batches: Batches, program: Program) -> Arrays:
    """Inputs, scaled; targets as the losses of the program want them, if it has them; sample weights, or nothing."""
    inputs = [
        (leaf[:].float() if scaling is None else scaling.apply(leaf[:])).reshape(len(leaf), -1)
        for leaf, scaling in zip(batches.inputs, job.input_scalings, strict=True)
    ]
    targets = []
    for leaf, scaling, head in zip(batches.targets, job.target_scalings, program.heads, strict=True):
        if head.formula is None or not program.compiled:
            targets.append(np.zeros((0, 1), np.float32))
            continue
        wanted = head.formula.prepare(leaf[:] if scaling is None else scaling.apply(leaf[:]), head.width)
        targets.append(wanted.to(torch.float32).contiguous().numpy())
    weights = [np.zeros(0, np.float32) if leaf is None else leaf.numpy() for leaf in batches.weights]
    whole = inputs[0] if len(inputs) == 1 else torch.cat(inputs, 1)
    return Arrays(whole.contiguous().numpy(), list(map(dense_loss.targets_of, targets, weights)))
