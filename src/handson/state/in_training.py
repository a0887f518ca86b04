"""Which nets are in training: nothing may change what their steps were prepared for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from handson.core.errors import HandsonError


class _Training(NamedTuple):
    """A net that trains, the modules in it, and where."""

    net: Any
    parts: frozenset[int]
    thread: int
    process: int


_trainings: list[_Training] = []
_changing = threading.Lock()


@contextmanager
def in_training(net: Any) -> Iterator[None]:
    """While a net trains.

    Raises
    ------
    HandsonError
        When it trains already: in another thread, or this is one of its callbacks.
    """
    found = _Training(net, frozenset(map(id, net.modules())), threading.get_ident(), os.getpid())
    with _changing:
        other = _running(net)
        if other is not None:
            raise HandsonError(_told(other, found.thread))
        _trainings.append(found)
    try:
        yield
    finally:
        with _changing:
            _trainings[:] = [each for each in _trainings if each is not found]


def _running(net: Any) -> _Training | None:
    return next((each for each in _trainings if each.net is net and each.process == os.getpid()), None)


def _told(other: _Training, thread: int) -> str:
    if other.thread != thread:
        return "this net is being trained by another thread: train a copy of it, copy.deepcopy(net)."
    return (
        f"the net {other.net.name!r} is in training, and a callback cannot fit it: its optimizer, its history and the "
        f"order of its rows are those of the training at hand. Train it before or after, or a copy: "
        f"copy.deepcopy(net)."
    )


def check_unused(net: Any, what: str, cure: str, alone: bool = False) -> None:
    """Raise where a net is in training, its own or that of a net around it: the steps would not follow a change.

    Parameters
    ----------
    net : Model
        The net that is to be changed.
    what : str
        What changes it.
    cure : str
        What to do instead.
    alone : bool
        Whether the change counts for nothing in a net around it.
    """
    for each in tuple(_trainings):
        concerned = each.net is net if alone else id(net) in each.parts
        if concerned and each.process == os.getpid():
            raise HandsonError(
                f"{what}: the net {each.net.name!r} is in training, and its steps are prepared for what it was when "
                f"that began. {cure}"
            )
