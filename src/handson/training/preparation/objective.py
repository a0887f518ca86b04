"""The objective: what is minimized in a step, over all outputs, and what is reported of it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from handson.layers.calling import MASK
from handson.metrics.reported import result_names
from handson.state.sums import Number, Sums
from handson.training.preparation.compiled import Term

# What the net adds to the losses of its outputs: penalties of regularizers, and `add_loss`.
ADDED = "added"


def seen(
    targets: Sequence[Tensor], outputs: Sequence[Tensor], masked: Sequence[bool]
) -> tuple[list[Tensor], list[bool]]:
    """Targets without those of steps that a mask hides, and whether any are missing now: as in Keras.

    Outputs carry masks from `Masking` or `Embedding(mask_zero=True)` through the layers that pass them on.
    """
    pairs = [_seen(target, output, flag) for target, output, flag in zip(targets, outputs, masked, strict=True)]
    return [target for target, _ in pairs], [flag for _, flag in pairs]


def _seen(target: Tensor, output: Tensor, masked: bool) -> tuple[Tensor, bool]:
    mask = getattr(output, MASK, None)
    if mask is None or mask.dim() > target.dim() or mask.shape != target.shape[: mask.dim()]:
        return target, masked
    mask = mask.reshape(*mask.shape, *(1,) * (target.dim() - mask.dim()))
    return target.masked_fill(~mask, float("nan") if target.is_floating_point() else -1), True


@dataclass(frozen=True)
class Total:
    """A part of what is minimized in a step: `weight * total / count`.

    Totals and counts add up over parts of a batch, also where other targets are missing in each of them, and means do
    not. So the count may be that of a larger batch, and the gradient is that of the total, divided by that count.
    """

    total: Tensor
    count: Number
    weight: float = 1.0

    @property
    def mean(self) -> Tensor:
        """The weighted mean; without a single target the total is 0, and so is the mean."""
        mean = self.total / (self.count.clamp(min=1) if isinstance(self.count, Tensor) else self.count)
        return mean if self.weight == 1.0 else self.weight * mean

    @property
    def weighted(self) -> Tensor:
        """The total times its weight."""
        return self.total if self.weight == 1.0 else self.weight * self.total


def value_of(totals: Sequence[Total]) -> Tensor:
    """What is minimized: the weighted means, added up."""
    return functools.reduce(operator.add, [part.mean for part in totals])


class Objective:
    """The losses and metrics of some outputs.

    Parameters
    ----------
    terms : sequence of Term
        One for each output.
    scalings : sequence of Scaling or None
        How the targets of each output are scaled.
    """

    def __init__(self, terms: Sequence[Term], scalings: Sequence[Any]) -> None:
        self.terms, self.scalings = list(terms), list(scalings)
        self.single = self.terms[0] if len(self.terms) == 1 else None
        self.minimized = [term for term in self.terms if term.loss is not None]

    def totals(
        self, targets: Sequence[Tensor], outputs: Sequence[Tensor], weights: Sequence[Tensor | None],
        masked: Sequence[bool], added: Any, sums: Sums,
    ) -> list[Total]:  # fmt: skip
        """What is minimized: for each output the sum over its present targets; and `added`, what the net adds itself.

        Totals and counts are added to the sums, in which `added` counts once for each row.
        """
        parts = self.parts(targets, outputs, weights, masked)
        self.note(parts, added, outputs[0], sums)
        return parts if added is None else [*parts, Total(added, 1)]

    def parts(
        self, targets: Sequence[Tensor], outputs: Sequence[Tensor], weights: Sequence[Tensor | None],
        masked: Sequence[bool],
    ) -> list[Total]:  # fmt: skip
        """For each output with a loss the sum of its values, and how many there are."""
        found = []
        for number, term in enumerate(self.terms):
            if term.loss is None:
                continue
            target = targets[number]
            if self.scalings[number] is not None:
                target = self.scalings[number].apply(target)
            sums = term.loss.sums(target, outputs[number], weights[number], masked[number])
            found.append(Total(*sums, term.weight))
        return found

    def note(self, parts: Sequence[Total], added: Any, rows: Sized, sums: Sums) -> None:
        """Add totals and counts of `parts` to the sums, and what the net adds; `rows` has as many entries as rows."""
        if self.single is not None and parts:
            total, count = parts[0].weighted, parts[0].count
            sums.add("loss", total.detach() if added is None else (total + added * count).detach(), count)
            return
        for term, part in zip(self.minimized, parts, strict=True):
            sums.add(f"{term.path}_loss", part.total.detach(), part.count)
        if added is not None:
            sums.add(ADDED, added.detach() * len(rows), len(rows))

    def measure(
        self, targets: Sequence[Tensor], outputs: Sequence[Tensor], weights: Sequence[Tensor | None],
        masked: Sequence[bool], sums: Sums,
    ) -> None:  # fmt: skip
        """Add the metrics of a batch to the sums, in the targets' own units."""
        for number, term in enumerate(self.terms):
            measured = term.measured()
            if not measured:
                continue
            output = term.in_units(outputs[number], self.scalings[number])
            point = term.point(output)
            for metric, weighted in measured:
                factors, seen = weights[number] if weighted else None, output if metric.of_distributions else point
                sums.measure(term.key(metric.name), metric, targets[number], seen, factors, masked[number])

    def in_units(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """What the net gives, in the units of the targets; outputs of steps of its own as they are."""
        if len(self.scalings) != len(outputs):
            return list(outputs)
        terms = self.terms if len(self.terms) == len(outputs) else [Term("", None)] * len(outputs)
        pairs = zip(terms, outputs, self.scalings, strict=True)
        return [term.in_units(output, scaling) for term, output, scaling in pairs]

    def report(self, sums: Sums) -> dict[str, float]:
        """What the sums say: the loss, those of the outputs, and the metrics finished from their means."""
        means = sums.means()
        found: dict[str, float] = {}
        if "loss" in means or (self.single is not None and self.single.loss is not None):
            found["loss"] = means.get("loss", float("nan"))
        else:
            parts = [
                (term.weight, means[key]) for term in self.terms if term.loss and (key := f"{term.path}_loss") in means
            ]
            found["loss"] = sum(weight * mean for weight, mean in parts) + means.get(ADDED, 0.0)
            found |= {key: means[key] for term in self.terms if term.path and (key := f"{term.path}_loss") in means}
        for term in self.terms:
            for metric, _ in term.measured():
                found |= sums.results(term.key(metric.name), metric)
        return found

    def names(self) -> list[str]:
        """The quantities that are reported."""
        own = [f"{term.path}_loss" for term in self.terms if term.path and term.loss is not None]
        measured = [(term, metric) for term in self.terms for metric, _ in term.measured()]
        return ["loss", *own, *(term.key(name) for term, metric in measured for name in result_names(metric))]
