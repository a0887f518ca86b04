"""Batches as tuples, and symbols: small helpers of programs."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError
from handson.graph import Symbol
from handson.graph.conversion import type_name


def is_keras_tensor(x: Any) -> bool:
    """Whether this is a symbol: what `Input` and layers called on it return.

    Examples
    --------
    >>> is_keras_tensor(Symbol((None, 3))), is_keras_tensor(3)
    (True, False)
    """
    return isinstance(x, Symbol)


def get_source_inputs(tensor: Symbol) -> list[Symbol]:
    """The inputs that a symbol follows from.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> get_source_inputs(x * 2 + x) == [x]
    True
    """
    found: dict[int, Symbol] = {}
    waiting, seen = [tensor], set()
    while waiting:
        symbol = waiting.pop()
        if id(symbol) in seen:
            continue
        seen.add(id(symbol))
        before = symbol.node.inputs if symbol.node is not None else []
        if before:
            waiting += reversed(before)
        else:
            found.setdefault(id(symbol), symbol)
    return list(found.values())


def standardize_dtype(dtype: Any) -> str:
    """The name of a type.

    Examples
    --------
    >>> standardize_dtype(None), standardize_dtype(int)
    ('float32', 'int32')
    """
    return type_name("float32" if dtype is None else dtype)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Inputs, targets and weights as a batch: as short a tuple as they need.

    Examples
    --------
    >>> pack_x_y_sample_weight(1), pack_x_y_sample_weight(1, 2)
    (1, (1, 2))
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch, None for those that it has not.

    Examples
    --------
    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    entries = tuple(data) if isinstance(data, (tuple, list)) else (data,)
    if not 1 <= len(entries) <= 3:
        raise HandsonError(f"a batch is x, (x,), (x, y) or (x, y, sample_weight); got {len(entries)} entries.")
    return (*entries, None, None)[:3]
