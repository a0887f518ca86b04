"""The engine `shards`: the same bits on any number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from handson.data.rows.batches import Batches
from handson.parallel.exchange import Exchange, Reduction
from handson.parallel.lanes import Lanes
from handson.parallel.tree import check_shards
from handson.parallel.world import World
from handson.state.precision import arithmetic
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.engines.shards.cutting import walk
from handson.training.engines.shards.replicas import Seen, replica
from handson.training.engines.shards.reports import Reports, Whole, divided
from handson.training.engines.shards.steps import Steps, on_replica
from handson.training.preparation.arguments import SHARDS
from handson.training.preparation.job import Job, Span


class Shards(Eager):
    """Cuts every batch into shards, computes them as `eager` does, and adds up their numbers in a fixed tree.

    The numbers depend on how many shards there are, and not on how many workers compute them.

    Parameters
    ----------
    job : Job
        The compiled net and its data.
    world : World, optional
        The workers; by default this one alone.
    shards : int
        Shards of a batch, a power of two.
    exact : bool
        False: every worker has one shard, and sums are taken as its backend does it, in an order of its own.
    """

    reason = ""
    stepwise = False

    def __init__(self, job: Job, world: World | None = None, shards: int = SHARDS, exact: bool = True) -> None:
        super().__init__(job)
        self.world = World() if world is None else world
        self.exact, self.shards = exact, shards
        self._metrics, self._whole = divided(job.objective)
        self._exchange: Exchange | None = None
        self._steps: Steps | None = None
        self._seen: Seen | None = None
        self._lanes: Lanes | None = None
        self._modules: list[nn.Module] = []

    @staticmethod
    def obstacle(job: Job) -> str | None:
        if job.own:
            return f"nets that define {job.own[0]} themselves"
        for term in job.terms:
            if term.loss is not None and term.loss.batchwise:
                return f"the loss {term.loss.name}, whose value depends on the whole batch"
        if getattr(job.batches, "opening", None) is not None:
            return "data that come in batches: shards are picked by number, from arrays or files"
        return next((line for layer in job.layers if (line := _stateful(layer)) is not None), None)

    # The parts of a worker.

    @property
    def exchange(self) -> Exchange:
        """What adds up over the workers that there are now."""
        world = self.world
        if self._exchange is None or self._exchange.link[:2] != (world.rank, world.size):
            shards = check_shards(self.shards, world.size) if self.exact else world.size
            self._exchange = (Exchange if self.exact else Reduction)(world.link(), shards)
            self._steps = None
        return self._exchange

    def _prepared(self) -> Steps:
        """What computes shards, for the net as it is now."""
        exchange, module = self.exchange, self.job.module
        if self._steps is None or self._seen is None or not self._seen.holds(module):
            self.close()
            self._lanes = Lanes(any(layer.meets for layer in self.job.layers), self.job.foreign_randomness, self._width)
            most = len(exchange.held) if exchange.link.size == 1 else exchange.shards
            count = most if self._lanes.meets else min(self._lanes.width, most)
            engines = [on_replica(self.job, replica(module)) for _ in range(count)] if count > 1 else [self]
            self._steps = Steps(self._lanes, engines, exchange, self._metrics)
            self._seen, self._modules = Seen(module), [module, *(engine.job.module for engine in engines)]
        return self._steps

    @property
    def _width(self) -> int:
        """How many shards may run at the same time."""
        return self.world.threads if self.exact and self.job.device.type == "cpu" else 1

    def close(self) -> None:
        """End the threads."""
        if self._lanes is not None:
            self._lanes.close()
            self._lanes = None

    # Work.

    def train(self, span: Span, sums: Sums) -> None:
        self.run_span(span, sums)

    def run_span(self, span: Span, sums: Sums) -> None:
        """The part of this worker in the steps of a span."""
        job, steps = self.job, self._prepared()
        names, weights = job.bound()
        reports, whole = Reports(self.exchange, sums), Whole(self._whole, self.exchange)
        for module in self._modules:
            module.train()
        with self._computing():
            cuts = walk(job.batches, span.epoch, span.first, span.last, self.exchange)
            for step, cut in zip(range(span.first, span.last), cuts, strict=True):
                forwards = steps.forward(cut, span.epoch, step, True)
                reports.add(cut.size, dict(zip(cut.shards, (one.sums for one in forwards), strict=True)))
                whole.measure(cut.size, forwards, sums)
                gradients = steps.gradients(forwards, cut, weights)
                job.optimizer.step(names, weights, gradients, span.position(step, job.optimizer.iterations))
            reports.finish()

    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        sums = Sums() if sums is None else sums
        self.run_evaluation(batches, sums)
        return sums

    def run_evaluation(self, batches: Batches, sums: Sums) -> None:
        """The part of this worker in an evaluation."""
        steps = self._prepared()
        reports, whole = Reports(self.exchange, sums), Whole(self._whole, self.exchange)
        for module in self._modules:
            module.eval()
        with self._computing():
            for step, cut in enumerate(walk(batches, None, 0, batches.steps, self.exchange)):
                forwards = steps.forward(cut, None, step, False)
                reports.add(cut.size, dict(zip(cut.shards, (one.sums for one in forwards), strict=True)))
                whole.measure(cut.size, forwards, sums)
            reports.finish()
        sums.read()

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """While this lasts, one operation runs in one thread: how many there are changes the last digits."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.exact else self.world.threads)
        try:
            with arithmetic(self.job.precision, self.job.device):
                yield
        finally:
            torch.set_num_threads(threads)


def _stateful(layer: Any) -> str | None:
    """A layer that keeps states from one batch to the next."""
    if not getattr(layer, "stateful", False):
        return None
    return f"the layer {layer.name}, which keeps states from batch to batch (stateful=True)"
