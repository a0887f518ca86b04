"""Shared variables: variables with a value, which functions read and update."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph.conversion import convert, type_name
from handson.graph.variable import as_array
from handson.models.device import default_device
from handson.theano.variable import Variable


class Cell:
    """Where a value is kept.

    Parameters
    ----------
    value : Tensor
        The value.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def read(self) -> Tensor:
        """The value, without a gradient."""
        return self.value

    def write(self, value: Tensor) -> None:
        """Take another value."""
        self.value = value.detach() if value.requires_grad else value


class SharedVariable(Variable):
    """A variable with a value: see `shared`."""

    def __init__(self, cell: Any, name: str | None = None) -> None:
        held = cell.read()
        super().__init__(held.dim(), type_name(held.dtype), name=name)
        self.cell, self.kind = cell, held.dtype

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value, as a NumPy array of its own.

        Parameters
        ----------
        borrow, return_internal_type : bool
            For programs that name them: what is returned is always a copy, as an array.
        """
        return as_array(self.cell.read())

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Give it another value, with the same number of axes.

        Parameters
        ----------
        new_value : array or number
            The value; it is converted to this variable's type.
        borrow : bool
            For programs that name it: the value is always copied.
        """
        held = self.cell.read()
        found = convert(np.array(new_value)).to(device=held.device, dtype=held.dtype)
        if found.dim() != held.dim():
            raise HandsonError(
                f"the shared variable {self.name or ''} has {held.dim()} axes, shape {tuple(held.shape)}; it cannot "
                f"take a value of shape {tuple(found.shape)}."
            )
        self.cell.write(found)

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedVariable:
        if id(self) not in memo:
            memo[id(self)] = shared(self.get_value(), self.name)
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"<shared {self.name or 'variable'}: {self.dtype}, shape {tuple(self.cell.read().shape)}>"


# What programs ask for with isinstance.
TensorSharedVariable = SharedVariable


def shared(
    value: Any, name: str | None = None, strict: bool = False, allow_downcast: bool | None = None, borrow: bool = False,
    broadcastable: Any = None, **kwargs: Any,
) -> SharedVariable:  # fmt: skip
    """A variable that has a value.

    Parameters
    ----------
    value : array or number
        The first value. Arrays keep their type; numbers of Python are float64 or int64, as in NumPy.
    name : str, optional
        A name.
    strict, allow_downcast, borrow, broadcastable
        For programs that name them: the value is always copied, and axes of size 1 are always broadcast.

    Examples
    --------
    >>> rate = shared(np.float32(0.03))
    >>> rate.set_value(0.01)
    >>> rate.get_value()
    array(0.01, dtype=float32)
    """
    if kwargs:
        raise HandsonError(f"shared: {', '.join(kwargs)} cannot be given; it takes a value and a name.")
    if isinstance(value, Variable):
        raise HandsonError(f"shared takes a value, such as an array; {value!r} is a variable.")
    array = value if isinstance(value, Tensor) else convert(np.array(value))
    return SharedVariable(Cell(array.detach().clone().to(default_device())), name)
