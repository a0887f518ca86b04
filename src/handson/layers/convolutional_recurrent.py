"""Recurrent layers of images: an LSTM whose products are convolutions, over 1, 2 or 3 axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from handson import activations, ops
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.recurrent_weights import ForgetBias, Masks, Weighted
from handson.layers.rnn import Recurrent
from handson.layers.steps import scan

Sides = int | Sequence[int]


class _ConvLSTM(Weighted, Recurrent):
    """The base, for any number of axes."""

    gates = 4
    axes: ClassVar[int]
    keras_place = "cell/"  # where files of Keras have the weights

    def __init__(
        self,
        filters: int,
        kernel_size: Sides,
        strides: Sides = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sides = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, **kwargs)
        self.filters = positive(type(self).__name__, "filters", filters)
        self.kernel_size = self._sides("kernel_size", kernel_size)
        self.strides, self.dilation_rate = self._sides("strides", strides), self._sides("dilation_rate", dilation_rate)
        self.padding, self.data_format = padding.lower(), data_format or "channels_last"
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        if unit_forget_bias:
            self.bias_initializer = ForgetBias(self.bias_initializer)
        self._check_arguments()

    def _sides(self, argument: str, value: Sides) -> tuple[int, ...]:
        owner = type(self).__name__
        values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * self.axes
        if len(values) != self.axes:
            raise HandsonError(f"{owner}: {argument} is one whole number or {self.axes} of them; got {value!r}.")
        return tuple(positive(owner, argument, side) for side in values)

    def _check_arguments(self) -> None:
        owner = type(self).__name__
        if self.padding not in ("valid", "same"):
            raise HandsonError(f"{owner}: padding is 'valid' or 'same'; got {self.padding!r}.")
        if self.data_format not in ("channels_last", "channels_first"):
            raise HandsonError(
                f"{owner}: data_format is 'channels_last' or 'channels_first'; got {self.data_format!r}."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise HandsonError(
                f"{owner}: strides or dilation_rate may be larger than 1, not both; got {self.strides} and "
                f"{self.dilation_rate}."
            )

    @property
    def _channels(self) -> int:
        """The axis of the channels of a step."""
        return 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, self.axes + 3, f"(batch, steps, {self.axes} sides and channels)")
        channels = input_shape[2 if self._channels == 1 else -1]
        if channels is None:
            raise HandsonError(f"{type(self).__name__} {self.name!r} needs the number of channels: {input_shape}.")
        width = 4 * self.filters
        self.make_weights((*self.kernel_size, channels, width), (*self.kernel_size, self.filters, width), (width,))

    def step_shapes(self, step_shape: Shape) -> tuple[Shape, list[Any]]:
        sides = step_shape[2:] if self._channels == 1 else step_shape[1:-1]
        place = zip(sides, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        after = [None if side is None else self._side_after(side, *rest) for side, *rest in place]
        first = self._channels == 1
        shape = (step_shape[0], self.filters, *after) if first else (step_shape[0], *after, self.filters)
        return shape, [shape, shape]

    def _side_after(self, side: int, kernel: int, stride: int, dilation: int) -> int:
        reach = 1 if self.padding == "same" else (kernel - 1) * dilation + 1
        if side < reach:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: a kernel that reaches over {reach} does not fit into a side of "
                f"{side}; take padding='same'."
            )
        return (side - reach) // stride + 1

    def zero_states(self, like: Tensor) -> list[Tensor]:
        shape, _ = self.step_shapes((len(like), *like.shape[2:]))
        return [like.new_zeros(shape), like.new_zeros(shape)]  # type: ignore[arg-type]

    def project(self, x: Tensor) -> Tensor:
        """What the inputs of all steps add to the gates."""
        rows, steps = x.shape[:2]
        images = self.dropped(x, (rows, 1, *x.shape[2:])).flatten(0, 1)
        found = ops.conv(images, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        if self.bias is not None:
            found = found + self.bias.view(-1, *(1,) * (self.axes if self._channels == 1 else 0))
        return found.unflatten(0, (rows, steps))

    def over(self, x: Tensor, states: list[Any], mask: Tensor | None) -> tuple[Tensor, list[Any]]:
        masks = self.state_masks(tuple(states[0].shape), x)
        last = not self.return_sequences
        return scan(lambda step, before: self.advance(step, before, masks), self.project(x), states, mask, last)

    def advance(self, projected: Tensor, states: list[Tensor], masks: Masks) -> tuple[Tensor, list[Tensor]]:
        """The output and the next states, from what `project` gave for a step."""
        state, cell = states
        entry, forget, candidate, exit_ = (projected + self._recur(state, masks)).chunk(4, self._channels)
        kept, added = self.recurrent_activation(forget) * cell, self.activation(candidate)
        cell = kept + self.recurrent_activation(entry) * added
        state = self.recurrent_activation(exit_) * self.activation(cell)
        return state, [state, cell]

    def _recur(self, state: Tensor, masks: Masks) -> Tensor:
        kernel = self.recurrent_kernel
        if masks is None:
            return ops.conv(state, kernel, padding="same", data_format=self.data_format)
        parts = zip(masks, kernel.chunk(4, -1), strict=True)
        found = [ops.conv(state * mask, part, padding="same", data_format=self.data_format) for mask, part in parts]
        return torch.cat(found, self._channels)


@register
class ConvLSTM1D(_ConvLSTM):
    """An LSTM over sequences of signals, (n, steps, length, channels), whose products are convolutions.

    Parameters
    ----------
    filters, kernel_size, **kwargs
        The arguments of `ConvLSTM2D`.

    Examples
    --------
    >>> ConvLSTM1D(4, 3)(torch.zeros(2, 5, 8, 1)).shape
    torch.Size([2, 6, 4])
    """

    axes = 1


@register
class ConvLSTM2D(_ConvLSTM):
    """An LSTM over sequences of images, (n, steps, height, width, channels), whose products are convolutions.

    Shi et al. (2015), without the connections from the cell to the gates, as in Keras.

    Parameters
    ----------
    filters : int
        The number of channels of the outputs and of the states.
    kernel_size, strides, dilation_rate : int or tuple of int
        Of the convolution of the inputs; the states are convolved with stride 1 and 'same' padding.
    padding : {'valid', 'same'}
        Whether the inputs are filled up with zeros at their borders.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are; last by default.
    activation, recurrent_activation : str or function
        Of the cell and the outputs, and of the gates.
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are dropped while training, the same at every step.
    **kwargs
        The other arguments of `LSTM`.

    Notes
    -----
    Sides of the inputs may vary from batch to batch, which Keras does not allow. Inputs are dropped by one mask for
    all gates; in Keras each gate has its own.

    Examples
    --------
    >>> ConvLSTM2D(4, 3, padding="same", return_sequences=True)(torch.zeros(2, 5, 8, 8, 1)).shape
    torch.Size([2, 5, 8, 8, 4])
    """

    axes = 2


@register
class ConvLSTM3D(_ConvLSTM):
    """An LSTM over sequences of volumes, (n, steps, depth, height, width, channels), whose products are convolutions.

    Parameters
    ----------
    filters, kernel_size, **kwargs
        The arguments of `ConvLSTM2D`.

    Examples
    --------
    >>> ConvLSTM3D(2, 2)(torch.zeros(1, 3, 4, 4, 4, 1)).shape
    torch.Size([1, 3, 3, 3, 2])
    """

    axes = 3
