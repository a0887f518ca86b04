"""Metrics, with Keras's names and numbers, averaged exactly over samples and not over batches.

Metrics are in the units of the targets that the user gave, also when the net is trained on scaled targets.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from handson import losses
from handson.averages import Average, Function
from handson.core import registry
from handson.core.errors import HandsonError, listing, nearest

# What a history or its table has under these names.
TAKEN, PREFIXES = ("loss", "epoch", "learning_rate"), ("val_", "train_")


class Metric(Average):
    """The base of all metrics. A metric of your own defines `values(y_true, y_pred)`, and `result` if it is no mean.

    Parameters
    ----------
    name : str, optional
        Its key in the history; by default the name of the class in snake case.

    Attributes
    ----------
    direction : {'min', 'max'}
        Which way is better.

    Examples
    --------
    >>> metric = RootMeanSquaredError()
    >>> metric.update_state([[0.0], [0.0]], [[3.0], [4.0]])
    >>> round(metric.result(), 4)
    3.5355
    """

    kind = "metric"
    direction = "min"
    divides_by_weights = True

    def __init__(self, name: str | None = None) -> None:
        self.name = name or registry.snake_case(type(self).__name__)
        self.reset_state()

    def finish(self, mean: float) -> float:
        """The metric, from the mean of its values."""
        return mean

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        self._total, self._count = 0.0, 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, for use outside of `fit`."""
        total, count = self.measure(y_true, y_pred, sample_weight)
        self._total, self._count = self._total + float(total), self._count + float(count)

    def result(self) -> float:
        """The metric over all batches since the last `reset_state`."""
        return self.finish(self._total / self._count) if self._count else float("nan")


@registry.register(aliases=("rmse", "RMSE"))
class RootMeanSquaredError(Metric):
    """The square root of the mean squared error, in the units of the targets.

    Examples
    --------
    >>> RootMeanSquaredError().name
    'root_mean_squared_error'
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_pred - y_true).square()

    def finish(self, mean: float) -> float:
        return mean**0.5 if mean >= 0 else float("nan")


@registry.register
class BinaryAccuracy(Metric):
    """The share of outputs on the right side of a threshold.

    Parameters
    ----------
    threshold : float
        Above it an output means 1. 'accuracy' takes 0 for a loss from logits, where Keras keeps 0.5.
    """

    direction = "max"

    def __init__(self, threshold: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        self.threshold = threshold

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ((y_pred > self.threshold).float() == y_true).float()


@registry.register
class CategoricalAccuracy(Metric):
    """The share of samples whose largest output is the class of a one-hot target."""

    direction, targets = "max", "distribution"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


@registry.register
class SparseCategoricalAccuracy(Metric):
    """The share of samples whose largest output is the class of an integer label."""

    direction, targets = "max", "labels"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true == y_pred.argmax(-1)).float()


@registry.register
class LossMetric(Metric):
    """A loss as a metric, in the units of the targets: what 'mae' means in a list of metrics.

    Parameters
    ----------
    loss : str or Loss
        The loss.
    """

    def __init__(self, loss: Any, name: str | None = None) -> None:
        self.loss = losses.get(loss)
        super().__init__(name or self.loss.name)
        self.targets, self.batchwise = self.loss.targets, self.loss.batchwise

    def present(self, y_true: Tensor) -> Tensor:
        return self.loss.present(y_true)

    def classes(self, outputs: int) -> int:
        return self.loss.classes(outputs)

    @property
    def probabilities(self) -> bool:
        return self.loss.probabilities

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.values(y_true, y_pred)


class FunctionMetric(Function, Metric):
    """A metric made of a function of (y_true, y_pred) that returns one value per element or sample."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        super().__init__(getattr(function, "__name__", "metric"))

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        return {"function": registry.name_of("metric", self.function)}


def get(identifier: Any, loss: losses.Loss | None = None, outputs: int | None = None) -> Metric:
    """The metric for a name, a configuration, a function or an object.

    Parameters
    ----------
    identifier : str, dict, function or Metric
        'accuracy' and 'acc' mean the accuracy that belongs to the loss.
    loss : Loss, optional
        The loss that the net is trained with.
    outputs : int, optional
        The number of outputs of the net.

    Examples
    --------
    >>> type(get("acc", losses.get("sparse_categorical_crossentropy"))).__name__
    'SparseCategoricalAccuracy'
    """
    if isinstance(identifier, str):
        return _named(identifier, loss, outputs)
    metric = registry.resolve("metric", identifier)
    if isinstance(metric, losses.Loss):
        return LossMetric(metric)
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return FunctionMetric(metric)
    raise HandsonError(f"a metric is a name or a function of (y_true, y_pred); got {identifier!r}.")


def several(identifiers: Sequence[Any], loss: losses.Loss | None = None, outputs: int | None = None) -> list[Metric]:
    """The metrics for some names, functions or objects, each with a name of its own.

    As in Keras, the second of a name is numbered 1.

    Examples
    --------
    >>> [metric.name for metric in several(["mae", "mse", "mae"], losses.get("mse"))]
    ['mae', 'mse', 'mae_1']

    Raises
    ------
    HandsonError
        For a name that means something else in the history.
    """
    found: dict[str, Metric] = {}
    for metric in (get(identifier, loss, outputs) for identifier in identifiers):
        if metric.name in TAKEN or metric.name.startswith(PREFIXES):
            raise HandsonError(
                f"a metric cannot be called {metric.name!r}, which is something else in the history. Give it a name "
                f"of its own: a metric object takes name=..., a function has its own name."
            )
        names = (f"{metric.name}_{number}" if number else metric.name for number in range(len(identifiers)))
        name = next(name for name in names if name not in found)
        if name != metric.name:
            metric = copy.copy(metric)
            metric.name = name
        found[name] = metric
    return list(found.values())


def _named(name: str, loss: losses.Loss | None, outputs: int | None) -> Metric:
    metric: Metric
    if name in ("acc", "accuracy"):
        metric = _accuracy(loss, outputs)
    elif registry.is_known("metric", name):
        found = registry.resolve("metric", name)
        metric = found if isinstance(found, Metric) else FunctionMetric(found)
    elif registry.is_known("loss", name):
        metric = LossMetric(name)
    else:
        known = sorted({*registry.known("metric"), *registry.known("loss"), "accuracy"} - {"LossMetric"})
        close = nearest(name, [*registry.names("metric"), *registry.names("loss"), "accuracy"])
        raise HandsonError(f"unknown metric {name!r}.{close} Known: {listing(known, 60)}.")
    metric.name = name
    return metric


def _accuracy(loss: losses.Loss | None, outputs: int | None) -> Metric:
    if loss is None:
        raise HandsonError(
            "'accuracy' depends on the loss; without one, name 'binary_accuracy', 'categorical_accuracy' or "
            "'sparse_categorical_accuracy'."
        )
    if loss.targets == "labels":
        return SparseCategoricalAccuracy()
    binary = isinstance(loss, losses.BinaryCrossentropy)
    if loss.targets == "distribution" or (not binary and outputs is not None and outputs > 1):
        return CategoricalAccuracy()
    return BinaryAccuracy(threshold=0.0 if getattr(loss, "from_logits", False) else 0.5)
