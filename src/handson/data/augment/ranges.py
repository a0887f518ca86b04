"""The ranges that changes of images are drawn from, checked as a user gives them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from handson.core.errors import HandsonError


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, Real) and math.isfinite(value)


def _is_rising(value: Any) -> bool:
    """Whether it is two numbers, the smaller one first."""
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value))
    return is_pair and bool(value[0] <= value[1])


def probability(name: str, value: Any) -> float:
    """A chance: True is 1/2."""
    value = 0.5 if value is True else value
    if not is_number(value) or not 0 <= value <= 1:
        raise HandsonError(f"Augment: {name} is True, False or a probability; got {value!r}.")
    return float(value)


def span(name: str, value: Any) -> tuple[float, float]:
    """The two ends of a range around 0, or as given."""
    pair = (-value, value) if is_number(value) else value
    if not _is_rising(pair):
        raise HandsonError(f"Augment: {name} is a number a, for -a to a, or two numbers (low, high); got {value!r}.")
    return float(pair[0]), float(pair[1])


def factors(name: str, value: Any) -> tuple[float, float]:
    """The two ends of a range of factors, around 1 or as given."""
    pair = (1 / value, value) if is_number(value) and value > 0 else value
    if not _is_rising(pair) or pair[0] <= 0:
        raise HandsonError(f"Augment: {name} is a factor f of at least 1, for 1/f to f, or two; got {value!r}.")
    return float(pair[0]), float(pair[1])


def pair(name: str, value: Any) -> tuple[float, float]:
    """Two numbers, the smaller one first."""
    if not _is_rising(value):
        raise HandsonError(f"Augment: {name} is two numbers (low, high); got {value!r}.")
    return float(value[0]), float(value[1])
