"""Layers that disturb their inputs while training."""

from __future__ import annotations

from typing import Any

from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne.layers.base import Layer
from handson.lasagne.random import get_rng
from handson.theano.randomness import RandomStreams


class DropoutLayer(Layer):
    """Sets values to zero with a probability, unless `deterministic`.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    p : float
        The probability.
    rescale : bool
        Whether the others are divided by 1 - p.
    shared_axes : tuple of int
        Axes along which one decision holds.
    name : str, optional
        A name.

    Examples
    --------
    >>> from handson.lasagne.layers import InputLayer, get_output
    >>> x = InputLayer((None, 2))
    >>> get_output(DropoutLayer(x), deterministic=True).eval({x.input_var: [[1, 2]]}).tolist()
    [[1.0, 2.0]]
    """

    def __init__(
        self, incoming: Any, p: float = 0.5, rescale: bool = True, shared_axes: Any = (), name: str | None = None
    ) -> None:
        super().__init__(incoming, name)
        self.p, self.rescale, self.shared_axes = p, rescale, tuple(shared_axes)
        self._srng = RandomStreams(get_rng().randint(1, 2147462579))
        axes = len(self.input_shape)
        shared = {axis % axes for axis in self.shared_axes}
        noise = tuple(1 if axis in shared else None for axis in range(axes)) if shared else None
        dropout = own.Dropout(float(p), noise_shape=noise)
        dropout.ensure_built(self.input_shape)
        self.parts = [dropout]

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        if deterministic or self.p == 0:
            return input
        found = self.apply_parts(input, False, [])
        return found if self.rescale else found * (1 - self.p)


dropout = DropoutLayer


def dropout_channels(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drops whole channels."""
    ndim = len(getattr(incoming, "output_shape", incoming))
    return DropoutLayer(incoming, *args, **(kwargs | {"shared_axes": tuple(range(2, ndim))}))


spatial_dropout = dropout_channels


def dropout_locations(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drops places, in all channels."""
    return DropoutLayer(incoming, *args, **(kwargs | {"shared_axes": (1,)}))


class GaussianNoiseLayer(Layer):
    """Adds normal numbers, unless `deterministic`.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    sigma : float
        Their spread.
    name : str, optional
        A name.
    """

    def __init__(self, incoming: Any, sigma: float = 0.1, name: str | None = None) -> None:
        super().__init__(incoming, name)
        if not isinstance(sigma, (int, float)):
            raise HandsonError(f"GaussianNoiseLayer: sigma is a number; got {sigma!r}.")
        self.sigma = sigma
        noise = own.GaussianNoise(float(sigma))
        noise.ensure_built(self.input_shape)
        self.parts = [noise]

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        return input if deterministic or self.sigma == 0 else self.apply_parts(input, False, [])
