"""The stream: which random numbers the layers of a training net see at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

from handson.randomness.keys import derive


class Stream:
    """The random numbers of one epoch of one run; the engine sets `rows` before each step.

    Parameters
    ----------
    seed : int
        The seed of the run.
    epoch : int
        The epoch, from 0.

    Attributes
    ----------
    rows : Tensor of int, shape (n,)
        The ids of the samples in the batch at hand.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        self.seed, self.epoch = seed, epoch
        self.rows: Tensor
        self._keys: dict[str, int] = {}

    def key(self, purpose: str) -> int:
        """The key of one purpose, such as the name of a dropout layer, in this epoch.

        Examples
        --------
        >>> Stream(0, 1).key("dropout_1") == derive(0, "dropout_1", 1)
        True
        """
        try:
            return self._keys[purpose]
        except KeyError:
            return self._keys.setdefault(purpose, derive(self.seed, purpose, self.epoch))


_active: ContextVar[Stream | None] = ContextVar("handson_stream", default=None)


def current() -> Stream | None:
    """The stream of the training step that is running, or None outside of training."""
    return _active.get()


@contextmanager
def active(stream: Stream) -> Iterator[Stream]:
    """Make a stream the current one."""
    token = _active.set(stream)
    try:
        yield stream
    finally:
        _active.reset(token)
