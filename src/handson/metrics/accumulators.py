"""What a metric remembers of the batches that it has seen, in four ways.

`Total` has the sum and the count of a mean; `Added` has statistics that add up, in double precision; `Rows` keeps
values of every row, for metrics that need all of them at once; `Own` has a copy of a metric with a state of its own.
What was seen by several workers is merged in the same way as what was seen in several batches.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.metrics.variables import Variable, variable

NAN = float("nan")


class Metric(Protocol):
    """What is asked of a metric here: see `handson.metrics.base.Metric`."""

    name: str
    of_nothing: Any
    keeps_rows: bool
    _seen: Any

    @property
    def keeps_state(self) -> bool: ...

    @property
    def has_statistics(self) -> bool: ...

    @property
    def variables(self) -> list[Tensor]: ...

    def own_variables(self) -> list[Variable]: ...

    def present(self, y_true: Tensor) -> Tensor: ...

    def fill(self, y_true: Tensor) -> Tensor: ...

    def sums(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool
    ) -> tuple[Tensor, Tensor | int]: ...

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]: ...

    def finish(self, found: Any) -> Any: ...

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None: ...

    def result(self) -> Any: ...

    def reset_state(self) -> None: ...


class Accumulator:
    """The base: what has been seen of one metric.

    Parameters
    ----------
    metric : Metric
        What is measured.

    Attributes
    ----------
    held : dict of str to Tensor
        What is remembered; empty before the first batch.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.held: dict[str, Tensor] = {}

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool) -> None:
        """Add a batch."""
        metric = self.metric
        present = metric.present(y_true)
        weights = present.to(torch.float32)
        if sample_weight is not None:
            behind = (1,) * (present.dim() - sample_weight.dim())
            weights = weights * sample_weight.reshape(*sample_weight.shape, *behind)
        self.add(metric.statistics(metric.fill(y_true) if masked else y_true, y_pred, weights))

    def add(self, found: Mapping[str, Tensor]) -> None:
        """Add the statistics of a batch, or of another worker."""
        for name, value in found.items():
            value = value.detach().to(torch.float64)
            self.held[name] = value if name not in self.held else self.held[name].to(value.device) + value

    def tensors(self) -> dict[str, Tensor]:
        """What is remembered, by name."""
        return self.held

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        self.held = dict(tensors)

    def merge(self, other: Accumulator) -> None:
        """Add what another has seen."""
        self.add(other.tensors())

    def result(self) -> Any:
        """The metric over everything that was seen."""
        return self.metric.finish(self.held) if self.held else self.metric.of_nothing


class Total(Accumulator):
    """The sum of the values of a mean, and how many they are."""

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool) -> None:
        total, count = self.metric.sums(y_true, y_pred, sample_weight, masked)
        self.add({"total": total, "count": torch.as_tensor(count, dtype=torch.float64, device=total.device)})

    def result(self) -> Any:
        count = float(self.held["count"]) if self.held else 0.0
        return self.metric.finish(float(self.held["total"]) / count) if count else self.metric.of_nothing


class Added(Accumulator):
    """Statistics that add up."""


