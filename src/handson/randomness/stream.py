"""The stream: which random numbers the layers of a training net see at this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from handson.randomness.keys import derive
from handson.randomness.words import Key, halves


class Stream:
    """The random numbers of one epoch of one run; the engine sets `rows` before each step.

    Parameters
    ----------
    seed : int
        The seed of the run.
    epoch : int
        The epoch, from 0.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        self.seed, self.epoch = seed, epoch
        self._rows: Tensor
        self._keys: dict[tuple[str, int | None], Key] = {}
        self._draws: dict[Any, int] = {}
        self._calls: dict[str, int] = {}

    @property
    def rows(self) -> Tensor:
        """The ids of the samples in the batch at hand; setting them begins a step."""
        return self._rows

    @rows.setter
    def rows(self, rows: Tensor) -> None:
        self._rows = rows
        self._draws.clear()
        self._calls.clear()

    def number(self, source: Any) -> int:
        """How often a source of random numbers has been asked in this step, before now."""
        before = self._draws.get(source, 0)
        self._draws[source] = before + 1
        return before

    def call(self, purpose: str) -> str:
        """The purpose of one call of a layer: every call in a step has another one, so that it draws other numbers.

        Examples
        --------
        >>> stream = Stream(0, 1)
        >>> stream.rows = torch.arange(2)
        >>> stream.call("dropout"), stream.call("dropout"), stream.call("noise")
        ('dropout', 'dropout#1', 'noise')
        """
        before = self._calls.get(purpose, 0)
        self._calls[purpose] = before + 1
        return f"{purpose}#{before}" if before else purpose

    def key(self, purpose: str, seed: int | None = None) -> Key:
        """The key of one purpose, such as the name of a dropout layer, in this epoch.

        Parameters
        ----------
        purpose : str
            What the random numbers are for.
        seed : int, optional
            A seed in place of the run's.

        Examples
        --------
        >>> Stream(0, 1).key("dropout_1") == derive(0, "dropout_1", 1)
        True
        """
        try:
            return self._keys[purpose, seed]
        except KeyError:
            return self._keys.setdefault((purpose, seed), self._make(purpose, seed))

    def _make(self, purpose: str, seed: int | None) -> Key:
        return derive(self.seed if seed is None else seed, purpose, self.epoch)


class DeviceStream(Stream):
    """A stream whose keys are tensors that stay where they are: a step that was recorded reads them in every epoch.

    Parameters
    ----------
    seed : int
        The seed of the run.
    device : torch.device
        Where the keys are.

    Examples
    --------
    >>> stream = DeviceStream(0, torch.device("cpu"))
    >>> key = stream.key("dropout_1")
    >>> stream.enter(1)
    >>> key.tolist() == list(halves(derive(0, "dropout_1", 1)))
    True
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        super().__init__(seed, 0)
        self.device = device

    def _make(self, purpose: str, seed: int | None) -> Tensor:
        return torch.tensor(halves(super()._make(purpose, seed)), dtype=torch.int32, device=self.device)

    def enter(self, epoch: int) -> None:
        """Give every key the value that it has in an epoch."""
        if epoch == self.epoch:
            return
        self.epoch = epoch
        for (purpose, seed), held in self._keys.items():
            held.copy_(self._make(purpose, seed))  # type: ignore[union-attr]


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


@contextmanager
def in_steps(first: int, last: int, count: int) -> Iterator[None]:
    """While this lasts, each row of the batch is several rows, one for each step from `first` to `last` of its `count`.

    To go over the steps in several parts is one call of what draws, not several.

    Examples
    --------
    >>> with active(Stream(0, 0)) as stream:
    ...     stream.rows = torch.tensor([5, 7])
    ...     with in_steps(0, 2, 2):
    ...         print(stream.rows.tolist())
    [10, 11, 14, 15]
    """
    found = current()
    if found is None:
        yield
        return
    kept, draws, calls = found._rows, dict(found._draws), dict(found._calls)
    found._rows = (kept[:, None] * count + torch.arange(first, last, device=kept.device)).flatten()
    try:
        yield
    finally:
        found._rows = kept
        if last < count:
            found._draws, found._calls = draws, calls


@contextmanager
def in_one_call() -> Iterator[Callable[[], None]]:
    """While this lasts, layers draw the same numbers after each call of the function that this gives.

    Examples
    --------
    >>> with active(Stream(0, 0)) as stream, in_one_call() as again:
    ...     first = stream.call("dropout")
    ...     again()
    ...     first == stream.call("dropout")
    True
    """
    found = current()
    calls = {} if found is None else dict(found._calls)

    def again() -> None:
        if found is not None:
            found._calls = dict(calls)

    yield again


@contextmanager
def again() -> Iterator[None]:
    """While this lasts, layers draw the numbers of the step from its beginning; then they go on where they were.

    Examples
    --------
    >>> with active(Stream(0, 0)) as stream:
    ...     stream.rows = torch.arange(2)
    ...     first = stream.call("dropout")
    ...     with again():
    ...         print(stream.call("dropout") == first)
    ...     stream.call("dropout")
    True
    'dropout#1'
    """
    found = current()
    if found is None:
        yield
        return
    draws, calls = dict(found._draws), dict(found._calls)
    found.rows = found.rows
    try:
        yield
    finally:
        found._draws, found._calls = draws, calls
