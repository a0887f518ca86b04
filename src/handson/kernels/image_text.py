"""Reading images written as text: the competition's CSV holds 9,216 space-separated integers in each row.

One pass over the bytes finds the lines, a second turns the digits of the image column into pixels (``c/image_text.c``).
`handson.data.reading.tables` has the plain version with pandas and NumPy that gives the same arrays. Reading the
competition's table takes a fifteenth of the time with the kernels.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record


class _Lines(Record):
    buffer: Pointer
    size: Int
    delimiter: Int
    final: Int
    lines: Pointer
    room: Int
    count: Int
    start: Int
    position: Int
    quoted: Int
    closed: Int


class _ImageRows(Record):
    buffer: Pointer
    lines: Pointer
    column: Int
    delimiter: Int
    room: Int
    pixels: Pointer
    fields: Pointer
    good: Pointer


_find_lines, _parse_rows = Kernel("find_lines", _Lines), Kernel("parse_rows", _ImageRows)


def find_lines(buffer: np.ndarray, start: int, delimiter: int, final: bool) -> tuple[np.ndarray, int]:
    """The first byte of each line, and the first after it; newlines inside quotes do not end a line.

    Parameters
    ----------
    buffer : ndarray of uint8
        Bytes of the file.
    start : int
        The first byte of the first line.
    delimiter : int
        The byte between columns.
    final : bool
        Whether these are the last bytes of the file, so that their end is the end of a line.

    Returns
    -------
    lines : ndarray of int64, shape (n, 2)
        Without blank lines.
    rest : int
        The first byte of a line that has no end yet.

    Examples
    --------
    >>> text = np.frombuffer(b"a,b" + bytes([10]) + b"1,2", np.uint8)
    >>> lines, rest = find_lines(text, 0, ord(","), final=False)
    >>> lines.tolist(), rest
    ([[0, 3]], 4)
    """
    lines, room = np.empty((0, 2), np.int64), 1024
    search = _Lines(buffer=buffer, size=buffer.size, delimiter=delimiter, final=final, start=start, position=start)
    search.closed = -2
    while search.count == len(lines):
        lines, found = np.empty((room, 2), np.int64), lines
        lines[: len(found)] = found
        search.lines, search.room = lines.ctypes.data, room
        _find_lines(search)
        room *= 2
    return lines[: search.count].copy(), search.start


def parse_rows(
    buffer: np.ndarray, lines: np.ndarray, column: int, delimiter: int, pixels: np.ndarray, fields: np.ndarray
) -> np.ndarray:
    """Turn the image column of all lines into pixels.

    Parameters
    ----------
    buffer : ndarray of uint8
        The bytes of the file.
    lines : ndarray of int64, shape (n, 2)
        From `find_lines`.
    column, delimiter : int
        The position of the image column, and the byte between columns.
    pixels : ndarray of uint8, shape (n, pixels of an image)
        Filled.
    fields : ndarray of int64, shape (n, 2)
        Filled with the bytes that each image takes.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether a row has an image of this many whole numbers from 0 to 255.
    """
    good = np.zeros(len(lines), np.bool_)
    rows = _ImageRows(
        buffer=buffer, lines=np.ascontiguousarray(lines), column=column, delimiter=delimiter, room=pixels.shape[1],
        pixels=pixels, fields=fields, good=good,
    )  # fmt: skip
    _parse_rows(rows, 0, len(lines))
    return good
