"""What the dense program runs: the operations of each layer, the numbers of each loss, regularizer and optimizer.

A rule of a layer takes the layer, the `Operations` that are being written and the value that goes in, or a list of
them, and gives the value that comes out; that of an operation of `handson.ops` takes what that takes, in the same way.
What a rule cannot run it refuses with `NoLowering`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from handson import activations, ops
from handson.core.lowering import NoLowering, described, lowers
from handson.kernels import dense_loss, dense_program, dense_update
from handson.layers import Activation, Add, BatchNormalization, Concatenate, Dense, Dropout, Flatten, InputLayer
from handson.layers.density import (
    EvidentialDensity,
    GaussianDensity,
    LaplaceDensity,
    MixtureDensity,
    OrdinalBins,
    QuantileHead,
    StudentTDensity,
)
from handson.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.regularizers import L1, L1L2, L2

# In the order of their numbers in `handson.kernels.dense_activation`.
ACTIVATIONS = (
    activations.linear, activations.relu, activations.leaky_relu, activations.elu, activations.selu, activations.relu6,
    activations.hard_sigmoid, activations.tanh, activations.sigmoid, activations.softsign, activations.exponential,
    activations.softmax, activations.softplus, activations.silu, activations.gelu,
)  # fmt: skip

# Dense layers whose outputs the loss and predictions read as distributions.
DENSITIES = (
    GaussianDensity, LaplaceDensity, StudentTDensity, MixtureDensity, EvidentialDensity, OrdinalBins, QuantileHead,
)  # fmt: skip


class Value(NamedTuple):
    """What goes into an operation or comes out of it.

    Attributes
    ----------
    width : int
        The size of a sample.
    flat : bool
        Whether that is one row.
    number : int
        Its number among the values of the program; -1 for columns of the data that no operation has taken yet.
    column : int
        The first of these columns.
    """

    width: int
    flat: bool = True
    number: int = -1
    column: int = 0


class Operation(NamedTuple):
    """One operation of the program.

    Attributes
    ----------
    kind : int
        See `handson.kernels.dense_program`.
    before, after : int
        The sizes of a sample before and after.
    x, y : int
        The numbers of the values that go in and come out.
    layer : Layer, optional
        What it belongs to.
    weights : tuple of two Tensor or None
        Kernel and bias, or gamma and beta.
    activation : function, optional
        Of an activation.
    column : int
        Of columns of the data or of the output: the first.
    adds : bool
        Whether it adds to an output that others give too.
    """

    kind: int
    before: int
    after: int
    x: int
    y: int
    layer: Any = None
    weights: tuple[Tensor | None, Tensor | None] = (None, None)
    activation: Any = None
    column: int = 0
    adds: bool = False


class Operations(list[Operation]):
    """The operations of a net, each after those that it needs, as rules of layers write them."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0
        self._taken: dict[tuple[int, int], int] = {}

    def write(self, kind: int, x: Value, width: int, layer: Any, **more: Any) -> Value:
        """Add an operation on a value; gives what comes out."""
        if not x.flat:
            raise NoLowering(f"{described(layer)} on inputs that are no rows of numbers")
        self.append(Operation(kind, x.width, width, self.taken(x), self._new(), layer, **more))
        return Value(width, number=self.values - 1)

    def taken(self, x: Value) -> int:
        """The number of a value; columns of the data are taken from there once."""
        if x.number >= 0:
            return x.number
        columns = x.column, x.width
        if columns not in self._taken:
            self._taken[columns] = self._new()
            taken = Operation(dense_program.GATHER, x.width, x.width, -1, self._taken[columns], column=x.column)
            self.append(taken)
        return self._taken[columns]

    def join(self, xs: Sequence[Value], columns: Sequence[int], adds: bool = False) -> Value:
        """Add the operations that put values into columns of one, or add them up."""
        width = max(column + x.width for column, x in zip(columns, xs, strict=True))
        numbers, y = list(map(self.taken, xs)), self._new()
        for place, (x, number, column) in enumerate(zip(xs, numbers, columns, strict=True)):
            part = Operation(dense_program.JOIN, x.width, width, number, y, column=column, adds=adds and place > 0)
            self.append(part)
        return Value(width, number=y)

    def activate(self, layer: Any, x: Value) -> Value:
        """Add the activation of a layer, if it is not linear."""
        function = layer.activation
        if not any(function is known for known in ACTIVATIONS):
            raise NoLowering(f"{described(layer)} with activation={getattr(function, '__name__', function)!r}")
        if function is activations.linear:
            return x
        return self.write(dense_program.ACTIVATION, x, x.width, layer, activation=function)

    def _new(self) -> int:
        self.values += 1
        return self.values - 1


@lowers(InputLayer, engine="dense")
def _nothing(layer: Any, operations: Operations, x: Value) -> Value:
    return x


@lowers(Dense, *DENSITIES, engine="dense")
def _dense(layer: Dense, operations: Operations, x: Value) -> Value:
    if layer.lora_enabled:
        raise NoLowering(f"low-rank matrices, which {described(layer)} has")
    weights = layer.kernel, layer.bias
    return operations.activate(layer, operations.write(dense_program.MATMUL, x, layer.units, layer, weights=weights))


@lowers(Activation, engine="dense")
def _activation(layer: Activation, operations: Operations, x: Value) -> Value:
    return operations.activate(layer, x)


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
    weights = layer.gamma, layer.beta
    return operations.write(dense_program.BATCH_NORMALIZATION, x, x.width, layer, weights=weights)


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


