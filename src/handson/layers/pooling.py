"""Pooling over windows of sequences, images and volumes, and over as many windows as the output has places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from handson.core.registry import register
from handson.layers.base import Shape
from handson.layers.policies import LOW
from handson.layers.spatial import Sliding, Spatial, check_format, chosen, pad_same, same_padding, sides


def mean_of_volumes(volumes: Tensor, *arguments: Any, **options: Any) -> Tensor:
    """Average pooling of volumes; in 16 bits torch has none on a CPU, so there it is computed in 32."""
    if volumes.device.type != "cpu" or volumes.dtype not in LOW:
        return F.avg_pool3d(volumes, *arguments, **options)
    return F.avg_pool3d(volumes.float(), *arguments, **options).to(volumes.dtype)


# Of the axes that `Spatial.images` has.
LARGEST = {1: F.max_pool2d, 2: F.max_pool2d, 3: F.max_pool3d}
MEANS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool2d, 2: F.avg_pool2d, 3: mean_of_volumes}
ADAPTIVE_LARGEST = {1: F.adaptive_max_pool2d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_MEANS = {1: F.adaptive_avg_pool2d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


class WindowPooling(Sliding):
    """The base of layers that make one value of each window."""

    floats_only = True

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        owner = type(self).__name__
        self.data_format = check_format(owner, data_format)
        self.pool_size = sides(owner, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else sides(owner, "strides", strides, self.rank)
        self.padding = chosen(owner, "padding", padding, ("valid", "same"))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, channels = self.parts(input_shape)
        return self.joined(batch, self.outputs(sizes, self.pool_size), channels)

    def pooled(self, images: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        """What becomes of images, channels first."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        window, strides = self.lifted(self.pool_size), self.lifted(self.strides)
        return self.restored(self.pooled(self.images(inputs), window, strides))


