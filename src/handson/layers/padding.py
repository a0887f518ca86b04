"""Layers that add, cut off or repeat places along the axes of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.spatial import NUMBERS, Spatial, check_format, chosen, not_negative, sides
from handson.ops.image import resize

Borders = tuple[tuple[int, int], ...]
# How `UpSampling2D` finds values in between.
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def borders(owner: str, argument: str, value: Any, rank: int) -> Borders:
    """How many places there are before and after each axis.

    Given are one number for all; for a single axis two of them, before and after; for several axes one entry for
    each, a number or two.

    Examples
    --------
    >>> borders("ZeroPadding2D", "padding", 1, 2), borders("ZeroPadding2D", "padding", (1, (0, 2)), 2)
    (((1, 1), (1, 1)), ((1, 1), (0, 2)))
    """
    entries = [value] * rank if not isinstance(value, (tuple, list)) else [value] if rank == 1 else list(value)
    pairs = [tuple(entry) if isinstance(entry, (tuple, list)) else (entry, entry) for entry in entries]
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        entry = "two (before, after)" if rank == 1 else f"{NUMBERS[rank]}, one for each axis, each a number or two"
        raise HandsonError(f"{owner}: {argument} is one whole number or {entry}; got {value!r}.")
    whole = [tuple(not_negative(owner, argument, one) for one in pair) for pair in pairs]
    return tuple((before, after) for before, after in whole)


class Bordered(Spatial):
    """The base of layers that change the sizes of the axes by a border."""

    # By how much a border makes an axis longer.
    sign: int
    border: Borders

    def _set(self, argument: str, value: Any, data_format: str | None) -> None:
        owner = type(self).__name__
        self.data_format = check_format(owner, data_format)
        self.border = borders(owner, argument, value, self.rank)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, channels = self.parts(input_shape)
        found = [
            None if size is None else size + self.sign * sum(pair)
            for size, pair in zip(sizes, self.border, strict=True)
        ]
        if any(size is not None and size < 1 for size in found):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} cuts off {self.border} and leaves nothing of inputs of shape "
                f"{input_shape}."
            )
        return self.joined(batch, found, channels)


class ZeroPadding(Bordered):
    """The base of the layers that put zeros around."""

    sign = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("padding", padding, data_format)
        self.padding = self.border if self.rank > 1 else self.border[0]

    def call(self, inputs: Tensor) -> Tensor:
        flat = [side for pair in reversed(self.border) for side in pair]
        return F.pad(inputs, [0, 0, *flat] if self.last else flat)


@register
class ZeroPadding1D(ZeroPadding):
    """Puts zeros before and after the steps of sequences.

    Parameters
    ----------
    padding : int or (int, int)
        How many before and after.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> ZeroPadding1D((1, 0))(torch.ones(1, 2, 1)).flatten().tolist()
    [0.0, 1.0, 1.0]
    """

    rank = 1


@register
class ZeroPadding2D(ZeroPadding):
    """Puts rows and columns of zeros around images.

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        One number for all sides; one for height and one for width; or ((top, bottom), (left, right)).
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> ZeroPadding2D(((1, 0), (2, 2)))(torch.ones(1, 4, 4, 3)).shape
    torch.Size([1, 5, 8, 3])
    """

    rank = 2


@register
class ZeroPadding3D(ZeroPadding):
    """Puts zeros around volumes. The arguments are those of `ZeroPadding2D`, with three axes.

    Examples
    --------
    >>> import torch
    >>> ZeroPadding3D((1, 0, 2))(torch.ones(1, 4, 4, 4, 3)).shape
    torch.Size([1, 6, 4, 8, 3])
    """

    rank = 3


class Cropping(Bordered):
    """The base of the layers that cut off borders."""

    sign = -1

    def call(self, inputs: Tensor) -> Tensor:
        self.compute_output_shape(tuple(inputs.shape))  # something must be left
        pairs = zip(self.border, self.sizes_of(inputs), strict=True)
        kept = [slice(before, size - after) for (before, after), size in pairs]
        return inputs[(slice(None), *kept) if self.last else (slice(None), slice(None), *kept)]


@register
class Cropping1D(Cropping):
    """Cuts off steps of sequences (n, steps, channels).

    Parameters
    ----------
    cropping : int or (int, int)
        How many at the beginning and at the end.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> Cropping1D((1, 0))(torch.arange(3.0).view(1, 3, 1)).flatten().tolist()
    [1.0, 2.0]
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, None)
        self.cropping = self.border[0]


