"""The reference engine for nets that define their own steps: it hands them batches, and believes what they report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch, arriving
from handson.data.rows.mapped import Data, pieces
from handson.metrics.accumulators import Live
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.precision import arithmetic
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.preparation.job import Span


class Own(Eager):
    """Calls `train_step`, `test_step` and `predict_step` of a net where its class defines them.

    Parameters
    ----------
    job : Job
        A net with steps of its own, and its data.
    """

    reason = ""

    def train(self, span: Span, sums: Sums) -> None:
        if "train_step" not in self.job.own:
            return super().train(span, sums)
        job, model = self.job, self._model
        job.bound()
        model.train()
        if span.first == 0:
            model.reset_metrics()
        if not sums.held:
            for number, metric in enumerate(model.all_metrics()):
                sums.hold(f"{metric.name} {number}", Live(metric))
        with arithmetic(job.precision, job.device), active(Stream(job.seed, span.age)) as stream:
            walk = zip(range(span.first, span.last), job.batches.walk(span.age, span.first, span.last), strict=True)
            for step, (rows, batch) in walk:
                stream.rows = rows
                torch.manual_seed(derive(job.seed, "torch", span.age, step) >> 1)
                before = job.optimizer.iterations
                logs = _logs(model.train_step(self._data(batch, augmented=True)), "train_step")
                if job.optimizer.iterations == before:  # the step uses others or none; checkpoints count on it
                    job.optimizer.iterations += 1
        for name, value in logs.items():
            sums.put(name, value)

    @property
    def _model(self) -> Any:
        return self.job.module

    def _data(self, batch: Batch, augmented: bool = False) -> Any:
        """A batch as the user gave it, inputs scaled: x, (x, y) or (x, y, sample_weight)."""
        if augmented and self.job.augment is not None and batch.targets:
            batch = self.augmented(batch)
        inputs, targets, weights = batch
        x = self._model.arranged(self.scaled(inputs))
        if not targets:
            return x if isinstance(x, Tensor) else (x,)
        y = tree.rebuild(self.job.target_form, targets)
        given = [leaf for leaf in weights if leaf is not None]
        return (x, y, given[0] if len(given) == 1 else given) if given else (x, y)

    @torch.no_grad()
    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        if not {"test_step", "train_step"} & set(self.job.own):
            return super().evaluate(batches, sums)
        sums = Sums() if sums is None else sums
        job, model = self.job, self._model
        logs: dict[str, Any] = {}
        model.eval()
        if not sums.state():
            model.reset_metrics()
        with arithmetic(job.precision, job.device):
            for _, batch in batches.walk(None, 0, batches.steps):
                logs = _logs(model.test_step(self._data(batch)), "test_step")
        for name, value in logs.items():
            sums.put(name, value)
        sums.read()
        return sums

    @torch.no_grad()
    def predict(self, inputs: Sequence[Data], batch_size: int) -> list[Tensor]:
        if "predict_step" not in self.job.own:
            return super().predict(inputs, batch_size)
        job, model = self.job, self._model
        model.eval()
        found: list[list[Tensor]] = []
        with arithmetic(job.precision, job.device):
            for batch in zip(*(pieces(leaf, batch_size) for leaf in inputs), strict=True):
                x = model.arranged(self.scaled([arriving(leaf.to(job.device)) for _, leaf in batch]))
                found.append([torch.as_tensor(leaf).cpu() for leaf in tree.leaves(model.predict_step(x))])
        return [torch.cat(parts) for parts in zip(*found, strict=True)]


def _logs(found: Any, step: str) -> dict[str, Any]:
    """What a step reports, as scalars by name."""
    if not isinstance(found, dict):
        raise HandsonError(
            f"{step} returns a dictionary of what is reported, such as {{'loss': loss}}; got {type(found).__name__}."
        )
    logs: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            logs |= _logs(value, step)
            continue
        value = value.detach() if isinstance(value, Tensor) else value
        if not isinstance(value, (Tensor, float, int, np.generic)) or (
            isinstance(value, Tensor) and value.numel() != 1
        ):
            raise HandsonError(
                f"{step} reports single numbers; {name!r} is {type(value).__name__} {tuple(np.shape(value))}."
            )
        logs[str(name)] = value.reshape(()) if isinstance(value, Tensor) else float(value)
    return logs
