"""Functions of nets: activations, convolution, pooling, normalization, attention and losses value by value."""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.ops import convolve, nonlinear, normal
from handson.ops.elementwise import polar as polar
from handson.ops.missing import NOT_HERE
from handson.ops.picking import multi_hot as multi_hot
from handson.ops.picking import one_hot as one_hot


def _all() -> dict[str, Any]:
    found = {name: value for room in (convolve, nonlinear, normal) for name, value in vars(room).items()}
    return {name: value for name, value in found.items() if getattr(value, "is_operation", False)}


globals().update(_all())


def __getattr__(name: str) -> Any:
    if name in NOT_HERE:
        raise AttributeError(f"handson.ops.nn has no {name!r}: {NOT_HERE[name]}.")
    raise AttributeError(f"handson.ops.nn has no {name!r}.{nearest(name, globals())}")
