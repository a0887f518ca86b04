"""`theano.ifelse`: one of two values, by a condition."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson.theano.variable import Variable, apply, common, rank


def _either(condition: Any, x: Any, y: Any) -> Any:
    return x if bool(condition) else y


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Variable:
    """One of two values. Both are computed."""
    kind = common(then_branch, else_branch)
    return apply(_branch, condition, then_branch, else_branch, ndim=rank(then_branch), dtype=kind, name=name)


def _branch(condition: Tensor, x: Any, y: Any) -> Tensor:
    import torch

    return torch.as_tensor(_either(condition, x, y))
