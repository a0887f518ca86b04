"""Looking into a step: what the layers put out in it, and what it does to the weights.

An engine that takes its steps one after another trains the step that is looked at: a forward pass of the reference
engine comes first, seen by hooks and taken back; gradients and updates are those of the step itself. For other engines
the whole step is rehearsed on the reference engine, and taken back. Random numbers are functions of the step, so both
see what the step sees: the same rows, the same dropout. A training has the same bits with and without.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.callbacks.monitor import Update
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch
from handson.randomness.stream import again
from handson.state.hidden import hidden_tensors, restore_hidden
from handson.state.state import TrainingState, named_weights, trainable_weights
from handson.state.sums import Sums
from handson.training.engines import Engine
from handson.training.engines.eager import Eager
from handson.training.preparation.compiled import Term
from handson.training.preparation.job import Job, Span, Stretch
from handson.training.preparation.objective import ADDED

Hooks = AbstractContextManager[Any]


class Looking:
    """Looks into single steps of a job.

    Parameters
    ----------
    job : Job
        What is trained.
    first : Batches, optional
        The rows for rehearsals where the job's own come one after another and can be read only once.

    Raises
    ------
    HandsonError
        For a net with a `train_step` of its own, whose gradients are not known.
    """

    def __init__(self, job: Job, first: Batches | None = None) -> None:
        if "train_step" in job.own:
            raise HandsonError(
                f"monitor looks at the gradients of a step, and {type(job.module).__name__} defines its own "
                f"train_step, which does not say what they are. Leave monitor out, or define compute_loss."
            )
        self.job, self._first = job, first

    def rehearse(self, span: Span, hooks: Hooks) -> Update:
        """The first step of a span, run on the reference engine under hooks, and taken back."""
        job, at = self.job, span.first
        if self._first is not None:
            job, at = replace(job, batches=self._first), 0
        job.bound()
        before, step = job.state.copy(), _Step(Eager(job))
        try:
            with _unchanged(job), hooks:
                step.engine.steps(span._replace(first=at, last=at + 1), _Losses(), step.gradients)
            return step.update(span, before.tensors, taken_back=True)
        finally:
            before.restore(job.module, job.optimizer, job.further)

    def watch(self, engine: Eager, span: Span, sums: Sums, hooks: Hooks) -> Update:
        """Train the first step of a span, after a forward pass under hooks."""
        started, step = time.perf_counter(), _Step(engine, hooks)
        engine.steps(span._replace(last=span.first + 1), sums, step.gradients)
        return step.update(span, step.before)._replace(trained=time.perf_counter() - started - step.seconds)


class Look:
    """The first step of a stretch, which callbacks may look into.

    Parameters
    ----------
    looking : Looking
        What looks into steps of this training.
    engine : Engine
        What trains.
    stretch : Stretch
        The steps that come next.
    last : bool
        Whether the first of them is the last of the training.
    alone : bool
        Whether a single callback may look, so that the step can be trained in it.

    Attributes
    ----------
    last : bool
        As given.
    rest : Stretch or None
        The steps that are left to be run.
    """

    def __init__(self, looking: Looking, engine: Engine, stretch: Stretch, last: bool, alone: bool) -> None:
        self.last = last
        self.rest: Stretch | None = stretch
        self._looking, self._engine, self._stretch, self._alone = looking, engine, stretch, alone
        self._found: Update | None = None

    def __call__(self, hooks: Hooks) -> Update:
        """What the step does to the weights; the hooks are entered while its forward pass runs.

        Of a callback that calls this again, the hooks see nothing more.
        """
        engine, span = self._engine, self._stretch.spans[0]
        if not (self._alone and isinstance(engine, Eager) and engine.stepwise):
            return self._looking.rehearse(span, hooks)
        if self._found is None:
            self._found = self._looking.watch(engine, span, self._stretch.sums[0], hooks)
            self.rest = _after_first(self._stretch)
        return self._found


def _after_first(stretch: Stretch) -> Stretch | None:
    """A stretch without its first step; None if that was all."""
    span, *others = stretch.spans
    left = span._replace(first=span.first + 1)
    if left.first < left.last:
        return Stretch([left, *others], stretch.sums)
    return Stretch(others, stretch.sums[1:]) if others else None


class _Losses(Sums):
    """The losses of one step, which stay on the device; metrics are not measured."""

    def measure(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are not reported."""


