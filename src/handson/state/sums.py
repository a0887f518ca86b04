"""Sums of losses and metrics over batches: kept on the device, read when something is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from handson.metrics import Metric
from handson.metrics.accumulators import Accumulator, of
from handson.metrics.reported import entries

# Before the names of tensors in a checkpoint.
PREFIX = "sums"
Number = Tensor | float | int


class Sums:
    """(total, count) pairs under names; the mean of an epoch is total / count, exact whatever the batches were.

    Adding costs nothing on the device: scalars are collected, and read in one go by `read`. They are then added one
    after another in double precision, so that the result does not depend on how often they are read. Metrics that are
    no means are held as what they need (see `handson.metrics.accumulators`).

    Examples
    --------
    >>> sums = Sums()
    >>> sums.add("loss", torch.tensor(6.0), 2); sums.add("loss", torch.tensor(1.0), 1)
    >>> sums.means()
    {'loss': 2.3333333333333335}
    """

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}
        self.counts: dict[str, float] = {}
        self.held: dict[str, Accumulator] = {}
        self._pending: list[tuple[str, Number, Number]] = []
        # Of an epoch that was interrupted: what was held, until the metrics ask for it.
        self._restored: Mapping[str, Tensor] | None = None

    def add(self, name: str, total: Number, count: Number) -> None:
        """Add one batch's sum and count to a name."""
        self._pending.append((name, total, count))

    def measure(
        self, name: str, metric: Metric, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool
    ) -> None:
        """Add a batch to a metric; `masked` says whether targets may be missing."""
        if metric.is_mean:
            self.add(name, *metric.sums(y_true, y_pred, sample_weight, masked))
        else:
            self._of(name, metric).update(y_true, y_pred, sample_weight, masked)

    @property
    def pending(self) -> list[tuple[str, Number, Number]]:
        """Name, total and count of what was added and is not read yet."""
        return self._pending

    def add_statistics(self, name: str, metric: Metric, statistics: Mapping[str, Tensor]) -> None:
        """Add the statistics of a batch to a metric that is no mean."""
        self._of(name, metric).add(statistics)

    def put_back(self, state: Mapping[str, list[float]], tensors: Mapping[str, Tensor]) -> None:
        """Become again what `state` and `tensors` described."""
        vars(self).update(vars(Sums.from_state(state, tensors)))

    def _of(self, name: str, metric: Metric) -> Accumulator:
        """What a metric that is no mean has seen."""
        if name not in self.held:
            self.hold(name, of(metric))
        return self.held[name]

    def hold(self, name: str, held: Accumulator) -> None:
        """Keep what a metric has seen, which goes on where an interrupted epoch was."""
        self.held[name] = held
        if self._restored is not None:
            start = f"{PREFIX}/{name}/"
            held.load({key.removeprefix(start): each for key, each in self._restored.items() if key.startswith(start)})

    def results(self, name: str, metric: Metric) -> dict[str, float]:
        """What a metric says of the batches so far, by its names in the history; nothing before the first batch."""
        if metric.is_mean:
            self.read()
            if name not in self.totals:
                return {}
            total, count = self.totals[name], self.counts[name]
            return entries(metric, name, metric.finish(total / count) if count else metric.of_nothing)
        known = name in self.held or self._restored is not None
        return entries(metric, name, self._of(name, metric).result()) if known else {}

    def merge(self, other: Sums) -> None:
        """Add what another worker has seen."""
        self.read()
        other.read()
        for name, total in other.totals.items():
            self.add(name, total, other.counts[name])
        self.read()
        for name, held in other.held.items():
            if name in self.held:
                self.held[name].merge(held)
            else:
                self.held[name] = held

    def put(self, name: str, value: Number) -> None:
        """Let a value stand under a name, in place of what stood there."""
        self._pending = [entry for entry in self._pending if entry[0] != name]
        self.totals.pop(name, None)
        self.counts.pop(name, None)
        self.add(name, value, 1)

    def add_steps(self, name: str, totals: np.ndarray, counts: np.ndarray) -> None:
        """Add the sums and counts of several batches, as one after another."""
        self.read()
        # NumPy's sum would add in pairs, and Python's, from 3.12 on, with a correction.
        running = totals.astype(np.float64)
        running[0] += self.totals.get(name, 0.0)
        self.totals[name] = float(np.add.accumulate(running, out=running)[-1])
        self.counts[name] = self.counts.get(name, 0.0) + float(counts.sum())

    def read(self) -> None:
        """Bring everything that is pending to the host; one transfer."""
        flat: list[Number] = [number for _, total, count in self._pending for number in (total, count)]
        tensors = [number.detach().double() for number in flat if isinstance(number, Tensor)]
        values = iter(torch.stack(tensors).tolist() if tensors else [])
        numbers = [next(values) if isinstance(number, Tensor) else float(number) for number in flat]
        for position, (name, _, _) in enumerate(self._pending):
            total, count = numbers[2 * position : 2 * position + 2]
            self.totals[name] = self.totals.get(name, 0.0) + total
            self.counts[name] = self.counts.get(name, 0.0) + count
        self._pending.clear()

    def means(self) -> dict[str, float]:
        """The means so far; NaN where nothing was counted."""
        self.read()
        return {
            name: total / self.counts[name] if self.counts[name] else float("nan")
            for name, total in self.totals.items()
        }

    def finite(self) -> bool:
        """Whether all totals are finite numbers."""
        self.read()
        return all(math.isfinite(total) for total in self.totals.values())

    def state(self) -> dict[str, list[float]]:
        """Totals and counts as JSON."""
        self.read()
        return {name: [self.totals[name], self.counts[name]] for name in self.totals}

    def tensors(self) -> dict[str, Tensor]:
        """What metrics that are no means hold, by name, for a checkpoint."""
        return {
            f"{PREFIX}/{name}/{part}": tensor
            for name, held in self.held.items()
            for part, tensor in held.tensors().items()
        }

    @classmethod
    def from_state(cls, state: Mapping[str, list[float]], tensors: Mapping[str, Tensor] | None = None) -> Sums:
        """The sums that `state` and `tensors` described; of a checkpoint all tensors may be given."""
        sums = cls()
        if state and tensors is not None:
            sums._restored = {name: each for name, each in tensors.items() if name.startswith(f"{PREFIX}/")}
        sums.totals = {name: pair[0] for name, pair in state.items()}
        sums.counts = {name: pair[1] for name, pair in state.items()}
        return sums
