"""Sums of losses and metrics over batches: kept on the device, read when something is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

Number = Tensor | float | int


class Sums:
    """(total, count) pairs under names; the mean of an epoch is total / count, exact whatever the batches were.

    Adding costs nothing on the device: scalars are collected, and read in one go by `read`. They are then added one
    after another in double precision, so that the result does not depend on how often somebody looked.

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
        self._pending: list[tuple[str, Number, Number]] = []

    def add(self, name: str, total: Number, count: Number) -> None:
        """Add one batch's sum and count to a name."""
        self._pending.append((name, total, count))

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

    @classmethod
    def from_state(cls, state: Mapping[str, list[float]]) -> Sums:
        """The sums that `state` described."""
        sums = cls()
        sums.totals = {name: pair[0] for name, pair in state.items()}
        sums.counts = {name: pair[1] for name, pair in state.items()}
        return sums
