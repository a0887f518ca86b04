"""The operators of Python on symbols: arithmetic, comparisons, and picking by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import result_type
from handson.graph.logits import picked
from handson.graph.operation import Operand, operation
from handson.graph.symbol import Symbol


def _numbers(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    """Two truth values as numbers: torch has no arithmetic for them."""
    if x1.dtype is torch.bool and x2.dtype is torch.bool:
        return x1.to(torch.int32), x2.to(torch.int32)
    return (x1.to(x2.dtype), x2) if x1.dtype is torch.bool else (x1, x2.to(x1.dtype) if x2.dtype is torch.bool else x2)


@operation
def add(x1: Operand, x2: Operand) -> Tensor:
    """x1 + x2, with broadcasting."""
    return x1 + x2


@operation
def subtract(x1: Operand, x2: Operand) -> Tensor:
    """x1 - x2, with broadcasting."""
    return torch.subtract(*_numbers(x1, x2))


@operation
def multiply(x1: Operand, x2: Operand) -> Tensor:
    """x1 * x2, with broadcasting."""
    return x1 * x2


@operation
def true_divide(x1: Operand, x2: Operand) -> Tensor:
    """x1 / x2, with broadcasting; of integers a fraction."""
    return x1 / x2


@operation
def floor_divide(x1: Operand, x2: Operand) -> Tensor:
    """The largest whole number that is not above x1 / x2."""
    return torch.floor_divide(*_numbers(x1, x2))


@operation
def mod(x1: Operand, x2: Operand) -> Tensor:
    """What floor_divide leaves over; it has the sign of x2."""
    return torch.remainder(*_numbers(x1, x2))


@operation
def power(x1: Operand, x2: Operand) -> Tensor:
    """x1 to the power of x2."""
    return torch.pow(*_numbers(x1, x2))


@operation
def matmul(x1: Tensor, x2: Tensor) -> Tensor:
    """The matrix product over the last two axes."""
    kind = torch.int32 if x1.dtype == x2.dtype == torch.int8 else result_type(x1.dtype, x2.dtype)
    # Truth values are multiplied as fractions, as no kernel takes them.
    inside = torch.float32 if kind is torch.bool else kind
    return torch.matmul(x1.to(inside), x2.to(inside)).to(kind)


@operation
def negative(x: Tensor) -> Tensor:
    """-x."""
    return -x


@operation
def absolute(x: Tensor) -> Tensor:
    """The absolute value."""
    return x if x.dtype is torch.bool else torch.abs(x)


@operation
def get_item(x: Tensor, key: Any) -> Tensor:
    """x[key]; as JSON a slice is written (start, stop, step) after the word 'slice', '...' as it is."""
    return picked(x, _key(key))


def _key(key: Any) -> Any:
    """An index from its description as JSON: see `described_key`."""
    if isinstance(key, (list, tuple)) and len(key) == 4 and key[0] == "slice":
        return slice(*key[1:])
    if isinstance(key, (list, tuple)) and key and key[0] == "index":
        return tuple(map(_key, key[1:]))
    return ... if isinstance(key, str) and key == "..." else key


def described_key(key: Any) -> Any:
    """An index as JSON, with symbols left in their places.

    Examples
    --------
    >>> described_key((slice(None), 0)), _key(described_key((slice(None), 0)))
    (['index', ['slice', None, None, None], 0], (slice(None, None, None), 0))
    """
    if isinstance(key, tuple):
        return ["index", *map(described_key, key)]
    if isinstance(key, slice):
        return ["slice", key.start, key.stop, key.step]
    return "..." if key is ... else key


@operation
def equal(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 == x2, value by value."""
    return x1 == x2


@operation
def not_equal(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 != x2, value by value."""
    return x1 != x2


@operation
def less(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 < x2, value by value."""
    return x1 < x2


@operation
def less_equal(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 <= x2, value by value."""
    return x1 <= x2


@operation
def greater(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 > x2, value by value."""
    return x1 > x2


@operation
def greater_equal(x1: Operand, x2: Operand) -> Tensor:
    """Whether x1 >= x2, value by value."""
    return x1 >= x2


def _on_symbols() -> None:
    """Let symbols have the operators. `==` stays a question of identity: symbols are kept in dictionaries."""
    two: dict[str, Callable[..., Any]] = {
        "add": add, "sub": subtract, "mul": multiply, "truediv": true_divide, "floordiv": floor_divide, "mod": mod,
        "pow": power, "matmul": matmul,
    }  # fmt: skip
    for name, function in two.items():
        setattr(Symbol, f"__{name}__", lambda a, b, function=function: function(a, b))
        setattr(Symbol, f"__r{name}__", lambda a, b, function=function: function(b, a))
    for name, function in {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}.items():
        setattr(Symbol, f"__{name}__", lambda a, b, function=function: function(a, b))
    setattr(Symbol, "__neg__", lambda x: negative(x))  # noqa: B010
    setattr(Symbol, "__abs__", lambda x: absolute(x))  # noqa: B010
    setattr(Symbol, "__getitem__", lambda x, key: get_item(x, described_key(key)))  # noqa: B010


_on_symbols()
