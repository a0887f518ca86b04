"""Reading from disks that fail for a moment, as those of a network do: once more, with a clear end."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from typing import TypeVar

from handson.core.errors import HandsonError

Value = TypeVar("Value")


class DiskError(HandsonError):
    """A disk, or its server, failed for longer than a reader waits."""


# Seconds between one try and the next: together a little longer than a file server takes to start again.
WAITS = (0.1, 0.5, 2.0, 8.0, 30.0)
PASSING = {
    getattr(errno, name)
    for name in ("EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNRESET",
                 "ECONNABORTED", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO")
    if hasattr(errno, name)
}  # fmt: skip
# HDF5 says in words what the system said.
IN_WORDS = re.compile(r"errno = (\d+)")


def patiently(what: str, read: Callable[[], Value], reopen: Callable[[], None]) -> Value:
    """What a function reads; where the disk fails for a moment, it is opened and read again.

    Parameters
    ----------
    what : str
        What is read, for the error.
    read : function
        Reads, and opens the file if it is not open.
    reopen : function
        Closes the file, so that ``read`` opens it again: what a file server forgot stays forgotten.

    Raises
    ------
    DiskError
        When the disk has failed six times in 41 seconds. Whatever else ``read`` raises passes at once.

    Examples
    --------
    >>> patiently("a.h5", lambda: 3, lambda: None)
    3
    """
    for wait in WAITS:
        try:
            return read()
        except OSError as error:
            if not is_passing(error):
                raise
            reopen()
            time.sleep(wait)
    try:
        return read()
    except OSError as error:
        if not is_passing(error):
            raise
        raise DiskError(
            f"{what} could not be read: the disk failed {len(WAITS) + 1} times in {sum(WAITS):.0f} seconds ({error}). "
            f"Look after the disk or its server, and go on from the last checkpoint."
        ) from error


def is_passing(error: OSError) -> bool:
    """Whether an error of a disk may be gone a moment later.

    Examples
    --------
    >>> is_passing(OSError(errno.ESTALE, "Stale file handle")), is_passing(OSError(errno.ENOENT, "No such file"))
    (True, False)
    >>> is_passing(OSError("Can't synchronously read data (file read failed: errno = 5, error message = ...)"))
    True
    """
    words = IN_WORDS.search(str(error))
    number = int(words[1]) if words and error.errno is None else error.errno
    return number in PASSING
