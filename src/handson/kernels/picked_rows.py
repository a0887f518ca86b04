"""Products with vectors that are mostly zeros: sums of a few rows of a matrix, each times a factor.

A row is long, and the places where it is added may be several strips. As many of their vectors as there are registers
stay there while the list of rows is walked through.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from handson.kernels.tiles import INDEX, Array, generate_largest, generate_tile
from handson.kernels.vectors import LANES, LLVM_VECTOR, spread

_HEIGHTS = (3, 2, 1) if LANES == 16 else (1,)
_WIDTHS = (8, 4, 2, 1)


@intrinsic
def _add_tile(
    typing_context: Any, sums: Any, place: Any, down: Any, values: Any, base: Any, across: Any, below: Any,
    factors: Any, picks: Any, first: Any, count: Any, rows: Any, width: Any,
) -> Any:  # fmt: skip
    """Add to strips of `sums`, `width` vectors wide, and give how many strips that were; see `add_picked_rows`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, down, base, across, below, first, count, rows, width = (
            argument for argument, kind in zip(arguments, signature.args, strict=True) if kind == types.int64
        )
        to, source, by, chosen = (
            Array.of(context, builder, signature.args[i], arguments[i]).at(builder, begin)
            for i, begin in ((0, place), (3, base), (7, first), (8, first))
        )

        def tile(shape: tuple[int, int]) -> None:
            parts = [
                (builder.mul(INDEX(i), down), builder.mul(INDEX(i), below), INDEX(v * LANES))
                for i, v in product(*map(range, shape))
            ]

            def pairs(step: Any) -> list[tuple[Any, Any]]:
                factor = spread(builder, by.load(builder, ir.FloatType(), step))
                pick = builder.sext(chosen.load(builder, ir.IntType(32), step), INDEX)
                row = source.at(builder, builder.mul(pick, across))
                return [(factor, row.at(builder, lower).load(builder, LLVM_VECTOR, along)) for _, lower, along in parts]

            places = [to.at(builder, lower).at(builder, along) for lower, _, along in parts]
            generate_tile(builder, places, [place.load(builder, LLVM_VECTOR) for place in places], count, pairs)

        return generate_largest(builder, product(_HEIGHTS, _WIDTHS), (rows, width), tile)

    n = types.int64
    return n(sums, n, n, values, n, n, n, factors, picks, n, n, n, n), generate


@numba.njit(cache=True, nogil=True, inline="always")
def add_picked_rows(sums, place, down, values, base, across, below, factors, picks, first, count, strips, blocks):
    """For each k from `first` on, `count` of them: add factors[k] times the row picks[k] of `values` to `sums`.

    Parameters
    ----------
    sums, values, factors : array of float32, one axis
        Without gaps.
    place, down : int
        Where the first strip of `sums` begins, and how far the next one is from it.
    base, across, below : int
        A row k of `values` begins at base + k * across; its next strip is so far `below` the first.
    picks : array of int32
        Which rows.
    first, count : int
        At least one row.
    strips, blocks : int
        How many strips a row has, and how many vectors are in each.
    """
    block = 0
    while block < blocks:
        rest = blocks - block
        width = 8 if rest >= 8 else 4 if rest >= 4 else 2 if rest >= 2 else 1
        along = block * LANES
        strip = 0
        while strip < strips:
            strip += _add_tile(
                sums, place + strip * down + along, down, values, base + strip * below + along, across, below,
                factors, picks, first, count, strips - strip, width,
            )  # fmt: skip
        block += width
