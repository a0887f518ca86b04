"""Vectors of float32 in compiled kernels: as many values as a register of the processor holds.

Where the compiler finds vectors by itself, plain loops are enough. Here a kernel says what it wants: a vector comes
from an array with `load` and goes back with `store`; + - * / work on all its values, also with a number on one side.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model

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


def _choosing(condition: Callable[[Any, Any, Any], Any]) -> Any:
    """A function of a, b, then and otherwise: values of `then` where a condition of a and b holds."""

    def choosing(typing_context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, then, otherwise = arguments
            return builder.select(condition(builder, a, b), then, otherwise)

        return VECTOR(VECTOR, VECTOR, VECTOR, VECTOR), generate

    return intrinsic(choosing)


# NaN is not smaller than anything and equals nothing, but it is what wins in PyTorch's pooling.
choose_smaller = _choosing(lambda builder, a, b: builder.fcmp_ordered("<", a, b))
choose_equal = _choosing(lambda builder, a, b: builder.fcmp_ordered("==", a, b))
choose_winner = _choosing(
    lambda builder, a, b: builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
)


@intrinsic
def power_of_two(typing_context: Any, x: Any) -> Any:
    """2**n from 1.5 * 2**23 + n: a float32 of this size has the whole number n in the last bits of its pattern."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], LANE_VECTOR)
        exponent = builder.add(bits, ir.Constant(LANE_VECTOR, [127] * LANES))
        return builder.bitcast(builder.shl(exponent, ir.Constant(LANE_VECTOR, [23] * LANES)), LLVM_VECTOR)

    return VECTOR(VECTOR), generate


@intrinsic
def exponent_of(typing_context: Any, x: Any) -> Any:
    """The n of x = 2**n f with f from 1 to 2, for positive normal numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.lshr(builder.bitcast(arguments[0], LANE_VECTOR), ir.Constant(LANE_VECTOR, [23] * LANES))
        return builder.sitofp(builder.sub(bits, ir.Constant(LANE_VECTOR, [127] * LANES)), LLVM_VECTOR)

    return VECTOR(VECTOR), generate


@intrinsic
def fraction_of(typing_context: Any, x: Any) -> Any:
    """The f of x = 2**n f with f from 1 to 2, for positive normal numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.and_(
            builder.bitcast(arguments[0], LANE_VECTOR), ir.Constant(LANE_VECTOR, [(1 << 23) - 1] * LANES)
        )
        one = builder.or_(bits, ir.Constant(LANE_VECTOR, [127 << 23] * LANES))
        return builder.bitcast(one, LLVM_VECTOR)

    return VECTOR(VECTOR), generate


_MASK = ir.VectorType(ir.IntType(1), LANES)


def _first_lanes(builder: Any, count: Any) -> Any:
    """Code for a mask that is true in the first lanes."""
    counts = spread(builder, builder.trunc(count, LANE))
    return builder.icmp_signed("<", ir.Constant(LANE_VECTOR, list(range(LANES))), counts)


@intrinsic
def first_lanes(typing_context: Any, vector: Any, count: Any) -> Any:
    """The first values of a vector; 0 for the others."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = _first_lanes(builder, arguments[1])
        return builder.select(mask, arguments[0], ir.Constant(LLVM_VECTOR, None))

    return VECTOR(VECTOR, types.intp), generate


@intrinsic
def sum_of(typing_context: Any, vector: Any) -> Any:
    """The sum of a vector's values, in pairs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), LLVM_VECTOR])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add, [ir.Constant(ir.FloatType(), -0.0), arguments[0]], fastmath=("reassoc",))

    return types.float32(VECTOR), generate


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Code for the address of an array's element at an index, a tuple."""
    held = cgutils.create_struct_proxy(kind)(context, builder, array)
    return cgutils.get_item_pointer(
        context, builder, kind, held, cgutils.unpack_tuple(builder, index), wraparound=False
    )


