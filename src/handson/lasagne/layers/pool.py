"""Pooling, channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

import handson.theano.tensor as T
from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne.layers.base import Layer, Shape
from handson.lasagne.utils import as_tuple
from handson.theano.tensor.signal.pool import MODES, pooled, pooled_size
from handson.theano.variable import apply, common

LARGEST = {1: own.MaxPooling1D, 2: own.MaxPooling2D, 3: own.MaxPooling3D}
MEANS = {1: own.AveragePooling1D, 2: own.AveragePooling2D, 3: own.AveragePooling3D}
UPSCALED = {1: own.UpSampling1D, 2: own.UpSampling2D, 3: own.UpSampling3D}


def pool_output_length(
    input_length: int | None, pool_size: int, stride: int, pad: int, ignore_border: bool
) -> int | None:
    """How many windows an axis has.

    Examples
    --------
    >>> pool_output_length(5, 2, 2, 0, True), pool_output_length(5, 2, 2, 0, False)
    (2, 3)
    """
    return pooled_size(input_length, pool_size, stride, pad, ignore_border)


class PoolLayer(Layer):
    """The base of pooling over windows.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, channels, ...).
    pool_size : int or tuple of int
        The window.
    stride : int or tuple of int, optional
        The step of the window; by default its size.
    pad : int or tuple of int
        The padding on both sides.
    ignore_border : bool
        Whether windows that are not whole are left out.
    mode : {'max', 'average_inc_pad', 'average_exc_pad', 'sum'}
        What becomes of a window.
    name : str, optional
        A name.
    """

    rank: ClassVar[int] = 2

    def __init__(
        self, incoming: Any, pool_size: Any, stride: Any = None, pad: Any = 0, ignore_border: bool = True,
        mode: str = "max", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        if len(self.input_shape) != self.rank + 2:
            raise HandsonError(
                f"{type(self).__name__} takes inputs with {self.rank + 2} axes, channels second; got the shape "
                f"{self.input_shape}."
            )
        if mode not in MODES:
            raise HandsonError(f"{type(self).__name__}: mode is one of {', '.join(MODES)}; got {mode!r}.")
        self.pool_size, self.pad = as_tuple(pool_size, self.rank, int), as_tuple(pad, self.rank, int)
        self.stride = self.pool_size if stride is None else as_tuple(stride, self.rank, int)
        self.ignore_border, self.mode = bool(ignore_border), mode
        self.parts = self._made()

    def _made(self) -> list[Any] | None:
        """handson's layer, where it has one: over whole windows without padding."""
        if any(self.pad) or not self.ignore_border or self.mode == "sum":
            return None
        kind = LARGEST[self.rank] if self.mode == "max" else MEANS[self.rank]
        layer = kind(self.pool_size, self.stride, data_format="channels_first")
        layer.ensure_built(self.input_shape)
        return [layer]

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        along = zip(input_shape[2:], self.pool_size, self.stride, self.pad, strict=True)
        return (*input_shape[:2], *(pooled_size(*one, self.ignore_border) for one in along))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        if self.parts is not None:
            return self.apply_parts(input, True, [])
        settings = (self.pool_size, self.stride, self.pad, self.mode, self.ignore_border)
        return apply(pooled, input, *settings, ndim=self.rank + 2, dtype=common(input))


class Pool1DLayer(PoolLayer):
    """Pooling of sequences: see `PoolLayer`."""

    rank = 1


class Pool2DLayer(PoolLayer):
    """Pooling of images: see `PoolLayer`."""


class Pool3DLayer(PoolLayer):
    """Pooling of volumes: see `PoolLayer`."""

    rank = 3


class _MaxPool(PoolLayer):
    def __init__(
        self, incoming: Any, pool_size: Any, stride: Any = None, pad: Any = 0, ignore_border: bool = True,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, pool_size, stride, pad, ignore_border, "max", name)


class MaxPool1DLayer(_MaxPool):
    """The largest value of each window of sequences: see `PoolLayer`."""

    rank = 1


class MaxPool2DLayer(_MaxPool):
    """The largest value of each window of images: see `PoolLayer`.

    Examples
    --------
    >>> MaxPool2DLayer((None, 32, 95, 95), 2).output_shape
    (None, 32, 47, 47)
    """


class MaxPool3DLayer(_MaxPool):
    """The largest value of each window of volumes: see `PoolLayer`."""

    rank = 3


class UpscaleLayer(Layer):
    """The base of layers that repeat values along each axis.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, channels, ...).
    scale_factor : int or tuple of int
        How often each value is repeated.
    mode : {'repeat'}
        Only 'repeat'.
    name : str, optional
        A name.
    """

    rank: ClassVar[int] = 2

    def __init__(self, incoming: Any, scale_factor: Any, mode: str = "repeat", name: str | None = None) -> None:
        super().__init__(incoming, name)
        if mode != "repeat":
            raise HandsonError(f"{type(self).__name__}: mode={mode!r} is not there; use 'repeat'.")
        self.scale_factor = as_tuple(scale_factor, self.rank, int)

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        sizes = zip(input_shape[2:], self.scale_factor, strict=True)
        return (*input_shape[:2], *(None if side is None else side * times for side, times in sizes))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        for axis, times in enumerate(self.scale_factor, 2):
            input = T.repeat(input, times, axis=axis)
        return input


