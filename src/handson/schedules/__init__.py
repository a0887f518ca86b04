"""Schedules: numbers that change while a net trains, such as its learning rate or momentum.

A schedule is a pure function of the position in the training. Keras's schedules count optimizer steps; the ramps and
the one-cycle policy span the whole of `fit`, whose length they learn from the position.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core import registry
from handson.core.errors import HandsonError, listing
from handson.core.serializers import serializers
from handson.schedules.base import UNKNOWN, LearningRateSchedule, Position, Schedule
from handson.schedules.decays import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from handson.schedules.spans import Cosine, LinearRamp, OneCycle, StepDecay

__all__ = [
    "UNKNOWN",
    "Cosine", "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule",
    "LinearRamp", "OneCycle", "PiecewiseConstantDecay", "PolynomialDecay", "Position", "Schedule", "StepDecay",
    "deserialize", "get", "serialize",
]  # fmt: skip


def get(identifier: Any) -> float | Schedule:
    """A number or a schedule, from a number, a configuration or an object."""
    if isinstance(identifier, bool) or identifier is None:
        raise HandsonError(f"expected a number or a schedule; got {identifier!r}.")
    if isinstance(identifier, (int, float, np.number)):
        return float(identifier)
    if hasattr(identifier, "__array__"):  # an array or a tensor of one value
        values = np.asarray(identifier)
        if values.size != 1 or values.dtype.kind not in "iuf":
            raise HandsonError(f"expected a number or a schedule; got {identifier!r}.")
        return float(values.item())
    schedule = registry.resolve("schedule", identifier)
    if not isinstance(schedule, Schedule):
        raise HandsonError(f"a schedule is one of {listing(registry.known('schedule'))}; got {identifier!r}.")
    return schedule


serialize, deserialize = serializers("schedule", get)
