"""Convolutions over sequences, images and volumes.

The kernel has Keras's shape (window..., inputs, outputs) and the memory order that torch's channels_last kernels want.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.low_rank import Adapted, LowRank
from handson.layers.spatial import Sliding, check_format, chosen, pad_same, same_padding, sides

# Of the axes that `Spatial.images` has.
FUNCTIONS = {1: F.conv2d, 2: F.conv2d, 3: F.conv3d}


def laid_out(weight: nn.Parameter, order: Sequence[int]) -> Any:
    """The same weight, with its axes in another order in memory."""
    back = [order.index(axis) for axis in range(len(order))]
    weight.data = weight.data.permute(*order).contiguous().permute(*back)
    return weight


class Windowed(Sliding):
    """The base of layers with a kernel that slides: the arguments that all of them have, and their bias."""

    floats_only = True
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def slide(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> None:
        """Check how the window slides, and keep it."""
        owner = type(self).__name__
        self.data_format = check_format(owner, data_format)
        self.kernel_size = sides(owner, "kernel_size", kernel_size, self.rank)
        self.strides = sides(owner, "strides", strides, self.rank)
        self.padding = chosen(owner, "padding", padding, self.paddings)
        self.dilation_rate = sides(owner, "dilation_rate", dilation_rate, self.rank)

    def finish(self, activation: Any, use_bias: bool, initializer: Any, regularizer: Any, constraint: Any) -> None:
        """Keep what happens to the outputs."""
        self.activation = activations.get(activation)
        self.use_bias, self.bias_initializer = use_bias, initializer
        self.bias_regularizer, self.bias_constraint = regularizer, constraint

    def one_of_both(self) -> None:
        """Raise when the window jumps and has gaps."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise HandsonError(
                f"{type(self).__name__}: strides={_short(self.strides)} and "
                f"dilation_rate={_short(self.dilation_rate)} cannot both exceed 1."
            )

    @property
    def window(self) -> tuple[int, ...]:
        """The size that one output sees, dilation included."""
        return tuple((size - 1) * apart + 1 for size, apart in zip(self.kernel_size, self.dilation_rate, strict=True))

    def known_channels(self, input_shape: Shape) -> int:
        """The channels of a shape, or an error where they are not known."""
        channels = self.parts(input_shape)[2]
        if channels is None:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} needs a known number of channels; got the shape {input_shape}."
            )
        return channels

    def weigh(self, name: str, shape: Sequence[int], role: str) -> Any:
        """Make a weight with the initializer, the regularizer and the constraint of a role."""
        initializer, regularizer, constraint = (
            getattr(self, f"{role}_{what}") for what in ("initializer", "regularizer", "constraint")
        )
        return self.add_weight(shape, initializer, name, regularizer=regularizer, constraint=constraint)

    def make_bias(self, size: int) -> None:
        """Make the bias, None without one."""
        self.bias = self.weigh("bias", (size,), "bias") if self.use_bias else None

    def padded(self, images: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Images, and the symmetric padding that is still to be applied."""
        if self.padding == "valid":
            return images, self.lifted((0,) * self.rank, 0)
        if self.padding == "causal":
            return F.pad(images, (self.window[0] - 1, 0)), (0, 0)
        return pad_same(images, self.lifted(self.window), self.lifted(self.strides))

    def convolve(self, x: Tensor) -> Tensor:
        """The outputs before the activation."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(self.convolve(inputs))


class Convolution(Windowed, LowRank):
    """The base of the convolutions, for any number of axes."""

    kernel = Adapted()

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
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
        owner = type(self).__name__
        self.filters = positive(owner, "filters", filters)
        self.slide(kernel_size, strides, padding, data_format, dilation_rate)
        self.groups = positive(owner, "groups", groups)
        if self.filters % self.groups:
            raise HandsonError(f"{owner}: filters={filters} is not a multiple of groups={groups}.")
        self.one_of_both()
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint
        self.finish(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.parts(input_shape)[2]
        if channels is None or channels % self.groups:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} needs a known number of channels, a multiple of "
                f"groups={self.groups}; got the shape {input_shape}."
            )
        self.compute_output_shape(input_shape)
        kernel = self.weigh("kernel", (*self.kernel_size, channels // self.groups, self.filters), "kernel")
        self.kernel = laid_out(kernel, (self.rank + 1, *range(self.rank + 1)))
        self.make_bias(self.filters)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, _ = self.parts(input_shape)
        return self.joined(batch, self.outputs(sizes, self.window), self.filters)

    def padding_of(self, x: Tensor) -> tuple[tuple[int, int], ...]:
        """The zeros before and after each axis of inputs."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        if self.padding == "causal":
            return ((self.window[0] - 1, 0),)
        return tuple(map(same_padding, self.sizes_of(x), self.window, self.strides))

    def convolve(self, x: Tensor) -> Tensor:
        images, padding = self.padded(self.images(x))
        strides, dilation = self.lifted(self.strides), self.lifted(self.dilation_rate)
        kernel = torch_kernel(self.kernel)
        return self.restored(FUNCTIONS[self.rank](images, kernel, self.bias, strides, padding, dilation, self.groups))


def torch_kernel(kernel: Tensor) -> Tensor:
    """A kernel of shape (window..., a, b) as torch's (b, a, window...), with at least two axes for the window."""
    axes = kernel.dim()
    turned = kernel.permute(axes - 1, axes - 2, *range(axes - 2))
    return turned.unsqueeze(2) if axes == 3 else turned


def _short(values: tuple[int, ...]) -> Any:
    """One number where all are the same."""
    return values[0] if len(set(values)) == 1 else values


@register(aliases=("Convolution1D",))
class Conv1D(Convolution):
    """A convolution along the steps of sequences (n, steps, channels).

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int
        How many steps the window has.
    strides : int
        Step of the window.
    padding : {'valid', 'same', 'causal'}
        'causal' puts all zeros before the first step, so that no output sees a later step than its own.
    data_format, dilation_rate, groups, activation, use_bias, kernel_initializer, bias_initializer, \
kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **kwargs
        As of `Conv2D`.

    Notes
    -----
    The kernel has the shape (window, input channels / groups, filters).

    Examples
    --------
    >>> import torch
    >>> Conv1D(8, 3, padding="causal", dilation_rate=2)(torch.zeros(4, 100, 1)).shape
    torch.Size([4, 100, 8])
    """

    rank = 1
    paddings = ("valid", "same", "causal")


@register(aliases=("Convolution2D",))
class Conv2D(Convolution):
    """A two-dimensional convolution of images (n, height, width, channels).

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
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are; 'channels_last' by default, which is faster.
    dilation_rate : int or (int, int)
        Spacing of the window's points; only with strides of 1.
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
    activity_regularizer : str or Regularizer, optional
        A penalty on the outputs.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey after every step, such as 'non_neg' or `MaxNorm(2)`.
    **kwargs
        `lora_rank` and `lora_alpha`, as of `enable_lora`; the arguments of every layer: `name`, `trainable`,
        `input_shape`.

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

    rank = 2
    kernel_size: tuple[int, int]

    def padding_of(self, x: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """The rows of zeros above and below images, and the columns left and right of them."""
        down, across = super().padding_of(x)
        return down, across


@register(aliases=("Convolution3D",))
class Conv3D(Convolution):
    """A convolution of volumes (n, depth, height, width, channels).

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window.
    strides, padding, data_format, dilation_rate, groups, activation, use_bias, kernel_initializer, bias_initializer, \
kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **kwargs
        As of `Conv2D`, with three axes.

    Notes
    -----
    The kernel has the shape (depth, height, width, input channels / groups, filters).

    Examples
    --------
    >>> import torch
    >>> Conv3D(8, (1, 3, 3))(torch.zeros(2, 5, 9, 9, 1)).shape
    torch.Size([2, 5, 7, 7, 8])
    """

    rank = 3
