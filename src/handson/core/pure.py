"""Which functions and classes look at nothing but their arguments and settings.

An engine that runs many steps at once calls metrics after them, and takes weights back to the net then: a function that
looks at the net, counts its calls or draws random numbers would see something else than in each step.
"""

from __future__ import annotations

from functools import partial
from typing import Any

_pure: set[Any] = set()
# Whose functions look at their arguments only.
PACKAGES = ("handson", "torch", "numpy")


def declare(target: Any) -> Any:
    """Take a user's word that a function or class is pure: ``@handson.register(pure=True)`` does. Returns it."""
    _pure.add(target)
    return target


def is_declared(target: Any) -> bool:
    """Whether a function, or the class of an object, was declared pure."""
    return _named(target) in _pure


def is_pure(target: Any) -> bool:
    """Whether a function, or the class of an object, is pure: declared so, or part of handson or torch.

    Examples
    --------
    >>> import torch
    >>> is_pure(torch.nn.functional.l1_loss)
    True
    """
    if isinstance(target, partial):
        return is_pure(target.func)
    return is_declared(target) or is_library(target)


def is_library(target: Any) -> bool:
    """Whether a function, or the class of an object, is part of handson, torch or NumPy.

    Examples
    --------
    >>> is_library(len), is_library(declare)
    (False, True)
    """
    return _package(_named(target)) in PACKAGES


def is_builtin(part: Any) -> bool:
    """Whether the class of an object is handson's."""
    return _package(type(part)) == "handson"


def _named(target: Any) -> Any:
    return target if hasattr(target, "__qualname__") else type(target)


def _package(named: Any) -> str:
    return (getattr(named, "__module__", None) or "").split(".")[0]
