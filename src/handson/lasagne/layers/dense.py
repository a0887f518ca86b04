"""Dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import handson.theano.tensor as T
from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.base import Layer, Shape, same
from handson.lasagne.nonlinearities import as_activation


class DenseLayer(Layer):
    """nonlinearity(x W + b); further axes of the input are flattened first.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    num_units : int
        The number of units.
    W, b : Initializer, array, number or shared variable
        What the parameters start from; b=None for no bias. W has the shape (inputs, units).
    nonlinearity : function, optional
        What is applied; None for nothing.
    num_leading_axes : int
        How many axes are kept as they are.
    name : str, optional
        A name.

    Examples
    --------
    >>> from handson.lasagne.layers import InputLayer
    >>> layer = DenseLayer(InputLayer((None, 1, 4, 4)), 3)
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 3), (16, 3))
    """

    def __init__(
        self, incoming: Any, num_units: int, W: Any = init.GlorotUniform(), b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify, num_leading_axes: int = 1, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_units, self.num_leading_axes = int(num_units), num_leading_axes
        rest = self.input_shape[num_leading_axes:]
        if (num_leading_axes < 0 and len(self.input_shape) + num_leading_axes <= 0) or not rest:
            raise HandsonError(f"DenseLayer: num_leading_axes={num_leading_axes} leaves nothing of {self.input_shape}.")
        if any(side is None for side in rest):
            raise HandsonError(f"DenseLayer needs known sizes of the axes it takes together; got {self.input_shape}.")
        inputs = int(np.prod(rest))
        self.W = self.add_param(W, (inputs, self.num_units), name="W")
        self.b = None if b is None else self.add_param(b, (self.num_units,), name="b", regularizable=False)
        self.made_for = (inputs, len(rest))
        self._make(*self.made_for)

    def _make(self, inputs: int, axes: int) -> None:
        dense = own.Dense(self.num_units, activation=as_activation(self.nonlinearity), use_bias=self.b is not None)
        leading = self.input_shape[: self.num_leading_axes]
        dense.ensure_built((*leading, inputs))
        keeps = tuple(-1 if side is None else side for side in leading[1:])
        flatten = [] if axes == 1 else [own.Reshape((*keeps, inputs)) if len(leading) > 1 else own.Flatten()]
        for part in flatten:
            part.ensure_built(self.input_shape)
        self.parts = [*flatten, dense]
        self.adopt(self.W, dense, "kernel")
        self.adopt(self.b, dense, "bias")

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return (*input_shape[: self.num_leading_axes], self.num_units)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        dense = (self.parts or [])[-1]
        weights = [(dense, "kernel", same)] + ([(dense, "bias", same)] if self.b is not None else [])
        return self.apply_parts(input, True, weights)


class NINLayer(Layer):
    """A dense layer over the channels, at each place: a network in a network (Lin et al., 2013).

    Parameters
    ----------
    incoming, num_units, W, b, nonlinearity, name
        As of `DenseLayer`; W has the shape (channels, units).
    untie_biases : bool
        Whether each place has a bias of its own.
    """

    def __init__(
        self, incoming: Any, num_units: int, untie_biases: bool = False, W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0), nonlinearity: Any = nonlinearities.rectify, name: str | None = None,  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_units, self.untie_biases = int(num_units), untie_biases
        self.W = self.add_param(W, (self.input_shape[1], self.num_units), name="W")
        shape = (self.num_units, *self.output_shape[2:]) if untie_biases else (self.num_units,)
        self.b = None if b is None else self.add_param(b, shape, name="b", regularizable=False)

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return (input_shape[0], self.num_units, *input_shape[2:])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        places = range(2, input.ndim)
        # Channels go to the end, where the product takes them, and back to their place.
        found = T.tensordot(input, self.W, axes=[[1], [0]]).dimshuffle(0, input.ndim - 1, *(one - 1 for one in places))
        if self.b is not None:
            pattern = ("x", 0, *range(1, input.ndim - 1)) if self.untie_biases else ("x", 0, *("x" for _ in places))
            found = found + self.b.dimshuffle(*pattern)
        return self.nonlinearity(found)