class Upscale1DLayer(UpscaleLayer):
    """Repeats the values of sequences: see `UpscaleLayer`."""

    rank = 1


class Upscale2DLayer(UpscaleLayer):
    """Repeats the values of images: see `UpscaleLayer`."""


class Upscale3DLayer(UpscaleLayer):
    """Repeats the values of volumes: see `UpscaleLayer`."""

    rank = 3


class FeaturePoolLayer(Layer):
    """Pooling over groups of channels, as maxout has it (Goodfellow et al., 2013).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    pool_size : int
        How many channels make a group.
    axis : int
        The axis of the channels.
    pool_function : function
        What becomes of a group.
    name : str, optional
        A name.
    """

    def __init__(
        self, incoming: Any, pool_size: int, axis: int = 1, pool_function: Callable[..., Any] = T.max,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.pool_size, self.axis, self.pool_function = pool_size, axis, pool_function
        if self.input_shape[axis] is None or self.input_shape[axis] % pool_size:
            raise HandsonError(
                f"FeaturePoolLayer: pool_size={pool_size} does not divide axis {axis} of {self.input_shape}."
            )

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        found = list(input_shape)
        found[self.axis] = input_shape[self.axis] // self.pool_size
        return tuple(found)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        sizes = [input.shape[axis] for axis in range(input.ndim)]
        groups = self.input_shape[self.axis] // self.pool_size
        sizes[self.axis : self.axis + 1] = [groups, self.pool_size]
        return self.pool_function(T.reshape(input, tuple(sizes)), axis=self.axis + 1)


class GlobalPoolLayer(Layer):
    """Pooling over all axes behind the second.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    pool_function : function
        What becomes of the values: by default their mean.
    name : str, optional
        A name.

    Examples
    --------
    >>> GlobalPoolLayer((None, 8, 5, 5)).output_shape
    (None, 8)
    """

    def __init__(self, incoming: Any, pool_function: Callable[..., Any] = T.mean, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.pool_function = pool_function

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return tuple(input_shape[:2])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return self.pool_function(input.flatten(3), axis=2)


class FeatureWTALayer(Layer):
    """Of each group of channels keeps the largest at each place, and makes the others 0: the winner takes all.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    pool_size : int
        How many channels make a group.
    axis : int
        The axis of the channels.
    name : str, optional
        A name.
    """

    def __init__(self, incoming: Any, pool_size: int, axis: int = 1, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.pool_size, self.axis = pool_size, axis
        if self.input_shape[axis] is None or self.input_shape[axis] % pool_size:
            raise HandsonError(
                f"FeatureWTALayer: pool_size={pool_size} does not divide axis {axis} of {self.input_shape}."
            )

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return apply(_winners, input, self.pool_size, self.axis, ndim=len(self.input_shape), dtype=common(input))


def _winners(x: Tensor, size: int, axis: int) -> Tensor:
    groups = x.unflatten(axis, (-1, size))
    along = axis + 1 if axis >= 0 else axis
    first = torch.zeros_like(groups).scatter_(along, groups.argmax(along, keepdim=True), 1.0)
    return x * first.flatten(along - 1, along)


class SpatialPyramidPoolingLayer(Layer):
    """Pooling of images of any size to as many values: over the regions of several grids (He et al., 2014).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, channels, height, width).
    pool_dims : list of int
        For each grid, how many regions it has along each side.
    mode : {'max', 'average_exc_pad', 'average_inc_pad'}
        What becomes of a region; without padding the two means are one.
    implementation : {'kaiming'}
        Regions that overlap where sides cannot be divided, as in the paper.
    name : str, optional
        A name.

    Examples
    --------
    >>> SpatialPyramidPoolingLayer((None, 8, None, None), [4, 2, 1]).output_shape
    (None, 8, 21)
    """

    def __init__(
        self, incoming: Any, pool_dims: Any = (4, 2, 1), mode: str = "max", implementation: str = "kaiming",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        if len(self.input_shape) != 4:
            raise HandsonError(
                f"SpatialPyramidPoolingLayer takes inputs (n, channels, height, width); got the shape "
                f"{self.input_shape}."
            )
        if mode not in MODES or mode == "sum":
            raise HandsonError(f"SpatialPyramidPoolingLayer: mode is 'max' or 'average_exc_pad'; got {mode!r}.")
        if implementation != "kaiming":
            raise HandsonError(
                f"SpatialPyramidPoolingLayer: implementation={implementation!r} is not there: it leaves out parts of "
                f"images whose sides cannot be divided. Use 'kaiming', which is the same where they can."
            )
        self.pool_dims, self.mode = [int(one) for one in pool_dims], mode

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return (*input_shape[:2], sum(one * one for one in self.pool_dims))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return apply(_pyramid, input, tuple(self.pool_dims), self.mode == "max", ndim=3, dtype=common(input))


def _pyramid(x: Tensor, sizes: Any, largest: bool) -> Tensor:
    pooled_to: Any = F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d
    return torch.cat([pooled_to(x, size).flatten(2) for size in sizes], 2)
