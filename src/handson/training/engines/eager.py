"""The reference engine: plain PyTorch, one step after another. Runs every net, on every device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch, arriving
from handson.data.rows.mapped import Data, pieces
from handson.graph import logits
from handson.layers.base import Layer
from handson.layers.calling import MASK
from handson.layers.shapes import is_shape
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.precision import arithmetic
from handson.state.state import TrainingState, named_weights, trainable_weights
from handson.state.sums import Sums
from handson.training.preparation.job import Job, Span
from handson.training.preparation.objective import seen


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
        self._input_scalings = [None if one is None else one.to(job.device) for one in job.input_scalings]
        self._scale_targets = job.objective.scalings[0] if job.objective.scalings else None
        self._kept: TrainingState | None = None

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Nothing: the reference runs every job."""
        return None

    @property
    def state(self) -> TrainingState:
        return TrainingState.of(self.job.module, self.job.optimizer, self.job.further)

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
            self._kept.restore(self.job.module, self.job.optimizer, self.job.further)

    def gradients(self, batch: Batch, weights: list[Tensor], sums: Sums) -> list[Tensor]:
        """The gradients of one batch; its losses and metrics are added to the sums."""
        job, (inputs, targets, sample_weights) = self.job, batch
        if job.augment is not None:
            inputs, targets = job.augmented(inputs, targets)
        masked = job.batches.masked
        outputs = self.outputs(inputs)
        if any(hasattr(output, MASK) for output in outputs) and targets:
            targets, masked = seen(targets, outputs, masked)
        if job.own_loss:
            value = self.own_loss(Batch(inputs, targets, sample_weights), outputs, sums)
        else:
            value = job.objective.loss(targets, outputs, sample_weights, masked, self.added(), sums)
        if job.measures:
            detached = [logits.like(output, Tensor.detach) for output in outputs]
            job.objective.measure(targets, detached, sample_weights, masked, sums)
        if weights and not value.requires_grad:
            raise HandsonError(
                "the loss does not depend on any weight that trains, so that it has no gradient. Look for detach(), "
                "numpy(), torch.no_grad() or argmax in a loss, metric or layer of your own."
            )
        gradients = torch.autograd.grad(value, weights, allow_unused=True) if weights else ()
        return [
            gradient if gradient is not None else torch.zeros_like(weight)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def own_loss(self, batch: Batch, outputs: list[Tensor], sums: Sums, training: bool = True) -> Tensor:
        """The loss that the net defines itself, of inputs and targets in the form in which the user gave them."""
        model: Any = self.job.module
        weights = [leaf for leaf in batch.weights if leaf is not None]
        value = model.loss_of(
            model.arranged(batch.inputs),
            tree.rebuild(self.job.target_form, batch.targets) if batch.targets else None,
            model.arranged_outputs(outputs),
            None if not weights else weights[0] if len(weights) == 1 else weights,
            training,
        )
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise HandsonError(f"{type(model).__name__}.compute_loss returns one number, as a tensor; got {value!r}.")
        value, rows = value.reshape(()), len(batch.inputs[0])
        sums.add("loss", value.detach() * rows, rows)
        return value

    def added(self) -> Any:
        """What the net adds to the losses: penalties of regularizers, and `add_loss`; None for nothing."""
        values = [penalty for layer in self.job.penalized for penalty in layer.penalties()]
        for layer in self.job.layers:
            if layer._added:
                values += layer._added
        return sum(values[1:], values[0]) if values else None

    def outputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The net's outputs, as leaves, for inputs in the user's units."""
        for layer in self.job.layers:
            if layer._added:
                layer._added.clear()
        scaled = self.scaled(inputs)
        if self.job.precision != "bfloat16":
            return [_readable(output) for output in self.forward(scaled)]
        # Without the cache: it would keep rounded weights from one step to the next inside a user's own autocast.
        with torch.autocast(self.job.device.type, torch.bfloat16, cache_enabled=False):
            return [_readable(output) for output in self.forward(scaled)]

    def scaled(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Inputs in the user's units as the net takes them."""
        pairs = zip(inputs, self._input_scalings, strict=True)
        return [leaf if scaling is None else scaling.apply(leaf) for leaf, scaling in pairs]

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """The net's outputs, as leaves, for scaled inputs."""
        module = self.job.module
        arranged = getattr(module, "arranged", None) if isinstance(module, Layer) else None
        given: Any = inputs[0]
        # To put one leaf into its form would take as long as a small layer.
        if arranged is not None and not (len(inputs) == 1 and is_shape(module.built_shape)):
            given = arranged(inputs)
        output = module(given)
        return [output] if isinstance(output, Tensor) else tree.leaves(output)

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
    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        job, sums = self.job, Sums() if sums is None else sums
        job.module.eval()
        with arithmetic(job.precision, job.device):
            for _, (inputs, targets, sample_weights) in batches.walk(None, 0, batches.steps):
                outputs, masked = self.outputs(inputs), batches.masked
                if any(hasattr(output, MASK) for output in outputs) and targets:
                    targets, masked = seen(targets, outputs, masked)
                if job.own_loss:
                    self.own_loss(Batch(inputs, targets, sample_weights), outputs, sums, training=False)
                else:
                    job.objective.loss(targets, outputs, sample_weights, masked, self.added(), sums)
                job.objective.measure(targets, outputs, sample_weights, masked, sums)
        sums.read()
        return sums

    @torch.no_grad()
    def predict(self, inputs: Sequence[Data], batch_size: int) -> list[Tensor]:
        job = self.job
        job.module.eval()
        found: list[list[Tensor]] = []
        with arithmetic(job.precision, job.device):
            for batch in zip(*(pieces(leaf, batch_size) for leaf in inputs), strict=True):
                outputs = self.outputs([arriving(leaf.to(job.device)) for _, leaf in batch])
                found.append([output.cpu() for output in job.objective.in_units(outputs)])
        return [torch.cat(parts) for parts in zip(*found, strict=True)]


def _readable(output: Tensor) -> Tensor:
    """An output in a type that losses and NumPy can do with: 16 bits become float32."""
    return logits.like(output, Tensor.float) if output.dtype in (torch.bfloat16, torch.float16) else output


@torch.no_grad()
def _assign(weights: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)
