"""Products of small matrices of any width, in the tiles of `handson.kernels.tiles`; of large ones, in BLAS.

BLAS divides a large product among cores, but on a small one it spends more time around the tiles than in them.
"""

from __future__ import annotations

from typing import Any

import numba

from handson.kernels.tiles import make_tiles
from handson.kernels.vectors import LANES, load, load_part, store, store_part
from handson.kernels.views import in_vectors, transpose_tile

# Up to here OpenBLAS has no second core work on a product either.
MOST_MULTIPLICATIONS = 1 << 18

# Nothing is allocated here, so references are not counted: with every view that would take as long as a small product.
OPTIONS: dict[str, Any] = {
    "cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy", "_nrt": False
}  # fmt: skip


@numba.njit(**OPTIONS)
def is_small(rows, depth, columns):
    """Whether a product of these sizes belongs here rather than into BLAS."""
    return rows * depth * columns <= MOST_MULTIPLICATIONS


_FORMS = [f"void(f4[:,:], {begin}, f4[:,:], f4[:,:], f4[:,:,:])" for begin in ("none", "f4[::1]")]


@numba.njit(_FORMS, **OPTIONS)
def make_product(sums, begin, left, right, room):
    """sums = begin + left @ right, for float32 matrices of any width; `begin` is one row for all, or None.

    The rows of `sums` and `right` have no gaps in them. What is left of the columns beside whole vectors goes through
    `room`: float32, of shape (2, at least the rows of `sums` and of `right`, LANES).
    """
    depth, columns = right.shape
    rest = columns % LANES
    whole = columns - rest
    if whole > 0:
        make_tiles(sums[:, :whole], begin, left, len(left), in_vectors(right, whole // LANES))
    if rest > 0:
        results, factors = room[0, : sums.shape[0]], room[1, :depth]
        for i in range(depth):
            store(factors, (i, 0), load_part(right, (i, whole), rest))
        if begin is None:
            make_tiles(results, None, left, len(left), in_vectors(factors, 1))
        else:
            first = load_part(begin, (whole,), rest)
            for i in range(sums.shape[0]):
                store(results, (i, 0), first)
            make_tiles(results, results, left, len(left), in_vectors(factors, 1))
        for i in range(sums.shape[0]):
            store_part(sums, (i, whole), load(results, (i, 0)), rest)


@numba.njit("void(f4[:,:], f4[:,:])", **OPTIONS)
def transpose(matrix, turned):
    """turned = matrix.T, for float32 matrices whose rows have no gaps in them."""
    rows, columns = matrix.shape
    if min(rows, columns) < LANES:
        for i in range(rows):
            for j in range(columns):
                turned[j, i] = matrix[i, j]
        return
    for i in range(0, rows, LANES):
        for j in range(0, columns, LANES):
            # The last tiles begin early enough to be whole.
            place = min(i, rows - LANES), min(j, columns - LANES)
            transpose_tile(matrix, place, turned, (place[1], place[0]))
