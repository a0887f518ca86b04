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
    """Code for a vector of equal values."""
    undefined = ir.Constant(LLVM_VECTOR, ir.Undefined)
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


class _Stretch(NamedTuple):
    """Values beside each other in an array of float32 or of uint8, from an index on."""

    place: Any
    kind: Any

    @staticmethod
    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> _Stretch:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        index = cgutils.unpack_tuple(builder, arguments[1])
        place = cgutils.get_item_pointer(context, builder, signature.args[0], array, index, wraparound=False)
        return _Stretch(place, ir.FloatType() if signature.args[0].dtype == types.float32 else ir.IntType(8))

    @property
    def bytes(self) -> bool:
        return isinstance(self.kind, ir.IntType)

    def load(self, builder: Any) -> Any:
        vector = builder.load(self._start(builder, self.place), align=1 if self.bytes else 4)
        return builder.uitofp(vector, LLVM_VECTOR) if self.bytes else vector

    def store(self, builder: Any, vector: Any) -> None:
        values = builder.fptoui(vector, ir.VectorType(self.kind, LANES)) if self.bytes else vector
        builder.store(values, self._start(builder, self.place), align=1 if self.bytes else 4)

    def _start(self, builder: Any, place: Any) -> Any:
        return builder.bitcast(place, ir.VectorType(self.kind, LANES).as_pointer())

    def at(self, builder: Any, value: Any) -> Any:
        return builder.gep(self.place, [value])

    def beside(self, builder: Any) -> _Stretch:
        """As much memory, beside the array."""
        memory = cgutils.alloca_once(builder, ir.VectorType(self.kind, LANES))
        return _Stretch(builder.bitcast(memory, self.kind.as_pointer()), self.kind)


def _copy(builder: Any, source: _Stretch, target: _Stretch, count: Any) -> None:
    with cgutils.for_range(builder, count) as loop:
        builder.store(builder.load(source.at(builder, loop.index)), target.at(builder, loop.index))


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
        beside = stretch.beside(builder)
        with builder.if_else(builder.icmp_signed(">=", count, count.type(LANES)), likely=True) as (whole, part):
            with whole:
                loaded, after_whole = stretch.load(builder), builder.block
            with part:
                beside.store(builder, ir.Constant(LLVM_VECTOR, [0.0] * LANES))
                _copy(builder, stretch, beside, count)
                gathered, after_part = beside.load(builder), builder.block
        vector = builder.phi(LLVM_VECTOR)
        vector.add_incoming(loaded, after_whole)
        vector.add_incoming(gathered, after_part)
        return vector

    return VECTOR(array, index, types.intp), generate


@intrinsic
def store_part(typing_context: Any, array: Any, index: Any, vector: Any, count: Any) -> Any:
    """`store` where only so many values, if they are fewer than a vector's, belong to it; the rest are not written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stretch, count = _Stretch.of(context, builder, signature, arguments), arguments[3]
        beside = stretch.beside(builder)
        with builder.if_else(builder.icmp_signed(">=", count, count.type(LANES)), likely=True) as (whole, part):
            with whole:
                stretch.store(builder, arguments[2])
            with part:
                beside.store(builder, arguments[2])
                _copy(builder, beside, stretch, count)
        return context.get_dummy_value()

    return types.void(array, index, VECTOR, types.intp), generate