class Rows(Accumulator):
    """Values of all rows, one batch after another."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._parts: dict[str, list[Tensor]] = {}

    def add(self, found: Mapping[str, Tensor]) -> None:
        for name, value in found.items():
            self._parts.setdefault(name, []).append(value.detach())

    def tensors(self) -> dict[str, Tensor]:
        for name, parts in self._parts.items():
            self._parts[name] = [torch.cat([part.to(parts[-1].device) for part in parts])]
        return {name: parts[0] for name, parts in self._parts.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self._parts = {name: [value] for name, value in tensors.items()}

    def result(self) -> Any:
        self.held = self.tensors()
        return super().result()


class Own(Accumulator):
    """A copy of a metric that has an `update_state` or a `result` of its own; the user's object stays as it is."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(fresh(metric))
        self._seen, self._incomplete = False, False

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, masked: bool) -> None:
        if masked:
            y_true, y_pred, sample_weight = _complete(self.metric, y_true, y_pred, sample_weight)
        y_true = y_true[:, None] if y_true.dim() == 1 else y_true  # as Keras gives it
        for each in self.metric.variables:
            if isinstance(each, Variable) and each.device != y_pred.device:
                each.data = each.data.to(y_pred.device)
        weights = () if sample_weight is None else (sample_weight,)
        with torch.no_grad():
            self.metric.update_state(y_true, y_pred, *weights)
        self._seen = True

    def tensors(self) -> dict[str, Tensor]:
        found = {f"variable_{number}": each.value for number, each in enumerate(self.metric.own_variables())}
        return found | {f"held_{name}": value for name, value in seen_by(self.metric).tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for number, each in enumerate(self.metric.own_variables()):
            each.assign(tensors[f"variable_{number}"])
        seen_by(self.metric).load({name[5:]: value for name, value in tensors.items() if name.startswith("held_")})
        # State in other attributes is in no checkpoint: what the metric says afterwards is not about all rows.
        self._seen, self._incomplete = True, not tensors

    def merge(self, other: Accumulator) -> None:
        mine, theirs = self.metric.own_variables(), other.metric.own_variables()
        if not mine and not seen_by(self.metric).tensors():
            raise HandsonError(
                f"the metric {self.metric.name!r} keeps its state in attributes, which cannot be merged with those of "
                f"another worker. Keep it in variables: self.add_variable(shape, 'zeros', name=...)."
            )
        for ours, given in zip(mine, theirs, strict=True):
            if ours.aggregation in ("sum", "mean"):
                half = 2 if ours.aggregation == "mean" else 1
                ours.assign((ours.value + given.value.to(ours.device)) / half)
        seen_by(self.metric).merge(seen_by(other.metric))

    def result(self) -> Any:
        if self._incomplete or not self._seen:
            return NAN
        with torch.no_grad():
            return self.metric.result()


class Live(Own):
    """A metric that a net's own training step updates: the object itself, and no copy."""

    def __init__(self, metric: Metric) -> None:
        Accumulator.__init__(self, metric)
        self._seen, self._incomplete = False, False


def of(metric: Metric) -> Accumulator:
    """What remembers the batches that a metric sees in a training."""
    return Own(metric) if metric.keeps_state else plain(metric)


def plain(metric: Metric) -> Accumulator:
    """What remembers the batches that a metric is given by `Metric.update_state`."""
    if metric.has_statistics:
        return Rows(metric) if metric.keeps_rows else Added(metric)
    return Total(metric)


def seen_by(metric: Metric) -> Accumulator:
    """What `Metric.update_state` has been given since the last `reset_state`."""
    if metric._seen is None:
        metric._seen = plain(metric)
    return metric._seen


def fresh(metric: Metric) -> Metric:
    """A copy of a metric that has seen nothing and shares no state with it."""
    made = copy.copy(metric)
    copies: dict[int, Any] = {}
    for name, value in vars(metric).items():
        if name != "_arguments":
            setattr(made, name, _copied(value, copies))
    made._seen = None
    made.reset_state()
    return made


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    """A copy of what may be state: variables, arrays, lists of them and other metrics; a net stays the same."""
    if id(value) not in copies:
        copies[id(value)] = _copy(value, copies)
    return copies[id(value)]


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    if isinstance(value, Variable):
        return variable(value.value, value.given_name, value.aggregation)
    if type(value) is Tensor:
        return value.clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) is list:
        return [_copied(entry, copies) for entry in value]
    if type(value) is dict:
        return {key: _copied(entry, copies) for key, entry in value.items()}
    if type(value) is set:
        return set(value)
    return fresh(value) if hasattr(value, "own_variables") else value


def _complete(metric: Metric, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> Any:
    """The rows whose targets are there."""
    missing = y_true < 0 if not y_true.is_floating_point() else torch.isnan(y_true)
    missing = missing.reshape(len(y_true), -1)
    whole = missing.all(1)
    if bool((missing.any(1) & ~whole).any()):
        raise HandsonError(
            f"the metric {metric.name!r} has an update_state of its own, which cannot mask single missing targets of a "
            f"row. Define statistics(y_true, y_pred, sample_weight) or values(y_true, y_pred) instead, or drop such "
            f"rows (missing='drop')."
        )
    kept = ~whole
    return y_true[kept], y_pred[kept], None if sample_weight is None else sample_weight[kept]
