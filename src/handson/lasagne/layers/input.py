"""Inputs of nets."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError
from handson.lasagne.layers.base import Layer, Shape
from handson.theano.configuration import config
from handson.theano.variable import TensorType, Variable


class InputLayer(Layer):
    """Where a net begins.

    Parameters
    ----------
    shape : tuple of int or None
        The shape of a batch; None for the rows, and for sizes that vary.
    input_var : Variable, optional
        The variable of the input; by default a new one.
    name : str, optional
        A name.

    Examples
    --------
    >>> InputLayer((None, 1, 28, 28)).input_var.ndim
    4
    """

    def __init__(self, shape: Any, input_var: Variable | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise HandsonError(f"InputLayer takes shape, input_var and name; got {', '.join(kwargs)}.")
        self.shape = tuple(shape)
        if any(side is not None and side <= 0 for side in self.shape):
            raise HandsonError(f"InputLayer: the sizes of shape={self.shape} are positive, or None.")
        if input_var is None:
            input_var = TensorType(config.floatX, (False,) * len(self.shape))("input" if name is None else name)
        elif input_var.ndim != len(self.shape):
            raise HandsonError(f"InputLayer: shape={self.shape} and input_var={input_var!r} have other axes.")
        self.input_var = input_var
        self._start(name)

    @property
    def input_layers(self) -> list[Any]:
        """There are none."""
        return []

    @property
    def output_shape(self) -> Shape:
        """The shape of a batch."""
        return self.shape
