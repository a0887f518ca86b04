"""The reference engine: plain PyTorch, one step after another. Runs every net, on every device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch, arriving
from handson.data.rows.stored import Data, pieces
from handson.graph import logits
from handson.layers.calling import MASK
from handson.layers.shapes import is_shape
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.precision import arithmetic
from handson.state.sums import Sums
from handson.training.preparation.job import Job, Span, Stretch
from handson.training.preparation.objective import Total, seen, value_of

Gradients = Callable[[Batch, list[Tensor], Sums], list[Tensor]]


class Eager:
    """Runs forward pass, backward pass and optimizer as PyTorch operations.

    Parameters
    ----------
    job : Job
        The compiled net and its data.
    """

    reason = ""
    # Whether `train` is `steps`: then a step that is looked into can be one of the training.
    stepwise: ClassVar[bool] = True

    def __init__(self, job: Job) -> None:
        self.job = job
        self._input_scalings = [None if one is None else one.to(job.device) for one in job.input_scalings]
        self._scales_inputs = any(one is not None for one in self._input_scalings)
        # To arrange a single leaf would take as long as a small layer.
        alone = len(self._input_scalings) == 1 and is_shape(getattr(job.module, "built_shape", ()))
        self._arranges = hasattr(job.module, "arranged") and not alone

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Nothing: the reference runs every job."""
        return None

    def run(self, stretch: Stretch) -> None:
        """Run the steps of a stretch; add what they report to its sums."""
        for span, sums in stretch.parts():
            self.train(span, sums)

    def train(self, span: Span, sums: Sums) -> None:
        """Run the steps of one epoch's part of a stretch."""
        self.steps(span, sums, self.gradients)

    def steps(self, span: Span, sums: Sums, gradients: Gradients) -> None:
        """Run steps one after another, with the gradients that a function gives."""
        job = self.job
        names, weights = job.bound()
        job.module.train()
        with arithmetic(job.precision, job.device), active(Stream(job.seed, span.epoch)) as stream:
            steps = zip(range(span.first, span.last), job.batches.walk(span.epoch, span.first, span.last), strict=True)
            for step, (rows, batch) in steps:
                stream.rows = rows
                if job.foreign_randomness:
                    torch.manual_seed(derive(job.seed, "torch", span.epoch, step) >> 1)
                found = gradients(batch, weights, sums)
                job.optimizer.step(names, weights, found, span.position(step, job.optimizer.iterations))

    def gradients(self, batch: Batch, weights: list[Tensor], sums: Sums) -> list[Tensor]:
        """The gradients of one batch; its losses and metrics are added to the sums."""
        if self.job.augment is not None:
            batch = self.augmented(batch)
        return gradients_of(self.totals(batch, sums), weights)

    def totals(self, batch: Batch, sums: Sums, training: bool = True) -> list[Total]:
        """What is minimized of one batch; its losses and metrics are added to the sums."""
        job, (inputs, targets, sample_weights), masked = self.job, batch, self.job.batches.masked
        outputs = self.outputs(inputs)
        if targets and any(hasattr(output, MASK) for output in outputs):
            targets, masked = seen(targets, outputs, masked)
        if job.writes:
            targets = [leaf.clone() for leaf in targets]
        if job.own_loss:
            totals = [Total(self.own_loss(Batch(inputs, targets, sample_weights), outputs, sums, training), 1)]
        else:
            totals = job.objective.totals(targets, outputs, sample_weights, masked, self.added(), sums)
        if job.measures:
            detached = [logits.like(output, Tensor.detach) for output in outputs]
            job.objective.measure(targets, detached, sample_weights, masked, sums)
        return totals

    def augmented(self, batch: Batch) -> Batch:
        """A batch of which the first input and the first target are changed, as `fit(augment=...)` says."""
        inputs, targets = self.job.augmented(batch.inputs, batch.targets)
        return Batch(inputs, targets, batch.weights)

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
        scaled = self.scaled(inputs) if self._scales_inputs else inputs
        scaled = [leaf.clone() for leaf in scaled] if self.job.writes else scaled
        if self.job.precision != "bfloat16":
            return [_readable(output) for output in self.forward(scaled)]
        # Without the cache: it would keep rounded weights from one step to the next inside a user's own autocast.
        with torch.autocast(self.job.device.type, torch.bfloat16, cache_enabled=False):
            return [_readable(output) for output in self.forward(scaled)]

    def scaled(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Inputs in the user's units as the net takes them."""
        pairs = zip(inputs, self._input_scalings, strict=True)
        return [leaf if scaling is None else scaling.apply(leaf) for leaf, scaling in pairs]

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The net's outputs, as leaves, for scaled inputs."""
        module: Any = self.job.module
        output = module(module.arranged(inputs) if self._arranges else inputs[0])
        return [output] if isinstance(output, Tensor) else tree.leaves(output)

    @torch.no_grad()
    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        job, sums = self.job, Sums() if sums is None else sums
        job.module.eval()
        with arithmetic(job.precision, job.device):
            for _, batch in batches.walk(None, 0, batches.steps):
                self.totals(batch, sums, training=False)
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


def gradients_of(totals: Sequence[Total], weights: list[Tensor]) -> list[Tensor]:
    """The gradients of what is minimized: those of the totals, each divided by its count and times its weight."""
    if not weights:
        return []
    # Of a single number: for several with factors of their own `grad` imports sympy, half a second and 35 MB.
    value = value_of(totals)
    if not value.requires_grad:
        raise HandsonError(
            "the loss does not depend on any weight that trains, so that it has no gradient. Look for detach(), "
            "numpy(), torch.no_grad() or argmax in a loss, metric or layer of your own."
        )
    found = torch.autograd.grad(value, weights, allow_unused=True)
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for gradient, weight in zip(found, weights, strict=True)
    ]
