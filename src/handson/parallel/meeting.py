"""Sums over the whole batch inside of a net that sees only a shard of it.

A layer that needs more than its own rows, such as batch normalization, asks for `total`: outside of a sharded training
that is the tensor itself, inside it is the sum over all shards, on all workers, in the fixed order of the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor


class Meeting(Protocol):
    """Where the shards of a batch meet."""

    def total(self, value: Tensor) -> Tensor:
        """The sum of what all shards bring; every shard waits here for the others."""

    def later(self, change: Callable[[], None]) -> None:
        """Do something once for the whole batch, after all shards have run."""


_current: ContextVar[Meeting | None] = ContextVar("handson_meeting", default=None)


def current() -> Meeting | None:
    """Where the shard that is running meets the others; None outside of a sharded training."""
    return _current.get()


@contextmanager
def attending(meeting: Meeting) -> Iterator[None]:
    """While this lasts, this thread runs one of the shards of a meeting."""
    token = _current.set(meeting)
    try:
        yield
    finally:
        _current.reset(token)


def total(value: Tensor) -> Tensor:
    """The sum of a tensor over the shards of the batch, with its gradient; the tensor itself where there is one shard.

    Examples
    --------
    >>> total(torch.ones(2))
    tensor([1., 1.])
    """
    meeting = current()
    return value if meeting is None else _Total.apply(value)


def totals(values: Sequence[Tensor]) -> list[Tensor]:
    """The sums of several tensors of one type, for which shards meet once.

    Examples
    --------
    >>> totals([torch.ones(2), torch.tensor(3.0)])
    [tensor([1., 1.]), tensor(3.)]
    """
    if current() is None:
        return list(values)
    parts = total(torch.cat([value.reshape(-1) for value in values])).split([value.numel() for value in values])
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]


def once(change: Callable[[], None]) -> None:
    """Change something that all shards share, such as a moving average: once, after all have run.

    Examples
    --------
    >>> seen = []
    >>> once(lambda: seen.append("changed")); seen
    ['changed']
    """
    meeting = current()
    if meeting is None:
        change()
    else:
        meeting.later(change)


class _Total(torch.autograd.Function):
    """Every shard's loss depends on the total, and the total on every shard: gradients meet as values do."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _met(value.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _met(gradients[0])


def _met(value: Tensor) -> Tensor:
    meeting = current()
    if meeting is None:
        raise RuntimeError("the backward pass of a shard runs outside of the meeting of its forward pass")
    return meeting.total(value).clone()  # a tensor for every shard: autograd writes into it where it came from
