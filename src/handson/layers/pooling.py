"""Pooling over windows of channels-last images, and over whole images."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core.registry import register
from handson.layers.base import Layer, Shape, pair
from handson.layers.convolution import (
    IMAGES,
    channels_first,
    channels_last,
    check_padding,
    pad_same,
    same_padding,
    window_sizes,
)
from handson.layers.core import check_data_format


class _WindowPooling(Layer):
    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        check_data_format(owner, data_format)
        self.pool_size = pair(owner, "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair(owner, "strides", strides)
        self.padding = check_padding(owner, padding)

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 4, IMAGES)
        self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes, channels = input_shape
        return (batch, *window_sizes(self, sizes, self.pool_size), channels)


@register
class MaxPooling2D(_WindowPooling):
    """The largest value of each window of each channel.

    Parameters
    ----------
    pool_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int), optional
        Step of the window; by default its size.
    padding : {'valid', 'same'}
        'same' lets windows reach over the border; only values inside count.
    data_format : {'channels_last'}, optional
        The only format.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> MaxPooling2D()(torch.arange(4.0).view(1, 2, 2, 1)).item()
    3.0
    """

    def forward(self, x: Tensor) -> Tensor:
        images, padding = channels_first(x), (0, 0)
        if self.padding == "same":
            images, padding = pad_same(images, self.pool_size, self.strides, value=float("-inf"))
        return channels_last(F.max_pool2d(images, self.pool_size, self.strides, padding))


@register
class AveragePooling2D(_WindowPooling):
    """The mean of each window of each channel; with 'same' padding only values inside the image count.

    Parameters
    ----------
    pool_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int), optional
        Step of the window; by default its size.
    padding : {'valid', 'same'}
        'same' lets windows reach over the border.
    data_format : {'channels_last'}, optional
        The only format.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> AveragePooling2D()(torch.arange(4.0).view(1, 2, 2, 1)).item()
    1.5
    """

    def forward(self, x: Tensor) -> Tensor:
        images = channels_first(x)
        if self.padding == "valid":
            return channels_last(F.avg_pool2d(images, self.pool_size, self.strides))
        vertical, horizontal = (
            same_padding(*along) for along in zip(images.shape[2:], self.pool_size, self.strides, strict=True)
        )
        if vertical[0] == vertical[1] and horizontal[0] == horizontal[1]:
            padding = (vertical[0], horizontal[0])
            pooled = F.avg_pool2d(images, self.pool_size, self.strides, padding, count_include_pad=False)
            return channels_last(pooled)
        border = (*horizontal, *vertical)
        inside = F.pad(images.new_ones(1, 1, *images.shape[2:]), border)
        sums = F.avg_pool2d(F.pad(images, border), self.pool_size, self.strides)
        return channels_last(sums / F.avg_pool2d(inside, self.pool_size, self.strides))


class _GlobalPooling(Layer):
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_data_format(type(self).__name__, data_format)
        self.keepdims = keepdims

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 4, IMAGES)

    def output_shape(self, input_shape: Shape) -> Shape:
        batch, _, _, channels = input_shape
        return (batch, 1, 1, channels) if self.keepdims else (batch, channels)


@register
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel over the whole image: (n, h, w, c) becomes (n, c).

    Parameters
    ----------
    data_format : {'channels_last'}, optional
        The only format.
    keepdims : bool
        Give (n, 1, 1, c) instead.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> GlobalAveragePooling2D()(torch.ones(2, 5, 5, 3)).shape
    torch.Size([2, 3])
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2), keepdim=self.keepdims)


@register
class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of each channel over the whole image: (n, h, w, c) becomes (n, c).

    Parameters
    ----------
    data_format : {'channels_last'}, optional
        The only format.
    keepdims : bool
        Give (n, 1, 1, c) instead.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> GlobalMaxPooling2D()(torch.ones(2, 5, 5, 3)).shape
    torch.Size([2, 3])
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((1, 2), keepdim=self.keepdims)
