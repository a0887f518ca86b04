"""Whether float32 has the digits that values need: it holds 7 of them, and whole numbers up to 2**24."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Values of float64 that float32 would move by more than this share of their spread.
MOST_ROUNDING = 1e-3
# Rows that are looked at for that, spread over all.
ROWS_LOOKED_AT = 4096
LAST_WHOLE = 1 << 24
# Above it float64 does not hold every whole number either.
LAST_WHOLE_OF_FLOAT64 = 1 << 53

CROWDED = (
    "most of its values lie so close together, and a few so far away, that float32 with its 7 digits blurs them. If a "
    "number such as -999 or 0 stands for a missing value, write NaN, or leave the field empty."
)


def narrowed(values: np.ndarray) -> np.ndarray:
    """Numbers as float32; as float64 where that would move them by much of their spread, or merge whole numbers.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Numbers, NaN where they are missing.

    Examples
    --------
    >>> narrowed(np.array([0.1, 0.2])).dtype, narrowed(np.array([16777216, 16777217])).dtype
    (dtype('float32'), dtype('float64'))
    >>> narrowed(2458849.5 + np.arange(200) / 10).dtype
    dtype('float64')
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 4 or values.dtype == np.float32 or not values.size:
        return narrow
    wide = values.astype(np.float64, copy=False)
    return wide if len(rounded(wide)) or _merges(wide, narrow) else narrow


def rounded(values: np.ndarray) -> np.ndarray:
    """The columns of which float32 would move values by more than a small share of their spread."""
    sampled = values[:: -(-len(values) // ROWS_LOOKED_AT)]
    columns = sampled.reshape(len(sampled), -1).astype(np.float64, copy=False)
    present = np.isfinite(columns)
    count, known = np.maximum(present.sum(0), 1), np.where(present, columns, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.abs(known.astype(np.float32) - known)
        spread = np.sqrt((np.where(present, known - known.sum(0) / count, 0.0) ** 2).sum(0) / count)
        most = np.where(np.isfinite(moved), moved, 0.0).max(0, initial=0.0)
        return np.flatnonzero((most > MOST_ROUNDING * spread) & (spread > 0))


def crowded(values: np.ndarray) -> np.ndarray:
    """The columns of which float32 blurs the middle half, because a few other values lie far away.

    Such are dates among which -999 stands for a missing one: their spread as a whole is large.

    Examples
    --------
    >>> dates = 2458849.5 + np.arange(200) / 10
    >>> crowded(np.append(dates, -999.0)), crowded(np.exp(np.arange(20.0)))
    (array([0]), array([], dtype=int64))
    """
    sampled = values[:: -(-len(values) // ROWS_LOOKED_AT)]
    columns = np.array(sampled.reshape(len(sampled), -1), np.float64)
    columns[~np.isfinite(columns)] = np.nan
    columns[:, np.isnan(columns).all(0)] = 0.0
    low, high = np.nanpercentile(columns, [25, 75], axis=0)
    middle = np.where((columns >= low) & (columns <= high), columns, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.abs(middle.astype(np.float32) - middle).max(0, initial=0.0)
    return np.flatnonzero((moved > MOST_ROUNDING * (high - low)) & (high > low))


def _merges(wide: np.ndarray, narrow: np.ndarray) -> bool:
    """Whether whole numbers, such as ids, become others as float32; columns with fractions are not looked at."""
    with np.errstate(invalid="ignore"):
        large = np.isfinite(wide) & (np.abs(wide) > LAST_WHOLE)
        if not large.any():
            return False
        columns = np.flatnonzero(large.reshape(len(wide), -1).any(0))
        values, near = (array.reshape(len(wide), -1)[:, columns] for array in (wide, narrow))
        whole = (np.isnan(values) | (values == np.rint(values))).all(0)
        return bool((np.isfinite(near) & (near != values))[:, whole].any())


def losses(values: np.ndarray, kept: np.dtype, where: str) -> list[str]:
    """What is to be told of a column of which digits are lost, in words.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers, NaN where they are missing.
    kept : dtype
        The type that they become.
    where : str
        The name of the column, for the words.

    Examples
    --------
    >>> losses(np.array([9007199254740993, 5]), np.dtype("f8"), "they")[0].split(". ")[0]
    'they: 9007199254740993 becomes 9007199254740992, for floats hold every whole number up to 2**53 only'
    >>> losses(np.arange(5.0), np.dtype("f4"), "they")
    []
    """
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 8:
        return []
    whole = _rounded_whole(values) if values.dtype.kind in "iu" else None
    if whole is not None:
        return [
            f"{where}: {whole} becomes {int(float(whole))}, for floats hold every whole number up to 2**53 only. Names "
            f"and codes are ids, groups or classes, which keep their digits."
        ]
    return [f"{where}: {CROWDED}"] if kept == np.float32 and len(values) and len(crowded(values)) else []


def losses_of_columns(values: np.ndarray, kept: np.dtype, names: Sequence[str]) -> list[str]:
    """The same of an array that has a column for each name, or of one column."""
    if values.ndim > 2 or not values.size:
        return []
    columns = zip(names, values.reshape(len(values), -1).T, strict=False)
    return [told for name, column in columns for told in losses(column, kept, f"column {name!r}")]


def _rounded_whole(values: np.ndarray) -> int | None:
    """The first whole number that float64 does not hold, if there is one among those that are looked at."""
    large = values[(values > LAST_WHOLE_OF_FLOAT64) | (values < -LAST_WHOLE_OF_FLOAT64)][:ROWS_LOOKED_AT]
    return next((int(value) for value in large if int(float(value)) != int(value)), None)
