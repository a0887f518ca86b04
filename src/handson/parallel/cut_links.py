"""Connections that end when the network between two machines does, as they do when a process dies.

The kernel closes the connections of a process that was killed. Of a machine that is gone, or a cable that was cut,
nothing is heard: by default a connection waits a quarter of an hour for an answer, an idle one for ever.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# An idle connection is tried after so long, and given up after so many tries without an answer; one that has something
# to deliver is given up after as long.
IDLE_SECONDS, TRY_SECONDS, TRIES = 5, 5, 3
LONGEST_SECONDS = IDLE_SECONDS + TRIES * TRY_SECONDS
# Where a process finds its open descriptors: on Linux, and on macOS.
DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


def notice_cuts(connection: socket.socket) -> None:
    """Have a connection end, with an error, some 20 s after the other machine has fallen silent.

    Examples
    --------
    >>> with socket.socket() as connection:
    ...     notice_cuts(connection)
    ...     connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    True
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    settings = {
        "TCP_KEEPIDLE": IDLE_SECONDS,
        "TCP_KEEPINTVL": TRY_SECONDS,
        "TCP_KEEPCNT": TRIES,
        "TCP_USER_TIMEOUT": 1000 * LONGEST_SECONDS,
    }
    for name, value in settings.items():
        if hasattr(socket, name):  # not every system has all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextmanager
def noticing_cuts() -> Iterator[None]:
    """The same for connections that a library opens while this lasts, which gives them to nobody.

    Examples
    --------
    >>> with noticing_cuts():
    ...     connection = socket.socket()
    >>> with connection:
    ...     connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    True
    """
    before = _open_sockets()
    yield
    for descriptor in _open_sockets() - before:
        # One that another thread has closed since, and sockets that are none of TCP's, have no such settings.
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor[0])) as connection:
            notice_cuts(connection)


def _open_sockets() -> set[tuple[int, int]]:
    """The sockets of this process: the number of each, and what the system calls it by."""
    folder = next(filter(os.path.isdir, DESCRIPTORS), None)
    found = set()
    for name in os.listdir(folder) if folder is not None else ():
        with suppress(OSError, ValueError):  # the one that the listing itself has opened is gone
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found.add((int(name), status.st_ino))
    return found
