"""Sums and means of values, and means of functions of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.averages import Function, of_two
from handson.core import registry
from handson.core.described import parameters_of
from handson.core.errors import HandsonError, nearest
from handson.metrics.base import Metric


def _by_sample(values: Any, sample_weight: Any, mean: bool) -> tuple[Tensor, Tensor | None]:
    """A number for each sample, times its weight, and the weight."""
    values = torch.as_tensor(values).detach().to(torch.float64)
    reduce = torch.mean if mean else torch.sum
    if sample_weight is None:
        return _flat(values, 1, reduce), None
    weights = torch.as_tensor(sample_weight, device=values.device).detach().to(torch.float64)
    if weights.dim() == values.dim() + 1 and weights.shape[-1] == 1:
        weights = weights.squeeze(-1)
    elif values.dim() == weights.dim() + 1 and values.shape[-1] == 1:
        values = values.squeeze(-1)
    values = _flat(values, weights.dim(), reduce)
    weights = weights.expand_as(values)
    return _flat(values * weights, 1, reduce), _flat(weights, 1, reduce)


def _flat(values: Tensor, dims: int, reduce: Any) -> Tensor:
    """Values with their axes from one on reduced."""
    return reduce(values, dim=tuple(range(dims, values.dim()))) if values.dim() > dims else values


class _OfValues(Metric):
    """A metric of values alone, which a training cannot measure."""

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable((), "zeros", "float64", name="total")


@registry.register
class Mean(_OfValues):
    """The mean of values, for use by hand: of losses, say, in a training step of one's own.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0]); mean.update_state(5.0)
    >>> mean.result().item()
    3.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.count = self.add_variable((), "zeros", "float64", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values: a number, or an array with one or several for each sample."""
        found, weights = _by_sample(values, sample_weight, mean=True)
        self.total.assign_add(found.sum())
        rows = found.numel() if found.dim() else 1
        self.count.assign_add(rows if weights is None else weights.sum())

    def result(self) -> Any:
        """The mean since the last `reset_state`; NaN of nothing."""
        return self.total.value / self.count.value


@registry.register
class Sum(_OfValues):
    """The sum of values, for use by hand.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> Sum()([1.0, 3.0, 5.0], sample_weight=[1.0, 1.0, 0.0]).item()
    4.0
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values: a number, or an array with one or several for each sample."""
        self.total.assign_add(_by_sample(values, sample_weight, mean=False)[0].sum())

    def result(self) -> Any:
        """The sum since the last `reset_state`."""
        return self.total.value


def needs_values(metric: Metric) -> bool:
    """Whether a metric is updated with values, and not with targets and predictions."""
    return type(metric).update_state in (Mean.update_state, Sum.update_state)


class OfFunction(Function, Metric):
    """The base of metrics made of a function of the user."""

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # Labels come to the function as Keras gives them.
        given = y_true[:, None] if self.targets == "labels" and y_true.dim() == 1 else y_true
        values = super().values(given, y_pred)
        expected = self.present(y_true).shape
        return values.reshape(expected) if values.numel() == expected.numel() and values.dim() else values


class FunctionMetric(OfFunction):
    """A metric made of a function of (y_true, y_pred) that returns one value per element or sample."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = of_two(function, "a metric")
        super().__init__(getattr(function, "__name__", "metric"))

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        return {"function": registry.name_of("metric", self.function)}


@registry.register
class MeanMetricWrapper(OfFunction):
    """The mean of a function of (y_true, y_pred) that returns one value per element or sample.

    Parameters
    ----------
    fn : function
        The function.
    name, dtype : str, optional
        See `Metric`; by default the name of the function.
    **kwargs
        Further arguments of the function.

    Examples
    --------
    >>> def error(y_true, y_pred, power):
    ...     return (y_true - y_pred).abs() ** power
    >>> MeanMetricWrapper(error, power=2)([[0.0], [0.0]], [[1.0], [3.0]]).item()
    5.0
    """

    # Arguments that are not its own are those of the function.
    takes_more = True

    def __init__(self, fn: Callable[..., Tensor], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        if not callable(fn):
            raise HandsonError(f"MeanMetricWrapper takes a function of (y_true, y_pred); got {fn!r}.")
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        known = parameters_of(fn)
        for keyword in kwargs:
            if keyword not in known and not _takes_anything(fn):
                raise HandsonError(f"{self.name} has no argument {keyword!r}.{nearest(keyword, known)}")
        self.function = of_two(functools.partial(fn, **kwargs) if kwargs else fn, "a metric")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        fn = config.get("fn")
        return cls(**config | ({"fn": registry.find("metric", fn)} if isinstance(fn, str) else {}))


def _takes_anything(fn: Any) -> bool:
    code = getattr(fn, "__code__", None)
    return code is None or bool(code.co_flags & 0x08)  # **kwargs
