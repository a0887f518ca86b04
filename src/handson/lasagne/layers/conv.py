"""Convolutions of sequences, images and volumes, channels first."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.base import Layer, Shape, View, same
from handson.lasagne.nonlinearities import as_activation
from handson.lasagne.utils import as_tuple
from handson.theano.variable import Variable, apply, common

CONVOLUTIONS = {1: own.Conv1D, 2: own.Conv2D, 3: own.Conv3D}
PADDINGS = {1: own.ZeroPadding1D, 2: own.ZeroPadding2D, 3: own.ZeroPadding3D}


def conv_output_length(input_length: int | None, filter_size: int, stride: int, pad: Any = 0) -> int | None:
    """How many places an axis has after a convolution.

    Examples
    --------
    >>> conv_output_length(10, 3, 1, "same"), conv_output_length(10, 3, 2, 0), conv_output_length(10, 3, 1, "full")
    (10, 4, 12)
    """
    if input_length is None:
        return None
    (before,) = paddings(pad, (filter_size,))
    return (input_length + 2 * before - filter_size) // stride + 1


def paddings(pad: Any, window: tuple[int, ...]) -> tuple[int, ...]:
    """Lasagne's padding as numbers for each axis, on both sides."""
    if isinstance(pad, str):
        known = {"valid": [0 for _ in window], "full": [size - 1 for size in window], "same": [s // 2 for s in window]}
        if pad not in known:
            raise HandsonError(f"pad is 'valid', 'full', 'same', a number or a tuple of numbers; got {pad!r}.")
        if pad == "same" and any(size % 2 == 0 for size in window):
            raise HandsonError(f"pad='same' is for windows of odd sizes; got {window}.")
        return tuple(known[pad])
    return as_tuple(pad, len(window), int)


def _views(rank: int, flip: bool) -> tuple[View, View]:
    """A kernel of handson as Lasagne's filters, and back."""
    axes = tuple(range(2, rank + 2))
    forth, back = (rank + 1, rank, *range(rank)), (*axes, 1, 0)

    def filters(kernel: Tensor) -> Tensor:
        found = kernel.permute(forth)
        return found.flip(axes) if flip else found

    def kernel(filters: Tensor) -> Tensor:
        return (filters.flip(axes) if flip else filters).permute(back)

    return filters, kernel


# Each once, so that layers that share a parameter can be seen to keep it alike.
VIEWS = {(rank, flip): _views(rank, flip) for rank in (1, 2, 3) for flip in (False, True)}


class BaseConvLayer(Layer):
    """The base of convolutions.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, channels, ...).
    num_filters : int
        The number of filters.
    filter_size : int or tuple of int
        The window.
    stride : int or tuple of int
        The step of the window.
    pad : int, tuple of int, 'valid', 'full' or 'same'
        The padding on both sides.
    untie_biases : bool
        Whether each place has a bias of its own.
    W, b : Initializer, array, number or shared variable
        What the parameters start from. W has the shape (filters, channels, ...).
    nonlinearity : function, optional
        What is applied.
    flip_filters : bool
        True for a convolution, False for a correlation, as other libraries have it.
    num_groups : int
        Channels and filters are divided into so many groups.
    name : str, optional
        A name.
    """

    rank: ClassVar[int] = 2

    def __init__(
        self, incoming: Any, num_filters: int, filter_size: Any, stride: Any = 1, pad: Any = 0,
        untie_biases: bool = False, W: Any = init.GlorotUniform(), b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify, flip_filters: bool = True, convolution: Any = None,
        num_groups: int = 1, name: str | None = None, dilation: Any = 1,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        if len(self.input_shape) != self.rank + 2:
            raise HandsonError(
                f"{type(self).__name__} takes inputs with {self.rank + 2} axes, channels second; got the shape "
                f"{self.input_shape}."
            )
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_filters, self.num_groups = int(num_filters), int(num_groups)
        self.filter_size = as_tuple(filter_size, self.rank, int)
        self.stride, self.dilation = as_tuple(stride, self.rank, int), as_tuple(dilation, self.rank, int)
        self.pad, self.flip_filters, self.untie_biases = paddings(pad, self.window), flip_filters, untie_biases
        self.W = self.add_param(W, self.get_W_shape(), name="W")
        shape = (self.num_filters, *self.output_shape[2:]) if untie_biases else (self.num_filters,)
        self.b = None if b is None else self.add_param(b, shape, name="b", regularizable=False)
        self._make()

    @property
    def window(self) -> tuple[int, ...]:
        """The size that one output sees, dilation included."""
        return tuple((size - 1) * apart + 1 for size, apart in zip(self.filter_size, self.dilation, strict=True))

    def get_W_shape(self) -> tuple[int, ...]:
        """The shape of the filters."""
        channels = self.input_shape[1]
        if channels is None or channels % self.num_groups:
            raise HandsonError(f"{self!r} needs a known number of channels, a multiple of num_groups; got {channels}.")
        return (self.num_filters, channels // self.num_groups, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        along = zip(input_shape[2:], self.window, self.stride, self.pad, strict=True)
        return (input_shape[0], self.num_filters, *(conv_output_length(*one) for one in along))

    def _make(self) -> None:
        """handson's layers: a padding if there is one, and the convolution."""
        tied = self.b is not None and not self.untie_biases
        activation = as_activation(None if self.untie_biases else self.nonlinearity)
        convolution = CONVOLUTIONS[self.rank](
            self.num_filters, self.filter_size, self.stride, data_format="channels_first", groups=self.num_groups,
            dilation_rate=self.dilation, activation=activation, use_bias=tied,
        )  # fmt: skip
        before = self._padding()
        sizes = [None if side is None else side + 2 * p for side, p in zip(self.input_shape[2:], self.pad, strict=True)]
        convolution.ensure_built((self.input_shape[0], self.input_shape[1], *sizes))
        self.parts = [*before, convolution]
        self.adopt(self.W, convolution, "kernel", *VIEWS[self.rank, self.flip_filters])
        if tied:
            self.adopt(self.b, convolution, "bias")

    def _padding(self) -> list[Any]:
        if not any(self.pad):
            return []
        sides = self.pad[0] if self.rank == 1 else tuple((one, one) for one in self.pad)
        padding = PADDINGS[self.rank](sides, data_format="channels_first")
        padding.ensure_built(self.input_shape)
        return [padding]

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        convolution = (self.parts or [])[-1]
        weights: list[Any] = [(convolution, "kernel", VIEWS[self.rank, self.flip_filters][1])]
        if self.b is not None and not self.untie_biases:
            weights.append((convolution, "bias", same))
        found = self.apply_parts(input, True, weights)
        if not self.untie_biases:
            return found
        found = found if self.b is None else found + self.b.dimshuffle("x", *range(self.rank + 1))
        return self.nonlinearity(found)


class Conv1DLayer(BaseConvLayer):
    """Convolution of sequences, (n, channels, steps): see `BaseConvLayer`."""

    rank = 1


class Conv2DLayer(BaseConvLayer):
    """Convolution of images, (n, channels, height, width): see `BaseConvLayer`.

    Examples
    --------
    >>> from handson.lasagne.layers import InputLayer
    >>> layer = Conv2DLayer(InputLayer((None, 1, 96, 96)), 32, (3, 3))
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 32, 94, 94), (32, 1, 3, 3))
    """


class Conv3DLayer(BaseConvLayer):
    """Convolution of volumes, (n, channels, depth, height, width): see `BaseConvLayer`."""

    rank = 3


class DilatedConv2DLayer(BaseConvLayer):
    """Convolution of images whose windows have gaps. W has the shape (channels, filters, height, width), as in Lasagne.

    Parameters
    ----------
    dilation : int or (int, int)
        How far the values of a window are apart.
    **kwargs
        As of `BaseConvLayer`, without `stride`.
    """

    def __init__(
        self, incoming: Any, num_filters: int, filter_size: Any, dilation: Any = 1, pad: Any = 0, **kwargs: Any
    ) -> None:
        if pad not in (0, (0, 0), "valid"):
            raise HandsonError("DilatedConv2DLayer: pad is 0, as in Lasagne; put a PadLayer before it.")
        super().__init__(incoming, num_filters, filter_size, dilation=dilation, flip_filters=False, **kwargs)

    def get_W_shape(self) -> tuple[int, ...]:
        filters, channels, *window = super().get_W_shape()
        return (channels, filters, *window)

    def adopt(self, param: Any, part: Any, weight: str, to: View = same, back: View = same) -> None:
        if weight == "kernel":
            to, back = _TRANSPOSED
        super().adopt(param, part, weight, to, back)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        convolution = (self.parts or [])[-1]
        bias = [(convolution, "bias", same)] if self.b is not None else []
        return self.apply_parts(input, True, [(convolution, "kernel", _TRANSPOSED[1]), *bias])


_TRANSPOSED: tuple[View, View] = (lambda kernel: kernel.permute(2, 3, 0, 1), lambda w: w.permute(2, 3, 0, 1))


class TransposedConv2DLayer(Layer):
    """The transposed convolution of images: what the backward pass of `Conv2DLayer` computes.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, W, b, nonlinearity, flip_filters, name
        As of `BaseConvLayer`; W has the shape (channels, filters, height, width).
    crop : int, (int, int), 'valid', 'full' or 'same'
        What is cut off on both sides.
    """

    def __init__(
        self, incoming: Any, num_filters: int, filter_size: Any, stride: Any = (1, 1), crop: Any = 0,
        untie_biases: bool = False, W: Any = init.GlorotUniform(), b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify, flip_filters: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        if untie_biases:
            raise HandsonError("TransposedConv2DLayer: untie_biases is not there; put a BiasLayer behind, b=None here.")
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_filters, self.filter_size = int(num_filters), as_tuple(filter_size, 2, int)
        self.stride, self.crop = as_tuple(stride, 2, int), paddings(crop, self.filter_size)
        self.flip_filters = flip_filters
        self.W = self.add_param(W, (self.input_shape[1], self.num_filters, *self.filter_size), name="W")
        self.b = None if b is None else self.add_param(b, (self.num_filters,), name="b", regularizable=False)

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        along = zip(input_shape[2:], self.filter_size, self.stride, self.crop, strict=True)
        sizes = [None if n is None else (n - 1) * step + size - 2 * cut for n, size, step, cut in along]
        return (input_shape[0], self.num_filters, *sizes)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        arguments = (self.W, self.stride, self.crop, self.flip_filters)
        found: Variable = apply(_transposed, input, *arguments, ndim=4, dtype=common(input))
        found = found if self.b is None else found + self.b.dimshuffle("x", 0, "x", "x")
        return self.nonlinearity(found)


def _transposed(x: Tensor, w: Tensor, stride: tuple[int, int], crop: tuple[int, int], flip: bool) -> Tensor:
    from torch.nn.functional import conv_transpose2d

    # Lasagne's default, flip_filters=False, is a convolution here: torch's transposed correlation.
    return conv_transpose2d(x, w.flip(2, 3) if flip else w, None, stride, crop)


Deconv2DLayer = TransposedConv2DLayer
