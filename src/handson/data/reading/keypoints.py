"""Keypoints among target columns: which columns are the x and y of a point, and which points swap in a mirror.

Coordinates are continuous. In pixels an image of width w spans 0 to w, and a mirror image has x' = w - x; in other
units an image spans what its two edges are said to be, such as -1 to 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from handson.core.errors import HandsonError, nearest

Pairs = list[tuple[int, int]]

# An x or y that stands alone at the end: 'x', 'nose_x', 'nose x', 'noseX'; not the last letter of 'box'.
AXIS = re.compile(r"(.*[^A-Za-z0-9]|)([xXyY])|(.*[a-z0-9])([XY])", re.DOTALL)
OTHER_AXIS = {"x": "y", "X": "Y", "y": "x", "Y": "X"}
# The words left and right: 'left_eye', 'eye_left', 'leftEye', 'eyeLeft'; not the letters in 'cleft' and 'bright'.
SIDE = re.compile(
    r"(?<![A-Za-z])(?:left|right)(?![a-z])|(?<![A-Z])(?:Left|Right)(?![a-z])|(?<![A-Za-z])(?:LEFT|RIGHT)(?![A-Za-z])"
)
OTHER_SIDE = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "right": "left", "Right": "Left", "RIGHT": "LEFT"}


def _axis(name: str) -> tuple[str, str] | None:
    """The axis that a name ends in, and the name of the other axis' column."""
    match = AXIS.fullmatch(name)
    return None if match is None else (name[-1].lower(), name[:-1] + OTHER_AXIS[name[-1]])


def _mirrored(name: str) -> str:
    """The name with the words left and right exchanged."""
    return SIDE.sub(lambda match: OTHER_SIDE[match[0]], name)


def find_points(names: Sequence[str]) -> Pairs:
    """The columns of each point: those whose names differ only in a last 'x' and 'y'.

    Parameters
    ----------
    names : sequence of str
        The target columns.

    Returns
    -------
    list of (int, int)
        The positions of x and y of each point.

    Examples
    --------
    >>> find_points(["nose_x", "nose_y", "age"])
    [(0, 1)]
    """
    position = {name: index for index, name in enumerate(names)}
    axes = [(index, _axis(name)) for name, index in position.items()]
    return [(index, position[axis[1]]) for index, axis in axes if axis and axis[0] == "x" and axis[1] in position]


def find_halves(names: Sequence[str]) -> list[str]:
    """Columns of one axis whose other axis is not there.

    Examples
    --------
    >>> find_halves(["nose_x", "nose_y", "mouth_x", "age"])
    ['mouth_x']
    """
    return [name for name in names if (axis := _axis(name)) and axis[1] not in names]


def find_swaps(names: Sequence[str]) -> Pairs:
    """The columns that swap in a mirror image: those whose names differ only in 'left' and 'right'.

    Examples
    --------
    >>> find_swaps(["left_eye_x", "right_eye_x", "nose_x"])
    [(0, 1)]
    """
    position = {name: index for index, name in enumerate(names)}
    swaps = []
    for name, index in position.items():
        side = SIDE.search(name)
        if side and side[0].lower() == "left" and _mirrored(name) in position:
            swaps.append((index, position[_mirrored(name)]))
    return swaps


def unmatched(names: Sequence[str]) -> list[str]:
    """Columns of one side whose partner on the other side is not there, so that a mirror image would be wrong.

    Examples
    --------
    >>> unmatched(["left_eye_x", "nose_x"])
    ['left_eye_x']
    """
    return [name for name in names if SIDE.search(name) and _mirrored(name) not in names]


def positions(given: Sequence[Any], names: Sequence[str] | None, what: str, columns: int | None = None) -> Pairs:
    """Pairs of columns, given by name or position, as positions.

    Parameters
    ----------
    given : list of (column, column)
        Names or positions.
    names : sequence of str, optional
        The columns.
    what : str
        The name of the argument, for errors.
    columns : int, optional
        How many columns there are, if they have no names.

    Raises
    ------
    HandsonError
        For a column that is not there, and for something that is no list of pairs.

    Examples
    --------
    >>> positions([("a", "c"), (2, 0)], ["a", "b", "c"], "swaps")
    [(0, 2), (2, 0)]
    """
    is_list = isinstance(given, Sequence) and not isinstance(given, str)
    if not is_list or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in given):
        raise HandsonError(f"{what} is a list of pairs of columns, such as [(0, 1), (2, 3)]; got {given!r}.")
    columns = columns if names is None else len(names)
    return [
        (_position(first, names, columns, what), _position(second, names, columns, what)) for first, second in given
    ]


def _position(column: Any, names: Sequence[str] | None, columns: int | None, what: str) -> int:
    if isinstance(column, Integral):
        place = int(column)
        if place < 0 or (columns is not None and place >= columns):
            there = "positions start at 0" if columns is None else f"there are {columns} columns, from 0 on"
            raise HandsonError(f"{what} names the column {place}, and {there}.")
        return place
    if names is None:
        raise HandsonError(f"{what} names the column {column!r}, but the targets have no column names; give positions.")
    if column not in names:
        raise HandsonError(f"{what} names the column {column!r}, which is not there.{nearest(str(column), names)}")
    return list(names).index(column)


def check_units(units: Any) -> Any:
    """The units of keypoints, if they are 'pixels', None or two rising numbers.

    Examples
    --------
    >>> check_units([-1, 1])
    (-1.0, 1.0)
    """
    if units is None or (isinstance(units, str) and units == "pixels"):
        return units
    pair = list(units) if isinstance(units, (tuple, list)) else []
    if len(pair) != 2 or not all(isinstance(edge, Real) for edge in pair) or not -1e30 < pair[0] < pair[1] < 1e30:
        raise HandsonError(
            f"Augment: units is 'pixels', or the values (low, high) at the edges of an image, such as (-1, 1) or "
            f"(0, 1); got {units!r}."
        )
    return float(pair[0]), float(pair[1])


def edges(units: Any, size: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The coordinates (x, y) of an image's upper left corner, and of its lower right one.

    Examples
    --------
    >>> edges(None, (96, 64)), edges((-1, 1), (96, 64))
    (((0.0, 0.0), (96.0, 64.0)), ((-1, -1), (1, 1)))
    """
    if units is None or units == "pixels":
        return (0.0, 0.0), (float(size[0]), float(size[1]))
    return (units[0], units[0]), (units[1], units[1])
