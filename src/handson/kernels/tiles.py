"""Products of matrices inside compiled kernels, without a call of BLAS.

BLAS has threads of its own, which compete with those that call it, and rounds differently with other numbers of rows.
Here a tile of the result, a few rows by a few vectors, stays in registers while the depth is walked through. The sum of
every element is taken in the order of the depth, so it depends neither on the tile nor on the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

INDEX = ir.IntType(64)


@intrinsic
def _make_tile(
    typing_context: Any, sums: Any, begin: Any, left: Any, right: Any, row: Any, rows: Any, block: Any, width: Any
) -> Any:
    """Make a tile of `sums`, `width` vectors wide, that starts at a row and a block of columns.

    Takes the highest tile that fits into what is left, `rows`, and gives its height.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, rows, block, width = arguments[4:]
        to, begun, by, factors = (
            _operand(context, builder, kind, value)
            for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
        )
        column = builder.mul(block, INDEX(LANES))
        to = to.at(builder, row, column)
        if begun is not None:
            begun = begun.at(builder, *([row] if begin.ndim == 2 else []), column)
        by, factors = by.at(builder, row), factors.at(builder, INDEX(0), block)
        return generate_largest(
            builder, product(_HEIGHTS, _WIDTHS), (rows, width),
            lambda shape: _generate_product(builder, shape, to, begun, by, factors),
        )  # fmt: skip

    index = types.int64
    return index(sums, begin, left, right, index, index, index, index), generate


