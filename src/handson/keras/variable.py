"""`keras.Variable`: how a program makes a variable that belongs to no layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson import initializers
from handson.core.errors import HandsonError
from handson.graph.conversion import convert, floatx, torch_type
from handson.graph.variable import State, Weight
from handson.graph.variable import Variable as Kept
from handson.randomness.keys import derive, fresh_seed


class _Making(type):
    """The class stands for all variables: those of layers are instances of it too."""

    def __call__(
        cls,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str = "auto",
        name: str | None = None,
    ) -> Any:
        if not autocast or aggregation not in ("none", None) or synchronization != "auto":
            raise HandsonError("a Variable takes no autocast=False, aggregation or synchronization: leave them out.")
        values = _values(initializer, shape, dtype)
        made = (Weight if trainable and values.is_floating_point() else State)(values)
        made.name = name or "variable"
        return made

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Kept)


def _values(initializer: Any, shape: Any, dtype: Any) -> Tensor:
    kind = None if dtype is None else torch_type(dtype)
    if isinstance(initializer, str) or (callable(initializer) and not isinstance(initializer, Tensor)):
        if shape is None:
            raise HandsonError("a Variable from an initializer needs a shape: Variable('zeros', shape=(3,)).")
        return initializers.call(initializer, tuple(shape), derive(fresh_seed())).to(kind or floatx())
    values = convert(initializer).detach().clone()
    if shape is not None and tuple(shape) != tuple(values.shape):
        raise HandsonError(f"a Variable of shape {tuple(shape)} cannot take values of shape {tuple(values.shape)}.")
    fractions = isinstance(initializer, (int, float)) and not isinstance(initializer, bool)
    return values.to(kind or (floatx() if fractions else values.dtype))


class Variable(metaclass=_Making):
    """A tensor that keeps its values between calls, and can be assigned to.

    Parameters
    ----------
    initializer : array, tensor, number, str or Initializer
        The values, or what draws them.
    shape : tuple of int, optional
        The shape, for an initializer.
    dtype : str, optional
        The type; by default that of the values, float32 for a number.
    trainable : bool
        Whether an optimizer may change it.
    name : str, optional
        A name.

    Examples
    --------
    >>> step = Variable(0, trainable=False)
    >>> _ = step.assign_add(2); step.item()
    2.0
    """
