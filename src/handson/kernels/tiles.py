"""Products of matrices inside compiled kernels, without a call of BLAS.

BLAS has threads of its own, which compete with those that call it, and rounds differently with other numbers of rows.
Here a tile of the result, a few rows by a few vectors, stays in registers while the depth is walked through. The sum of
every element is taken in the order of the depth, so it depends neither on the tile nor on the other rows.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from handson.kernels.vectors import LANES, LLVM_VECTOR, spread

# The shapes of tiles, the largest of which has as many sums as fit into the registers.
_HEIGHTS = (6, 4, 2, 1) if LANES == 16 else (3, 2, 1)
_WIDTHS = (4, 2, 1)

_INDEX = ir.IntType(64)


@intrinsic
def _add_tile(
    typing_context: Any, sums: Any, left: Any, right: Any, row: Any, rows: Any, block: Any, width: Any
) -> Any:
    """Add to a tile of `sums`, `width` vectors wide, that starts at a row and a block of columns.

    Takes the highest tile that fits into what is left, `rows`, and gives its height.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, rows, block, width = arguments[3:]
        to, by, factors = (
            (_Gathered if isinstance(kind, types.BaseTuple) else _Array).of(context, builder, kind, value)
            for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
        )
        to = to.at(builder, row, builder.mul(block, _INDEX(LANES)))
        by, factors = by.at(builder, row), factors.at(builder, _INDEX(0), block)
        end = builder.append_basic_block("end")
        heights = []
        for shape in product(_HEIGHTS, _WIDTHS):
            fits = builder.and_(
                builder.icmp_signed(">=", rows, _INDEX(shape[0])), builder.icmp_signed("==", width, _INDEX(shape[1]))
            )
            tile, other = (builder.append_basic_block(name.format(*shape)) for name in ("tile{}x{}", "not{}x{}"))
            builder.cbranch(fits, tile, other)
            builder.position_at_end(tile)
            _generate_tile(builder, *shape, to, by, factors)
            heights.append((_INDEX(shape[0]), builder.block))
            builder.branch(end)
            builder.position_at_end(other)
        builder.unreachable()
        builder.position_at_end(end)
        height = builder.phi(_INDEX)
        for incoming in heights:
            height.add_incoming(*incoming)
        return height

    index = types.int64
    return index(sums, left, right, index, index, index, index), generate


class _Array(NamedTuple):
    """An array in generated code: where it starts, the bytes between its elements along each axis, and its shape."""

    start: Any
    strides: list[Any]
    shape: list[Any]

    @staticmethod
    def of(context: Any, builder: Any, kind: Any, value: Any) -> _Array:
        array = cgutils.create_struct_proxy(kind)(context, builder, value)
        start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        return _Array(start, *(cgutils.unpack_tuple(builder, values) for values in (array.strides, array.shape)))

    def at(self, builder: Any, *index: Any) -> _Array:
        """What starts at an index of the first axes."""
        place = self.start
        for stride, along in zip(self.strides, index, strict=False):
            place = builder.gep(place, [builder.mul(stride, along)])
        return self._replace(start=place)

    def load(self, builder: Any, kind: Any, *index: Any) -> Any:
        """The value or the vector at an index."""
        return builder.load(builder.bitcast(self.at(builder, *index).start, kind.as_pointer()), align=4)


class _Gathered(NamedTuple):
    """A matrix whose element at (i, k) is values[rows[i] + steps[k]]."""

    values: _Array
    rows: _Array
    steps: _Array

    @staticmethod
    def of(context: Any, builder: Any, kind: Any, value: Any) -> _Gathered:
        parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
        return _Gathered(*(_Array.of(context, builder, *part) for part in parts))

    @property
    def shape(self) -> list[Any]:
        return self.rows.shape + self.steps.shape

    def at(self, builder: Any, row: Any) -> _Gathered:
        """What starts at a row."""
        return self._replace(rows=self.rows.at(builder, row))

    def load(self, builder: Any, kind: Any, row: Any, step: Any) -> Any:
        """The value at an index."""
        offsets = self.rows.load(builder, _INDEX, row), self.steps.load(builder, _INDEX, step)
        return self.values.load(builder, kind, builder.add(*offsets))


def _generate_tile(builder: Any, rows: int, width: int, sums: _Array, left: _Array | _Gathered, right: _Array) -> None:
    """Code for a tile of a fixed shape, at the start of the arrays."""
    tile = list(product(range(rows), range(width)))
    places = {(i, v): sums.at(builder, _INDEX(i), _INDEX(v * LANES)) for i, v in tile}
    begun = {at: place.load(builder, LLVM_VECTOR) for at, place in places.items()}
    before, loop, after = builder.block, builder.append_basic_block("depth"), builder.append_basic_block("store")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(_INDEX)
    held = {at: builder.phi(LLVM_VECTOR) for at in tile}
    factors = [right.load(builder, LLVM_VECTOR, step, _INDEX(v)) for v in range(width)]
    scalars = [left.load(builder, ir.FloatType(), _INDEX(i), step) for i in range(rows)]
    fused = {"flags": ("contract",)}
    products = {(i, v): builder.fmul(spread(builder, scalars[i]), factors[v], **fused) for i, v in tile}
    added = {at: builder.fadd(held[at], products[at], **fused) for at in tile}
    following = builder.add(step, _INDEX(1))
    builder.cbranch(builder.icmp_signed("<", following, left.shape[1]), loop, after)
    step.add_incoming(_INDEX(0), before)
    step.add_incoming(following, loop)
    for at, phi in held.items():
        phi.add_incoming(begun[at], before)
        phi.add_incoming(added[at], loop)
    builder.position_at_end(after)
    for at, place in places.items():
        builder.store(added[at], builder.bitcast(place.start, LLVM_VECTOR.as_pointer()), align=4)


@numba.njit(cache=True, nogil=True, inline="always")
def _add(sums, left, rows, right):
    blocks = right.shape[1]
    block = 0
    while block < blocks:
        width = 4 if blocks - block >= 4 else 2 if blocks - block >= 2 else 1
        row = 0
        while row < rows:
            row += _add_tile(sums, left, right, row, rows - row, block, width)
        block += width


@numba.njit("void(f4[:,:], f4[:,:], f4[:,:,:])", cache=True, nogil=True)
def add_product(sums, left, right):
    """sums += left @ right, for float32 arrays.

    `right`, (depth, columns), is given as (depth, columns / LANES, LANES), best with vectors of the same columns beside
    each other in memory. Along all axes but the last of `sums` and `right` there may be gaps.
    """
    _add(sums, left, len(left), right)


@numba.njit("void(f4[:,:], f4[::1], i8[::1], i8[::1], f4[:,:,:])", cache=True, nogil=True)
def add_gathered_product(sums, values, rows, steps, right):
    """sums += left @ right, where the element of `left` at (i, k) is values[rows[i] + steps[k]]."""
    _add(sums, (values, rows, steps), len(rows), right)
