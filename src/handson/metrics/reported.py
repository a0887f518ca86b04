"""What the history has of the result of a metric: one number under its name, or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from handson.metrics.accumulators import fresh
from handson.metrics.base import Metric


def parts(metric: Metric, key: str, result: Any) -> dict[str, Any]:
    """The numbers of a result: under a key, behind it, or, of a result that is a dictionary, under its names.

    Examples
    --------
    >>> parts(Metric(), "recall", torch.tensor([0.5, 0.25]))
    {'recall_0': tensor(0.5000), 'recall_1': tensor(0.2500)}
    """
    if isinstance(result, dict):
        return result
    values = torch.as_tensor(result).detach().reshape(-1)
    if len(values) == 1:
        return {key: values[0] if isinstance(result, Tensor) else result}
    return dict(zip(_names(metric, key, len(values)), values.unbind(), strict=True))


def entries(metric: Metric, key: str, result: Any) -> dict[str, float]:
    """The numbers of a result as the history has them.

    Examples
    --------
    >>> entries(Metric(), "recall", [0.5, 0.25])
    {'recall_0': 0.5, 'recall_1': 0.25}
    """
    return {name: float(value) for name, value in parts(metric, key, result).items()}


def result_names(metric: Metric) -> list[str]:
    """What a result is called in the history, before there is one."""
    if not metric.keeps_state:
        return _names(metric, metric.name, metric.numbers())
    try:  # only the result itself knows
        return list(entries(metric, metric.name, fresh(metric).result()))
    except Exception:
        return [metric.name]


def direction_of(metrics: Iterable[Metric], name: str) -> str | None:
    """Which way a quantity of the history is better: 'min', as of losses, 'max', or None where neither is.

    Examples
    --------
    >>> from handson.metrics import AUC, Bias, get
    >>> [direction_of([get("mse"), AUC(), Bias()], name) for name in ("loss", "mse", "left_auc", "bias")]
    ['min', 'min', 'max', None]
    """
    named = {each: metric.direction for metric in metrics for each in result_names(metric)}
    if name in named:
        return named[name]
    # Of a net with several outputs, the name of one is in front.
    ends = [each for each in named if name.endswith(f"_{each}")]
    return named[max(ends, key=len)] if ends else "min"


def _names(metric: Metric, key: str, numbers: int) -> list[str]:
    # By the class: an attribute of a metric of one's own may have any name.
    return [key] if numbers == 1 else [f"{key}_{label}" for label in type(metric).labels(metric, numbers)]
