"""The operations of the dense program, as rules of layers and functions write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from handson import activations
from handson.core.lowering import NoLowering, described
from handson.kernels import dense_program

# In the order of their numbers in `handson.kernels.dense_activation`.
ACTIVATIONS = (
    activations.linear, activations.relu, activations.leaky_relu, activations.elu, activations.selu, activations.relu6,
    activations.hard_sigmoid, activations.tanh, activations.sigmoid, activations.softsign, activations.exponential,
    activations.softmax, activations.softplus, activations.silu, activations.gelu,
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
    other : int
        Of an operation on two values: the number of the other one.
    again : bool
        Whether the operation before gives the same output: this one adds to it, or gives its own input a gradient only.
    constants : (float, float), optional
        Epsilon and momentum of a normalization, or factor and offset.
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
    other: int = 0
    again: bool = False
    constants: tuple[float, float] | None = None


class Operations(list[Operation]):
    """The operations of a net, each after those that it needs, as rules of layers write them."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0
        self._taken: dict[tuple[int, int], int] = {}

    def write(self, kind: int, x: Value, width: int, part: Any, **more: Any) -> Value:
        """Add an operation of a layer or function on a value; gives what comes out."""
        if not x.flat:
            raise NoLowering(f"{described(part)} on inputs that are no rows of numbers")
        self.append(Operation(kind, x.width, width, self.taken(x), self._new(), part, **more))
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
            part = Operation(dense_program.JOIN, x.width, width, number, y, column=column, again=adds and place > 0)
            self.append(part)
        return Value(width, number=y)

    def combine(self, kind: int, a: Value, b: Value) -> Value:
        """Add the operations that make one value of two of the same size: each gives its own input a gradient."""
        a_number, b_number, y = self.taken(a), self.taken(b), self._new()
        self.append(Operation(kind, a.width, a.width, a_number, y, other=b_number))
        self.append(Operation(kind, b.width, b.width, b_number, y, other=a_number, again=True))
        return Value(a.width, number=y)

    def affine(self, part: Any, x: Value, factor: float = 1.0, offset: float = 0.0) -> Value:
        """Add x * factor + offset."""
        return self.write(dense_program.AFFINE, x, x.width, part, constants=(factor, offset))

    def activate(self, part: Any, function: Any, x: Value) -> Value:
        """Add an activation of a layer or function, if it is not linear."""
        if not any(function is known for known in ACTIVATIONS):
            raise NoLowering(f"{described(part)} with activation={getattr(function, '__name__', function)!r}")
        if function is activations.linear:
            return x
        return self.write(dense_program.ACTIVATION, x, x.width, part, activation=function)

    def _new(self) -> int:
        self.values += 1
        return self.values - 1
