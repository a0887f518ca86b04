"""Layers like convolutions whose filters differ from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.conv import BaseConvLayer
from handson.theano.variable import apply, common


class LocallyConnectedLayer(BaseConvLayer):
    """The base of convolutions with a filter of its own for each place.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, untie_biases, b, nonlinearity, flip_filters, name
        As of `BaseConvLayer`.
    pad : int, tuple of int, 'valid', 'full' or 'same'
        The padding on both sides.
    W : Initializer, array, number or shared variable
        Of the shape (filters, channels, *window, *places).
    channelwise : bool
        Whether filter i sees channel i only; there are as many filters as channels, and W has no axis of channels.
    """

    def __init__(
        self, incoming: Any, num_filters: int, filter_size: Any, stride: Any = 1, pad: Any = "same",
        untie_biases: bool = False, W: Any = init.GlorotUniform(), b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify, flip_filters: bool = True, channelwise: bool = False,
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.channelwise = channelwise
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity, flip_filters, name=name
        )

    def get_W_shape(self) -> tuple[int, ...]:
        filters, channels, *window = super().get_W_shape()
        places = self.output_shape[2:]
        if None in places:
            raise HandsonError(f"{type(self).__name__} needs known sizes of its inputs; got {self.input_shape}.")
        if not self.channelwise:
            return (filters, channels, *window, *places)
        if filters != channels:
            raise HandsonError(
                f"{type(self).__name__} with channelwise=True has as many filters as channels; got {filters} and "
                f"{channels}."
            )
        return (filters, *window, *places)

    def _make(self) -> None:
        """Nothing: the layer is an expression."""

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        settings = (self.pad, self.stride, self.flip_filters, self.channelwise)
        found = apply(_connected, input, self.W, *settings, ndim=self.rank + 2, dtype=common(input))
        if self.b is not None:
            places = range(1, self.rank + 1) if self.untie_biases else "x" * self.rank
            found = found + self.b.dimshuffle("x", 0, *places)
        return self.nonlinearity(found)


def _connected(
    x: Tensor, weights: Tensor, pad: Sequence[int], stride: Sequence[int], flip: bool, channelwise: bool
) -> Tensor:
    """Each window times the filters of its place."""
    axes = len(stride)
    window = weights.shape[-2 * axes : -axes]
    x = torch.nn.functional.pad(x, [side for one in reversed(pad) for side in (one, one)])
    for axis, (size, step) in enumerate(zip(window, stride, strict=True), 2):
        x = x.unfold(axis, size, step)  # the window's axes come last
    if flip:
        weights = weights.flip(tuple(range(weights.dim() - 2 * axes, weights.dim() - axes)))
    places, inside = "pqr"[:axes], "ijk"[:axes]
    filters, channels = ("c", "") if channelwise else ("f", "c")
    return torch.einsum(
        f"nc{places}{inside},{filters}{channels}{inside}{places}->n{filters}{places}", x, weights
    )  # fmt: skip


class LocallyConnected1DLayer(LocallyConnectedLayer):
    """Filters that differ along sequences, (n, channels, steps): see `LocallyConnectedLayer`."""

    rank = 1


class LocallyConnected2DLayer(LocallyConnectedLayer):
    """Filters that differ from place to place in images: see `LocallyConnectedLayer`.

    Examples
    --------
    >>> layer = LocallyConnected2DLayer((None, 2, 5, 5), 4, 3)
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 4, 5, 5), (4, 2, 3, 3, 5, 5))
    """


class LocallyConnected3DLayer(LocallyConnectedLayer):
    """Filters that differ from place to place in volumes: see `LocallyConnectedLayer`."""

    rank = 3
