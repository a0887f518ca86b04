"""Images in a column of a table, written as numbers: read by a compiled kernel, or by NumPy with the same result."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.core.processors import processors

# A text of at least this many numbers in the first row makes a column an image.
LEAST_PIXELS = 16
# Bytes of a file that are read at a time.
PIECE = 1 << 23


def find_image_column(names: Sequence[str], entries: Sequence[str]) -> str | None:
    """The column whose first entry holds many numbers, or None.

    Examples
    --------
    >>> find_image_column(["id", "Image"], ["1", " ".join(["0"] * 16)])
    'Image'
    """
    for name, entry in zip(names, entries, strict=False):
        parts = str(entry).split(maxsplit=LEAST_PIXELS)
        if len(parts) >= LEAST_PIXELS and all(part.isdigit() for part in parts[: LEAST_PIXELS - 1]):
            return name
    return None


def side_lengths(pixels: int, image_shape: Sequence[int] | None, where: str) -> tuple[int, int]:
    """Height and width of an image of so many pixels."""
    if image_shape is not None:
        height, width = (int(side) for side in list(image_shape)[:2])
        if height * width != pixels:
            raise HandsonError(f"{where} has {pixels} pixels; the shape {height}x{width} needs {height * width}.")
        return height, width
    side = round(pixels**0.5)
    if side * side != pixels:
        raise HandsonError(f"{where} has {pixels} pixels, which is no square; say image_shape=(height, width).")
    return side, side


def read_images(path: Path, column: int, pixels: int) -> tuple[io.BytesIO, np.ndarray] | None:
    """Images of whole numbers from 0 to 255 in a CSV file, which is read piece by piece.

    Parameters
    ----------
    path : Path
        The file.
    column : int
        The position of the image column.
    pixels : int
        The number of pixels in an image.

    Returns
    -------
    rest : file
        The table with the images left out.
    images : ndarray of uint8, shape (n, pixels)
        The images. Both are None where any row has another kind of image.
    """
    if pixels < 1:
        return None
    # A pixel takes two bytes, so that a file cannot ask for more memory than it has bytes.
    images = np.empty((path.stat().st_size // (2 * pixels) + 1, pixels), np.uint8)
    rest, count = [], 0
    with ThreadPoolExecutor(processors()) as pool:
        for number, (buffer, lines) in enumerate(_pieces(path)):
            if number == 0 and len(lines):
                rest.append(bytes(buffer[lines[0, 0] : lines[0, 1]]))
                lines = lines[1:]
            if count + len(lines) > len(images):
                return None
            fields = _parse(pool, buffer, lines, column, images[count : count + len(lines)])
            if fields is None:
                return None
            rest += _without_fields(buffer, lines, fields)
            count += len(lines)
    images.resize((count, pixels), refcheck=False)
    return (io.BytesIO(b"\n".join(rest)), images) if count else None


def _pieces(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The bytes of a file, some millions at a time, with the whole lines in them."""
    from handson.kernels.image_text import find_lines

    with path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        buffer, size, final = np.empty(PIECE, np.uint8), 0, False
        while not final:
            fresh = file.readinto(buffer.data[size:])
            size, final = size + fresh, fresh == 0
            lines, start = find_lines(buffer[:size], 0, ord(","), final)
            if len(lines):
                yield buffer, lines
            left = buffer[start:size].copy()
            if len(left) == len(buffer):  # one line is longer than that
                buffer = np.empty(2 * len(buffer), np.uint8)
            size = len(left)
            buffer[:size] = left


def _parse(
    pool: ThreadPoolExecutor, buffer: np.ndarray, lines: np.ndarray, column: int, images: np.ndarray
) -> np.ndarray | None:
    """Fill in the images of some lines; the bytes that each takes, or None where one is of another kind."""
    from handson.kernels.image_text import parse_rows

    fields = np.empty((len(lines), 2), np.int64)
    parts = processors()

    def parse(part: int) -> bool:
        rows = slice(len(lines) * part // parts, len(lines) * (part + 1) // parts)
        return bool(parse_rows(buffer, lines[rows], column, ord(","), images[rows], fields[rows]).all())

    return fields if all(list(pool.map(parse, range(parts)))) else None


def _without_fields(buffer: np.ndarray, lines: np.ndarray, fields: np.ndarray) -> list[bytes]:
    """The lines with the images left out."""
    content = buffer.data
    pairs = zip(lines.tolist(), fields.tolist(), strict=True)
    return [bytes(content[start:first]) + bytes(content[last:end]) for (start, end), (first, last) in pairs]


def parse_images(entries: Sequence[Any], image_shape: Sequence[int] | None, where: str) -> np.ndarray:
    """Images written as text or lists of numbers, as an array (n, height, width, 1).

    Examples
    --------
    >>> parse_images(["0 1 2 3", "4 5 6 7"], None, "table").shape
    (2, 2, 2, 1)
    """
    rows: list[np.ndarray] = []
    for number, entry in enumerate(entries):
        row = _pixels_of(entry, f"{where}, row {number}")
        if not len(row) and not rows:
            raise HandsonError(f"{where}, row {number}: the image is missing.")
        if rows and len(row) != len(rows[0]):
            raise HandsonError(
                f"{where}, row {number}: the image has {len(row)} pixels; the first row has {len(rows[0])}."
            )
        rows.append(row)
    images = np.stack(rows)
    return images.reshape(-1, *side_lengths(images.shape[1], image_shape, f"{where}, row 0: the image"), 1)


def _pixels_of(entry: Any, where: str) -> np.ndarray:
    """The numbers of one image, as uint8 where that is exact; none of them where it is missing."""
    try:
        numbers = entry.split() if isinstance(entry, str) else entry if np.ndim(entry) else []
        row = np.array(numbers, dtype=np.float64)
    except (ValueError, TypeError):
        row = np.array([np.nan])
    if row.ndim != 1 or not np.isfinite(row).all():
        raise HandsonError(f"{where}: the image holds something that is not a number.")
    whole = ((row >= 0) & (row <= 255) & (row == row.round())).all()
    return row.astype(np.uint8 if whole else np.float32)
