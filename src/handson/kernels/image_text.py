"""Reading images written as text: the competition's CSV holds 9,216 space-separated integers in each row.

The bytes of the file are mapped, not read; one pass finds the lines, a second turns the digits of the image column into
pixels. `handson.data.tables` has the plain version with pandas and NumPy that gives the same arrays.
"""

from __future__ import annotations

import numba
import numpy as np

NEWLINE, QUOTE, SPACE, RETURN, ZERO, NINE = 10, 34, 32, 13, 48, 57

# What `parse_rows` says of a row that is not an image: the codes of its result.
GOOD, NOT_A_NUMBER, WRONG_COUNT, TOO_LARGE, NO_FIELD = 0, 1, 2, 3, 4


@numba.njit(cache=True, nogil=True)
def find_lines(buffer: np.ndarray) -> np.ndarray:
    """The first byte of each line, and the first after it; newlines inside quotes do not end a line.

    Parameters
    ----------
    buffer : ndarray of uint8
        The bytes of the file.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Without blank lines.
    """
    lines = np.empty((1024, 2), np.int64)
    count, start, quoted = 0, 0, False
    for position in range(buffer.size + 1):
        if position < buffer.size:
            if buffer[position] == QUOTE:
                quoted = not quoted
            if buffer[position] != NEWLINE or quoted:
                continue
        blank = position == start or (position == start + 1 and buffer[start] == RETURN)
        if not blank:
            if count == len(lines):
                grown = np.empty((2 * count, 2), np.int64)
                grown[:count] = lines
                lines = grown
            lines[count, 0], lines[count, 1] = start, position
            count += 1
        start = position + 1
    return lines[:count].copy()


@numba.njit(cache=True, nogil=True)
def find_field(buffer: np.ndarray, start: int, end: int, column: int, delimiter: int) -> tuple[int, int]:
    """The first byte of a field of a line, and the first after it, without quotes; (-1, -1) if there is none."""
    field, quoted, first = 0, False, start
    for position in range(start, end + 1):
        stop = position == end or (buffer[position] == delimiter and not quoted)
        if stop:
            if field == column:
                last = position
                if last > first and buffer[last - 1] == RETURN:
                    last -= 1
                if last > first + 1 and buffer[first] == QUOTE and buffer[last - 1] == QUOTE:
                    return first + 1, last - 1
                return first, last
            field += 1
            first = position + 1
        elif buffer[position] == QUOTE:
            quoted = not quoted
    return -1, -1


@numba.njit(cache=True, nogil=True)
def parse_field(buffer: np.ndarray, first: int, last: int, pixels: np.ndarray) -> tuple[int, int]:
    """Turn one field into pixels; returns a code and how many numbers there were."""
    count, value, inside = 0, 0, False
    for position in range(first, last + 1):
        byte = SPACE if position == last else buffer[position]
        if ZERO <= byte <= NINE:
            value = value * 10 + (byte - ZERO)
            inside = True
            if value > 255:
                return TOO_LARGE, count
        elif byte == SPACE:
            if inside:
                if count < pixels.size:
                    pixels[count] = value
                count += 1
                value, inside = 0, False
        else:
            return NOT_A_NUMBER, count
    return (GOOD if count == pixels.size else WRONG_COUNT), count


@numba.njit(cache=True, nogil=True, parallel=True)
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
    ndarray of int64, shape (n, 2)
        A code for each row, and how many numbers it has.
    """
    report = np.zeros((len(lines), 2), np.int64)
    for row in numba.prange(len(lines)):
        first, last = find_field(buffer, lines[row, 0], lines[row, 1], column, delimiter)
        fields[row, 0], fields[row, 1] = first, last
        if first < 0:
            report[row, 0] = NO_FIELD
        else:
            code, count = parse_field(buffer, first, last, pixels[row])
            report[row, 0], report[row, 1] = code, count
    return report
