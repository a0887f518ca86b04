"""What the dense program runs in place of each layer and each operation of `handson.ops`.

A rule of a layer takes the layer, the `Operations` that are being written and the value that goes in, or a list of
them, and gives the value that comes out; that of an operation of `handson.ops` takes what that takes, in the same way.
What a rule cannot run it refuses with `NoLowering`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

from handson import activations, ops
from handson.core.lowering import NoLowering, described, lowers
from handson.kernels import dense_program
from handson.layers import (
    ELU,
    Activation,
    Add,
    Average,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Identity,
    InputLayer,
    LeakyReLU,
    Maximum,
    Minimum,
    Multiply,
    ReLU,
    Rescaling,
    Softmax,
    Subtract,
)
from handson.layers.density import (
    EvidentialDensity,
    GaussianDensity,
    LaplaceDensity,
    MixtureDensity,
    OrdinalBins,
    QuantileHead,
    StudentTDensity,
)
from handson.training.engines.dense.operations import ACTIVATIONS, Operations, Value

# Dense layers whose outputs the loss and predictions read as distributions.
DENSITIES = (
    GaussianDensity, LaplaceDensity, StudentTDensity, MixtureDensity, EvidentialDensity, OrdinalBins, QuantileHead,
)  # fmt: skip


@lowers(InputLayer, Identity, engine="dense")
def _nothing(layer: Any, operations: Operations, x: Value) -> Value:
    return x


@lowers(Dense, *DENSITIES, engine="dense")
def _dense(layer: Dense, operations: Operations, x: Value) -> Value:
    if layer.lora_enabled:
        raise NoLowering(f"low-rank matrices, which {described(layer)} has")
    weights = layer.kernel, layer.bias
    product = operations.write(dense_program.MATMUL, x, layer.units, layer, weights=weights)
    return operations.activate(layer, layer.activation, product)


@lowers(Activation, engine="dense")
def _activation(layer: Activation, operations: Operations, x: Value) -> Value:
    return operations.activate(layer, layer.activation, x)


def _only(part: Any, **arguments: Any) -> None:
    """Raise `NoLowering` where a part is set to something else than what the program has an activation for."""
    for name, expected in arguments.items():
        if getattr(part, name) != expected:
            raise NoLowering(f"{described(part)} with {name}={getattr(part, name)!r}")


@lowers(ReLU, engine="dense")
def _relu(layer: ReLU, operations: Operations, x: Value) -> Value:
    _only(layer, threshold=0.0)
    if layer.max_value is None:
        return _leaky(layer, operations, x, layer.negative_slope)
    _only(layer, max_value=6.0, negative_slope=0.0)
    return operations.activate(layer, activations.relu6, x)


@lowers(LeakyReLU, engine="dense")
def _leaky_relu(layer: LeakyReLU, operations: Operations, x: Value) -> Value:
    return _leaky(layer, operations, x, layer.negative_slope)


def _leaky(layer: Any, operations: Operations, x: Value, slope: float) -> Value:
    """slope * x + (1 - slope) * relu(x), where no activation of the program has that slope."""
    known = {0.0: activations.relu, 0.2: activations.leaky_relu}
    if slope in known:
        return operations.activate(layer, known[slope], x)
    above = operations.affine(layer, operations.activate(layer, activations.relu, x), 1.0 - slope)
    return operations.join([operations.affine(layer, x, slope), above], [0, 0], adds=True)


@lowers(ELU, engine="dense")
def _elu(layer: ELU, operations: Operations, x: Value) -> Value:
    _only(layer, alpha=1.0)
    return operations.activate(layer, activations.elu, x)


@lowers(Softmax, engine="dense")
def _softmax(layer: Softmax, operations: Operations, x: Value) -> Value:
    if layer.axis not in (-1, 1):
        _only(layer, axis=-1)
    return operations.activate(layer, activations.softmax, x)


@lowers(Rescaling, engine="dense")
def _rescaling(layer: Rescaling, operations: Operations, x: Value) -> Value:
    if not _is_number(layer.scale) or not _is_number(layer.offset):
        raise NoLowering(f"{described(layer)} with numbers for each channel")
    return operations.affine(layer, x, layer.scale, layer.offset)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _applied(activation: Any) -> Callable[..., Value]:
    """The rule of a function that is an activation of the program when it is called with its defaults."""

    def rule(function: Any, operations: Operations, x: Value, *args: Any, **kwargs: Any) -> Value:
        defaults = {name: one.default for name, one in list(inspect.signature(function).parameters.items())[1:]}
        given = dict(zip(defaults, args, strict=False)) | kwargs
        for name, value in given.items():
            if value != defaults[name]:
                raise NoLowering(f"{described(function)} with {name}={value!r}")
        return operations.activate(function, activation, x)

    return rule


def _functions() -> None:
    """Rules for activations as functions of symbols, and for the operations of the same name."""
    for function in ACTIVATIONS:
        lowers(function, engine="dense")(_applied(function))
        # By default the operation is another function than the activation.
        if function is not activations.gelu and hasattr(ops, function.__name__):
            lowers(getattr(ops, function.__name__), engine="dense")(_applied(function))
    lowers(ops.exp, engine="dense")(_applied(activations.exponential))


_functions()


@lowers(Flatten, engine="dense")
def _flatten(layer: Flatten, operations: Operations, x: Value) -> Value:
    if layer.data_format == "channels_first" and not x.flat:
        raise NoLowering(f"{described(layer)} with data_format='channels_first'")
    return x._replace(flat=True)


@lowers(Dropout, engine="dense")
def _dropout(layer: Dropout, operations: Operations, x: Value) -> Value:
    if layer.noise_shape is not None or layer.rate >= 1:
        raise NoLowering(f"{described(layer)} with noise_shape, or rate=1")
    return operations.write(dense_program.DROPOUT, x, x.width, layer) if layer.rate > 0 else x


@lowers(BatchNormalization, engine="dense")
def _normalization(layer: BatchNormalization, operations: Operations, x: Value) -> Value:
    if not layer._trainable or layer.axis not in (-1, 1) or layer.renorm:
        raise NoLowering(f"{described(layer)} that is frozen, has renorm or another axis than the last")
    if any(each.layer is layer for each in operations):
        raise NoLowering(f"{described(layer)} in several places of the net")
    more = {"weights": (layer.gamma, layer.beta), "constants": (layer.epsilon, layer.momentum)}
    return operations.write(dense_program.BATCH_NORMALIZATION, x, x.width, layer, **more)


@lowers(Concatenate, engine="dense")
def _concatenate(layer: Concatenate, operations: Operations, xs: Sequence[Value]) -> Value:
    return _beside(layer, operations, xs, layer.axis)


@lowers(ops.concatenate, engine="dense")
def _concatenated(function: Any, operations: Operations, xs: Sequence[Value], axis: int = 0) -> Value:
    return _beside(function, operations, xs, axis)


def _beside(part: Any, operations: Operations, xs: Sequence[Value], axis: int) -> Value:
    """Values beside each other. Columns of the data that lie so already stay where they are."""
    if axis not in (-1, 1) or not all(isinstance(x, Value) and x.flat for x in xs):
        raise NoLowering(f"{described(part)} of what are no rows of numbers")
    columns = [0, *accumulate(x.width for x in xs)]
    if all(x.number < 0 and x.column == xs[0].column + column for x, column in zip(xs, columns, strict=False)):
        return xs[0]._replace(width=columns[-1])
    return operations.join(xs, columns[:-1])


@lowers(Add, engine="dense")
def _add(layer: Add, operations: Operations, xs: Sequence[Value]) -> Value:
    return _sum(layer, operations, xs)


@lowers(Average, engine="dense")
def _average(layer: Average, operations: Operations, xs: Sequence[Value]) -> Value:
    return operations.affine(layer, _sum(layer, operations, xs), 1.0 / len(xs))


@lowers(Subtract, engine="dense")
def _subtract(layer: Subtract, operations: Operations, xs: Sequence[Value]) -> Value:
    return _difference(layer, operations, *xs)


@lowers(ops.add, engine="dense")
def _added(function: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    if _is_number(x1) or _is_number(x2):
        x, number = (x2, x1) if _is_number(x1) else (x1, x2)
        return operations.affine(function, x, offset=number)
    return _sum(function, operations, [x1, x2])


@lowers(ops.subtract, engine="dense")
def _difference(part: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    if _is_number(x2):
        return operations.affine(part, x1, offset=-x2)
    if _is_number(x1):
        return operations.affine(part, x2, -1.0, x1)
    return _sum(part, operations, [x1, operations.affine(part, x2, -1.0)])


@lowers(ops.negative, engine="dense")
def _negative(function: Any, operations: Operations, x: Value) -> Value:
    return operations.affine(function, x, -1.0)


@lowers(ops.true_divide, ops.divide, engine="dense")
def _quotient(function: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    if not _is_number(x2) or x2 == 0:
        raise NoLowering(f"{described(function)} by something else than a number")
    return operations.affine(function, x1, 1.0 / x2)


@lowers(ops.multiply, engine="dense")
def _multiplied(function: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    if _is_number(x1) or _is_number(x2):
        x, number = (x2, x1) if _is_number(x1) else (x1, x2)
        return operations.affine(function, x, number)
    return _combined(function, operations, dense_program.PRODUCT, [x1, x2])


@lowers(ops.square, engine="dense")
def _square(function: Any, operations: Operations, x: Value) -> Value:
    return _combined(function, operations, dense_program.PRODUCT, [x, x])


COMBINED = {
    Multiply: dense_program.PRODUCT, Maximum: dense_program.LARGER, Minimum: dense_program.SMALLER,
    ops.maximum: dense_program.LARGER, ops.minimum: dense_program.SMALLER,
}  # fmt: skip


@lowers(Multiply, Maximum, Minimum, engine="dense")
def _merge(layer: Any, operations: Operations, xs: Sequence[Value]) -> Value:
    return _combined(layer, operations, COMBINED[type(layer)], xs)


@lowers(ops.maximum, ops.minimum, engine="dense")
def _extreme(function: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    return _combined(function, operations, COMBINED[function], [x1, x2])


def _combined(part: Any, operations: Operations, kind: int, xs: Sequence[Any]) -> Value:
    """Two values or more become one, value by value."""
    _check_same(part, xs)
    return reduce(lambda a, b: operations.combine(kind, a, b), xs)


def _sum(part: Any, operations: Operations, xs: Sequence[Any]) -> Value:
    _check_same(part, xs)
    return operations.join(xs, [0] * len(xs), adds=True)


def _check_same(part: Any, xs: Sequence[Any]) -> None:
    if not all(isinstance(x, Value) and x.flat and x.width == xs[0].width for x in xs):
        raise NoLowering(f"{described(part)} of what are no rows of numbers of the same size")
