"""Convolutions of each channel by itself, and those followed by a mixing of the channels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.convolution import FUNCTIONS, Windowed, laid_out, torch_kernel


class _EachChannel(Windowed):
    """The base of layers whose first kernel is for each channel by itself."""

    depth_multiplier: int

    def each_kernel(self, name: str, channels: int) -> Any:
        """Make a kernel of shape (window..., channels, depth_multiplier)."""
        kernel = self.weigh(name, (*self.kernel_size, channels, self.depth_multiplier), "depthwise")
        return laid_out(kernel, (self.rank, self.rank + 1, *range(self.rank)))

    def convolve_each(self, images: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve each channel with its own windows."""
        images, padding = self.padded(images)
        window, (channels, times) = kernel.shape[:-2], kernel.shape[-2:]
        turned = kernel.permute(self.rank, self.rank + 1, *range(self.rank))
        weight = turned.reshape(channels * times, 1, *self.lifted(tuple(window)))
        strides, dilation = self.lifted(self.strides), self.lifted(self.dilation_rate)
        return FUNCTIONS[self.rank](images, weight, bias, strides, padding, dilation, channels)


class Depthwise(_EachChannel):
    """The base of the depthwise convolutions, for any number of axes."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.slide(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = positive(type(self).__name__, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer, self.depthwise_regularizer = depthwise_initializer, depthwise_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.finish(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.kernel = self.each_kernel("kernel", channels)
        self.make_bias(channels * self.depth_multiplier)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, channels = self.parts(input_shape)
        many = None if channels is None else channels * self.depth_multiplier
        return self.joined(batch, self.outputs(sizes, self.window), many)

    def convolve(self, x: Tensor) -> Tensor:
        """The outputs before the activation."""
        return self.restored(self.convolve_each(self.images(x), self.kernel, self.bias))


@register
class DepthwiseConv1D(Depthwise):
    """A convolution of each channel of sequences (n, steps, channels) by itself.

    The arguments are those of `DepthwiseConv2D`, with one axis.

    Examples
    --------
    >>> import torch
    >>> DepthwiseConv1D(3, depth_multiplier=2)(torch.zeros(4, 10, 5)).shape
    torch.Size([4, 8, 10])
    """

    rank = 1


@register
class DepthwiseConv2D(Depthwise):
    """A convolution of each channel of images by itself: channels are not mixed.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int)
        Step of the window.
    padding : {'valid', 'same'}
        As of `Conv2D`.
    depth_multiplier : int
        How many outputs each channel has.
    depthwise_initializer, depthwise_regularizer, depthwise_constraint
        What the kernel starts from, the penalty on it, and what it is made to obey.
    data_format, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer, \
bias_constraint, **kwargs
        As of `Conv2D`; strides and dilation may both exceed 1.

    Notes
    -----
    The kernel has the shape (height, width, channels, depth_multiplier); the outputs of a channel lie side by side.

    Examples
    --------
    >>> import torch
    >>> DepthwiseConv2D(3, padding="same", depth_multiplier=2)(torch.zeros(4, 9, 9, 5)).shape
    torch.Size([4, 9, 9, 10])
    """

    rank = 2


class Separable(_EachChannel):
    """The base of the separable convolutions, for any number of axes."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        owner = type(self).__name__
        self.filters = positive(owner, "filters", filters)
        self.slide(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = positive(owner, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer, self.depthwise_regularizer = depthwise_initializer, depthwise_regularizer
        self.pointwise_initializer, self.pointwise_regularizer = pointwise_initializer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint
        self.finish(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.depthwise_kernel = self.each_kernel("depthwise_kernel", channels)
        mixed = (1,) * self.rank + (channels * self.depth_multiplier, self.filters)
        kernel = self.weigh("pointwise_kernel", mixed, "pointwise")
        self.pointwise_kernel = laid_out(kernel, (self.rank + 1, *range(self.rank + 1)))
        self.make_bias(self.filters)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, _ = self.parts(input_shape)
        return self.joined(batch, self.outputs(sizes, self.window), self.filters)

    def convolve(self, x: Tensor) -> Tensor:
        """The outputs before the activation."""
        each = self.convolve_each(self.images(x), self.depthwise_kernel, None)
        return self.restored(FUNCTIONS[self.rank](each, torch_kernel(self.pointwise_kernel), self.bias))


@register(aliases=("SeparableConvolution1D",))
class SeparableConv1D(Separable):
    """A convolution of each channel of sequences by itself, followed by a mixing of the channels.

    The arguments are those of `SeparableConv2D`, with one axis.

    Examples
    --------
    >>> import torch
    >>> SeparableConv1D(7, 3)(torch.zeros(4, 10, 5)).shape
    torch.Size([4, 8, 7])
    """

    rank = 1


@register(aliases=("SeparableConvolution2D",))
class SeparableConv2D(Separable):
    """A convolution of each channel of images by itself, followed by a mixing of the channels. Chollet (2017).

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        Height and width of the window.
    strides, padding, data_format, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer, \
activity_regularizer, bias_constraint, **kwargs
        As of `Conv2D`; strides and dilation may both exceed 1.
    depth_multiplier : int
        How many values each channel gives to the mixing.
    depthwise_initializer, depthwise_regularizer, depthwise_constraint
        Of the kernel of each channel.
    pointwise_initializer, pointwise_regularizer, pointwise_constraint
        Of the kernel that mixes.

    Notes
    -----
    `depthwise_kernel` has the shape (height, width, channels, depth_multiplier), `pointwise_kernel` (1, 1, channels *
    depth_multiplier, filters).

    Examples
    --------
    >>> import torch
    >>> SeparableConv2D(7, 3, padding="same")(torch.zeros(4, 9, 9, 5)).shape
    torch.Size([4, 9, 9, 7])
    """

    rank = 2