def _operand(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if kind == types.none:
        return None
    return (_Gathered if isinstance(kind, types.BaseTuple) else Array).of(context, builder, kind, value)


class Array(NamedTuple):
    """An array in generated code: where it starts, the bytes between its elements along each axis, and its shape."""

    start: Any
    strides: list[Any]
    shape: list[Any]

    @staticmethod
    def of(context: Any, builder: Any, kind: Any, value: Any) -> Array:
        array = cgutils.create_struct_proxy(kind)(context, builder, value)
        start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        return Array(start, *(cgutils.unpack_tuple(builder, values) for values in (array.strides, array.shape)))

    def at(self, builder: Any, *index: Any) -> Array:
        """What starts at an index of the first axes."""
        place = self.start
        for stride, along in zip(self.strides, index, strict=False):
            place = builder.gep(place, [builder.mul(stride, along)])
        return self._replace(start=place)

    def load(self, builder: Any, kind: Any, *index: Any) -> Any:
        """The value or the vector at an index."""
        return builder.load(self.at(builder, *index).pointer(builder, kind), align=4)

    def pointer(self, builder: Any, kind: Any) -> Any:
        """The address of the first value or vector."""
        return builder.bitcast(self.start, kind.as_pointer())


class _Gathered(NamedTuple):
    """A matrix whose element at (i, k) is values[rows[i] + steps[k]]."""

    values: Array
    rows: Array
    steps: Array

    @staticmethod
    def of(context: Any, builder: Any, kind: Any, value: Any) -> _Gathered:
        parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
        return _Gathered(*(Array.of(context, builder, *part) for part in parts))

    @property
    def shape(self) -> list[Any]:
        return self.rows.shape + self.steps.shape

    def at(self, builder: Any, row: Any) -> _Gathered:
        """What starts at a row."""
        return self._replace(rows=self.rows.at(builder, row))

    def load(self, builder: Any, kind: Any, row: Any, step: Any) -> Any:
        """The value at an index."""
        offsets = self.rows.load(builder, INDEX, row), self.steps.load(builder, INDEX, step)
        return self.values.load(builder, kind, builder.add(*offsets))


def _generate_product(
    builder: Any, shape: tuple[int, int], sums: Array, begin: Array | None, left: Array | _Gathered, right: Array
) -> None:
    """Code for a tile of a product, at the start of the arrays."""
    rows, width = shape
    tile = list(product(range(rows), range(width)))

    def factors(step: Any) -> list[tuple[Any, Any]]:
        vectors = [right.load(builder, LLVM_VECTOR, step, INDEX(v)) for v in range(width)]
        scalars = [spread(builder, left.load(builder, ir.FloatType(), INDEX(i), step)) for i in range(rows)]
        return [(scalars[i], vectors[v]) for i, v in tile]

    places = [sums.at(builder, INDEX(i), INDEX(v * LANES)) for i, v in tile]
    if begin is None:
        begun = [ir.Constant(LLVM_VECTOR, None)] * len(tile)
    elif len(begin.strides) == 1:
        row = [begin.load(builder, LLVM_VECTOR, INDEX(v * LANES)) for v in range(width)]
        begun = [row[v] for _, v in tile]
    else:
        begun = [begin.load(builder, LLVM_VECTOR, INDEX(i), INDEX(v * LANES)) for i, v in tile]
    generate_tile(builder, places, begun, left.shape[1], factors)


def generate_tile(
    builder: Any, places: list[Array], begun: list[Any], depth: Any, factors: Callable[[Any], list[tuple[Any, Any]]]
) -> None:
    """Code that adds products of vectors up, in registers, and writes the sums to memory.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where code is added.
    places : list of Array
        Where the sums go.
    begun : list of llvmlite.ir.Value
        The vectors that they begin with.
    depth : llvmlite.ir.Value
        How many products each gets; at least one.
    factors : function
        Code for the factors of a step, a pair for each vector.
    """
    before, loop, after = builder.block, builder.append_basic_block("depth"), builder.append_basic_block("store")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(INDEX)
    held = [builder.phi(LLVM_VECTOR) for _ in places]
    fused = {"flags": ("contract",)}
    products = [builder.fmul(*pair, **fused) for pair in factors(step)]
    added = [builder.fadd(*pair, **fused) for pair in zip(held, products, strict=True)]
    following = builder.add(step, INDEX(1))
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
    step.add_incoming(INDEX(0), before)
    step.add_incoming(following, loop)
    for phi, at_first, later in zip(held, begun, added, strict=True):
        phi.add_incoming(at_first, before)
        phi.add_incoming(later, loop)
    builder.position_at_end(after)
    for vector, place in zip(added, places, strict=True):
        builder.store(vector, place.pointer(builder, LLVM_VECTOR), align=4)


def generate_largest(
    builder: Any,
    shapes: Iterable[tuple[int, int]],
    room: tuple[Any, Any],
    generate: Callable[[tuple[int, int]], None],
) -> Any:
    """Code for a tile of the first shape that is as wide as the room and not higher, and for its height.

    One of the shapes, (height, width), must fit.
    """
    (rows, width), end, heights = room, builder.append_basic_block("end"), []
    for shape in shapes:
        fits = builder.and_(
            builder.icmp_signed(">=", rows, INDEX(shape[0])), builder.icmp_signed("==", width, INDEX(shape[1]))
        )
        tile, other = (builder.append_basic_block(name.format(*shape)) for name in ("tile{}x{}", "not{}x{}"))
        builder.cbranch(fits, tile, other)
        builder.position_at_end(tile)
        generate(shape)
        heights.append((INDEX(shape[0]), builder.block))
        builder.branch(end)
        builder.position_at_end(other)
    builder.unreachable()
    builder.position_at_end(end)
    height = builder.phi(INDEX)
    for incoming in heights:
        height.add_incoming(*incoming)
    return height


@numba.njit(cache=True, nogil=True, inline="always")
def make_tiles(sums, begin, left, rows, right):
    """sums = begin + left @ right, for the first rows of `left`: see `set_product`.

    `begin` is `sums`, a row that every row begins with, or None.
    """
    blocks = right.shape[1]
    block = 0
    while block < blocks:
        width = 4 if blocks - block >= 4 else 2 if blocks - block >= 2 else 1
        row = 0
        while row < rows:
            row += _make_tile(sums, begin, left, right, row, rows - row, block, width)
        block += width


@numba.njit("void(f4[:,:], f4[:,:], f4[:,:,:])", cache=True, nogil=True)
def set_product(sums, left, right):
    """sums = left @ right, for float32 arrays.

    `right`, (depth, columns), is given as (depth, columns / LANES, LANES), best with vectors of the same columns beside
    each other in memory. Along all axes but the last of `sums` and `right` there may be gaps.
    """
    make_tiles(sums, None, left, len(left), right)


@numba.njit("void(f4[:,:], f4[::1], i8[::1], i8[::1], f4[:,:,:])", cache=True, nogil=True)
def add_gathered_product(sums, values, rows, steps, right):
    """sums += left @ right, where the element of `left` at (i, k) is values[rows[i] + steps[k]]."""
    make_tiles(sums, sums, (values, rows, steps), len(rows), right)
