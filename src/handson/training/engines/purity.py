"""What a function of a user looks at besides its arguments.

An engine that runs many steps at once brings its weights back afterwards, and calls metrics then. That makes no
difference to a loss or metric that knows its arguments only; one that looks at the net, or counts its calls, would see
something else than in each step.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from handson.averages import Average, Function
from handson.metrics import LossMetric

# Arrays are taken for constants.
CONSTANT = (
    type(None), bool, int, float, str, bytes, type, ModuleType, BuiltinFunctionType, np.ufunc, np.generic, np.ndarray,
    torch.dtype, nn.modules.loss._Loss,
)  # fmt: skip


def outside(average: Average) -> str | None:
    """What a loss or metric looks at besides its arguments and may change: its name, None if there is nothing.

    Examples
    --------
    >>> from handson import metrics
    >>> def remembering(y_true, y_pred, seen):
    ...     seen.append(len(y_pred))
    ...     return y_true - y_pred
    >>> outside(metrics.get("mae")), outside(metrics.get(partial(remembering, seen=[])))
    (None, 'its own state')
    """
    if isinstance(average, LossMetric):
        return outside(average.loss)
    if isinstance(average, Function):
        return _changing("its own state", average.function, set())
    if type(average).__module__.startswith("handson."):
        return None
    classes = reversed(type(average).__mro__)
    methods = {name: found for each in classes for name, found in vars(each).items() if _is_own(found)}
    held = {name: value for name, value in vars(average).items() if name not in ("_arguments", "_seen")}
    return _first({**held, **methods}, set())


def _is_own(found: Any) -> bool:
    return isinstance(found, FunctionType) and not found.__module__.startswith("handson.")


def _first(values: dict[str, Any], seen: set[int]) -> str | None:
    return next((found for name, value in values.items() if (found := _changing(name, value, seen)) is not None), None)


def _changing(name: str, value: Any, seen: set[int]) -> str | None:
    """The name of a value, or of what it looks at, if that may change; functions that were `seen` are left out."""
    if isinstance(value, CONSTANT) or id(value) in seen:
        return None
    if isinstance(value, partial):
        value = (value.func, *value.args, *value.keywords.values())
    if isinstance(value, tuple):
        return next((found for each in value if (found := _changing(name, each, seen)) is not None), None)
    if isinstance(value, torch.Tensor):
        return name if isinstance(value, nn.Parameter) or value.requires_grad else None
    if not isinstance(value, FunctionType):
        return name
    seen.add(id(value))
    known = (value.__module__ or "").split(".")[0] in ("torch", "numpy", "handson")
    return None if known else _first(_looks(value), seen)


def _looks(function: FunctionType) -> dict[str, Any]:
    """What a function refers to: the names around it, its globals, and the defaults of its arguments."""
    around = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found = {name: cell.cell_contents for name, cell in around if cell != CellType()}  # that one is empty
    for name in _names(function.__code__):
        if name in function.__globals__:
            found[name] = function.__globals__[name]
    return found | {"a default": (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())}


def _names(code: CodeType) -> Iterator[str]:
    """The globals that some code, and the functions inside it, look up."""
    yield from (each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