class _Stretch(NamedTuple):
    """Values beside each other in an array of float32 or of uint8, from an index on."""

    place: Any
    kind: Any

    @staticmethod
    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> _Stretch:
        place = _pointer(context, builder, signature.args[0], *arguments[:2])
        value = ir.FloatType() if signature.args[0].dtype == types.float32 else ir.IntType(8)
        vector = ir.VectorType(value, LANES)
        return _Stretch(builder.bitcast(place, vector.as_pointer()), vector)

    @property
    def bytes(self) -> bool:
        return isinstance(self.kind.element, ir.IntType)

    @property
    def align(self) -> int:
        return 1 if self.bytes else 4

    def load(self, builder: Any) -> Any:
        return self._widened(builder, builder.load(self.place, align=self.align))

    def store(self, builder: Any, vector: Any) -> None:
        builder.store(self._narrowed(builder, vector), self.place, align=self.align)

    def load_first(self, builder: Any, count: Any) -> Any:
        """The first values; 0 for the others, which are not read."""
        kinds, zeros = [self.place.type, LANE, _MASK, self.kind], ir.Constant(self.kind, None)
        read = self._masked(builder, "load", ir.FunctionType(self.kind, kinds))
        values = builder.call(read, [self.place, LANE(self.align), _first_lanes(builder, count), zeros])
        return self._widened(builder, values)

    def store_first(self, builder: Any, vector: Any, count: Any) -> None:
        """Write the first values only."""
        kinds = [self.kind, self.place.type, LANE, _MASK]
        write = self._masked(builder, "store", ir.FunctionType(ir.VoidType(), kinds))
        values = self._narrowed(builder, vector)
        builder.call(write, [values, self.place, LANE(self.align), _first_lanes(builder, count)])

    def _masked(self, builder: Any, what: str, kind: Any) -> Any:
        values = f"v{LANES}i8" if self.bytes else f"v{LANES}f32"
        return cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.{what}.{values}.p0")

    def _widened(self, builder: Any, values: Any) -> Any:
        return builder.uitofp(values, LLVM_VECTOR) if self.bytes else values

    def _narrowed(self, builder: Any, vector: Any) -> Any:
        return builder.fptoui(vector, self.kind) if self.bytes else vector


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """The vector that begins at an index, a tuple, of an array whose last axis has no gaps; bytes become float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _Stretch.of(context, builder, signature, arguments).load(builder)

    return VECTOR(array, index), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to where `load` would read it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Stretch.of(context, builder, signature, arguments).store(builder, arguments[2])
        return context.get_dummy_value()

    return types.void(array, index, VECTOR), generate


@intrinsic
def load_part(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """`load` where only so many values, if they are fewer than a vector's, belong to it; the rest are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stretch, count = _Stretch.of(context, builder, signature, arguments), arguments[2]
        with builder.if_else(builder.icmp_signed(">=", count, count.type(LANES)), likely=True) as (whole, part):
            with whole:
                loaded, after_whole = stretch.load(builder), builder.block
            with part:
                first, after_part = stretch.load_first(builder, count), builder.block
        vector = builder.phi(LLVM_VECTOR)
        vector.add_incoming(loaded, after_whole)
        vector.add_incoming(first, after_part)
        return vector

    return VECTOR(array, index, types.intp), generate


@intrinsic
def store_part(typing_context: Any, array: Any, index: Any, vector: Any, count: Any) -> Any:
    """`store` where only so many values, if they are fewer than a vector's, belong to it; the rest are not written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stretch, count = _Stretch.of(context, builder, signature, arguments), arguments[3]
        with builder.if_else(builder.icmp_signed(">=", count, count.type(LANES)), likely=True) as (whole, part):
            with whole:
                stretch.store(builder, arguments[2])
            with part:
                stretch.store_first(builder, arguments[2], count)
        return context.get_dummy_value()

    return types.void(array, index, VECTOR, types.intp), generate


@intrinsic
def store_equal(typing_context: Any, array: Any, index: Any, vector: Any, a: Any, b: Any) -> Any:
    """Write the values of a vector where `a` equals `b`, without gaps, and give how many these are.

    A whole vector is written, to an array of float32 or int32; what is in its other places means nothing.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], *arguments[:2])
        vector, a, b = arguments[2:]
        whole = signature.args[0].dtype == types.int32
        values, kind = (builder.fptosi(vector, LANE_VECTOR), "i32") if whole else (vector, "f32")
        mask = builder.fcmp_ordered("==", a, b)
        form = ir.FunctionType(values.type, [values.type, _MASK, values.type])
        name = f"llvm.experimental.vector.compress.v{LANES}{kind}"
        press = cgutils.get_or_insert_function(builder.module, form, name)
        pressed = builder.call(press, [values, mask, ir.Constant(values.type, ir.Undefined)])
        builder.store(pressed, builder.bitcast(place, values.type.as_pointer()), align=4)
        bits = builder.bitcast(mask, ir.IntType(LANES))
        return builder.zext(builder.ctpop(bits), ir.IntType(64))

    return types.int64(array, index, VECTOR, VECTOR, VECTOR), generate
