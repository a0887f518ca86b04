"""Functions of tensors under the names of `keras.ops`, on tensors, arrays, numbers and symbols.

Arguments, defaults, broadcasting and the types of results are Keras's. On symbols they make nodes of a graph, which
files know by the name of the function.

Examples
--------
>>> from handson import ops
>>> ops.mean([1, 2]).item(), ops.nn.relu([-1, 2]).tolist()
(1.5, [0, 2])
>>> ops.concatenate([ops.ones((1, 2)), ops.zeros((1, 1))], axis=-1).tolist()
[[1.0, 1.0, 0.0]]
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from handson.core.errors import nearest
from handson.core.registry import register
from handson.graph import operators
from handson.ops import (
    control,
    convolve,
    elementwise,
    image,
    joining,
    linalg,
    making,
    nn,
    nonlinear,
    normal,
    picking,
    placing,
    products,
    ranks,
    reductions,
    shapes,
    signals,
)
from handson.ops.missing import NOT_HERE

_ROOMS = (
    operators, control, convolve, elementwise, joining, linalg, making, nonlinear, normal, picking, placing, products,
    ranks, reductions, shapes, signals,
)  # fmt: skip
# Those that Keras too has as modules: `ops.nn.relu` is `ops.relu`, but `resize` is in `ops.image` alone.
_MODULES = (image, linalg, nn)
# Those that are no operations: they take functions, or tell what a tensor is.
_PLAIN = {
    "associative_scan", "cond", "convert_to_numpy", "convert_to_tensor", "dtype", "fori_loop", "get_item", "is_tensor",
    "map", "ndim", "scan", "shape", "size", "switch", "vectorize", "vectorized_map", "while_loop",
}  # fmt: skip


def _operations(room: ModuleType) -> dict[str, Any]:
    """The public operations of a file, other names for them included."""
    public = {name: value for name, value in vars(room).items() if not name.startswith("_")}
    return {name: value for name, value in public.items() if getattr(value, "is_operation", False)}


_FUNCTIONS = {name: value for room in _ROOMS for name, value in _operations(room).items()}
_FUNCTIONS |= {name: getattr(control, name) for name in _PLAIN}
globals().update(_FUNCTIONS)
# Files may name a function by each of its names.
for _name, _function in _FUNCTIONS.items():
    if _name not in _PLAIN and _name != _function.__name__:
        register(_function, kind="op", name=_function.__name__, aliases=(_name,))

__all__ = sorted([*_FUNCTIONS, *(module.__name__.rpartition(".")[2] for module in _MODULES)])


def __getattr__(name: str) -> Any:
    if name in NOT_HERE:
        raise AttributeError(f"handson.ops has no {name!r}: {NOT_HERE[name]}.")
    raise AttributeError(f"handson.ops has no {name!r}.{nearest(name, __all__)}")
