"""Convolutions on variables, channels first. As in Theano filters are flipped, unless `filter_flip` is False."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, common

FUNCTIONS = {2: F.conv2d, 3: F.conv3d}


def padding(border_mode: Any, window: tuple[int, ...]) -> tuple[int, ...]:
    """The padding along each axis, on both sides.

    Examples
    --------
    >>> padding("half", (3, 5)), padding("full", (3, 3)), padding(1, (3, 3))
    ((1, 2), (2, 2), (1, 1))
    """
    if isinstance(border_mode, str):
        modes = {"valid": lambda size: 0, "half": lambda size: size // 2, "full": lambda size: size - 1}
        if border_mode not in modes:
            raise HandsonError(
                f"border_mode is 'valid', 'half', 'full' or whole numbers; got {border_mode!r}. For 'same' use 'half' "
                f"with filters of odd sizes."
            )
        return tuple(map(modes[border_mode], window))
    return tuple(border_mode) if isinstance(border_mode, (tuple, list)) else (border_mode,) * len(window)


def convolved(
    x: Tensor, filters: Tensor, border_mode: Any, strides: Any, flip: bool, dilation: Any, groups: int = 1
) -> Tensor:
    """A convolution of torch, which does not flip its filters."""
    axes = x.dim() - 2
    dilation = (dilation,) * axes if isinstance(dilation, int) else tuple(dilation)
    window = tuple((size - 1) * apart + 1 for size, apart in zip(filters.shape[2:], dilation, strict=True))
    filters = filters.flip(tuple(range(2, filters.dim()))) if flip else filters
    pad = padding(border_mode, window)
    return FUNCTIONS[axes](x, filters.to(x.dtype), None, tuple(strides), pad, dilation, groups)


def conv2d(
    input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1), filter_flip: bool = True, image_shape: Any = None, filter_dilation: Any = (1, 1),
    num_groups: int = 1,
) -> Variable:  # fmt: skip
    """The convolution of images with filters.

    Parameters
    ----------
    input : Variable, (n, channels, height, width)
        Images.
    filters : Variable, (filters, channels, height, width)
        Filters.
    input_shape, filter_shape, image_shape : optional
        Hints to Theano, from which nothing follows.
    border_mode : {'valid', 'half', 'full'}, int or tuple
        The padding.
    subsample, filter_dilation : (int, int)
        The step of the window, and how far the values of a filter are apart.
    filter_flip : bool
        True for a convolution, False for a correlation, as other libraries have it.
    num_groups : int
        Channels are divided into so many groups.
    """
    return apply(
        convolved, input, filters, border_mode, tuple(subsample), filter_flip, filter_dilation, num_groups,
        ndim=4, dtype=common(input, filters),
    )  # fmt: skip


def conv3d(
    input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1, 1),
) -> Variable:  # fmt: skip
    """The convolution of volumes with filters: see `conv2d`."""
    return apply(
        convolved, input, filters, border_mode, tuple(subsample), filter_flip, filter_dilation,
        ndim=5, dtype=common(input, filters),
    )  # fmt: skip


def conv2d_transpose(*args: Any, **kwargs: Any) -> Variable:
    """Not here."""
    raise HandsonError(
        "conv2d_transpose is not here; use lasagne.layers.TransposedConv2DLayer, or handson's Conv2DTranspose."
    )
