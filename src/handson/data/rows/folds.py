"""Folds: every row is held out once. Classes keep their proportions, and no group is divided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.data.rows.split import Split, is_missing, numbered_groups
from handson.randomness.keys import derive, permutation


def make_folds(
    rows: int, count: int, seed: int, labels: np.ndarray | None = None, groups: Any = None, shuffle: bool = True
) -> list[Split]:
    """Cut rows into folds; each is held out once while the others train.

    Parameters
    ----------
    rows : int
        The number of rows.
    count : int
        The number of folds.
    seed : int
        The seed of the shuffle.
    labels : ndarray, shape (rows,), optional
        Classes whose proportions every fold keeps: without groups to one row, with groups as nearly as they allow.
    groups : array, shape (rows,), optional
        Rows of one group (one person, one object) are in one fold.
    shuffle : bool
        Whether rows are dealt out by chance; False: as they lie.

    Raises
    ------
    HandsonError
        When there are fewer rows, members of a class or groups than folds.

    Examples
    --------
    >>> [fold.validation.tolist() for fold in make_folds(6, 3, seed=0, groups=["a", "a", "b", "b", "c", "c"])]
    [[0, 1], [4, 5], [2, 3]]
    """
    count = whole("folds", count, 2)
    if count > rows:
        raise HandsonError(f"{rows} rows make no {count} folds; give at most folds={rows}.")
    key = derive(seed, "folds")
    if groups is not None:
        homes, how = _by_group(rows, count, key if shuffle else None, labels, groups)
    elif labels is not None:
        homes, how = _by_class(np.asarray(labels), count, key if shuffle else None), "classes in proportion"
    else:
        order = permutation(key, rows) if shuffle else np.arange(rows)
        homes, how = np.empty(rows, np.int64), "shuffled" if shuffle else "as they lie"
        for fold, part in enumerate(np.array_split(order, count)):
            homes[part] = fold
    return [_split(homes == fold, f"fold {fold + 1} of {count} ({how})") for fold in range(count)]


def given_folds(pairs: Iterable[Any], rows: int) -> list[Split]:
    """Folds that were made elsewhere, as pairs of row numbers to train on and to hold out.

    Examples
    --------
    >>> given_folds([([0, 1], [2])], 3)[0].validation.tolist()
    [2]
    """
    folds = []
    for number, pair in enumerate(pairs):
        try:
            train, held_out = (_numbers(part, rows) for part in pair)
        except (TypeError, ValueError):
            raise HandsonError(
                f"folds is a whole number, or pairs (rows to train on, rows to hold out) of whole numbers from 0 to "
                f"{rows - 1}, none of them in both; got {pair!r}."
            ) from None
        folds.append(Split(train, held_out, f"fold {number + 1}: {len(train)} rows train, {len(held_out)} held out"))
        if np.intersect1d(train, held_out).size:
            raise HandsonError(f"fold {number + 1}: row {np.intersect1d(train, held_out)[0]} trains and is held out.")
    if not folds:
        raise HandsonError("folds is a whole number, or pairs (rows to train on, rows to hold out); got none.")
    return folds


def _numbers(part: Any, rows: int) -> np.ndarray:
    numbers = np.asarray(part)
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
        raise ValueError
    if numbers.min() < 0 or numbers.max() >= rows:
        raise ValueError
    return numbers.astype(np.int64)


def _split(held_out: np.ndarray, how: str) -> Split:
    train, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    return Split(train, validation, f"{how}: {len(train)} rows train, {len(validation)} held out")


def _by_class(labels: np.ndarray, count: int, key: int | None) -> np.ndarray:
    """The fold of each row: the rows of one class after another are dealt out in turn."""
    classes, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    for label, size in zip(classes, sizes, strict=True):
        if size < count and not is_missing(label):
            fewer = f"Give folds={size}, add members" if size > 1 else "Add members"
            members = "member" if size == 1 else "members"
            raise HandsonError(
                f"class {label} has {size} {members}, too few to be in each of {count} folds. {fewer}, or leave the "
                f"class out."
            )
    order = permutation(key, len(labels)) if key is not None else np.arange(len(labels))
    order = order[np.argsort(codes[order], kind="stable")]
    homes = np.empty(len(labels), np.int64)
    homes[order] = np.arange(len(labels)) % count
    return homes


def _by_group(rows: int, count: int, key: int | None, labels: np.ndarray | None, groups: Any) -> tuple[np.ndarray, str]:
    """The fold of each row: groups from the largest on, each to the fold that it leaves most even."""
    names, codes = numbered_groups(groups, rows)
    if len(names) < count:
        raise HandsonError(f"{count} folds need as many groups, none of which is divided; there are {len(names)}.")
    classes, kinds = np.unique(np.zeros(rows) if labels is None else labels, return_inverse=True)
    members = np.zeros((len(names), len(classes)))
    np.add.at(members, (codes, kinds), 1)
    order = permutation(key, len(names)) if key is not None else np.arange(len(names))
    order = order[np.argsort(-members[order].sum(1), kind="stable")]
    held, home = np.zeros((count, len(classes))), np.empty(len(names), np.int64)
    for group in order:
        home[group] = fold = _best_fold(held, members[group], members.sum(0))
        held[fold] += members[group]
    if labels is not None:
        _check_training(classes, held)
    how = f"{len(names)} groups, none divided" + (", classes near their proportions" if labels is not None else "")
    return home[codes], how


def _best_fold(held: np.ndarray, group: np.ndarray, totals: np.ndarray) -> int:
    """The fold that makes the shares of all classes most even; while there is an empty one, that."""
    shares = held / totals
    # The sum of squares grows by (2 * share + own) * own in each class, least where the group's classes are rarest.
    own = group / totals
    growth = ((2 * shares + own) * own).sum(1)
    return int(np.lexsort((held.sum(1), growth))[0])


def _check_training(classes: np.ndarray, held: np.ndarray) -> None:
    for label, inside in zip(classes, held.T, strict=True):
        if not is_missing(label) and (inside == inside.sum()).any():
            raise HandsonError(
                f"class {label} is in groups of one fold only, so no other row of it would train while that is held "
                f"out. Leave the class out, or give folds of your own."
            )