@lowers(ops.add, engine="dense")
def _added(function: Any, operations: Operations, x1: Any, x2: Any) -> Value:
    return _sum(function, operations, [x1, x2])


def _sum(part: Any, operations: Operations, xs: Sequence[Any]) -> Value:
    if not all(isinstance(x, Value) and x.flat and x.width == xs[0].width for x in xs):
        raise NoLowering(f"{described(part)} of what are no rows of numbers of the same size")
    return operations.join(xs, [0] * len(xs), adds=True)


class Formula(NamedTuple):
    """A loss as the program computes it.

    Attributes
    ----------
    kind, logits : int
        Its number in `handson.kernels.dense_loss`, from what the net puts out and from logits.
    takes_logits : bool
        Whether the net puts out logits.
    through : function, optional
        The activation whose logits are taken, if the net ends with it.
    delta : float
        Of `Huber`.
    prepare : function of (targets, outputs)
        The targets as the program wants them.
    """

    kind: int
    logits: int
    takes_logits: bool = False
    through: Any = None
    delta: float = 1.0
    prepare: Callable[[Tensor, int], Tensor] = lambda targets, outputs: targets


@lowers(MeanSquaredError, engine="dense")
def _squared(loss: MeanSquaredError) -> Formula:
    return Formula(dense_loss.MSE, dense_loss.MSE)


@lowers(MeanAbsoluteError, engine="dense")
def _absolute(loss: MeanAbsoluteError) -> Formula:
    return Formula(dense_loss.MAE, dense_loss.MAE)


@lowers(Huber, engine="dense")
def _huber(loss: Huber) -> Formula:
    return Formula(dense_loss.HUBER, dense_loss.HUBER, delta=loss.delta)


@lowers(BinaryCrossentropy, engine="dense")
def _binary(loss: BinaryCrossentropy) -> Formula:
    def prepare(targets: Tensor, outputs: int) -> Tensor:
        return _smoothed(targets, loss.label_smoothing, 0.5)

    kinds = dense_loss.BINARY, dense_loss.BINARY_LOGITS
    return Formula(*kinds, loss.from_logits, activations.sigmoid, prepare=prepare)


@lowers(CategoricalCrossentropy, engine="dense")
def _categorical(loss: CategoricalCrossentropy) -> Formula:
    def prepare(targets: Tensor, outputs: int) -> Tensor:
        return _smoothed(targets, loss.label_smoothing, 1.0 / targets.shape[-1])

    kinds = dense_loss.CATEGORICAL, dense_loss.CATEGORICAL_LOGITS
    return Formula(*kinds, loss.from_logits, activations.softmax, prepare=prepare)


@lowers(SparseCategoricalCrossentropy, engine="dense")
def _sparse(loss: SparseCategoricalCrossentropy) -> Formula:
    kinds = dense_loss.CATEGORICAL, dense_loss.CATEGORICAL_LOGITS
    return Formula(*kinds, loss.from_logits, activations.softmax, prepare=_one_hot)


def _smoothed(targets: Tensor, smoothing: float, share: float) -> Tensor:
    return targets * (1.0 - smoothing) + share * smoothing if smoothing else targets


def _one_hot(targets: Tensor, outputs: int) -> Tensor:
    """Labels as a row each; of missing ones it is NaN."""
    import torch

    rows = torch.nn.functional.one_hot(targets.clamp(min=0), outputs).to(torch.float32)
    return torch.where((targets >= 0)[:, None], rows, torch.nan)


@lowers(L1, L2, L1L2, engine="dense")
def _penalty(regularizer: L1L2) -> tuple[float, float]:
    """The factors of L1 and L2."""
    return regularizer.l1, regularizer.l2


class Update(NamedTuple):
    """An optimizer as the program runs it: its number, its two decay rates and epsilon, and what multiplies its rates.

    `corrections` are the factors of the learning rates of some steps, which are counted from 1.
    """

    code: int
    numbers: tuple[float, float, float] = (0.0, 0.0, 0.0)
    corrections: Callable[[np.ndarray], np.ndarray] | None = None


@lowers(SGD, engine="dense")
def _sgd(optimizer: SGD) -> Update:
    moving = dense_update.NESTEROV_SGD if optimizer.nesterov else dense_update.MOMENTUM_SGD
    return Update(moving if optimizer.momentum else dense_update.PLAIN_SGD)


@lowers(Adam, AdamW, engine="dense")
def _adam(optimizer: Adam) -> Update:
    first, second = optimizer.beta_1, optimizer.beta_2
    code = dense_update.AMSGRAD if optimizer.amsgrad else dense_update.ADAM
    return Update(
        code, (first, second, optimizer.epsilon), lambda times: np.sqrt(1.0 - second**times) / (1.0 - first**times)
    )


@lowers(Adagrad, engine="dense")
def _adagrad(optimizer: Adagrad) -> Update:
    return Update(dense_update.ADAGRAD, (0.0, 0.0, optimizer.epsilon))


@lowers(Adadelta, engine="dense")
def _adadelta(optimizer: Adadelta) -> Update:
    return Update(dense_update.ADADELTA, (optimizer.rho, 0.0, optimizer.epsilon))


@lowers(RMSprop, engine="dense")
def _rmsprop(optimizer: RMSprop) -> Update:
    moving, still = dense_update.MOMENTUM_RMSPROP, dense_update.RMSPROP
    if optimizer.centered:
        moving, still = dense_update.CENTERED_MOMENTUM_RMSPROP, dense_update.CENTERED_RMSPROP
    return Update(moving if optimizer.momentum else still, (optimizer.rho, 0.0, optimizer.epsilon))
