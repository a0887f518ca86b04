"""The metrics for what users write: names, functions, configurations and objects."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from handson import losses
from handson.averages import Average
from handson.core import registry
from handson.core.errors import HandsonError, listing, nearest
from handson.losses.functions import LOSS
from handson.metrics.accuracies import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from handson.metrics.base import Metric
from handson.metrics.of_losses import LossMetric
from handson.metrics.reductions import FunctionMetric, OfFunction, needs_values

# What a history or its table has under these names.
TAKEN, PREFIXES = ("loss", "epoch", "learning_rate"), ("val_", "train_")


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
    metric = _named(identifier, loss, outputs) if isinstance(identifier, str) else _made(identifier)
    _check(metric)
    if isinstance(metric, OfFunction) and loss is not None and loss.targets in ("labels", "free"):
        metric = copy.copy(metric)
        metric.targets = loss.targets
    metric = metric.for_loss(loss)
    return metric if outputs is None else type(metric).for_outputs(metric, outputs)


def _made(identifier: Any) -> Metric:
    """The metric for what is no name."""
    kind = getattr(identifier, "metric_class", None) or getattr(identifier, LOSS, None)
    metric = _named(kind.__name__, None, None) if kind is not None else registry.resolve("metric", identifier)
    if kind is not None:
        metric.name = identifier.__name__
    if isinstance(metric, losses.Loss):
        return LossMetric(metric)
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return FunctionMetric(metric)
    raise HandsonError(f"a metric is a name or a function of (y_true, y_pred); got {identifier!r}.")


def _check(metric: Metric) -> None:
    """Raise for a metric that a training cannot measure."""
    kind = type(metric)
    if not hasattr(metric, "name"):
        raise HandsonError(f"{kind.__name__}.__init__ must call super().__init__(name=...).")
    if needs_values(metric):
        raise HandsonError(
            f"{kind.__name__} takes values, and not targets and predictions: it is for use by hand. For the mean of a "
            f"function of (y_true, y_pred) give the function itself."
        )
    if metric.is_mean and kind.values is Average.values:
        raise HandsonError(
            f"{kind.__name__} must define values(y_true, y_pred), or statistics(y_true, y_pred, sample_weight) and "
            f"finish(statistics), or update_state(y_true, y_pred, sample_weight=None) and result()."
        )


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
        raise HandsonError(f"unknown metric {name!r}.{close} Known: {listing(known, 80)}.")
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
