"""Reading files that somebody else may have put there: plain files only, and only so large.

A pipe would hold up the reader for ever, and a device would fill its memory.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def read_bytes(path: str | os.PathLike[str], most: int, follow: bool = True) -> bytes:
    """The content of a plain file.

    Parameters
    ----------
    path : str or path
        The file.
    most : int
        The most bytes that are read.
    follow : bool
        Whether it may be a link to a file.

    Raises
    ------
    OSError
        When it is something else, or larger; the message names it.

    Examples
    --------
    >>> read_bytes("/dev/null", 10)
    Traceback (most recent call last):
    OSError: [Errno 22] it is not a plain file: '/dev/null'
    """
    path = Path(path)
    check_plain(path, path.stat() if follow else path.lstat())
    unlinked = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | unlinked)
    with os.fdopen(handle, "rb") as file:
        # Once more: something else may have come to its place meanwhile.
        check_plain(path, os.fstat(handle))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return content


def open_to_change(path: Path) -> BinaryIO:
    """A plain file to read and write, made if it is not there; never what a link leads to, and never a pipe.

    A file that has several names (hard links) is refused too: under each of them it would be changed.

    Raises
    ------
    OSError
        When it is something else.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        found = os.fstat(handle)
        check_plain(path, found)
        if found.st_nlink > 1:
            reason = "it is one file under several names (hard links), all of which would change; remove this one"
            raise OSError(errno.EMLINK, reason, str(path))
        return os.fdopen(handle, "rb+")
    except BaseException:
        os.close(handle)
        raise


def check_plain(path: Path, found: os.stat_result) -> None:
    """Raise unless a path is that of a plain file."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