@register
class Cropping2D(Cropping):
    """Cuts off rows and columns of images.

    Parameters
    ----------
    cropping : int, (int, int) or ((int, int), (int, int))
        One number for all sides; one for height and one for width; or ((top, bottom), (left, right)).
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> Cropping2D(((1, 0), (2, 2)))(torch.ones(1, 6, 6, 3)).shape
    torch.Size([1, 5, 2, 3])
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, data_format)
        self.cropping = self.border


@register
class Cropping3D(Cropping):
    """Cuts off borders of volumes. The arguments are those of `Cropping2D`, with three axes.

    Examples
    --------
    >>> import torch
    >>> Cropping3D()(torch.ones(1, 4, 5, 6, 2)).shape
    torch.Size([1, 2, 3, 4, 2])
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, data_format)
        self.cropping = self.border


class UpSampling(Spatial):
    """The base of layers that repeat every place."""

    times: tuple[int, ...]

    def _set(self, size: Any, data_format: str | None) -> None:
        owner = type(self).__name__
        self.data_format = check_format(owner, data_format)
        self.times = sides(owner, "size", size, self.rank)

    def larger(self, x: Tensor) -> tuple[int, ...]:
        """The sizes of the axes of the outputs for inputs."""
        return tuple(size * times for size, times in zip(self.sizes_of(x), self.times, strict=True))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, sizes, channels = self.parts(input_shape)
        found = [None if size is None else size * times for size, times in zip(sizes, self.times, strict=True)]
        return self.joined(batch, found, channels)

    def call(self, inputs: Tensor) -> Tensor:
        first = 1 if self.last else 2
        shape = [*inputs.shape[:first], *self.larger(inputs), *inputs.shape[first + self.rank :]]
        for axis in reversed(range(first, first + self.rank)):
            inputs = inputs.unsqueeze(axis + 1)
        wide = [-1] * inputs.dim()
        wide[first + 1 : first + 2 * self.rank : 2] = self.times
        return inputs.expand(wide).reshape(shape)


@register
class UpSampling1D(UpSampling):
    """Repeats every step of sequences (n, steps, channels).

    Parameters
    ----------
    size : int
        How often.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> UpSampling1D(2)(torch.arange(2.0).view(1, 2, 1)).flatten().tolist()
    [0.0, 0.0, 1.0, 1.0]
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set(positive(type(self).__name__, "size", size), None)
        self.size = size


@register
class UpSampling2D(UpSampling):
    """Makes images larger by whole numbers: repeats every pixel, or finds values in between.

    Parameters
    ----------
    size : int or (int, int)
        How often rows and columns are repeated.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    interpolation : {'nearest', 'bilinear', 'bicubic'}
        'nearest' repeats.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> UpSampling2D((2, 3), interpolation="bilinear")(torch.ones(1, 4, 4, 3)).shape
    torch.Size([1, 8, 12, 3])
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._set(size, data_format)
        self.size = self.times
        self.interpolation = chosen(type(self).__name__, "interpolation", interpolation, INTERPOLATIONS)

    def call(self, inputs: Tensor) -> Tensor:
        if self.interpolation == "nearest":
            return super().call(inputs)
        return resize(inputs, self.larger(inputs), self.interpolation, data_format=self.data_format)


@register
class UpSampling3D(UpSampling):
    """Repeats every place of volumes. The arguments are those of `UpSampling2D`, without interpolation.

    Examples
    --------
    >>> import torch
    >>> UpSampling3D((1, 2, 3))(torch.ones(1, 4, 4, 4, 3)).shape
    torch.Size([1, 4, 8, 12, 3])
    """

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set(size, data_format)
        self.size = self.times