class MaxPooling(WindowPooling):
    """The base of the layers that keep the largest value of each window."""

    def pooled(self, images: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        padding = (0,) * len(window)
        if self.padding == "same":
            images, padding = pad_same(images, window, strides, value=float("-inf"))
        return LARGEST[self.rank](images, window, strides, padding)


class AveragePooling(WindowPooling):
    """The base of the layers that take the mean of each window."""

    def pooled(self, images: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        mean = MEANS[self.rank]
        if self.padding == "valid":
            return mean(images, window, strides)
        borders = [same_padding(*along) for along in zip(images.shape[2:], window, strides, strict=True)]
        if all(before == after for before, after in borders):
            return mean(images, window, strides, [before for before, _ in borders], count_include_pad=False)
        flat = [side for border in reversed(borders) for side in border]
        inside = F.pad(images.new_ones(1, 1, *images.shape[2:]), flat)
        return mean(F.pad(images, flat), window, strides) / mean(inside, window, strides)


@register(aliases=("MaxPool1D",))
class MaxPooling1D(MaxPooling):
    """The largest value of each window of steps, for each channel. The arguments are those of `MaxPooling2D`.

    Examples
    --------
    >>> import torch
    >>> MaxPooling1D()(torch.arange(4.0).view(1, 4, 1)).flatten().tolist()
    [1.0, 3.0]
    """

    rank = 1


@register(aliases=("MaxPool2D",))
class MaxPooling2D(MaxPooling):
    """The largest value of each window of each channel.

    Parameters
    ----------
    pool_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int), optional
        Step of the window; by default its size.
    padding : {'valid', 'same'}
        'same' lets windows reach over the border; only values inside count.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> MaxPooling2D()(torch.arange(4.0).view(1, 2, 2, 1)).item()
    3.0
    """

    rank = 2


@register(aliases=("MaxPool3D",))
class MaxPooling3D(MaxPooling):
    """The largest value of each window of volumes, for each channel. The arguments are those of `MaxPooling2D`.

    Examples
    --------
    >>> import torch
    >>> MaxPooling3D((1, 2, 2))(torch.arange(8.0).view(1, 2, 2, 2, 1)).flatten().tolist()
    [3.0, 7.0]
    """

    rank = 3


@register(aliases=("AvgPool1D",))
class AveragePooling1D(AveragePooling):
    """The mean of each window of steps, for each channel. The arguments are those of `AveragePooling2D`.

    Examples
    --------
    >>> import torch
    >>> AveragePooling1D()(torch.arange(4.0).view(1, 4, 1)).flatten().tolist()
    [0.5, 2.5]
    """

    rank = 1


@register(aliases=("AvgPool2D",))
class AveragePooling2D(AveragePooling):
    """The mean of each window of each channel; with 'same' padding only values inside the image count.

    Parameters
    ----------
    pool_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int), optional
        Step of the window; by default its size.
    padding : {'valid', 'same'}
        'same' lets windows reach over the border.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Keras on torch repeats the border where the padding is not symmetric, and counts it too; here, as in TensorFlow,
    only values inside count.

    Examples
    --------
    >>> import torch
    >>> AveragePooling2D()(torch.arange(4.0).view(1, 2, 2, 1)).item()
    1.5
    """

    rank = 2


@register(aliases=("AvgPool3D",))
class AveragePooling3D(AveragePooling):
    """The mean of each window of volumes, for each channel. The arguments are those of `AveragePooling2D`.

    Examples
    --------
    >>> import torch
    >>> AveragePooling3D((1, 2, 2))(torch.arange(8.0).view(1, 2, 2, 2, 1)).flatten().tolist()
    [1.5, 5.5]
    """

    rank = 3


class AdaptivePooling(Spatial):
    """The base of layers that choose their windows for a size of the output."""

    floats_only = True
    functions: ClassVar[dict[int, Any]]

    def __init__(self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.data_format = check_format(owner, data_format)
        self.output_size = sides(owner, "output_size", output_size, self.rank)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, channels = self.parts(input_shape)
        return self.joined(batch, self.output_size, channels)

    def call(self, inputs: Tensor) -> Tensor:
        return self.restored(self.functions[self.rank](self.images(inputs), self.lifted(self.output_size)))


@register
class AdaptiveAveragePooling1D(AdaptivePooling):
    """The means of `output_size` windows along the steps. The arguments are those of `AdaptiveAveragePooling2D`.

    Examples
    --------
    >>> import torch
    >>> AdaptiveAveragePooling1D(2)(torch.arange(6.0).view(1, 6, 1)).flatten().tolist()
    [1.0, 4.0]
    """

    rank, functions = 1, ADAPTIVE_MEANS


@register
class AdaptiveAveragePooling2D(AdaptivePooling):
    """The means of as many windows, of about one size, as the output has places.

    Parameters
    ----------
    output_size : int or (int, int)
        Height and width of the output.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Window i of n over a size of s goes from floor(i s / n) to ceil((i + 1) s / n), as in PyTorch; windows overlap
    where n does not divide s.

    Examples
    --------
    >>> import torch
    >>> AdaptiveAveragePooling2D(3)(torch.zeros(2, 10, 12, 4)).shape
    torch.Size([2, 3, 3, 4])
    """

    rank, functions = 2, ADAPTIVE_MEANS


@register
class AdaptiveAveragePooling3D(AdaptivePooling):
    """The means of as many windows of volumes as the output has places. As `AdaptiveAveragePooling2D`, with three axes.

    Examples
    --------
    >>> import torch
    >>> AdaptiveAveragePooling3D((1, 2, 3))(torch.zeros(2, 4, 5, 6, 1)).shape
    torch.Size([2, 1, 2, 3, 1])
    """

    rank, functions = 3, ADAPTIVE_MEANS


@register
class AdaptiveMaxPooling1D(AdaptivePooling):
    """The largest values of `output_size` windows along the steps. The arguments are those of `AdaptiveMaxPooling2D`.

    Examples
    --------
    >>> import torch
    >>> AdaptiveMaxPooling1D(2)(torch.arange(6.0).view(1, 6, 1)).flatten().tolist()
    [2.0, 5.0]
    """

    rank, functions = 1, ADAPTIVE_LARGEST


@register
class AdaptiveMaxPooling2D(AdaptivePooling):
    """The largest values of as many windows, of about one size, as the output has places.

    The arguments and the windows are those of `AdaptiveAveragePooling2D`.

    Examples
    --------
    >>> import torch
    >>> AdaptiveMaxPooling2D((3, 1))(torch.zeros(2, 10, 12, 4)).shape
    torch.Size([2, 3, 1, 4])
    """

    rank, functions = 2, ADAPTIVE_LARGEST


@register
class AdaptiveMaxPooling3D(AdaptivePooling):
    """The largest values of as many windows of volumes as the output has places.

    The arguments and the windows are those of `AdaptiveAveragePooling2D`, with three axes.

    Examples
    --------
    >>> import torch
    >>> AdaptiveMaxPooling3D(2)(torch.zeros(2, 4, 5, 6, 1)).shape
    torch.Size([2, 2, 2, 2, 1])
    """

    rank, functions = 3, ADAPTIVE_LARGEST
