"""Pooling over whole sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson.core.registry import register
from handson.layers.base import Shape
from handson.layers.spatial import Spatial, check_format


class GlobalPooling(Spatial):
    """The base of layers that make one value of each channel."""

    floats_only = True

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_format(type(self).__name__, data_format)
        self.keepdims = keepdims

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are pooled over."""
        first = 1 if self.last else 2
        return tuple(range(first, first + self.rank))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, channels = self.parts(input_shape)
        return self.joined(batch, (1,) * self.rank if self.keepdims else (), channels)


class GlobalAveragePooling(GlobalPooling):
    """The base of the layers that take the mean of each channel."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.mean(self.axes, keepdim=self.keepdims)


class GlobalMaxPooling(GlobalPooling):
    """The base of the layers that keep the largest value of each channel."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.amax(self.axes, keepdim=self.keepdims)


@register(aliases=("GlobalAvgPool1D",))
class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel over the steps of a sequence: (n, steps, c) becomes (n, c).

    Steps under a mask do not count. A sequence whose steps are all under the mask gives zeros; Keras divides by zero
    there, and one such row makes the loss NaN.

    Parameters
    ----------
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    keepdims : bool
        Give (n, 1, c) instead.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> x, mask = torch.tensor([[[1.0], [2.0], [9.0]]]), torch.tensor([[True, True, False]])
    >>> GlobalAveragePooling1D()(x).item(), GlobalAveragePooling1D()(x, mask=mask).item()
    (4.0, 1.5)
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        there = mask.bool().unsqueeze(-1 if self.last else 1)
        # Zeros by choice, not by multiplication: what is under a mask may be NaN.
        total = inputs.where(there, 0.0).sum(self.axes, keepdim=self.keepdims)
        return total / there.sum(self.axes, keepdim=self.keepdims).clamp(min=1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


@register(aliases=("GlobalAvgPool2D",))
class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel over the whole image: (n, h, w, c) becomes (n, c).

    Parameters
    ----------
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
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

    rank = 2


@register(aliases=("GlobalAvgPool3D",))
class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each channel over the whole volume. The arguments are those of `GlobalAveragePooling2D`.

    Examples
    --------
    >>> import torch
    >>> GlobalAveragePooling3D(keepdims=True)(torch.ones(2, 5, 5, 5, 3)).shape
    torch.Size([2, 1, 1, 1, 3])
    """

    rank = 3


@register(aliases=("GlobalMaxPool1D",))
class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest value of each channel over the steps of a sequence: (n, steps, c) becomes (n, c).

    The arguments are those of `GlobalAveragePooling1D`. As in Keras, steps under a mask count.

    Examples
    --------
    >>> import torch
    >>> GlobalMaxPooling1D()(torch.tensor([[[1.0], [3.0], [2.0]]])).item()
    3.0
    """

    rank = 1


@register(aliases=("GlobalMaxPool2D",))
class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest value of each channel over the whole image: (n, h, w, c) becomes (n, c).

    Parameters
    ----------
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
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

    rank = 2


@register(aliases=("GlobalMaxPool3D",))
class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest value of each channel over the whole volume. The arguments are those of `GlobalMaxPooling2D`.

    Examples
    --------
    >>> import torch
    >>> GlobalMaxPooling3D()(torch.ones(2, 5, 5, 5, 3)).shape
    torch.Size([2, 3])
    """

    rank = 3
