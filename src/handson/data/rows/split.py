"""Splitting rows into training and validation: shuffled, in the classes' proportions, never through a group."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.randomness.keys import derive, permutation


@dataclass(frozen=True)
class Split:
    """Which rows train and which validate, and how that came about.

    Attributes
    ----------
    train, validation : ndarray of int64
        Row numbers, in rising order.
    description : str
        What was done, in one sentence.
    """

    train: np.ndarray
    validation: np.ndarray
    description: str


def split(
    rows: int,
    fraction: float,
    seed: int,
    labels: np.ndarray | None = None,
    groups: Any = None,
) -> Split:
    """Split rows into a training and a validation part.

    Parameters
    ----------
    rows : int
        The number of rows.
    fraction : float
        The share of rows that validate, between 0 and 1.
    seed : int
        The seed of the shuffle.
    labels : ndarray, shape (rows,), optional
        Classes whose proportions both parts keep.
    groups : array of shape (rows,), optional
        Rows of one group (one person, one object) go to the same part.

    Raises
    ------
    HandsonError
        When a part would be empty, or when a class has too few members or groups to be in both.

    Examples
    --------
    >>> parts = split(10, 0.3, seed=0, groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    >>> set(parts.train.tolist()) & set(parts.validation.tolist())
    set()
    """
    if not isinstance(fraction, Real) or not 0.0 < fraction < 1.0:
        raise HandsonError(f"validation_split is a share between 0 and 1, such as 0.2; got {fraction!r}.")
    if rows < 2:
        raise HandsonError(f"{rows} row cannot be split; give at least two, or validation_data instead.")
    if labels is not None and len(labels) != rows:
        raise HandsonError(f"labels have {len(labels)} entries for {rows} rows.")
    key = derive(seed, "split")
    if groups is not None:
        return _split_groups(rows, fraction, key, labels, groups)
    if labels is None:
        order = permutation(key, rows)
        return _parts(rows, order[: _share(rows, fraction)], f"{rows} rows, shuffled")
    chosen = _stratify(np.asarray(labels), fraction, key)
    return _parts(rows, chosen, f"{rows} rows, shuffled, classes in proportion")


def _share(count: int, fraction: float) -> int:
    return min(max(round(count * fraction), 1), count - 1)


def _parts(rows: int, validation: np.ndarray, how: str) -> Split:
    chosen = np.zeros(rows, dtype=bool)
    chosen[validation] = True
    train, validation = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    return Split(train, validation, f"split: {len(train)} rows train, {len(validation)} validate ({how})")


def _stratify(labels: np.ndarray, fraction: float, key: int) -> np.ndarray:
    """Rows of each class in proportion; what rounding leaves over goes to the classes with the largest remainder."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    for label, count in zip(classes, counts, strict=True):
        if count < 2 and not is_missing(label):
            raise HandsonError(
                f"class {label} has one member and cannot be in both parts of a split. Add members, leave the class "
                f"out, or give validation_data instead of validation_split."
            )
    wanted = counts * fraction
    shares = np.clip(np.floor(wanted).astype(int), np.minimum(1, counts - 1), counts - 1)
    left_over = _share(len(labels), fraction) - shares.sum()
    # Of classes with the same remainder none comes first more often than another.
    by_chance = permutation(derive(key, "remainders"), len(classes))
    for position in by_chance[np.argsort((shares - wanted)[by_chance], kind="stable")]:
        if left_over > 0 and shares[position] < counts[position] - 1:
            shares[position] += 1
            left_over -= 1
    order = permutation(key, len(labels))
    return np.concatenate([order[codes[order] == code][:share] for code, share in enumerate(shares)])


def is_missing(label: Any) -> bool:
    """Whether a label stands for a missing one: NaN, or the -1 of `handson.data.rows.arrays.as_labels`."""
    return bool(label != label) or (not isinstance(label, str) and bool(label == -1))


def numbered_groups(groups: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The names of groups, in order, and the number of the group of each row.

    Raises
    ------
    HandsonError
        When there is not one group for each row, and where one is missing: NaN, None or masked.

    Examples
    --------
    >>> numbered_groups(["b", "a", "b"], 3)
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1]))
    """
    from handson.core.masked import unmasked

    found = unmasked(groups)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.ndim != 1:
        raise HandsonError(f"groups is an array with the group of each row; got {type(groups).__name__} {found.shape}.")
    if len(found) != rows:
        raise HandsonError(f"groups have {len(found)} entries for {rows} rows.")
    missing = _are_missing(found)
    if missing.any():
        raise HandsonError(
            f"row {missing.argmax()} has no group, and a split that divides none must know it. Give a row that belongs "
            f"to no other a group of its own, or leave it out."
        )
    if found.dtype.kind == "O":
        found = found.astype(str)
    return np.unique(found, return_inverse=True)


def _are_missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "OMm":
        return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    import pandas as pd  # it takes a quarter of a second to load

    return np.asarray(pd.isna(values))


def _split_groups(rows: int, fraction: float, key: int, labels: np.ndarray | None, groups: Any) -> Split:
    names, codes = numbered_groups(groups, rows)
    if len(names) < 2:
        raise HandsonError("all rows are in one group, which a split never divides; give validation_data instead.")
    sizes = np.bincount(codes)
    order = permutation(key, len(names))
    how = f"{len(names)} groups, shuffled, none divided"
    if labels is None:
        taken = _fill(sizes, order, rows * fraction)
    else:
        members = np.zeros((len(names), len(np.unique(labels))))
        np.add.at(members, (codes, np.unique(labels, return_inverse=True)[1]), 1)
        taken = _fill_in_proportion(members, order, fraction)
        _check_classes(np.unique(labels), members, taken)
        how += ", classes near their proportions"
    return _parts(rows, np.flatnonzero(np.isin(codes, taken)), how)


def _check_classes(classes: np.ndarray, members: np.ndarray, taken: list[int]) -> None:
    chosen = members[taken].sum(0)
    for label, inside, count, groups in zip(classes, chosen, members.sum(0), (members > 0).sum(0), strict=True):
        if not is_missing(label) and not 0 < inside < count:
            raise HandsonError(
                f"class {label} is in {groups} group{'s' if groups > 1 else ''} of {len(members)}, too few to be in "
                f"both parts of a split that divides no group. Give validation_data instead of validation_split."
            )


def _fill(sizes: np.ndarray, order: np.ndarray, wanted: float) -> list[int]:
    """Groups in order, each taken if it brings the number of rows nearer to the wanted one."""
    taken: list[int] = []
    total = 0
    for group in order[:-1]:
        if abs(total + sizes[group] - wanted) < abs(total - wanted):
            taken.append(int(group))
            total += sizes[group]
    return taken or [int(min(order, key=lambda group: sizes[group]))]


def _fill_in_proportion(members: np.ndarray, order: np.ndarray, fraction: float) -> list[int]:
    """Groups in order, each taken if it brings the rows of all classes nearer to their share."""
    wanted = members.sum(0) * fraction
    scale = np.maximum(wanted, 1.0)
    taken: list[int] = []
    total = np.zeros(members.shape[1])
    for group in order[:-1]:
        nearer = np.square((total + members[group] - wanted) / scale).sum() < np.square((total - wanted) / scale).sum()
        if nearer:
            taken.append(int(group))
            total += members[group]
    return taken or [int(order[0])]
