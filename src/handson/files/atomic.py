"""Files appear whole or not at all: written beside their place, flushed to the disk, and renamed into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from handson.errors import HandsonError


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
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        older = " The older file is as it was." if path.exists() else ""
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}.{older}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """`write` a text in UTF-8."""
    write(path, lambda place: place.write_text(text, encoding="utf-8"))


def _sync_folder(folder: Path) -> None:
    """Make a rename last; systems that cannot open folders do it by themselves."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
