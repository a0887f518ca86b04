"""Nonlinearities, biases, scales and expressions as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import handson.theano.tensor as T
from handson import layers as own
from handson import theano
from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.base import Layer, MergeLayer, Shape
from handson.lasagne.nonlinearities import as_activation
from handson.lasagne.random import get_rng
from handson.lasagne.utils import floatX
from handson.theano.randomness import RandomStreams


class NonlinearityLayer(Layer):
    """Applies a nonlinearity.

    Examples
    --------
    >>> NonlinearityLayer((None, 3)).output_shape
    (None, 3)
    """

    def __init__(self, incoming: Any, nonlinearity: Any = nonlinearities.rectify, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        activation = own.Activation(as_activation(self.nonlinearity))
        activation.ensure_built(self.input_shape)
        self.parts = [activation]

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return self.nonlinearity(input)


def _shared_axes(layer: Layer, shared_axes: Any) -> tuple[int, ...]:
    """The axes along which one value holds: 'auto' is all but the second."""
    if shared_axes == "auto":
        return (0, *range(2, len(layer.input_shape)))
    return (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes)


class _PerAxis(Layer):
    """The base of layers with a value for each entry of the axes that are not shared."""

    def _value(self, spec: Any, shared_axes: Any, name: str, regularizable: bool) -> Any:
        self.shared_axes = _shared_axes(self, shared_axes)
        sizes = [side for axis, side in enumerate(self.input_shape) if axis not in self.shared_axes]
        if any(side is None for side in sizes):
            raise HandsonError(f"{type(self).__name__} needs known sizes of the axes that are not shared.")
        return self.add_param(spec, tuple(sizes), name, regularizable=regularizable)

    def _spread(self, value: Any) -> Any:
        """The values with axes of size 1 where they are shared."""
        numbers = iter(range(value.ndim))
        axes = range(len(self.input_shape))
        return value.dimshuffle(*("x" if axis in self.shared_axes else next(numbers) for axis in axes))


class BiasLayer(_PerAxis):
    """Adds a bias; `shared_axes` says along which axes it is the same, 'auto' along all but the second."""

    def __init__(
        self, incoming: Any, b: Any = init.Constant(0), shared_axes: Any = "auto", name: str | None = None  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.b = None if b is None else self._value(b, shared_axes, "b", False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return input if self.b is None else input + self._spread(self.b)


class ScaleLayer(_PerAxis):
    """Multiplies with learned scales; `shared_axes` as of `BiasLayer`."""

    def __init__(
        self, incoming: Any, scales: Any = init.Constant(1), shared_axes: Any = "auto", name: str | None = None  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.scales = self._value(scales, shared_axes, "scales", False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return input * self._spread(self.scales)


def standardize(layer: Any, offset: Any, scale: Any, shared_axes: Any = "auto") -> Layer:
    """(x - offset) / scale, with numbers that no training changes."""
    found: Any = BiasLayer(layer, -np.asarray(offset), shared_axes)
    found.params[found.b].discard("trainable")
    found = ScaleLayer(found, floatX(1.0 / np.asarray(scale)), shared_axes)
    found.params[found.scales].discard("trainable")
    return found


class ExpressionLayer(Layer):
    """Applies a function of a variable.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    function : function
        What is applied.
    output_shape : None, tuple, function or 'auto', optional
        The shape of the output: None for that of the input, 'auto' to find it by a run on zeros.
    name : str, optional
        A name.

    Examples
    --------
    >>> ExpressionLayer((None, 3, 4), lambda x: x.mean(axis=-1), output_shape="auto").output_shape
    (None, 3)
    """

    def __init__(
        self, incoming: Any, function: Callable[[Any], Any], output_shape: Any = None, name: str | None = None
    ) -> None:
        super().__init__(incoming, name)
        self.function, self._output_shape = function, output_shape

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        if self._output_shape is None:
            return input_shape
        if self._output_shape == "auto":
            return self._found(input_shape)
        return tuple(self._output_shape(input_shape) if callable(self._output_shape) else self._output_shape)

    def _found(self, input_shape: Any) -> Shape:
        """The shape by two runs; sizes that differ are not known."""
        sizes = [tuple(size if side is None else side for side in input_shape) for size in (11, 13)]
        x = theano.TensorType("float32", (False,) * len(input_shape))()
        first, second = (np.shape(self.function(x).eval({x: np.zeros(size)})) for size in sizes)
        return tuple(a if a == b else None for a, b in zip(first, second, strict=True))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return self.function(input)


class InverseLayer(MergeLayer):
    """The derivative of another layer, as a transposed operation: an inverse of pooling, convolution and dense layers.

    Parameters
    ----------
    incoming : Layer or tuple
        What is propagated back.
    layer : Layer
        The layer whose backward pass is taken.
    name : str, optional
        A name.
    """

    def __init__(self, incoming: Any, layer: Any, name: str | None = None) -> None:
        super().__init__([incoming, layer, layer.input_layer], name)

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        return tuple(input_shapes[2])

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        input, output, before = inputs
        return theano.grad(None, before, known_grads={output: input})


class ParametricRectifierLayer(_PerAxis):
    """x where positive, alpha x elsewhere, with a learned alpha (He et al., 2015)."""

    def __init__(
        self, incoming: Any, alpha: Any = init.Constant(0.25), shared_axes: Any = "auto", name: str | None = None,  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        if shared_axes == "all":
            shared_axes = tuple(range(len(self.input_shape)))
        self.alpha = self._value(alpha, shared_axes, "alpha", False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return T.nnet.relu(input, self._spread(self.alpha))


def prelu(layer: Any, **kwargs: Any) -> Layer:
    """A layer with `ParametricRectifierLayer` in place of its nonlinearity."""
    return ParametricRectifierLayer(_bare(layer), **kwargs)


def _bare(layer: Any) -> Any:
    layer.nonlinearity = nonlinearities.identity
    if layer.parts is not None:
        layer._make(*layer.made_for)
    return layer


class RandomizedRectifierLayer(Layer):
    """x where positive, a slope elsewhere that is drawn while training and is its mean otherwise (Xu et al., 2015)."""

    def __init__(
        self, incoming: Any, lower: float = 0.3, upper: float = 0.8, shared_axes: Any = "auto", name: str | None = None
    ) -> None:
        super().__init__(incoming, name)
        if lower > upper:
            raise HandsonError(f"RandomizedRectifierLayer: lower={lower} is above upper={upper}.")
        self.lower, self.upper = lower, upper
        self.shared_axes = _shared_axes(self, shared_axes)
        self._srng = RandomStreams(get_rng().randint(1, 2147462579))

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        if deterministic or self.lower == self.upper:
            return T.nnet.relu(input, (self.lower + self.upper) / 2)
        sizes = tuple(1 if axis in self.shared_axes else input.shape[axis] for axis in range(input.ndim))
        return T.nnet.relu(input, self._srng.uniform(sizes, low=self.lower, high=self.upper))


def rrelu(layer: Any, **kwargs: Any) -> Layer:
    """A layer with `RandomizedRectifierLayer` in place of its nonlinearity."""
    return RandomizedRectifierLayer(_bare(layer), **kwargs)
