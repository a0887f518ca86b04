"""What layers share that work along the axes between the rows of a batch and the channels: one, two or three of them.

Torch wants channels before these axes. Channels-last values are seen so without a copy, in the memory order for which
torch has its fastest kernels. A single axis is seen as an image one pixel high: torch is faster at that than at
sequences, up to twice on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.layers.base import Layer, Shape, positive

FORMATS = ("channels_last", "channels_first")
# What the axes are called, and what has so many of them.
AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}
NUMBERS = {1: "one", 2: "two", 3: "three"}
WHOLES = {1: "a sequence", 2: "an image", 3: "a volume"}
# What a user forgot whose data have one axis less than the layer expects.
HINTS = {
    1: " Sequences of single values need a channel axis: x[..., None].",
    2: " Grey images need a channel axis: x[..., None].",
    3: " Volumes of single values need a channel axis: x[..., None].",
}
# From an axis order to channels in front, and back.
FORTH = {2: (0, 3, 1, 2), 3: (0, 4, 1, 2, 3)}
BACK = {2: (0, 2, 3, 1), 3: (0, 2, 3, 4, 1)}


def chosen(owner: str, argument: str, value: Any, known: Sequence[str]) -> str:
    """A word out of some, in any case, or an error that names the argument.

    Examples
    --------
    >>> chosen("Conv2D", "padding", "Same", ("valid", "same"))
    'same'
    """
    if isinstance(value, str) and value.lower() in known:
        return value.lower()
    listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}" if len(known) > 1 else repr(known[0])
    hint = nearest(value, known) if isinstance(value, str) else ""
    raise HandsonError(f"{owner}: {argument} is {listed}; got {value!r}.{hint}")


def check_format(owner: str, data_format: str | None) -> str:
    """The place of the channels; None is 'channels_last'."""
    return FORMATS[0] if data_format is None else chosen(owner, "data_format", data_format, FORMATS)


def sides(owner: str, argument: str, value: Any, rank: int) -> tuple[int, ...]:
    """A positive whole number for each axis, from one for all or one for each.

    Examples
    --------
    >>> sides("Conv2D", "strides", 2, 2), sides("Conv2D", "strides", (1, 2), 2)
    ((2, 2), (1, 2))
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(values) != rank:
        several = "" if rank == 1 else f" or {NUMBERS[rank]} ({AXES[rank]})"
        raise HandsonError(f"{owner}: {argument} is one whole number{several}; got {value!r}.")
    return tuple(positive(owner, argument, one) for one in values)


def not_negative(owner: str, argument: str, value: Any) -> int:
    """The value as a whole number from 0 on, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise HandsonError(f"{owner}: {argument} must be a whole number of at least 0; got {value!r}.")
    return int(value)


def window_output(size: int | None, window: int, stride: int, padding: str) -> int | None:
    """How many windows fit along one axis: Keras's rule for 'valid', and for 'same' and 'causal'.

    Examples
    --------
    >>> window_output(5, 3, 2, "same"), window_output(5, 3, 2, "valid")
    (3, 2)
    """
    if size is None:
        return None
    return (size - window) // stride + 1 if padding == "valid" else -(-size // stride)


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Places of padding before and after, for 'same': the odd one goes after, as in TensorFlow.

    Examples
    --------
    >>> same_padding(5, 2, 1), same_padding(6, 3, 2), same_padding(5, 3, 2)
    ((0, 1), (0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], value: float = 0.0
) -> tuple[Tensor, tuple[int, ...]]:
    """Channels-first values and the symmetric padding still to apply; asymmetric padding is applied here."""
    pairs = [same_padding(*along) for along in zip(x.shape[2:], window, strides, strict=True)]
    if all(before == after for before, after in pairs):
        return x, tuple(before for before, _ in pairs)
    return F.pad(x, [side for pair in reversed(pairs) for side in pair], value=value), (0,) * len(pairs)


class Spatial(Layer):
    """The base of layers that work along the axes between the rows of a batch and the channels.

    Examples
    --------
    >>> class Halves(Spatial):
    ...     rank = 2
    >>> Halves().parts((None, 28, 28, 1))
    (None, (28, 28), 1)
    """

    # How many axes there are between the batch and the channels.
    rank: ClassVar[int]
    data_format = FORMATS[0]

    @property
    def last(self) -> bool:
        """Whether the channels are the last axis."""
        return self.data_format == FORMATS[0]

    def parts(self, shape: Shape) -> tuple[int | None, Shape, int | None]:
        """The rows, the sizes of the axes and the channels of a shape, or an error if it has other axes."""
        if len(shape) != self.rank + 2:
            axes = f"{AXES[self.rank]}, channels" if self.last else f"channels, {AXES[self.rank]}"
            hint = HINTS[self.rank] if len(shape) == self.rank + 1 else ""
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes inputs of shape (batch, {axes}); got {shape}.{hint}"
            )
        return (shape[0], shape[1:-1], shape[-1]) if self.last else (shape[0], shape[2:], shape[1])

    def joined(self, batch: int | None, sizes: Sequence[int | None], channels: int | None) -> Shape:
        """A shape from what `parts` takes apart."""
        return (batch, *sizes, channels) if self.last else (batch, channels, *sizes)

    def sizes_of(self, x: Tensor) -> tuple[int, ...]:
        """The sizes of the axes of values."""
        return x.shape[1:-1] if self.last else x.shape[2:]

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)

    def images(self, x: Tensor) -> Tensor:
        """A view of values as torch's images or volumes, channels before the axes."""
        if self.rank == 1:
            return x.unsqueeze(1).permute(0, 3, 1, 2) if self.last else x.unsqueeze(2)
        return x.permute(FORTH[self.rank]) if self.last else x

    def restored(self, y: Tensor) -> Tensor:
        """A view of torch's images or volumes as values of this layer's format."""
        if self.rank == 1:
            return y.permute(0, 2, 3, 1).squeeze(1) if self.last else y.squeeze(2)
        return y.permute(BACK[self.rank]) if self.last else y

    def lifted(self, values: tuple[int, ...], fill: int = 1) -> tuple[int, ...]:
        """A number for each axis of `images`."""
        return (fill, *values) if self.rank == 1 else values


class Sliding(Spatial):
    """The base of layers that slide a window: `strides` and `padding`, and the sizes that follow from them."""

    strides: tuple[int, ...]
    padding: str

    def outputs(self, sizes: Sequence[int | None], window: tuple[int, ...]) -> list[int | None]:
        """How many windows there are along each axis, or an error when the window does not fit."""
        counts = [window_output(*along, self.padding) for along in zip(sizes, window, self.strides, strict=True)]
        if any(count is not None and count < 1 for count in counts):
            given, whole = ("x".join(map(str, many)) for many in (window, sizes))
            pooled = "fewer pooling layers before it"
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: a window of {given} does not fit into {WHOLES[self.rank]} of "
                f"{whole}. Use padding='same', a smaller window, or {pooled}."
            )
        return counts
