"""Files appear whole or not at all: written beside their place, flushed to the disk, and renamed into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from handson.core.errors import HandsonError


class Disk:
    """The operations that can fail, in one place, so that tests can make each of them fail."""

    def write(self, path: Path, pieces: Iterable[bytes | memoryview]) -> None:
        """Write pieces to a new file; they last after `sync`."""
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)

    def append(self, path: Path, piece: bytes) -> None:
        """Add a piece to the end of a file, and flush it to the disk."""
        with path.open("ab") as file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def sync(self, path: Path) -> None:
        """Flush a file that something else has written to the disk."""
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Rename, in place of what was there; the name lasts after `sync_folder`."""
        os.replace(source, target)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, unless they are there."""
        folder.mkdir(parents=True, exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file, unless it is gone already."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder last; where folders cannot be opened or flushed, the system sees to it."""
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:
            return
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(handle)


disk = Disk()


def write(path: str | os.PathLike[str], fill: Callable[[Path], object], overwrite: bool = True) -> None:
    """Write a file so that a crash or a full disk leaves the older one as it was.

    Parameters
    ----------
    path : str or path
        Where.
    fill : function of a path
        Writes the content to the path that it is given, in the same folder.
    overwrite : bool
        False: raise when the file is there.

    Raises
    ------
    FileNotFoundError
        When the folder is not there.
    HandsonError
        When the file may not be overwritten.
    OSError
        When writing fails, as on a full disk; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.txt"
    ...     write(path, lambda place: place.write_text("whole"))
    ...     path.read_text()
    'whole'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} is not there. Make it first.")
    if path.exists() and not overwrite:
        raise HandsonError(f"{path} is there already; choose another name, or overwrite=True.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fill(temporary)
        disk.sync(temporary)
        disk.replace(temporary, path)
    except OSError as error:
        older = " The older file is as it was." if path.exists() else ""
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}.{older}") from error
    finally:
        temporary.unlink(missing_ok=True)
    try:
        disk.sync_folder(path.parent)
    except OSError as error:
        message = f"{path} is written, but a power failure may undo that: {error.strerror or error}."
        raise OSError(error.errno, message) from error


def write_bytes(path: str | os.PathLike[str], pieces: Iterable[bytes | memoryview], overwrite: bool = True) -> None:
    """`write` pieces of bytes."""
    write(path, lambda place: disk.write(place, pieces), overwrite)


def append(path: str | os.PathLike[str], line: str) -> None:
    """Add a line to a file; a crash leaves the lines before it, and at most a part of this one.

    A part that an earlier crash left stays on a line of its own.

    Raises
    ------
    OSError
        When writing fails; the message names the file.
    """
    path = Path(path)
    try:
        disk.append(path, b"\n" * _is_torn(path) + line.encode("utf-8"))
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}.") from error


def _is_torn(path: Path) -> bool:
    """Whether a crash has cut off the last line of a file."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """`write` a text in UTF-8."""
    write_bytes(path, [text.encode("utf-8")])
