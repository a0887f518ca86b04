"""What a table unpacks to, looked at before it is read: small files that become huge ones are refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handson.core.errors import HandsonError
from handson.data.reading.damage import reading

# What is larger than this, and so many times as large as its file, is no data.
MOST_BYTES, MOST_TIMES = 1 << 26, 100
# Numbers in a Parquet file, and numbers for each of its bytes.
MOST_NUMBERS, MOST_NUMBERS_A_BYTE = 1 << 23, 100
# The widest tables of genes and spectra have fewer columns.
MOST_COLUMNS = 100_000
LONGEST_LINE, CHUNK = 1 << 24, 1 << 20
OPENERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def check_unpacked(path: Path) -> None:
    """Raise when a table would take far more memory than a file of its size can need."""
    suffix, most = path.suffix.lower(), max(MOST_BYTES, MOST_TIMES * path.stat().st_size)
    with reading(path, "a table that can be read"):
        if suffix == ".parquet":
            _check_parquet(path)
        elif suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                _check_size(path, sum(entry.file_size for entry in archive.infolist()), most)
        elif suffix in OPENERS:
            with OPENERS[suffix](path) as file:
                size = 0
                while size <= most and (piece := file.read(CHUNK)):
                    size += len(piece)
            _check_size(path, size, most)
        else:
            _check_lines(path)


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise HandsonError(
            f"{path} has {path.stat().st_size:,} bytes and is unpacked to {size:,} or more: refused, as a file "
            f"that was made to fill the memory. If you trust it, unpack it first."
        )


def _check_parquet(path: Path) -> None:
    try:
        from pyarrow.parquet import read_metadata
    except ImportError:
        return  # the reader says what to install
    found = read_metadata(path)
    if found.num_columns > MOST_COLUMNS:
        raise HandsonError(f"{path} has {found.num_columns:,} columns; {MOST_COLUMNS:,} are read.")
    numbers = found.num_rows * found.num_columns
    if numbers > max(MOST_NUMBERS, MOST_NUMBERS_A_BYTE * path.stat().st_size):
        raise HandsonError(
            f"{path} has {path.stat().st_size:,} bytes and declares {found.num_rows:,} rows of "
            f"{found.num_columns:,} columns."
        )


def _check_lines(path: Path) -> None:
    """Raise when one of the first lines does not end for long."""
    begun = 0
    with path.open("rb") as file:
        for _ in range(2 * LONGEST_LINE // CHUNK):
            piece = file.read(CHUNK)
            if not piece:
                return
            begun = len(piece) - 1 - piece.rfind(b"\n") if b"\n" in piece or b"\r" in piece else begun + len(piece)
            if begun > LONGEST_LINE:
                raise HandsonError(f"{path} has a line of more than {LONGEST_LINE:,} bytes, so it is no table.")
