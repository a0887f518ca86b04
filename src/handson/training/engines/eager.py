"""The reference engine: plain PyTorch, one step after another. Runs every net, on every device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from handson import activations
from handson.data.rows.batches import Batches
from handson.data.rows.mapped import Data, pieces
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.precision import arithmetic
from handson.state.state import TrainingState, named_weights, trainable_weights
from handson.state.sums import Sums
from handson.training.preparation.job import Job, Span


class Eager:
    """Runs forward pass, backward pass and optimizer as PyTorch operations.

    Parameters
    ----------
    job : Job
        The compiled net and its data.
    """

    reason = ""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._scale_inputs = None if job.input_scaling is None else job.input_scaling.to(job.device)
        self._scale_targets = None if job.target_scaling is None else job.target_scaling.to(job.device)
        self._kept: TrainingState | None = None

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Nothing: the reference runs every job."""
        return None

    @property
    def state(self) -> TrainingState:
        return TrainingState.of(self.job.module, self.job.optimizer)

    def train(self, span: Span, sums: Sums, keep: bool = False) -> None:
        job = self.job
        named = trainable_weights(job.module)
        names, weights = list(named), list(named.values())
        job.optimizer.bind(names, weights)
        if keep:  # with the optimizer's slots, which there are from now on
            self._kept = self.state.copy(self._kept)
        job.module.train()
        with arithmetic(job.precision, job.device), active(Stream(job.seed, span.age)) as stream:
            steps = zip(range(span.first, span.last), job.batches.walk(span.age, span.first, span.last), strict=True)
            for step, (rows, batch) in steps:
                stream.rows = rows
                if job.foreign_randomness:
                    torch.manual_seed(derive(job.seed, "torch", span.age, step) >> 1)
                gradients = self.gradients(batch, weights, sums)
                position = span.position(step, job.optimizer.iterations)
                job.optimizer.step(names, weights, gradients, position)

    @property
    def runs_ahead(self) -> bool:
        return False

    def train_epochs(self, epochs: Sequence[Span], sums: Sequence[Sums], keep: bool = False) -> None:
        for number, (span, of_epoch) in enumerate(zip(epochs, sums, strict=True)):
            self.train(span, of_epoch, keep and number == 0)

    def go_back(self) -> None:
        if self._kept is not None:
            self._kept.restore(self.job.module, self.job.optimizer)

    def gradients(self, batch: tuple[Tensor, Tensor, Tensor | None], weights: list[Tensor], sums: Sums) -> list[Tensor]:
        """The gradients of one batch; its loss and metrics are added to the sums."""
        job, (inputs, targets, sample_weight) = self.job, batch
        if job.augment is not None:
            inputs, targets = job.augment(inputs, targets)
        prediction = self.forward(inputs)
        total, count = self.loss_sums(targets, prediction, sample_weight, job.batches.masked)
        objective = total / (count if isinstance(count, int) else count.clamp(min=1))
        if job.penalized:
            penalty = self.penalty()
            objective, total = objective + penalty, total + penalty * count
        sums.add("loss", total.detach(), count)
        if job.metrics:
            self.add_metrics(sums, targets, activations.like(prediction, Tensor.detach), job.batches.masked)
        gradients = torch.autograd.grad(objective, weights, allow_unused=True) if weights else ()
        return [
            gradient if gradient is not None else torch.zeros_like(weight)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def penalty(self) -> Tensor | float:
        """The sum of all regularizers' penalties."""
        return sum((penalty for layer in self.job.penalized for penalty in layer.penalties()), 0.0)

    def forward(self, inputs: Tensor) -> Tensor:
        """The net's outputs, for inputs in the user's units."""
        if self._scale_inputs is not None:
            inputs = self._scale_inputs.apply(inputs)
        if self.job.precision != "bfloat16":
            return self.job.module(inputs)
        # Without the cache: it would keep rounded weights from one step to the next inside a user's own autocast.
        with torch.autocast(self.job.device.type, torch.bfloat16, cache_enabled=False):
            outputs: Tensor = self.job.module(inputs)
        return activations.like(outputs, Tensor.float)

    def loss_sums(
        self, targets: Tensor, prediction: Tensor, sample_weight: Tensor | None, masked: bool
    ) -> tuple[Tensor, Tensor | int]:
        """The loss of a batch on scaled targets, as a sum and a count."""
        if self._scale_targets is not None:
            targets = self._scale_targets.apply(targets)
        return self.job.loss.sums(targets, prediction, sample_weight, masked)

    def add_metrics(self, sums: Sums, targets: Tensor, prediction: Tensor, masked: bool) -> None:
        """The metrics of a batch, in the targets' own units."""
        if self._scale_targets is not None:
            prediction = self._scale_targets.undo(prediction)
        for metric in self.job.metrics:
            sums.add(metric.name, *metric.sums(targets, prediction, None, masked))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While this lasts, the net has the averaged weights, if its optimizer keeps an average."""
        averages = self._averages()
        if not averages:
            yield
            return
        weights = named_weights(self.job.module)
        kept = {name: weights[name].detach().clone() for name in averages}
        _assign(weights, averages)
        try:
            yield
        finally:
            _assign(weights, kept)

    def finish(self) -> None:
        """After the last epoch: the averaged weights, if there are any, become the net's."""
        _assign(named_weights(self.job.module), self._averages())

    def _averages(self) -> dict[str, Tensor]:
        """The averages of the weights that train; those of weights that are frozen by now are out of date."""
        if not self.job.optimizer.use_ema:
            return {}
        averages = self.job.optimizer.slots.get("average", {})
        return {name: averages[name] for name in trainable_weights(self.job.module) if name in averages}

    @torch.no_grad()
    def evaluate(self, batches: Batches) -> Sums:
        job, sums = self.job, Sums()
        job.module.eval()
        with arithmetic(job.precision, job.device):
            for _, (inputs, targets, sample_weight) in batches.walk(None, 0, batches.steps):
                prediction = self.forward(inputs)
                total, count = self.loss_sums(targets, prediction, sample_weight, batches.masked)
                sums.add("loss", total + self.penalty() * count, count)
                self.add_metrics(sums, targets, prediction, batches.masked)
        sums.read()
        return sums

    @torch.no_grad()
    def predict(self, inputs: Data, batch_size: int) -> Tensor:
        self.job.module.eval()
        outputs = []
        with arithmetic(self.job.precision, self.job.device):
            for _, batch in pieces(inputs, batch_size):
                output = self.forward(batch.to(self.job.device, torch.float32))
                if self._scale_targets is not None:
                    output = self._scale_targets.undo(output)
                outputs.append(output.cpu())
        return torch.cat(outputs)


@torch.no_grad()
def _assign(weights: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)
