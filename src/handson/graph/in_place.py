"""Augmented assignments, `a *= b`, in what users write for Keras, where tensors are values: they make new tensors.

Torch changes the tensor that `a` names. If that is the result of an exponential or a softmax, the backward pass fails
("modified by an inplace operation"); if it came in as an argument, whoever else holds it sees the change.
"""

from __future__ import annotations

import functools
import opcode
import sys
import weakref
from collections.abc import Callable, MutableMapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from handson.core.pure import is_library
from handson.graph.variable import Variable

# What torch is asked for by `a *= b`, and what `a * b` is.
OPERATORS: dict[str, Callable[..., Any]] = {
    "add_": torch.add, "sub_": torch.sub, "mul_": torch.mul, "div_": torch.div, "pow_": torch.pow,
    "floor_divide_": torch.floor_divide, "remainder_": torch.remainder, "__iand__": torch.bitwise_and,
    "__ior__": torch.bitwise_or, "__ixor__": torch.bitwise_xor,
}  # fmt: skip
# Of each function, whether it assigns so: where it was called with gradients, and without. Functions are watched once.
_assigns: MutableMapping[Any, dict[bool, bool]] = weakref.WeakKeyDictionary()


class NewTensors(TorchFunctionMode):
    """While this lasts, augmented assignments leave the tensor as it was; `a.mul_(b)` and variables stay in place.

    Examples
    --------
    >>> a = before = torch.ones(2)
    >>> with NewTensors() as mode:
    ...     a += 1
    ...     before.mul_(5)
    tensor([5., 5.])
    >>> a, mode.seen
    (tensor([2., 2.]), True)
    """

    seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        plain = OPERATORS.get(getattr(func, "__name__", ""))
        if plain is None or isinstance(args[0], Variable) or not _is_assignment(sys._getframe(1)):
            return func(*args, **kwargs or {})
        self.seen = True
        return plain(*args)


def _is_assignment(frame: Any) -> bool:
    """Whether a frame is at an operator, and not at a call of a method."""
    name = opcode.opname[frame.f_code.co_code[frame.f_lasti]]
    return name == "BINARY_OP" or name.startswith("INPLACE_")


def called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a user's function gives, its augmented assignments making new tensors.

    Examples
    --------
    >>> def doubled(x):
    ...     x *= 2
    ...     return x
    >>> doubled.__module__ = "mine"
    >>> x = torch.ones(2)
    >>> called(doubled, x), x
    (tensor([2., 2.]), tensor([1., 1.]))
    """
    key = getattr(function, "__func__", function)
    known = _assigns.get(key)
    if known is None:
        known = _assigns[key] = {False: False, True: False} if is_library(function) else {}
    enabled = torch.is_grad_enabled()
    if known.get(enabled) is False:
        return function(*args, **kwargs)
    with NewTensors() as mode:
        result = function(*args, **kwargs)
    known[enabled] = known.get(enabled, False) or mode.seen
    return result


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a user's class that is `called`."""

    @functools.wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        return called(function, *args, **kwargs)

    return method
