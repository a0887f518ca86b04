"""Weights that a file is about to fill: zeros in place of random numbers, and no more of them than the file holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from handson.core.errors import HandsonError


class _Budget:
    def __init__(self, values: int) -> None:
        self.values = self.left = values

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        self.left -= math.prod(shape)
        if self.left < 0:
            raise HandsonError(f"the net needs more values than the {self.values} there are: {name} has shape {shape}.")
        return torch.zeros(shape)


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def blank_weights(values: int) -> Iterator[None]:
    """Within, layers are built with zeros, and with at most so many values in all their weights.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> with blank_weights(12):
    ...     Dense(3, input_dim=3).ensure_built((None, 3))
    >>> with blank_weights(12):
    ...     Dense(10**6).ensure_built((None, 3))
    Traceback (most recent call last):
    handson.core.errors.HandsonError: the net needs more values than the 12 there are: kernel has shape (3, 1000000).
    """
    token = _budget.set(_Budget(values))
    try:
        yield
    finally:
        _budget.reset(token)


def blank(name: str, shape: tuple[int, ...]) -> Tensor | None:
    """Zeros for a weight inside of `blank_weights`, None outside of it."""
    budget = _budget.get()
    return None if budget is None else budget.take(name, shape)


def is_filling() -> bool:
    """Whether this is inside of `blank_weights`."""
    return _budget.get() is not None
