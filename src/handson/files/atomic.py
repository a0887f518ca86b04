"""Files appear whole or not at all: written beside their place, flushed to the disk, and renamed into it.

Pipes, devices and descriptors such as /dev/stdout are no files that could be replaced: they are written to. In a run
folder, which somebody else may have packed, they are refused, and nothing is changed through a link.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from handson.core import regular
from handson.core.errors import HandsonError

# What a process that was killed leaves of a file that it was writing.
PART = re.compile(r"\..+\.(\d+)\.part", re.DOTALL)
# Folders in which what changes them follows no link and writes to no pipe.
_guarded: set[Path] = set()


def guard(folder: Path) -> None:
    """From now on refuse to write, rename or delete through links below a folder; the folder itself may be one."""
    _guarded.add(Path(os.path.abspath(folder)))


def _guards(path: Path) -> list[Path]:
    """The guarded folders that a path lies in."""
    return [above for above in Path(os.path.abspath(path)).parents if above in _guarded]


def check_unlinked(path: Path) -> None:
    """Raise where a path leads through a link below a guarded folder, or is one.

    Raises
    ------
    OSError
        The message names the link.
    """
    place = Path(os.path.abspath(path))
    for folder in _guards(path):
        inside = folder
        for name in place.relative_to(folder).parts:
            inside /= name
            if inside.is_symlink():
                reason = "it is a link, and in a run folder nothing is changed through links; remove it"
                raise OSError(errno.ELOOP, reason, str(inside))


class Disk:
    """The operations that can fail, in one place, so that tests can make each of them fail."""

    def write(self, path: Path, pieces: Iterable[bytes | memoryview]) -> None:
        """Write pieces to a new file; they last after `sync`."""
        check_unlinked(path)
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)

    def append(self, path: Path, piece: bytes) -> None:
        """Add a piece to the end of a plain file, and flush it to the disk."""
        check_unlinked(path)
        with regular.open_to_change(path) as file:
            file.seek(0, os.SEEK_END)
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def sync(self, path: Path) -> None:
        """Flush a file that something else has written to the disk."""
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Rename, in place of what was there; the name lasts after `sync_folder`."""
        check_unlinked(source)
        check_unlinked(target)
        os.replace(source, target)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, unless they are there."""
        check_unlinked(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file, unless it is gone already."""
        check_unlinked(path)
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder with what is in it, as far as that can be done."""
        check_unlinked(folder)
        shutil.rmtree(folder, ignore_errors=True)

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
        Writes the content to the path that it is given, in the same folder (of what goes to a pipe or a device, in a
        temporary one).
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
    with _naming(path):
        check_unlinked(path)
    if is_special(path):
        if _guards(path):
            reason = "it is not a plain file, which everything in a run folder is; remove it"
            raise OSError(errno.EINVAL, f"cannot write {path}: {reason}.")
        _pour(path, fill)
        return
    if path.exists() and not overwrite:
        raise HandsonError(f"{path} is there already; choose another name, or overwrite=True.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.unlink(missing_ok=True)  # a link in its place would be followed
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


def is_special(path: Path) -> bool:
    """Whether a path is that of a pipe, a device, a socket or an open descriptor, which no file may take the place of.

    Examples
    --------
    >>> is_special(Path("/dev/null")), is_special(Path("new.csv"))
    (True, False)
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and not _is_descriptor(path)))


def _is_descriptor(path: Path) -> bool:
    """Whether a path leads to an open file of a process, as /dev/stdout does when the output goes to a file."""
    while path.is_symlink():
        if re.fullmatch(r"/proc/.*/fd|/dev/fd", os.path.realpath(path.parent)):
            return True
        path = path.parent / path.readlink()
    return False


def _pour(path: Path, fill: Callable[[Path], object]) -> None:
    """Write to a special file, from a plain one that is removed again."""
    with _naming(path), tempfile.TemporaryDirectory(prefix="handson-") as folder:
        place = Path(folder, "content")
        fill(place)
        # An open descriptor that is a file may have something in it already, as after `>>`.
        with place.open("rb") as content, _opened(path) as file:
            shutil.copyfileobj(content, file)


def _opened(path: Path) -> BinaryIO:
    return path.open("ab" if path.is_file() else "wb")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        about = f" {error.filename}:" if error.filename not in (None, str(path)) else ""
        raise OSError(error.errno, f"cannot write {path}:{about} {error.strerror or error}.") from error


def sweep(folder: Path) -> None:
    """Remove what killed processes have left of files that they were writing, in a folder and those below."""
    for place, _, names in os.walk(folder):
        for name in names:
            match = PART.fullmatch(name)
            path = Path(place, name)
            if match and path.is_file() and not path.is_symlink() and not _lives(int(match[1])):
                with suppress(OSError):
                    disk.remove(path)


def _lives(process: int) -> bool:
    """Whether another process of this number runs on this machine."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return process > 0


def write_bytes(path: str | os.PathLike[str], pieces: Iterable[bytes | memoryview], overwrite: bool = True) -> None:
    """`write` pieces of bytes."""
    write(path, lambda place: disk.write(place, pieces), overwrite)


def append(path: str | os.PathLike[str], line: str) -> None:
    """Add a line to a plain file; a crash leaves the lines before it, and at most a part of this one.

    A part that an earlier crash left stays on a line of its own.

    Raises
    ------
    OSError
        When writing fails; the message names the file.
    """
    path = Path(path)
    try:
        check_unlinked(path)
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
