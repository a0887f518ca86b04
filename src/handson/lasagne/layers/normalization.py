"""Normalization, channels second."""

from __future__ import annotations

from typing import Any

from torch import Tensor

import handson.theano.tensor as T
from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.base import Layer, same
from handson.lasagne.layers.special import BiasLayer, NonlinearityLayer, ScaleLayer


class BatchNormLayer(Layer):
    """Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    axes : 'auto'
        Over all axes but the second.
    epsilon : float
        Added to the variance.
    alpha : float
        The share of a batch in the moving averages.
    beta, gamma, mean, inv_std : Initializer, array, number or shared variable
        What the parameters start from; None for no `beta` or `gamma`.
    name : str, optional
        A name.

    Notes
    -----
    The average that is kept is that of the variance, and `inv_std` follows from it; Lasagne averages `inv_std`.
    """

    def __init__(
        self, incoming: Any, axes: Any = "auto", epsilon: float = 1e-4, alpha: float = 0.1,
        beta: Any = init.Constant(0), gamma: Any = init.Constant(1), mean: Any = init.Constant(0),  # noqa: B008
        inv_std: Any = init.Constant(1), name: str | None = None,  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        others = (0, *range(2, len(self.input_shape)))
        if axes != "auto" and tuple(sorted(axes)) != others:
            raise HandsonError(f"BatchNormLayer: axes is 'auto' or {others}, all but the second; got {axes!r}.")
        self.axes, self.epsilon, self.alpha = others, epsilon, alpha
        if len(self.input_shape) < 2 or self.input_shape[1] is None:
            raise HandsonError(f"BatchNormLayer needs a known size of the second axis; got {self.input_shape}.")
        shape = (self.input_shape[1],)
        kept = {"trainable": False, "regularizable": False}
        self.beta = None if beta is None else self.add_param(beta, shape, "beta", trainable=True, regularizable=False)
        self.gamma = None if gamma is None else self.add_param(gamma, shape, "gamma", regularizable=True)
        self.mean = self.add_param(mean, shape, "mean", **kept)
        self.inv_std = self.add_param(inv_std, shape, "inv_std", **kept)
        self._make(epsilon, alpha)

    def _make(self, epsilon: float, alpha: float) -> None:
        layer = own.BatchNormalization(
            axis=1, momentum=1 - alpha, epsilon=epsilon, center=self.beta is not None, scale=self.gamma is not None
        )
        layer.ensure_built(self.input_shape)
        self.parts = [layer]

        def inverse(variance: Tensor) -> Tensor:
            return (variance + epsilon).rsqrt()

        def variance(inverse: Tensor) -> Tensor:
            return inverse.pow(-2) - epsilon

        self.adopt(self.beta, layer, "beta")
        self.adopt(self.gamma, layer, "gamma")
        self.adopt(self.mean, layer, "moving_mean")
        self.adopt(self.inv_std, layer, "moving_variance", inverse, variance)

    def get_output_for(
        self, input: Any, deterministic: bool = False, batch_norm_use_averages: bool | None = None,
        batch_norm_update_averages: bool | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        averages = deterministic if batch_norm_use_averages is None else batch_norm_use_averages
        updates = not deterministic if batch_norm_update_averages is None else batch_norm_update_averages
        if averages == updates:
            raise HandsonError(
                "BatchNormLayer: moving averages are updated where batches are normalized with their own moments, and "
                "nowhere else: give batch_norm_use_averages and batch_norm_update_averages opposite values."
            )
        (layer,) = self.parts or []
        names = [(self.beta, "beta"), (self.gamma, "gamma")]
        return self.apply_parts(input, averages, [(layer, name, same) for param, name in names if param is not None])


def batch_norm(layer: Any, **kwargs: Any) -> Layer:
    """A layer with batch normalization between what it computes and its nonlinearity.

    Its bias is taken away, as normalization takes it away in any case.
    """
    nonlinearity = getattr(layer, "nonlinearity", None)
    name = kwargs.pop("name", None) or (layer.name and f"{layer.name}_bn")
    plain = without_nonlinearity(layer)
    found: Layer = BatchNormLayer(plain, name=name, **kwargs)
    if nonlinearity is not None and nonlinearity is not nonlinearities.identity:
        found = NonlinearityLayer(found, nonlinearity, name=name and f"{name}_nonlin")
    return found


def without_nonlinearity(layer: Any) -> Any:
    """The layer, from now on without a nonlinearity and without a bias."""
    layer.nonlinearity = nonlinearities.identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    if layer.parts is not None:
        layer._make(*layer.made_for)
    return layer


class StandardizationLayer(Layer):
    """Brings each row to mean 0 and variance 1 over some of its axes, in training and afterwards.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    axes : int, tuple of int, 'auto', 'spatial' or 'features'
        Over which axes: 'auto' and 'spatial' are all but the first two, 'features' all but the first.
    epsilon : float
        Added to the variance.
    name : str, optional
        A name.
    """

    def __init__(self, incoming: Any, axes: Any = "auto", epsilon: float = 1e-4, name: str | None = None) -> None:
        super().__init__(incoming, name)
        count = len(self.input_shape)
        known = {"auto": tuple(range(2, count)), "spatial": tuple(range(2, count)), "features": tuple(range(1, count))}
        if isinstance(axes, str) and axes not in known:
            raise HandsonError(f"StandardizationLayer: axes is {', '.join(map(repr, known))} or numbers; got {axes!r}.")
        found = known[axes] if isinstance(axes, str) else (axes,) if isinstance(axes, int) else tuple(axes)
        if not found:
            raise HandsonError(
                f"StandardizationLayer: axes={axes!r} is none of the shape {self.input_shape}; for the features of "
                f"dense layers axes='features'."
            )
        self.axes, self.epsilon = found, epsilon

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        mean = input.mean(self.axes, keepdims=True)
        return (input - mean) / T.sqrt(input.var(self.axes, keepdims=True) + self.epsilon)


def instance_norm(layer: Any, learn_scale: bool = True, learn_bias: bool = True, **kwargs: Any) -> Layer:
    """A layer whose outputs are standardized in each row and channel before its nonlinearity (Ulyanov et al., 2016)."""
    return _standardized(layer, learn_scale, learn_bias, **{"axes": "spatial", **kwargs})


def layer_norm(layer: Any, **kwargs: Any) -> Layer:
    """A layer whose outputs are standardized in each row before its nonlinearity (Ba et al., 2016)."""
    return _standardized(layer, True, True, **{"axes": "features", **kwargs})


def _standardized(layer: Any, scales: bool, biases: bool, **kwargs: Any) -> Layer:
    nonlinearity = getattr(layer, "nonlinearity", None)
    found: Layer = StandardizationLayer(without_nonlinearity(layer), **kwargs)
    found = ScaleLayer(found) if scales else found
    found = BiasLayer(found) if biases else found
    if nonlinearity is not None and nonlinearity is not nonlinearities.identity:
        found = NonlinearityLayer(found, nonlinearity)
    return found


class LocalResponseNormalization2DLayer(Layer):
    """Divides each value by a norm over neighbouring channels (Krizhevsky et al., 2012).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, channels, height, width).
    alpha, k, beta : float
        The divisor is (k + alpha * the sum of n squares)^beta.
    n : int
        How many channels, an odd number.
    name : str, optional
        A name.
    """

    def __init__(
        self, incoming: Any, alpha: float = 1e-4, k: float = 2, beta: float = 0.75, n: int = 5, name: str | None = None
    ) -> None:
        super().__init__(incoming, name)
        self.alpha, self.k, self.beta, self.n = alpha, k, beta, n
        if n % 2 == 0:
            raise HandsonError(f"LocalResponseNormalization2DLayer: n is odd; got {n}.")

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        half = self.n // 2
        channels, squares = self.input_shape[1], T.sqr(input)
        scale = self.k
        for shift in range(-half, half + 1):
            low, high = max(0, shift), min(channels, channels + shift)
            part = squares[:, low:high]
            target = slice(low - shift, high - shift)
            scale = scale + self.alpha * T.inc_subtensor(T.zeros_like(squares)[:, target], part)
        return input / scale**self.beta
