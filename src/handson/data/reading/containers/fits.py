"""FITS files: tables, and images whose first axis counts rows; big-endian and scaled values become numbers.

Astropy reads the headers. The values are read where the headers say that they are, so that rows come one block at a
time and a scaled column is not scaled as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError
from handson.data.reading.containers.arrays import check_size, check_there
from handson.data.reading.containers.tables import Column, columns_of
from handson.data.reading.damage import reading, warned
from handson.data.reading.keeping import Keeping
from handson.data.rows.blocks import Blocks, even_bounds
from handson.data.rows.stored import StoredRows

FILE = "a FITS file that can be read"
# The types of FITS's images, by BITPIX; and of its scaled values, as Astropy has them.
IMAGES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# A truth value that is neither is missing.
TRUE, FALSE = ord("T"), ord("F")


class Values(NamedTuple):
    """How values lie in a file, and what they mean: ``scale * value + zero``, or nothing at all.

    Examples
    --------
    >>> Values(np.dtype(">i2"), 1.0, 32768.0, None).numbers(np.array([0, 1], ">i2")).tolist()
    [32768.0, 32769.0]
    """

    dtype: np.dtype
    scale: float = 1.0
    zero: float = 0.0
    null: int | None = None
    truth: bool = False

    @property
    def kind(self) -> np.dtype:
        """The type that holds all values: that of the file, or one of floating-point numbers."""
        if self.truth or self.null is not None or (self.scale, self.zero) != (1.0, 0.0):
            return np.dtype(np.float32 if self.truth or self.dtype.itemsize < 4 else np.float64)
        return self.dtype.newbyteorder("=")

    def numbers(self, raw: np.ndarray) -> np.ndarray:
        """What values mean; NaN is a missing one."""
        if self.truth:
            return np.where(raw == TRUE, 1.0, np.where(raw == FALSE, 0.0, np.nan)).astype(self.kind)
        found = raw.astype(self.kind)
        if (self.scale, self.zero) != (1.0, 0.0):
            found = (raw * np.float64(self.scale) + np.float64(self.zero)).astype(self.kind)
        if self.null is not None:
            found[raw == self.null] = np.nan
        return found


class FitsTable:
    """The first table of a FITS file.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as file:
            table = next(unit for unit in file if not unit.is_image and unit.header.get("NAXIS2"))
            rows = int(table.header["NAXIS2"])
            self._record, self._values = _layout(table)
            self._place = _place(path, table, rows * self._record.itemsize)
        self.columns = {
            name: Column(None) if values is None else Column(values.kind, _width(self._record[name]))
            for name, values in self._values.items()
        }
        self.bounds = even_bounds(rows, 1, self._record.itemsize)

    def file(self, number: int) -> Path:
        return self.path

    def read(self, number: int, names: Sequence[str], out: np.ndarray) -> None:
        first, last = (int(bound) for bound in self.bounds[number : number + 2])
        records = _read(self.path, self._place, first, last, self._record)
        for name, column in zip(names, columns_of(out, names), strict=True):
            column[:] = self._numbers(records, name)

    def _numbers(self, records: np.ndarray, name: str) -> np.ndarray:
        values = self._values[name]
        if values is None:
            raise HandsonError(
                f"{self.path}, column {name!r} holds neither numbers nor texts of one length. Leave it out: say which "
                f"columns are inputs=[...] and targets."
            )
        return values.numbers(records[name])

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of all rows."""
        records = _read(self.path, self._place, 0, int(self.bounds[-1]), self._record)
        found: dict[str, Any] = {}
        for name in names:
            if self._record[name].kind == "S":
                text = np.char.strip(np.char.decode(records[name], "ascii", "replace"))
                found[name] = pd.Series(text.astype(object)).mask(text == "", None)
            elif self._record[name].shape:
                found[name] = list(self._numbers(records, name).reshape(len(records), -1))
            else:
                found[name] = self._numbers(records, name)
        return pd.DataFrame(found)

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return int(self.bounds[-1]) * self._record.itemsize

    def close(self) -> None:
        """Nothing: a block is read at once."""


class FitsImages:
    """The images of a FITS file, by the names of their units: rows, in the order of the first axis.

    Parameters
    ----------
    path : Path
        The file.
    keeping : Keeping
        How the inputs are kept.
    """

    def __init__(self, path: Path, keeping: Keeping) -> None:
        self.path, self._keeping = path, keeping
        self._found: dict[str, tuple[int, tuple[int, ...], Values]] = {}
        with _opened(path) as file:
            for number, unit in enumerate(file):
                if unit.is_image and unit.header.get("NAXIS", 0) > 0:
                    self._found[unit.name or f"HDU{number}"] = _image(path, unit)
        self.names = list(self._found)

    def load(self, name: str, what: str) -> np.ndarray:
        """One array in memory; `what` says in an error what it is for."""
        return self.stored(name, what).array()

    def stored(self, name: str, what: str) -> StoredRows:
        """One array, whose rows stay in the file."""
        check_there(self.path, name, what, self.names, "image")
        rows = StoredRows(Blocks(_Images(self.path, name, *self._found[name]), self._keeping.window))
        return rows.unsqueeze(-1) if rows.ndim == 3 and what == "inputs" else rows


class _Images:
    """Reads the blocks of an image."""

    def __init__(self, path: Path, key: str, place: int, shape: tuple[int, ...], values: Values) -> None:
        self.path, self.name = path, f"{path}, image {key!r}"
        self.shape, self.dtype, self._place, self._values = shape, values.kind, place, values
        self._row = np.dtype((values.dtype, shape[1:]))
        self.bounds = even_bounds(shape[0], 1, self._row.itemsize)

    def file(self, number: int) -> Path:
        return self.path

    def read(self, number: int, out: np.ndarray) -> None:
        first, last = (int(bound) for bound in self.bounds[number : number + 2])
        out[:] = self._values.numbers(_read(self.path, self._place, first, last, self._row))

    def close(self) -> None:
        """Nothing: a block is read at once."""


def holds_table(path: Path) -> bool:
    """Whether the first unit of a file that has rows is a table."""
    with _opened(path) as file:
        for unit in file:
            if unit.header.get("NAXIS", 0) > 0 and unit.header.get(f"NAXIS{unit.header['NAXIS']}", 0) > 0:
                return not unit.is_image
    raise HandsonError(f"{path} holds neither a table nor an image.")


def read_image(path: Path) -> np.ndarray:
    """The first image of a file, float32 of shape (height, width, 1); its first line is the lowest, as FITS has it."""
    place, shape, values = _first_image(path)
    raw = _read(path, place, 0, 1, np.dtype((values.dtype, shape)))[0]
    return values.numbers(raw).astype(np.float32)[..., None]


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of the first image of a file."""
    height, width = _first_image(path)[1]
    return height, width


