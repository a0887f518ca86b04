"""Convolutions over channels-last images.

Torch sees the same memory as (n, channels, height, width) in its channels_last format; nothing is copied. The kernel
has Keras's shape (height, width, inputs, outputs) and the memory order that torch's channels_last kernels want.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, pair, positive
from handson.layers.core import check_data_format

IMAGES = "(batch, height, width, channels)"


def channels_first(x: Tensor) -> Tensor:
    """A view of channels-last images (n, h, w, c) as torch's (n, c, h, w)."""
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    """A view of torch's images (n, c, h, w) as channels-last (n, h, w, c)."""
    return x.permute(0, 2, 3, 1)


def check_padding(owner: str, padding: Any) -> str:
    """'valid' or 'same', in any case."""
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise HandsonError(f"{owner}: padding is 'valid' or 'same'; got {padding!r}.")
    return padding.lower()


def window_output(size: int | None, window: int, stride: int, padding: str) -> int | None:
    """How many windows fit along one axis: Keras's rule for 'valid' and 'same'.

    Examples
    --------
    >>> window_output(5, 3, 2, "same"), window_output(5, 3, 2, "valid")
    (3, 2)
    """
    if size is None:
        return None
    return -(-size // stride) if padding == "same" else (size - window) // stride + 1


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Rows of padding before and after, for 'same': the odd one goes after, as in TensorFlow.

    Examples
    --------
    >>> same_padding(5, 2, 1), same_padding(6, 3, 2), same_padding(5, 3, 2)
    ((0, 1), (0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: Tensor, window: tuple[int, int], strides: tuple[int, int], value: float = 0.0
) -> tuple[Tensor, tuple[int, int]]:
    """Channels-first images and the symmetric padding still to apply; asymmetric padding is applied here."""
    top, bottom = same_padding(x.shape[2], window[0], strides[0])
    left, right = same_padding(x.shape[3], window[1], strides[1])
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


@register
class Conv2D(Layer):
    """A two-dimensional convolution of channels-last images.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int)
        Step of the window.
    padding : {'valid', 'same'}
        'valid': only windows inside the image. 'same': zeros around it, so that with stride 1 the size stays.
    data_format : {'channels_last'}, optional
        The only format.
    dilation_rate : int or (int, int)
        Spacing of the window's points.
    groups : int
        The number of groups that the channels are divided into, each with its own filters.
    activation : str or function, optional
        Applied to the outputs.
    use_bias : bool
        Whether a bias is added.
    kernel_initializer, bias_initializer : str or Initializer
        What the weights start from.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey after every step, such as 'non_neg' or `MaxNorm(2)`.
    **kwargs
        The arguments of every layer: `name`, `trainable`, `input_shape`.

    Notes
    -----
    The kernel has the shape (height, width, input channels / groups, filters). Inputs (n, h, w, c) give outputs
    (n, h', w', filters).

    Examples
    --------
    >>> import torch
    >>> Conv2D(8, 3, strides=2, padding="same")(torch.zeros(4, 28, 28, 1)).shape
    torch.Size([4, 14, 14, 8])
    """

    floats_only = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_data_format("Conv2D", data_format)
        self.filters = positive("Conv2D", "filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.strides = pair("Conv2D", "strides", strides)
        self.padding = check_padding("Conv2D", padding)
        self.dilation_rate = pair("Conv2D", "dilation_rate", dilation_rate)
        self.groups = positive("Conv2D", "groups", groups)
        if self.filters % self.groups:
            raise HandsonError(f"Conv2D: filters={filters} is not a multiple of groups={groups}.")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise HandsonError(f"Conv2D: strides={strides} and dilation_rate={dilation_rate} cannot both exceed 1.")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    @property
    def window(self) -> tuple[int, int]:
        """Height and width that one output sees, dilation included."""
        (height, width), (down, across) = self.kernel_size, self.dilation_rate
        return (height - 1) * down + 1, (width - 1) * across + 1

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 4, IMAGES)
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise HandsonError(
                f"Conv2D {self.name!r} needs a known number of channels, a multiple of groups={self.groups}; got "
                f"the shape {input_shape}."
            )
        self.output_shape(input_shape)
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        kernel: nn.Parameter = self.add_weight(
            shape,
            self.kernel_initializer,
            "kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        kernel.data = kernel.data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
        self.kernel = kernel
        self.bias = (
            self.add_weight(
                (self.filters,),
                self.bias_initializer,
                "bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
            if self.use_bias
            else None
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes, _ = input_shape
        return (batch, *window_sizes(self, sizes, self.window), self.filters)

    def padding_of(self, x: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """The rows of zeros above and below images, and the columns left and right of them."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        down, across = map(same_padding, x.shape[1:3], self.window, self.strides)
        return down, across

    def convolve(self, x: Tensor) -> Tensor:
        """The outputs before the activation."""
        images, padding = channels_first(x), (0, 0)
        if self.padding == "same":
            images, padding = pad_same(images, self.window, self.strides)
        kernel = self.kernel.permute(3, 2, 0, 1)
        return channels_last(
            F.conv2d(images, kernel, self.bias, self.strides, padding, self.dilation_rate, self.groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.convolve(x))


def window_sizes(layer: Any, sizes: list[int | None], window: tuple[int, int]) -> list[int | None]:
    """Output height and width of a layer that slides a window, or an error when the window does not fit."""
    outputs = [window_output(*along, layer.padding) for along in zip(sizes, window, layer.strides, strict=True)]
    if any(size is not None and size < 1 for size in outputs):
        raise HandsonError(
            f"{type(layer).__name__} {layer.name!r}: a window of {window[0]}x{window[1]} does not fit into an image of "
            f"{sizes[0]}x{sizes[1]}. Use padding='same', a smaller window, or fewer pooling layers before it."
        )
    return outputs
