"""Layers that change the shape of samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from handson.core.errors import HandsonError, listing
from handson.core.registry import register
from handson.graph import logits
from handson.layers.base import Layer, Shape, positive
from handson.layers.dropout import FORMATS


@register
class Flatten(Layer):
    """Makes one vector of each sample: (n, a, b, c) becomes (n, a * b * c).

    Parameters
    ----------
    data_format : {'channels_last', 'channels_first'}, optional
        'channels_first' for images as (n, channels, height, width): the channels become the last axis first, so that
        the vector is that of the same images with channels last.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> Flatten()(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 12])
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if data_format not in FORMATS:
            raise HandsonError(f"Flatten: data_format is one of {listing(FORMATS)}; got {data_format!r}.")
        self.data_format = data_format

    def output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], _product(input_shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        if self.data_format == "channels_first" and x.dim() > 2:
            x = x.movedim(1, -1)
        return logits.like(x, lambda each: each.flatten(1)) if x.dim() > 1 else x[:, None]


@register
class Reshape(Layer):
    """Gives each sample another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch; one entry may be -1.

    Examples
    --------
    >>> import torch
    >>> Reshape((2, -1))(torch.zeros(5, 6)).shape
    torch.Size([5, 2, 3])
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        is_list = isinstance(target_shape, (tuple, list))
        if not is_list or not all(isinstance(size, (int, np.integer)) for size in target_shape):
            raise HandsonError(f"target_shape is a tuple of whole numbers, such as (4, -1); got {target_shape!r}.")
        self.target_shape = tuple(int(size) for size in target_shape)
        if sum(size == -1 for size in self.target_shape) > 1 or any(
            size == 0 or size < -1 for size in self.target_shape
        ):
            raise HandsonError(f"target_shape has positive sizes and at most one -1; got {self.target_shape}.")

    def output_shape(self, input_shape: Shape) -> Shape:
        count = _product(input_shape[1:])
        if count is None:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        given = math.prod(size for size in self.target_shape if size != -1)
        fits = count % given == 0 if -1 in self.target_shape else count == given
        if not fits:
            raise HandsonError(
                f"Reshape {self.name!r} cannot make {self.target_shape} of {input_shape[1:]}: {count} values a sample."
            )
        return (input_shape[0], *(count // given if size == -1 else size for size in self.target_shape))

    def forward(self, x: Tensor) -> Tensor:
        # With every size worked out: where there are no rows, torch cannot infer one.
        shape = [len(x), *(size or 0 for size in self.output_shape(tuple(x.shape))[1:])]
        return logits.like(x, lambda each: each.reshape(shape))


@register
class Permute(Layer):
    """Puts the axes of samples into another order.

    Parameters
    ----------
    dims : sequence of int
        The axes in their new order, counted from 1: (2, 1) exchanges the two axes of a sample.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> Permute((2, 1))(torch.zeros(5, 3, 4)).shape
    torch.Size([5, 4, 3])
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = list(dims) if isinstance(dims, (tuple, list)) else []
        if sorted(given, key=str) != sorted(range(1, len(given) + 1), key=str) or not given:
            raise HandsonError(
                f"Permute: dims has each axis of a sample once, counted from 1, as (2, 1); got {dims!r}."
            )
        self.dims = tuple(given)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.expect_rank(input_shape, len(self.dims) + 1, f"(batch, and {len(self.dims)} axes)")
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def build(self, input_shape: Shape) -> None:
        self.output_shape(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, *self.dims)


@register
class RepeatVector(Layer):
    """Repeats a vector, (n, features), as the steps of a sequence, (n, steps, features).

    Parameters
    ----------
    n : int
        The number of steps.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> RepeatVector(2)(torch.tensor([[1, 3]])).tolist()
    [[[1, 3], [1, 3]]]
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive("RepeatVector", "n", n)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.expect_rank(input_shape, 2, "(batch, features)")
        return (input_shape[0], self.n, input_shape[1])

    def build(self, input_shape: Shape) -> None:
        self.output_shape(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None].repeat(1, self.n, 1)


def _product(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None
