"""Parts of arrays in compiled kernels, made without asking the memory behind them, and tiles turned over.

What numba makes itself counts references to the memory, which takes longer than a product of small matrices.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from handson.kernels.vectors import LANE_VECTOR, LANES, LLVM_VECTOR

_SIZE = ir.IntType(64)


@intrinsic
def in_vectors(typing_context: Any, matrix: Any, blocks: Any) -> Any:
    """The first columns of a float32 matrix whose rows have no gaps in them, as a view (rows, blocks, LANES).

    The view does not keep the matrix alive.
    """
    result = types.Array(types.float32, 3, "A")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(matrix)(context, builder, arguments[0])
        rows, stride = (cgutils.unpack_tuple(builder, each)[0] for each in (array.shape, array.strides))
        shape, strides = [rows, arguments[1], _SIZE(LANES)], [stride, _SIZE(4 * LANES), _SIZE(4)]
        return view(context, builder, result, array.data, shape, strides)

    return result(matrix, types.int64), generate


@intrinsic
def matrix_at(typing_context: Any, flat: Any, offset: Any, rows: Any, columns: Any) -> Any:
    """What begins at an offset of an array without gaps, as a matrix: a view that does not keep the array alive."""
    result = types.Array(flat.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(flat)(context, builder, arguments[0])
        start, stride = builder.gep(array.data, [arguments[1]]), builder.mul(arguments[3], array.itemsize)
        return view(context, builder, result, start, arguments[2:], [stride, array.itemsize])

    return result(flat, types.int64, types.int64, types.int64), generate


@intrinsic
def as_vector(typing_context: Any, matrix: Any) -> Any:
    """All values of a matrix without gaps, row by row: a view that does not keep the matrix alive."""
    result = types.Array(matrix.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(matrix)(context, builder, arguments[0])
        size = builder.mul(*cgutils.unpack_tuple(builder, array.shape))
        return view(context, builder, result, array.data, [size], [array.itemsize])

    return result(matrix), generate


def view(context: Any, builder: Any, kind: Any, start: Any, shape: Any, strides: Any) -> Any:
    """Code for an array in memory that belongs to another."""
    array, size = arrayobj.make_array(kind)(context, builder), context.get_abi_sizeof(context.get_data_type(kind.dtype))
    arrayobj.populate_array(array, start, shape, strides, _SIZE(size), meminfo=None)
    return array._getvalue()


@intrinsic
def transpose_tile(typing_context: Any, array: Any, index: Any, turned: Any, place: Any) -> Any:
    """Write the LANES rows and columns of a matrix that begin at an index, a tuple, transposed to a place in another.

    Both are float32, and the rows of both have no gaps in them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        reads, writes = (
            _rows_of_tile(context, builder, signature.args[first : first + 2], arguments[first : first + 2])
            for first in (0, 2)
        )
        rows = [builder.load(row, align=4) for row in reads]
        for distance in (1 << stage for stage in range(LANES.bit_length() - 1)):
            _exchange(builder, rows, distance)
        for row, pointer in zip(rows, writes, strict=True):
            builder.store(row, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, index, turned, place), generate


def _rows_of_tile(context: Any, builder: Any, kinds: Any, values: Any) -> list[Any]:
    """Pointers to the rows of a tile as vectors."""
    array = cgutils.create_struct_proxy(kinds[0])(context, builder, values[0])
    index = cgutils.unpack_tuple(builder, values[1])
    start = cgutils.get_item_pointer(context, builder, kinds[0], array, index, wraparound=False)
    stride, start = cgutils.unpack_tuple(builder, array.strides)[0], builder.bitcast(start, ir.IntType(8).as_pointer())
    places = (builder.gep(start, [builder.mul(stride, ir.IntType(64)(row))]) for row in range(LANES))
    return [builder.bitcast(place, LLVM_VECTOR.as_pointer()) for place in places]


def _exchange(builder: Any, rows: list[Any], distance: int) -> None:
    """Exchange the blocks beside the diagonal: of rows and lanes whose numbers differ in the bit of the distance."""
    upper = [LANES + lane - distance if lane & distance else lane for lane in range(LANES)]
    lower = [LANES + lane if lane & distance else lane + distance for lane in range(LANES)]
    for first in (row for row in range(LANES) if not row & distance):
        a, b = rows[first], rows[first + distance]
        rows[first] = builder.shuffle_vector(a, b, ir.Constant(LANE_VECTOR, upper))
        rows[first + distance] = builder.shuffle_vector(a, b, ir.Constant(LANE_VECTOR, lower))
