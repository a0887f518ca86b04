"""Operations: functions of tensors that also work on symbols, and that files know by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from handson.core.registry import register
from handson.graph.symbol import apply, symbolic

F = TypeVar("F", bound=Callable[..., Any])


def operation(function: F) -> F:
    """A function of tensors as an operation: called on symbols it makes a node.

    Examples
    --------
    >>> from handson.graph.symbol import Symbol
    >>> @operation
    ... def doubled(x):
    ...     return 2 * x
    >>> doubled(3), doubled(Symbol((None, 2))).shape
    (6, (None, 2))
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if symbolic(args, kwargs):
            return apply(called, args, kwargs, None)
        return function(*args, **kwargs)

    register(called, kind="op")
    return called  # type: ignore[return-value]
