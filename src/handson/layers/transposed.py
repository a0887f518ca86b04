"""Transposed convolutions: each input spreads a window of outputs, so sizes grow where a convolution's shrink."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.convolution import Windowed, laid_out, torch_kernel
from handson.layers.spatial import NUMBERS, not_negative

# Types that oneDNN convolves, in any layout.
ONEDNN = (torch.float32, torch.bfloat16)
# Of the axes that `Spatial.images` has.
FUNCTIONS = {1: F.conv_transpose2d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def transposed_output(size: int | None, window: int, stride: int, padding: str, extra: int | None) -> int | None:
    """The size of the output along one axis: Keras's rule for 'valid' and 'same', with and without output padding.

    Examples
    --------
    >>> transposed_output(5, 3, 2, "same", None), transposed_output(5, 3, 2, "valid", None)
    (10, 11)
    """
    if size is None:
        return None
    if padding == "same":
        return size * stride if extra is None else (size - 1) * stride + window % 2 + extra
    return (size - 1) * stride + window + (max(stride - window, 0) if extra is None else extra)


def cropping(window: int, stride: int, padding: str, extra: int | None) -> tuple[int, int]:
    """What is cut off before and after the full transpose of one axis; less than nothing is added.

    Keras's rule; the size is that of `transposed_output`, and for 'same' the odd place is cut off at the end.

    Examples
    --------
    >>> cropping(3, 2, "same", None), cropping(2, 3, "valid", None)
    ((0, 1), (0, -1))
    """
    if padding == "valid":
        return 0, -(max(stride - window, 0) if extra is None else extra)
    total = stride + window - 2 if extra is None else window + window % 2 - 2 + extra
    before = min(total // 2 + total % 2, window - 1)
    return window - 1 - before, window - 1 - (total - before)


class Transposed(Windowed):
    """The base of the transposed convolutions, for any number of axes."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(type(self).__name__, "filters", filters)
        self.slide(kernel_size, strides, padding, data_format, dilation_rate)
        self.one_of_both()
        self.output_padding = None if output_padding is None else self._extra(output_padding)
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint
        self.finish(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def _extra(self, given: Any) -> tuple[int, ...]:
        owner = type(self).__name__
        values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * self.rank
        extra = tuple(not_negative(owner, "output_padding", one) for one in values)
        if len(extra) != self.rank or any(one >= step for one, step in zip(extra, self.strides, strict=False)):
            raise HandsonError(
                f"{owner}: output_padding is one whole number or {NUMBERS[self.rank]}, smaller than the strides "
                f"{self.strides}; got {given!r}."
            )
        return extra

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        self.compute_output_shape(input_shape)
        kernel = self.weigh("kernel", (*self.kernel_size, self.filters, channels), "kernel")
        self.kernel = laid_out(kernel, (self.rank + 1, *range(self.rank + 1)))
        self.make_bias(self.filters)

    def _along(self) -> list[tuple[int, int, str, int | None]]:
        extra = self.output_padding or (None,) * self.rank
        windows = zip(self.window, self.strides, extra, strict=True)
        return [(window, stride, self.padding, more) for window, stride, more in windows]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, _ = self.parts(input_shape)
        found = [transposed_output(size, *along) for size, along in zip(sizes, self._along(), strict=True)]
        if any(size is not None and size < 1 for size in found):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} would give outputs of the sizes {tuple(found)} for inputs of "
                f"shape {input_shape}. Leave output_padding away, or use padding='valid'."
            )
        return self.joined(batch, found, self.filters)

    def convolve(self, x: Tensor) -> Tensor:
        """The outputs before the activation."""
        crops = [cropping(*along) for along in self._along()]
        # Torch cuts off as much at both ends, and can give back at the far end only.
        near = tuple(before for before, _ in crops)
        back = tuple(max(before - after, 0) for before, after in crops)
        images, kernel = self.images(x), torch_kernel(self.kernel)
        if kernel.dtype not in ONEDNN:  # torch's own backward pass wants the plain layout in memory
            images, kernel = (each.clone(memory_format=torch.contiguous_format) for each in (images, kernel))
        y = FUNCTIONS[self.rank](
            images,
            kernel,
            self.bias,
            self.lifted(self.strides),
            self.lifted(near, 0),
            self.lifted(back, 0),
            1,
            self.lifted(self.dilation_rate),
        )
        for axis, (before, after) in enumerate(crops, y.dim() - self.rank):
            if after > before:
                y = y.narrow(axis, 0, y.shape[axis] - (after - before))
        return self.restored(y)


@register(aliases=("Convolution1DTranspose",))
class Conv1DTranspose(Transposed):
    """The transpose of a convolution of sequences: (n, steps, channels) gives more steps.

    The arguments are those of `Conv2DTranspose`, with one axis.

    Examples
    --------
    >>> import torch
    >>> Conv1DTranspose(8, 3, strides=2, padding="same")(torch.zeros(4, 50, 1)).shape
    torch.Size([4, 100, 8])
    """

    rank = 1


@register(aliases=("Convolution2DTranspose",))
class Conv2DTranspose(Transposed):
    """The transpose of a convolution of images, also called deconvolution: images get larger.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        Height and width of the window that each input spreads.
    strides : int or (int, int)
        How far apart the windows of neighbours are.
    padding : {'valid', 'same'}
        'valid': all that the windows reach. 'same': size times stride.
    output_padding : int or (int, int), optional
        States the size of the output: rows and columns in addition to the smallest; less than the strides.
    data_format, dilation_rate, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, \
bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **kwargs
        As of `Conv2D`.

    Notes
    -----
    The kernel has the shape (height, width, filters, input channels).

    Examples
    --------
    >>> import torch
    >>> Conv2DTranspose(8, 3, strides=2, padding="same")(torch.zeros(4, 7, 7, 16)).shape
    torch.Size([4, 14, 14, 8])
    """

    rank = 2


@register(aliases=("Convolution3DTranspose",))
class Conv3DTranspose(Transposed):
    """The transpose of a convolution of volumes (n, depth, height, width, channels).

    The arguments are those of `Conv2DTranspose`, with three axes; by position `data_format` comes before
    `output_padding`, as in Keras.

    Examples
    --------
    >>> import torch
    >>> Conv3DTranspose(2, 2, strides=2)(torch.zeros(1, 2, 3, 4, 1)).shape
    torch.Size([1, 4, 6, 8, 2])
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, **kwargs)
