"""Axes: what varies in a search, under its path: a list of values, or a range of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from handson.core.errors import HandsonError
from handson.workflow.tasks.overrides import full_path, values_of


class Range(BaseModel):
    """Numbers between two others.

    Attributes
    ----------
    low, high : float
        The lowest and the highest, both included.
    log : bool
        Whether the logarithm is spread evenly, as it should be for learning rates.
    whole : bool
        Whether only whole numbers are meant.
    """

    model_config = ConfigDict(extra="forbid")

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> float | int:
        """The number at a share of the way, from 0 to 1.

        Examples
        --------
        >>> Range(low=1e-4, high=1e-2, log=True).at(0.5), Range(low=1, high=8, whole=True).at(0.999)
        (0.001, 8)
        """
        if self.whole:
            low, high = self.low - 0.5, self.high + 0.5
            value = low * (high / low) ** share if self.log else low + share * (high - low)
            return min(max(round(value), int(self.low)), int(self.high))
        value = self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        return min(max(float(f"{value:.6g}"), self.low), self.high)


Axis = list[Any] | Range


def axis_of(text: str) -> tuple[str, Axis]:
    """The path and the values in 'path=0.1,0.01', 'path=1..8', 'path=0.1..0.9' or 'path=log:1e-4..1e-1'.

    Examples
    --------
    >>> axis_of("fit.batch_size=32,64")
    ('fit.batch_size', [32, 64])
    >>> axis_of("optimizer.learning_rate=log:1e-4..0.1")
    ('optimizer.learning_rate', Range(low=0.0001, high=0.1, log=True, whole=False))
    """
    path, equals, values = text.partition("=")
    if not equals or not path.strip() or not values.strip():
        raise HandsonError(
            f"--grid takes a key and its values, such as --grid optimizer.learning_rate=0.1,0.01, or a range: "
            f"fit.batch_size=16..256, optimizer.learning_rate=log:1e-4..0.1; got {text!r}."
        )
    values = values.strip()
    return path.strip(), _range(values) if ".." in values else values_of(values)


def distinct(pairs: Iterable[tuple[str, Axis]]) -> dict[str, Axis]:
    """The axes by their full paths.

    Raises
    ------
    HandsonError
        When one is there twice.
    """
    found: dict[str, Axis] = {}
    for path, axis in pairs:
        if full_path(path) in found:
            raise HandsonError(f"{path!r} is in --grid twice: give its values in one, separated by commas.")
        found[full_path(path)] = axis
    return found


def _range(text: str) -> Range:
    log, (low, _, high) = text.startswith("log:"), text.removeprefix("log:").partition("..")
    try:
        ends = [float(low), float(high)]
    except ValueError:
        ends = []
    if not ends or not all(map(math.isfinite, ends)) or ends[0] >= ends[1] or (log and ends[0] <= 0):
        raise HandsonError(
            f"a range goes from a number up to a larger one, such as 0.1..0.9, and with log: both are above zero; "
            f"got {text!r}."
        )
    whole = all(part.strip().lstrip("-").isdigit() for part in (low, high))
    return Range(low=ends[0], high=ends[1], log=log, whole=whole)
