"""Reading images written as text: the competition's CSV holds 9,216 space-separated integers in each row.

One pass over the bytes finds the lines, a second turns the digits of the image column into pixels.
`handson.data.reading.tables` has the plain version with pandas and NumPy that gives the same arrays.
"""

from __future__ import annotations

import numba
import numpy as np

NEWLINE, QUOTE, SPACE, TAB, RETURN, ZERO, NINE = 10, 34, 32, 9, 13, 48, 57
# Bytes that are searched at a time: so many are compared without a branch.
BLOCK = 64


@numba.njit(cache=True, nogil=True)
def position_of(one: int, other: int, buffer: np.ndarray, start: int, end: int) -> int:
    """The first position from `start` on with one of two bytes, or `end`."""
    while start + BLOCK <= end:
        block, found = buffer[start : start + BLOCK], np.uint8(0)
        for byte in block:
            found |= np.uint8(byte == one) | np.uint8(byte == other)
        if found:
            break
        start += BLOCK
    while start < end and buffer[start] != one and buffer[start] != other:
        start += 1
    return start


@numba.njit(cache=True, nogil=True)
def is_blank(buffer: np.ndarray, start: int, end: int) -> bool:
    """Whether a line holds nothing but white space."""
    for position in range(start, end):
        byte = buffer[position]
        if byte != SPACE and byte != TAB and byte != RETURN:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def after_quote(
    buffer: np.ndarray, start: int, position: int, delimiter: int, quoted: bool, closed: int
) -> tuple[bool, int]:
    """Whether the text after a quote is quoted, and where the last quoted part closed.

    As in pandas, a quote opens a part where a field starts, or right after a quote that closes.
    """
    if quoted:
        return False, position
    return position == start or buffer[position - 1] == delimiter or closed == position - 1, closed


@numba.njit(cache=True, nogil=True)
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
    """
    lines = np.empty((1024, 2), np.int64)
    count, quoted, closed, position = 0, False, -2, start
    while True:
        position = position_of(NEWLINE, QUOTE, buffer, position, buffer.size)
        if position == buffer.size and not final:
            return lines[:count].copy(), start
        if position < buffer.size and buffer[position] == QUOTE:
            quoted, closed = after_quote(buffer, start, position, delimiter, quoted, closed)
        elif position == buffer.size or not quoted:
            if not is_blank(buffer, start, position):
                if count == len(lines):
                    grown = np.empty((2 * count, 2), np.int64)
                    grown[:count] = lines
                    lines = grown
                lines[count, 0], lines[count, 1] = start, position
                count += 1
            start = position + 1
        if position == buffer.size:
            return lines[:count].copy(), position
        position += 1


@numba.njit(cache=True, nogil=True)
def find_field(buffer: np.ndarray, start: int, end: int, column: int, delimiter: int) -> tuple[int, int]:
    """The first byte of a field of a line, and the first after it, without quotes; (-1, -1) if there is none."""
    field, quoted, closed, first, position = 0, False, -2, start, start
    while position <= end:
        position = position_of(delimiter, QUOTE, buffer, position, end)
        if position < end and buffer[position] == QUOTE:
            quoted, closed = after_quote(buffer, start, position, delimiter, quoted, closed)
        elif position == end or not quoted:
            if field == column:
                last = position
                if last > first and buffer[last - 1] == RETURN:
                    last -= 1
                if last > first + 1 and buffer[first] == QUOTE and buffer[last - 1] == QUOTE:
                    return first + 1, last - 1
                return first, last
            field += 1
            first = position + 1
        position += 1
    return -1, -1


@numba.njit(cache=True, nogil=True)
def parse_simple(buffer: np.ndarray, first: int, last: int, pixels: np.ndarray) -> tuple[int, int]:
    """Turn numbers of one to three digits, each with one space behind it, into pixels, as far as there are such.

    How many digits a number has cannot be foreseen, so nothing here branches on it.

    Returns
    -------
    position, count : int
        The first byte that is left, and the number of pixels.
    """
    count, position = 0, first
    while position + 4 <= last and count < pixels.size:
        hundreds = np.int32(buffer[position]) - ZERO
        tens, ones = np.int32(buffer[position + 1]) - ZERO, np.int32(buffer[position + 2]) - ZERO
        two = np.int32((tens >= 0) & (tens <= 9))
        three = two & np.int32((ones >= 0) & (ones <= 9))
        value = hundreds + two * (9 * hundreds + tens)
        value += three * (9 * value + ones)
        behind = position + 1 + two + three
        if hundreds < 0 or hundreds > 9 or value > 255 or buffer[behind] != SPACE:
            break
        pixels[count] = value
        count += 1
        position = behind + 1
    return position, count


@numba.njit(cache=True, nogil=True)
def parse_field(buffer: np.ndarray, first: int, last: int, pixels: np.ndarray) -> bool:
    """Turn one field into pixels; whether it holds as many whole numbers from 0 to 255, and nothing else."""
    start, count = parse_simple(buffer, first, last, pixels)
    value, inside = 0, False
    for position in range(start, last + 1):
        byte = SPACE if position == last else buffer[position]
        if ZERO <= byte <= NINE:
            value = value * 10 + (byte - ZERO)
            inside = True
            if value > 255:
                return False
        elif byte in (SPACE, TAB):
            if inside:
                if count == pixels.size:
                    return False
                pixels[count] = value
                count += 1
                value, inside = 0, False
        else:
            return False
    return count == pixels.size


@numba.njit(cache=True, nogil=True)
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
    for row in range(len(lines)):
        first, last = find_field(buffer, lines[row, 0], lines[row, 1], column, delimiter)
        fields[row, 0], fields[row, 1] = first, last
        good[row] = first >= 0 and parse_field(buffer, first, last, pixels[row])
    return good
