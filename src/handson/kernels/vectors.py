"""Vectors of float32 in compiled kernels: as many values as a register of the processor holds.

Where the compiler finds vectors by itself, plain loops are enough. Here a kernel says what it wants: a vector comes
from an array with `load` and goes back with `store`; + - * / work on all its values, also with a number on one side.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model
from numba.np import arrayobj

LANES = 16 if binding.get_host_cpu_features().get("avx512f", False) else 8

LANE, LLVM_VECTOR = ir.IntType(32), ir.VectorType(ir.FloatType(), LANES)
LANE_VECTOR = ir.VectorType(LANE, LANES)

# Not reassociated: the numbers must not depend on what the compiler sees around them.
compiled = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")

    def can_convert_from(self, typing_context: Any, other: Any) -> Any:
        return Conversion.safe if other == types.float32 else None


VECTOR = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, LLVM_VECTOR)


def spread(builder: Any, value: Any) -> Any:
    """Code for a vector of equal values, floating or whole."""
    undefined = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, value, LANE(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(LANE_VECTOR, [0] * LANES))


@lower_cast(types.float32, VECTOR)
def _cast(context: Any, builder: Any, before: Any, after: Any, value: Any) -> Any:
    return spread(builder, value)


def _operate(method: str, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return getattr(builder, method)(*arguments, flags=("contract",))


for _symbol, _method in ("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv"):
    _template = type(_symbol, (ConcreteTemplate,), {"cases": [VECTOR(VECTOR, VECTOR)]})
    infer_global(getattr(operator, _symbol))(_template)
    lower_builtin(getattr(operator, _symbol), VECTOR, VECTOR)(partial(_operate, _method))


@intrinsic
def choose(typing_context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Values of `then` where a < b, of `otherwise` elsewhere, also where one of the two is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)

    return VECTOR(VECTOR, VECTOR, VECTOR, VECTOR), generate


@intrinsic
def power_of_two(typing_context: Any, x: Any) -> Any:
    """2**n from 1.5 * 2**23 + n: a float32 of this size has the whole number n in the last bits of its pattern."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], LANE_VECTOR)
        exponent = builder.add(bits, ir.Constant(LANE_VECTOR, [127] * LANES))
        return builder.bitcast(builder.shl(exponent, ir.Constant(LANE_VECTOR, [23] * LANES)), LLVM_VECTOR)

    return VECTOR(VECTOR), generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
    index = cgutils.unpack_tuple(builder, arguments[1])
    place = cgutils.get_item_pointer(context, builder, signature.args[0], array, index, wraparound=False)
    return builder.bitcast(place, LLVM_VECTOR.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """The vector that begins at an index, a tuple, of a float32 array whose last axis has no gaps."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments), align=4)

    return VECTOR(array, index), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to where `load` would read it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature, arguments), align=4)
        return context.get_dummy_value()

    return types.void(array, index, VECTOR), generate


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
        return _view(context, builder, result, array.data, shape, strides)

    return result(matrix, types.int64), generate


@intrinsic
def matrix_at(typing_context: Any, flat: Any, offset: Any, rows: Any, columns: Any) -> Any:
    """What begins at an offset of an array without gaps, as a matrix: a view that does not keep the array alive."""
    result = types.Array(flat.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(flat)(context, builder, arguments[0])
        start, stride = builder.gep(array.data, [arguments[1]]), builder.mul(arguments[3], array.itemsize)
        return _view(context, builder, result, start, arguments[2:], [stride, array.itemsize])

    return result(flat, types.int64, types.int64, types.int64), generate


_SIZE = ir.IntType(64)


def _view(context: Any, builder: Any, kind: Any, start: Any, shape: Any, strides: Any) -> Any:
    """Code for an array in memory that belongs to another."""
    array, size = arrayobj.make_array(kind)(context, builder), context.get_abi_sizeof(context.get_data_type(kind.dtype))
    arrayobj.populate_array(array, start, shape, strides, _SIZE(size), meminfo=None)
    return array._getvalue()


@intrinsic
def load_part(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """As `load`, but only the first values are read, fewer than a vector holds; the others are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, zeros = _place(context, builder, signature, arguments), ir.Constant(LLVM_VECTOR, None)
        kind = ir.FunctionType(LLVM_VECTOR, [place.type, LANE, _MASK, LLVM_VECTOR])
        read = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
        return builder.call(read, [place, LANE(4), _first_lanes(builder, arguments[2]), zeros])

    return VECTOR(array, index, types.int64), generate


@intrinsic
def store_part(typing_context: Any, array: Any, index: Any, vector: Any, count: Any) -> Any:
    """As `store`, but only the first values are written, fewer than a vector holds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        kind = ir.FunctionType(ir.VoidType(), [LLVM_VECTOR, place.type, LANE, _MASK])
        write = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
        builder.call(write, [arguments[2], place, LANE(4), _first_lanes(builder, arguments[3])])
        return context.get_dummy_value()

    return types.void(array, index, VECTOR, types.int64), generate


_MASK = ir.VectorType(ir.IntType(1), LANES)


def _first_lanes(builder: Any, count: Any) -> Any:
    """Code for a mask that is true in the first lanes."""
    counts = spread(builder, builder.trunc(count, LANE))
    return builder.icmp_signed("<", ir.Constant(LANE_VECTOR, list(range(LANES))), counts)


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
