"""Keypoints among target columns: which columns are the x and y of a point, and which points swap in a mirror.

Coordinates are in pixels and continuous: an image of width w spans 0 to w, and a mirror image has x' = w - x.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from handson.errors import HandsonError, nearest

Pairs = list[tuple[int, int]]


def find_points(names: Sequence[str]) -> Pairs:
    """The columns of each point: those whose names differ only in a last '_x' and '_y'.

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
    position = {name.casefold(): index for index, name in enumerate(names)}
    pairs = []
    for name, index in position.items():
        match = re.fullmatch(r"(.*[^a-z0-9])?x", name)
        if match and (match[1] or "") + "y" in position:
            pairs.append((index, position[(match[1] or "") + "y"]))
    return pairs


def find_swaps(names: Sequence[str]) -> Pairs:
    """The columns that swap in a mirror image: those whose names differ only in 'left' and 'right'.

    Examples
    --------
    >>> find_swaps(["left_eye_x", "right_eye_x", "nose_x"])
    [(0, 1)]
    """
    position = {name.casefold(): index for index, name in enumerate(names)}
    swaps = []
    for name, index in position.items():
        other = re.sub(r"(?<![a-z])left(?![a-z])", "right", name)
        if other != name and other in position:
            swaps.append((index, position[other]))
    return swaps


def unmatched(names: Sequence[str]) -> list[str]:
    """Columns of one side whose partner on the other side is not there, so that a mirror image would be wrong.

    Examples
    --------
    >>> unmatched(["left_eye_x", "nose_x"])
    ['left_eye_x']
    """
    matched = {index for pair in find_swaps(names) for index in pair}
    sided = re.compile(r"(?<![a-z])(left|right)(?![a-z])")
    return [name for index, name in enumerate(names) if index not in matched and sided.search(name.casefold())]


def positions(given: Sequence[Any], names: Sequence[str] | None, what: str) -> Pairs:
    """Pairs of columns, given by name or position, as positions.

    Raises
    ------
    HandsonError
        For a name that is not there; the nearest one is named.
    """
    return [(_position(first, names, what), _position(second, names, what)) for first, second in given]


def _position(column: Any, names: Sequence[str] | None, what: str) -> int:
    if isinstance(column, int):
        return column
    if names is None:
        raise HandsonError(f"{what} names the column {column!r}, but the targets have no column names; give positions.")
    if column not in names:
        raise HandsonError(f"{what} names the column {column!r}, which is not there.{nearest(str(column), names)}")
    return list(names).index(column)
