"""What shards report of losses and metrics, brought together at the end of a span, or of a batch where it must be.

Means are a sum and a count for each shard and step: they meet once for all steps of a span. Metrics that are statistics
meet in every step. Metrics that need the rows of a batch together get the outputs of all shards.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from handson.metrics import Metric
from handson.metrics.accumulators import Added, of
from handson.parallel.exchange import Exchange
from handson.parallel.tree import Block
from handson.state.sums import Sums
from handson.training.preparation.compiled import Term
from handson.training.preparation.objective import Objective


def divided(objective: Objective) -> tuple[Objective, Objective]:
    """The objective with the metrics that shards measure, and with those that are measured on whole batches."""
    return tuple(  # type: ignore[return-value]
        Objective([_with_metrics(term, whole) for term in objective.terms], objective.scalings)
        for whole in (False, True)
    )


def _with_metrics(term: Term, whole: bool) -> Term:
    metrics, weighted = (
        tuple(metric for metric in each if _needs_whole(metric) == whole)
        for each in (term.metrics, term.weighted_metrics)
    )
    return replace(term, metrics=metrics, weighted_metrics=weighted)


def _needs_whole(metric: Metric) -> bool:
    return metric.batchwise or not (metric.is_mean or isinstance(of(metric), Added))


class Reports:
    """The sums of one span.

    Parameters
    ----------
    exchange : Exchange
        What adds up over workers.
    sums : Sums
        What the span is added to.
    """

    def __init__(self, exchange: Exchange, sums: Sums) -> None:
        self._exchange, self._sums = exchange, sums
        self._steps: list[dict[int, Tensor]] = []
        self._names: list[str] = []
        self._held: list[tuple[str, Metric, dict[str, Tensor]]] = []

    def add(self, rows: int, shards: Mapping[int, Sums]) -> None:
        """Take up what the shards of one batch of so many rows report."""
        found = {number: _entries(sums) for number, sums in shards.items()}
        for names, _ in found.values():
            self._names = names
        self._steps.append({number: entries for number, (_, entries) in found.items()})
        first = next(iter(shards.values()), Sums())
        for name, held in first.held.items():
            self._held.append((name, held.metric, self._statistics(name, rows, shards)))  # type: ignore[arg-type]

    def _statistics(self, name: str, rows: int, shards: Mapping[int, Sums]) -> dict[str, Tensor]:
        """The statistics of a metric over all shards of a batch."""
        each = {number: sums.held[name].tensors() for number, sums in shards.items()}
        first = next(iter(each.values()))
        flat = {
            Block(number, 1): torch.cat([tensors[key].reshape(-1) for key in first]) for number, tensors in each.items()
        }
        sizes = [tensor.numel() for tensor in first.values()]
        parts = self._exchange.fold(flat, rows).split(sizes)
        return {key: part.view(tensor.shape) for (key, tensor), part in zip(first.items(), parts, strict=True)}

    def finish(self) -> None:
        """Bring the steps together, and add them one after another."""
        for name, metric, statistics in self._held:
            self._sums.add_statistics(name, metric, statistics)
        if not self._names:
            return
        table = self._table()
        while table.shape[1] > 1:
            table = functools.reduce(torch.add, _pairs(table))
        for step in table[:, 0].tolist():
            for name, (total, count) in zip(self._names, step, strict=True):
                self._sums.add(name, total, count)
        self._sums.read()

    def _table(self) -> Tensor:
        """Sums and counts, float64 of shape (steps, shards, names, 2); zeros for shards without rows."""
        exchange = self._exchange
        mine = next(entries for step in self._steps for entries in step.values())
        none = torch.zeros_like(mine)
        widest = max(len(part) for part in exchange.parts)
        held = [*exchange.held, *[-1] * (widest - len(exchange.held))]
        own = torch.stack([torch.stack([step.get(number, none) for number in held]) for step in self._steps])
        parts = zip(exchange.gather(own), exchange.parts, strict=True)
        return torch.cat([each[:, : len(part)] for each, part in parts], 1).cpu()


def _pairs(table: Tensor) -> list[Tensor]:
    """The left and the right of neighbouring shards; the last of an odd number is alone."""
    if table.shape[1] % 2:
        table = torch.cat([table, torch.zeros_like(table[:, :1])], 1)
    return [table[:, 0::2], table[:, 1::2]]


def _entries(sums: Sums) -> tuple[list[str], Tensor]:
    """The names of what a shard reports of a batch, and its sums and counts, float64 of shape (names, 2)."""
    names = [name for name, _, _ in sums.pending]
    device = next((total.device for _, total, _ in sums.pending if isinstance(total, Tensor)), None)
    numbers = [number for _, total, count in sums.pending for number in (total, count)]
    found = [torch.as_tensor(number, dtype=torch.float64, device=device) for number in numbers]
    return names, (torch.stack(found) if found else torch.empty(0, dtype=torch.float64)).view(-1, 2)


class Whole:
    """Measures whole batches: targets, outputs and weights of all shards, in order, on every worker.

    Parameters
    ----------
    objective : Objective
        With the metrics that need whole batches.
    exchange : Exchange
        What carries rows from worker to worker.
    """

    def __init__(self, objective: Objective, exchange: Exchange) -> None:
        self._objective, self._exchange = objective, exchange
        self._wanted = [bool(term.measured()) for term in objective.terms]

    def measure(self, rows: int, shards: Sequence[Any], sums: Sums) -> None:
        """Add a batch of so many rows to the sums; of each shard `targets`, `outputs`, `weights` and `masked`."""
        if not any(self._wanted):
            return
        leaves: dict[str, list[Any]] = {
            name: [
                self._joined([getattr(shard, name)[place] for shard in shards], rows) if wanted else None
                for place, wanted in enumerate(self._wanted)
            ]
            for name in ("targets", "outputs", "weights")
        }
        masked = [any(flags) for flags in zip(*(shard.masked for shard in shards), strict=True)]
        self._objective.measure(leaves["targets"], leaves["outputs"], leaves["weights"], masked, sums)

    def _joined(self, parts: list[Tensor | None], rows: int) -> Tensor | None:
        """The rows of all shards behind each other."""
        own = [part for part in parts if part is not None]
        if not own:
            return None
        joined = torch.cat(own)
        exchange = self._exchange
        if exchange.link.size == 1 or not exchange.has_all_busy(rows):
            return joined
        sizes = [exchange.rows_of(part, rows) for part in exchange.parts]
        padded = joined.new_zeros(max(sizes), *joined.shape[1:])
        padded[: len(joined)] = joined
        return torch.cat([each[:size] for each, size in zip(exchange.gather(padded), sizes, strict=True)])