def _first_image(path: Path) -> tuple[int, tuple[int, ...], Values]:
    with _opened(path) as file:
        for unit in file:
            if unit.is_image and unit.header.get("NAXIS", 0) > 0:
                place, shape, values = _image(path, unit)
                if len(shape) != 2:
                    raise HandsonError(f"{path} holds an image of {len(shape)} axes, {shape}; expected two of them.")
                return place, shape, values
    raise HandsonError(f"{path} holds no image.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The units of a file, of which only headers are read."""
    try:
        from astropy.io import fits
    except ImportError:
        raise HandsonError("FITS files need Astropy: pip install 'handson[fits]'.") from None
    # What matters of its warnings is checked: whether the rows are there.
    options = {"memmap": False, "disable_image_compression": True}
    with reading(path, FILE), warned("ignore"), fits.open(path, "readonly", **options) as file:
        yield file


def _place(path: Path, unit: Any, size: int) -> int:
    """Where the values of a unit begin; raises where the file ends before them."""
    place = int(unit.fileinfo()["datLoc"])
    if "ZIMAGE" in unit.header or "ZTABLE" in unit.header:
        raise HandsonError(f"{path} is compressed inside, and is read once it is unpacked: funpack {path.name}.")
    if place + size > path.stat().st_size:
        raise HandsonError(f"{path} declares {size:,} bytes from {place:,} on, and has {path.stat().st_size:,} in all.")
    return place


def _image(path: Path, unit: Any) -> tuple[int, tuple[int, ...], Values]:
    header = unit.header
    shape = tuple(int(header[f"NAXIS{axis}"]) for axis in range(header["NAXIS"], 0, -1))
    dtype = np.dtype(IMAGES[header["BITPIX"]])
    scaled = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    null = header.get("BLANK") if dtype.kind in "iu" else None
    size = math.prod(shape) * dtype.itemsize
    check_size(shape, dtype, size, str(path))
    return _place(path, unit, size), shape, Values(dtype, *scaled, null)


def _layout(table: Any) -> tuple[np.dtype, dict[str, Values | None]]:
    """How a row of a table lies in the file, and what its columns mean; None for texts and lists of any length."""
    if table.header["XTENSION"].strip() != "BINTABLE":
        raise HandsonError("a FITS table of text; write it as a binary table, BINTABLE")
    fields: list[Any] = []
    values: dict[str, Values | None] = {}
    for column in table.columns:
        kind = np.dtype(table.columns.dtype[column.name])
        kind = kind.newbyteorder(">")
        fields.append((column.name, kind))
        letter = str(column.format).lstrip("0123456789")[:1]
        values[column.name] = None
        if letter and letter in "LBIJKED":
            scale, zero = column.bscale, column.bzero
            scaled = 1.0 if scale in (None, "") else float(scale), 0.0 if zero in (None, "") else float(zero)
            null = column.null if letter in "BIJK" and column.null not in (None, "") else None
            values[column.name] = Values(kind.base, *scaled, null, letter == "L")
    return np.dtype(fields), values


def _width(kind: np.dtype) -> int | None:
    """How many numbers a row of a column has, where it is a list of them."""
    return math.prod(kind.shape) if kind.shape else None


def _read(path: Path, place: int, first: int, last: int, kind: np.dtype) -> np.ndarray:
    """Some records of a file."""
    with path.open("rb") as file:
        file.seek(place + first * kind.itemsize)
        content = file.read((last - first) * kind.itemsize)
    if len(content) < (last - first) * kind.itemsize:
        raise EOFError("the file ends in the middle of them")
    return np.frombuffer(content, kind.base).reshape(last - first, *kind.shape)
