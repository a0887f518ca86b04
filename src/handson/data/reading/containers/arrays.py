"""Files that hold arrays by name: which are the inputs, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from handson.core.errors import HandsonError, listing, nearest

if TYPE_CHECKING:
    from handson.data.rows.stored import StoredRows

# An array that is larger than this, and so many times as large as what is stored of it, is made to fill the disk or
# the memory of who reads it.
MOST_BYTES, MOST_TIMES = 1 << 27, 1000


class Arrays(Protocol):
    """A file with arrays by name."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def names(self) -> list[str]:
        """The names of the arrays."""

    def load(self, name: str, what: str) -> np.ndarray:
        """An array in memory."""

    def stored(self, name: str, what: str) -> np.ndarray | StoredRows:
        """An array whose rows may stay in the file."""


def check_there(path: Path, name: str, what: str, names: Collection[str], kind: str = "array") -> None:
    """Raise unless a file holds an array; the message names the nearest."""
    if name not in names:
        raise HandsonError(
            f"{path} has no {kind} {name!r} ({what}).{nearest(name, names)} {kind.capitalize()}s: {listing(names)}."
        )


def check_numbers(dtype: Any, where: str, texts: bool = False) -> None:
    """Raise unless values are numbers, or texts where these may be classes."""
    kind, metadata = getattr(dtype, "kind", "V"), getattr(dtype, "metadata", None) or {}
    text = kind in "SU" or metadata.get("vlen") in (str, bytes)
    if kind not in "biuf" and not (texts and text):
        raise HandsonError(f"{where} holds values of the type {dtype}; expected numbers.")


def check_size(shape: tuple[int, ...], dtype: np.dtype, stored: int, where: str) -> None:
    """Raise where rows hold nothing, and where far more is declared than is stored."""
    size = math.prod(shape) * dtype.itemsize
    if not shape or math.prod(shape[1:]) == 0:
        raise HandsonError(f"{where} holds nothing in its rows: it has the shape {shape} and the type {dtype}.")
    if size > max(MOST_BYTES, MOST_TIMES * stored):
        raise HandsonError(
            f"{where} declares {size:,} bytes, of which {stored:,} are stored: refused, as a file that was made to "
            f"fill the memory."
        )


def text_or_numbers(values: Any, where: str) -> np.ndarray:
    """An array of numbers or of texts."""
    array = np.asarray(values)
    if array.ndim == 0:
        raise HandsonError(f"{where} is the single value {array.item()!r}, not one value for each row.")
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "O":
        return np.array([one.decode("utf-8") if isinstance(one, bytes) else str(one) for one in array.flat])
    return array
