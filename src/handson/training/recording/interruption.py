"""Stopping a run from outside, and keeping two processes out of one run folder."""

from __future__ import annotations

import io
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from handson.core import console, regular
from handson.core.errors import HandsonError
from handson.files import atomic

# The exit status of a run that was stopped and can be resumed: EX_TEMPFAIL of sysexits.h, "try again later".
STOPPED = 75
# More than the name of a process and a machine has.
MOST_HOLDER = 200
# How often somebody looks who waits for a lock.
LOOK_SECONDS = 0.1

_signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)]


class Stopped(SystemExit):
    """A run was stopped by a signal after its state was saved; the process exits with status 75.

    Attributes
    ----------
    reason : str
        Which signal, and how to go on.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(STOPPED)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InUse(HandsonError):
    """Another process holds a folder."""


class Interruption:
    """Remembers that a signal asked the training to stop; asked twice, it stops at once.

    Attributes
    ----------
    signal : str or None
        The name of the signal that came.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._before: dict[int, Any] = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            # SIGHUP, which a terminal sends that is closed, is ignored under nohup.
            heard = [
                number
                for number in _signals
                if signal.Signals(number).name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
            ]
            self._before = {number: signal.signal(number, self._receive) for number in heard}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a run folder for this process; the lock goes with the process, however it ends.

    Parameters
    ----------
    folder : Path
        The folder.
    patience : float
        So many seconds it is waited for.

    Raises
    ------
    InUse
        While another process holds it; the message has its number.
    """
    path = folder / "lock"
    atomic.guard(folder)
    atomic.check_unlinked(path)
    with io.TextIOWrapper(regular.open_to_change(path), encoding="utf-8", errors="replace") as file:
        try:
            _lock(file, time.monotonic() + patience)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(MOST_HOLDER).strip() or "another process"
            raise InUse(f"{folder} is in use by {holder}. Wait until it ends, or choose another folder.") from None
        except OSError as error:
            console.say(
                f"{folder} cannot be locked ({error.strerror}): see to it yourself that no second process uses it."
            )
        file.seek(0)
        file.truncate()
        with suppress(OSError):  # on a full disk the lock holds without a name
            file.write(f"process {os.getpid()} on {platform.node()}")
            file.flush()
        try:
            yield
        finally:  # what a process leaves that was killed says so
            with suppress(OSError):
                file.seek(0)
                file.truncate()


def _lock(file: Any, end: float) -> None:
    try:
        import fcntl
    except ImportError:
        return
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(LOOK_SECONDS)