class _Step:
    """A step of an engine, whose losses and gradients are noted.

    Parameters
    ----------
    engine : Eager
        What computes the gradients.
    hooks : context manager, optional
        What sees a forward pass before the step; nothing of that remains in the net.

    Attributes
    ----------
    before : dict of str to Tensor
        With hooks: copies of the weights before the step, under 'weights/<name>'.
    seconds : float
        How long the forward pass and the copies took.
    """

    def __init__(self, engine: Eager, hooks: Hooks | None = None) -> None:
        self.engine, self._hooks = engine, hooks
        self.before: dict[str, Tensor] = {}
        self.seconds = 0.0
        self._norms: Sequence[Tensor] = ()
        self._losses: list[Any] = []

    def gradients(self, batch: Batch, weights: list[Tensor], sums: Sums) -> list[Tensor]:
        """What the engine takes for its gradients of a batch."""
        if self._hooks is not None:
            self._see(batch, self._hooks)
        known = len(sums.pending)
        found = self.engine.gradients(batch, weights, sums)
        self._losses = sums.pending[known:]
        self._norms = torch._foreach_norm(found) if found else ()  # the optimizer may overwrite them
        return found

    @torch.no_grad()
    def _see(self, batch: Batch, hooks: Hooks) -> None:
        """The forward pass of the reference, with the random numbers of the step."""
        started, job = time.perf_counter(), self.engine.job
        before = TrainingState({f"weights/{name}": weight for name, weight in named_weights(job.module).items()}).copy()
        reference = Eager(job)
        with _unchanged(job), torch.random.fork_rng(enabled=job.foreign_randomness), again(), hooks:
            reference.outputs((batch if job.augment is None else reference.augmented(batch)).inputs)
        before.restore(job.module, None)
        self.before, self.seconds = before.tensors, time.perf_counter() - started

    @torch.no_grad()
    def update(self, span: Span, before: Mapping[str, Tensor], taken_back: bool = False) -> Update:
        """What the step has done to the weights, from their values before, which are overwritten.

        Where the step is taken back, the weights are overwritten instead.
        """
        job, named = self.engine.job, trainable_weights(self.engine.job.module)
        weights, kept = list(named.values()), [before[f"weights/{name}"] for name in named]
        sizes, norms = [weight.numel() for weight in weights], torch.zeros(3, 0, device=job.device)
        if weights:
            of_weights = torch._foreach_norm(kept)
            changes, others = (weights, kept) if taken_back else (kept, weights)
            torch._foreach_sub_(changes, others)
            found = *of_weights, *self._norms, *torch._foreach_norm(changes)
            norms = torch.stack([norm.float() for norm in found]).reshape(3, -1)
        return Update(span.counted, _minimized(self._losses, job.terms), list(named), sizes, norms)


def _minimized(losses: Sequence[tuple[str, Any, Any]], terms: Sequence[Term]) -> Any:
    """What a step minimized, from what it added to the sums."""
    means = {name: total / count for name, total, count in losses}
    if "loss" in means:
        return means["loss"]
    parts = [term.weight * means[key] for term in terms if (key := f"{term.path}_loss") in means]
    return sum(parts) + means.get(ADDED, 0.0)


@contextmanager
def _unchanged(job: Job) -> Iterator[None]:
    """While this lasts, a net may remember what it likes outside its weights: afterwards that is what it was."""
    hidden = {name: tensor.clone() for name, tensor in hidden_tensors(job.module).items()}
    try:
        with _attributes(job.module), _generators(job.foreign_randomness):
            yield
    finally:
        restore_hidden(job.module, hidden)


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
