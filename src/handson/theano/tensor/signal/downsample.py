"""`theano.tensor.signal.downsample`: the older name of pooling."""

from __future__ import annotations

from typing import Any

from handson.theano.tensor.signal.pool import pool_2d
from handson.theano.variable import Variable


def max_pool_2d(
    input: Any, ds: Any, ignore_border: bool = False, st: Any = None, padding: Any = (0, 0), mode: str = "max"
) -> Variable:
    """`pool_2d` by its older name."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)
