"""Whether float32 has the digits that values need: it holds 7 of them, and whole numbers up to 2**24."""

from __future__ import annotations

import numpy as np

# Values of float64 that float32 would move by more than this share of their spread.
MOST_ROUNDING = 1e-3
# Rows that are looked at for that, spread over all.
ROWS_LOOKED_AT = 4096
LAST_WHOLE = 1 << 24


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
