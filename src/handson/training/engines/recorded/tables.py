"""What a recorded step reads in place of numbers of the host, and where it writes what it reports.

A step that is recorded once does the same operations on the same memory every time. So a counter on the device says
which step it is, and tables that the host fills for many steps at once say what changes: the order of the rows, and the
numbers of the optimizer. The sums of the steps go into a table too, which the host reads after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.metrics import Metric
from handson.schedules import Position
from handson.state.sums import Number
from handson.training.preparation.job import Job

# The host fills the tables for at most so many steps at once; between them the device waits for it.
CAPACITY = 1024


class Entry(NamedTuple):
    """A name that a step reports, with what is summed and counted in every step: None where the table has it."""

    name: str
    fixed: tuple[float | None, ...]


class Report:
    """Takes the sums of one step: it stands in for `handson.state.sums.Sums` while the step is recorded."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.values: list[Tensor] = []

    def add(self, name: str, total: Number, count: Number) -> None:
        """Add one batch's sum and count to a name."""
        self.values += [number.detach().double() for number in (total, count) if isinstance(number, Tensor)]
        fixed = (None if isinstance(number, Tensor) else float(number) for number in (total, count))
        self.entries.append(Entry(name, tuple(fixed)))

    def measure(
        self, name: str, metric: Metric, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool
    ) -> None:
        """Add a batch to a metric, which is a mean: others are refused."""
        self.add(name, *metric.sums(y_true, y_pred, sample_weight, masked))


class StepTables:
    """The tables of the steps of one job.

    Parameters
    ----------
    job : Job
        What is trained.

    Attributes
    ----------
    order : Tensor of int64, shape (n,)
        The rows of the epoch in the order that they are seen.
    place : Tensor of int64, shape (2,)
        The step's row in the tables, and the position of its first row in the order.
    numbers : Tensor of float32, shape (CAPACITY, numbers)
        What the optimizer reads.
    reports : Tensor of float64, shape (CAPACITY, numbers)
        What the steps report.
    """

    def __init__(self, job: Job) -> None:
        device, batches = job.device, job.batches
        self._batches = batches
        self.order = torch.arange(len(batches), device=device)
        self.place = torch.zeros(2, dtype=torch.int64, device=device)
        self._advance = torch.tensor([1, batches.batch_size], device=device)
        # Which numbers there are does not depend on the position.
        self._names = list(job.optimizer.numbers(Position(steps_per_epoch=1, epochs=1)))
        self.numbers = torch.zeros(CAPACITY, len(self._names), dtype=torch.float32, device=device)
        self.reports = torch.zeros(CAPACITY, 2 * (1 + len(job.terms[0].measured())), dtype=torch.float64, device=device)
        self._epoch: int | None = None

    # What the host does.

    def enter(self, epoch: int) -> None:
        """Take the order of an epoch."""
        if self._batches.shuffle and epoch != self._epoch:
            self.order.copy_(self._batches.order(epoch))
            self._epoch = epoch

    def fill(self, first: int, numbers: list[dict[str, float]]) -> None:
        """Make ready for steps: the number of the first of them in the epoch, and the numbers of all."""
        rows = [[of_step[name] for name in self._names] for of_step in numbers]
        self.numbers[: len(numbers)].copy_(torch.tensor(rows, dtype=torch.float32))
        self.place.copy_(torch.tensor([0, first * self._batches.batch_size]))

    def read(self, steps: int, entries: list[Entry]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """What the steps since `fill` reported: for each name its sums and counts. The host waits for the device."""
        columns = iter(self.reports[:steps].cpu().numpy().T)
        for entry in entries:
            totals, counts = (next(columns) if value is None else np.full(steps, value) for value in entry.fixed)
            yield entry.name, totals, counts

    # What is part of the step.

    def rows(self, size: int) -> Tensor:
        """The rows of the step at hand."""
        return self.order.index_select(0, torch.arange(size, device=self.order.device) + self.place[1])

    def current(self) -> dict[str, Tensor]:
        """The numbers of the step at hand."""
        held = self.numbers.index_select(0, self.place[:1])[0].unbind()
        return dict(zip(self._names, held, strict=True))

    def write(self, report: Report) -> None:
        """Keep what the step reports, and go on to the next."""
        values: Any = torch.stack(report.values)[None]
        self.reports[:, : values.shape[1]].index_copy_(0, self.place[:1], values)
        self.place.add_(self._advance)
