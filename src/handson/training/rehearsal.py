"""A step that is looked into: run on the reference engine, and taken back.

Random numbers are functions of the step, so the rehearsal sees what the step itself will see: the same rows, the same
dropout. Afterwards weights, slots and buffers are what they were, bit for bit, and whatever engine trains goes on as if
nothing had happened.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.callbacks.monitor import Rehearsed
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch
from handson.state.hidden import hidden_tensors, restore_hidden
from handson.state.state import TrainingState, trainable_weights
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.preparation.compiled import Term
from handson.training.preparation.job import Job, Span
from handson.training.preparation.objective import ADDED


class Losses(Sums):
    """The losses of one step, which stay on the device; metrics are not measured."""

    def measure(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are not reported."""

    def mean(self, terms: Sequence[Term]) -> Any:
        """What the step minimized."""
        means = {name: total / count for name, total, count in self._pending}
        if "loss" in means:
            return means["loss"]
        parts = [term.weight * means[key] for term in terms if (key := f"{term.path}_loss") in means]
        return sum(parts) + means.get(ADDED, 0.0)


class Rehearsal(Eager):
    """Runs single steps of a job and takes them back.

    Parameters
    ----------
    job : Job
        What is trained.
    first : Batches, optional
        The rows that are looked at where the job's own come one after another and can be read only once.

    Raises
    ------
    HandsonError
        For a net with a `train_step` of its own, which cannot be taken back.
    """

    def __init__(self, job: Job, first: Batches | None = None) -> None:
        if "train_step" in job.own:
            raise HandsonError(
                f"monitor looks into a step that is run and taken back, and {type(job.module).__name__} defines its "
                f"own train_step, which may change what is not known. Leave monitor out, or define compute_loss."
            )
        self._fixed = first is not None
        super().__init__(job if first is None else replace(job, batches=first))
        self._norms: tuple[Tensor, ...] = ()

    def gradients(self, batch: Batch, weights: list[Tensor], sums: Sums) -> list[Tensor]:
        found = super().gradients(batch, weights, sums)
        self._norms = torch._foreach_norm(found) if found else ()  # the optimizer may overwrite them
        return found

    def __call__(self, span: Span) -> Rehearsed:
        """The first step of a span, in numbers."""
        job, first, sums = self.job, 0 if self._fixed else span.first, Losses()
        hidden = {name: tensor.clone() for name, tensor in hidden_tensors(job.module).items()}
        job.bound()
        before = job.state.copy()
        try:
            with _attributes(job.module), _generators(job.foreign_randomness):
                self.train(span._replace(first=first, last=first + 1), sums)
            norms = self._all_norms(before)
        finally:
            before.restore(job.module, job.optimizer, job.further)
            restore_hidden(job.module, hidden)
        weights = trainable_weights(job.module)
        return Rehearsed(span.epoch, sums.mean(job.terms), list(weights), [w.numel() for w in weights.values()], norms)

    @torch.no_grad()
    def _all_norms(self, kept: TrainingState) -> Tensor:
        """The norms of the weights before the step, of their gradients and updates."""
        named = trainable_weights(self.job.module)
        if not named:
            return torch.zeros(3, 0, device=self.job.device)
        before = [kept.tensors[f"weights/{name}"] for name in named]
        updates = torch._foreach_sub(list(named.values()), before)
        norms = torch._foreach_norm(before), self._norms, torch._foreach_norm(updates)
        return torch.stack([norm.float() for each in norms for norm in each]).reshape(3, -1)


@contextmanager
def _attributes(net: nn.Module) -> Iterator[None]:
    """While this lasts, layers may remember what they like in attributes: afterwards these are what they were."""
    kept = [(part, dict(vars(part)), dict(part._buffers)) for part in net.modules()]
    try:
        yield
    finally:
        for part, attributes, buffers in kept:
            for held, before in ((vars(part), attributes), (part._buffers, buffers)):
                for name in held.keys() - before.keys():
                    del held[name]
                held.update(before)


@contextmanager
def _generators(foreign: bool) -> Iterator[None]:
    """While this lasts, what draws from the generators of Python and NumPy leaves no trace in them."""
    if not foreign:
        yield
        return
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
