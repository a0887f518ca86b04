"""One batch in shards: all go forward, their counts meet, all go backward, their gradients meet."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.data.rows.feed import Batch
from handson.graph.logits import like
from handson.layers.calling import MASK
from handson.parallel.exchange import Exchange
from handson.parallel.lanes import Lanes
from handson.parallel.tree import Block, Folding
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.state import ModuleLike
from handson.state.sums import Sums
from handson.training.engines.eager import Eager, gradients_of
from handson.training.engines.shards.cutting import Cut
from handson.training.preparation.compiled import Term
from handson.training.preparation.job import Job
from handson.training.preparation.objective import Objective, Total, seen
from handson.training.preparation.prepare import penalized_layers


@dataclass
class Forward:
    """What a shard has come to before the backward pass."""

    rows: int
    found: list[Total]
    added: Total | None
    targets: Sequence[Tensor]
    outputs: Sequence[Tensor]
    weights: Sequence[Tensor | None]
    masked: Sequence[bool]
    sums: Sums


class Steps:
    """Computes the shards of a batch.

    Parameters
    ----------
    lanes : Lanes
        Runs shards.
    engines : list of Eager
        What computes a shard: one for each that may wait for others, on the net itself or on replicas of it.
    exchange : Exchange
        What adds up over workers.
    objective : Objective
        With the metrics that shards measure.
    """

    def __init__(self, lanes: Lanes, engines: Sequence[Eager], exchange: Exchange, objective: Objective) -> None:
        self._lanes, self._engines, self._exchange, self._objective = lanes, list(engines), exchange, objective
        self._free = list(self._engines)
        self._streams: dict[int, Stream] = {}
        self._epoch: int | None = None
        self._buffers, self._checked = dict(engines[0].job.module.named_buffers()), False

    def forward(self, cut: Cut, epoch: int | None, step: int, training: bool) -> list[Forward]:
        """The forward passes of the shards; without an epoch in evaluation mode."""
        if epoch != self._epoch:
            self._epoch, self._streams = epoch, {}

        def run(number: int) -> Forward:
            engine = self._free.pop()
            try:
                return self._forward(engine, number, cut, step, training)
            finally:
                self._free.append(engine)

        before = _versions(self._buffers) if training and not self._checked else []
        forwards = self._lanes.run(run, list(cut.shards), lambda values: self._exchange.fold(values, cut.size))
        if before:
            self._check(before)
        self._lanes.settle()
        return forwards

    def _check(self, before: list[int]) -> None:
        """Raise when a forward pass has changed what all shards share: it would change once for each shard."""
        changed = [name for name, a, b in zip(self._buffers, before, _versions(self._buffers), strict=True) if a != b]
        if changed:
            raise HandsonError(
                f"the forward pass changes {changed[0]!r} of the net, which every shard of a batch would do: batches "
                f"of this net cannot be cut into shards. Train it on one device, without devices and shards; for "
                f"batch normalization take handson.layers.BatchNormalization."
            )
        self._checked = True

    def _forward(self, engine: Eager, number: int, cut: Cut, step: int, training: bool) -> Forward:
        shard, job = cut.shards[number], engine.job
        if not training:
            with torch.no_grad():
                return self._finished(engine, shard.batch, cut.size, training)
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = Stream(job.seed, self._epoch or 0)
        stream.rows = shard.rows
        if job.foreign_randomness:
            torch.manual_seed(derive(job.seed, "torch", self._epoch or 0, step, number) >> 1)
        with active(stream):
            batch = shard.batch if job.augment is None else engine.augmented(shard.batch)
            return self._finished(engine, batch, cut.size, training)

    def _finished(self, engine: Eager, batch: Batch, size: int, training: bool) -> Forward:
        """The outputs for some rows of a batch of a size, and what is to be said of them."""
        job, rows = engine.job, len(batch.inputs[0])
        targets, masked = list(batch.targets), job.batches.masked
        outputs = engine.outputs(batch.inputs)
        if any(hasattr(output, MASK) for output in outputs) and targets:
            targets, masked = seen(targets, outputs, masked)
        forward = Forward(rows, [], None, targets, outputs, batch.weights, masked, Sums())
        if job.own_loss:
            batch = Batch(batch.inputs, targets, batch.weights)
            forward.added = Total(engine.own_loss(batch, outputs, forward.sums, training), 1, rows / size)
        else:
            found = self._objective.parts(targets, outputs, batch.weights, masked)
            terms, added = self._objective.minimized, engine.added()
            forward.found = [_of_batch(*pair, rows, size) for pair in zip(found, terms, strict=True)]
            forward.added = None if added is None else Total(added, 1, rows / size)
            self._objective.note(forward.found, added, outputs[0], forward.sums)
        forward.outputs = [like(output, Tensor.detach) for output in outputs]
        self._objective.measure(targets, forward.outputs, batch.weights, masked, forward.sums)
        return forward

    def gradients(self, forwards: Sequence[Forward], cut: Cut, weights: list[Tensor]) -> list[Tensor]:
        """The gradients of the batch."""
        counts = self._counts(forwards, cut.size)
        folding: Folding[list[Tensor]] = Folding(_added)
        by_number = dict(zip(cut.shards, forwards, strict=True))

        def run(number: int) -> None:
            folding.put(Block(number, 1), _backward(by_number[number], counts, weights))

        numbers = self._exchange.held if self._exchange.has_all_busy(cut.size) else range(self._exchange.shards)
        for number in numbers:
            if number not in cut.shards:
                folding.put(Block(number, 1), None)
        self._lanes.run(run, list(cut.shards), lambda values: self._exchange.fold(values, cut.size))
        return _met(folding, cut.size, self._exchange)

    def _counts(self, forwards: Sequence[Forward], size: int) -> list[Any]:
        """How many values are present in the whole batch, for each output with a loss."""
        each = [[one.count for one in forward.found] for forward in forwards]
        known = [_count_of(forward, size) for forward in forwards]
        if all(counts is not None and counts == known[0] for counts in known):
            return known[0] or []
        device = forwards[0].outputs[0].device
        flat = {
            Block(number, 1): torch.stack(
                [torch.as_tensor(count, dtype=torch.float64, device=device) for count in counts]
            )
            for number, counts in zip(self._numbers(size), each, strict=True)
        }
        return [count.to(torch.float32) for count in self._exchange.fold(flat, size)]

    def _numbers(self, size: int) -> list[int]:
        """The shards of this worker that have rows."""
        exchange = self._exchange
        numbers = exchange.held if exchange.has_all_busy(size) else range(exchange.shards)
        return [number for number in numbers if exchange.rows_of(range(number, number + 1), size)]


def _versions(tensors: Mapping[str, Tensor]) -> list[int]:
    """How often each tensor has been changed."""
    return [tensor._version for tensor in tensors.values()]


def _of_batch(one: Total, term: Term, rows: int, size: int) -> Total:
    """A loss whose reduction is 'sum' has the total of a batch multiplied by its rows, and is divided by them."""
    if getattr(term.loss, "reduction", None) != "sum" or rows == size:
        return one
    return replace(one, total=one.total * (size / rows))


def _count_of(forward: Forward, size: int) -> list[int] | None:
    """The counts of the whole batch, where they follow from its rows."""
    counts = [one.count for one in forward.found]
    if any(isinstance(count, Tensor) or count % forward.rows for count in counts):
        return None
    return [int(count) // forward.rows * size for count in counts]


def _backward(forward: Forward, counts: Sequence[Any], weights: list[Tensor]) -> list[Tensor]:
    """The gradients of a shard, whose totals are divided by the counts of the batch."""
    totals = [replace(one, count=count) for one, count in zip(forward.found, counts, strict=True)]
    with torch.autograd.set_multithreading_enabled(False):
        return gradients_of(totals if forward.added is None else [*totals, forward.added], weights)


def _added(left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
    return list(torch._foreach_add(left, right)) if left else []


def _met(folding: Mapping[Block, list[Tensor]], rows: int, exchange: Exchange) -> list[Tensor]:
    """The gradients over all workers: those of one type go over the wire as one tensor."""
    example = next(iter(folding.values()))
    if exchange.link.size == 1 or not exchange.has_all_busy(rows):
        return functools.reduce(_added, folding.values())
    found: list[Any] = [None] * len(example)
    for dtype in dict.fromkeys(tensor.dtype for tensor in example):
        places = [place for place, tensor in enumerate(example) if tensor.dtype == dtype]
        flat = {
            block: torch.cat([tensors[place].reshape(-1) for place in places]) for block, tensors in folding.items()
        }
        parts = exchange.fold(flat, rows).split([example[place].numel() for place in places])
        for place, part in zip(places, parts, strict=True):
            found[place] = part.view(example[place].shape)
    return found


def on_replica(job: Job, module: torch.nn.Module) -> Eager:
    """What computes shards of a job on a replica of its net."""
    return Eager(replace(job, module=module, penalized=penalized_layers(cast("ModuleLike", module))))
