"""Images in a column of a table, written as numbers: read by a compiled kernel, or by NumPy with the same result."""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handson.errors import HandsonError

# A text of at least this many numbers in the first row makes a column an image.
LEAST_PIXELS = 16


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


def read_mapped(path: Path, column: int, pixels: int) -> tuple[io.BytesIO, np.ndarray] | None:
    """Images of whole numbers from 0 to 255 in a CSV file, without reading the file into memory.

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
    from handson.kernels import image_text as kernel

    # The map goes with its last reference; numba keeps one for a while after it has compiled a kernel.
    content = np.memmap(path, np.uint8, mode="r")
    start = len(codecs.BOM_UTF8) if bytes(content[:3]) == codecs.BOM_UTF8 else 0
    lines = kernel.find_lines(content, start, ord(","))
    rows = len(lines) - 1
    # A pixel takes two bytes, so that a file cannot ask for more memory than it has bytes.
    if rows < 1 or pixels < 1 or rows * pixels > len(content):
        return None
    images, fields = np.empty((rows, pixels), np.uint8), np.empty((rows, 2), np.int64)
    if not kernel.parse_rows(content, lines[1:], column, ord(","), images, fields).all():
        return None
    return io.BytesIO(_without_fields(content.data, lines, fields)), images


def _without_fields(content: memoryview, lines: np.ndarray, fields: np.ndarray) -> bytes:
    """The text of the table with the images left out."""
    parts = [bytes(content[lines[0, 0] : lines[0, 1]])]
    for (start, end), (first, last) in zip(lines[1:].tolist(), fields.tolist(), strict=True):
        parts.append(bytes(content[start:first]) + bytes(content[last:end]))
    return b"\n".join(parts)


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
