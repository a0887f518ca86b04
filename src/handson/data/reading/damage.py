"""Reading files that may be damaged, or something else than their name says."""

from __future__ import annotations

import csv
import lzma
import struct
import tarfile
import threading
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from handson.core.errors import HandsonError

# What NumPy, pandas, Pillow and the unpackers below them raise at bytes that make no sense.
DAMAGE = (
    ValueError, ArithmeticError, OSError, EOFError, SyntaxError, LookupError, TypeError, RuntimeError,
    struct.error, csv.Error, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    tarfile.TarError,
)  # fmt: skip


@contextmanager
def warned(action: Literal["ignore", "error"]) -> Iterator[None]:
    """While this lasts, warnings are ignored, but for those of Pillow and the like, which may be errors.

    In other threads than the main one they are left alone: filters belong to the whole process, and threads that change
    them at once would leave them changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if action == "error":
            warnings.simplefilter("error", UserWarning)
        yield


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file raises into one error that names the file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, such as 'a table that can be read'.

    Examples
    --------
    >>> with reading(Path("a.npy"), "a file of numbers"):
    ...     raise EOFError("the file ends")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: a.npy is not a file of numbers: the file ends
    """
    try:
        yield
    except HandsonError:
        raise
    except MemoryError as error:
        told = str(error).partition("\n")[0] or "the memory is full"
        raise HandsonError(f"{path}: there is not the memory to read it ({told}), or it is damaged.") from None
    except DAMAGE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise HandsonError(f"{path} is not {what}: {reason}") from None
