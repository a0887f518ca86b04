"""Recurrent layers over sequences (n, steps, features), with Keras's gates, weights and defaults.

The usual case (tanh and sigmoid, no recurrent dropout) runs in torch's fused kernels, or in those of
`handson.kernels.recurrence` where an engine asks for them; everything else, and the tests' reference, is the plain
loop over the steps.

The fused kernels know no masks. The present steps of each row are moved to the front, and the outputs back to where
they belong; what comes after the last present step is not looked at.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape
from handson.layers.calling import MASK
from handson.layers.cells import GRUUnits, LSTMUnits, SimpleUnits, States, Units
from handson.layers.rnn import Recurrent
from handson.layers.steps import Present, scan

# Added to what goes into a sigmoid, it gives exactly one; subtracted, exactly zero.
SATURATED = 1e4


class _Sequences(Units, Recurrent):
    """Units over sequences."""

    keras_place = "cell/"  # where files of Keras have the weights

    def __init__(self, units: int, *, use_cudnn: bool | str = "auto", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if use_cudnn not in ("auto", True, False):
            raise HandsonError(f"{type(self).__name__}: use_cudnn is 'auto', True or False; got {use_cudnn!r}.")
        self.use_cudnn = use_cudnn

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 3, "(batch, steps, features)")
        self.make_units(input_shape[-1], input_shape)

    @property
    def cell(self) -> Any:
        """What computes a step: the layer itself, which has the weights."""
        return self

    def step_shapes(self, step_shape: Shape) -> tuple[Shape, list[Any]]:
        shape = (step_shape[0], self.units)
        return shape, [shape] * self.tensors

    @property
    def usual(self) -> bool:
        """Whether torch has a fused kernel for this arithmetic."""
        raise NotImplementedError(type(self).__name__)

    @property
    def fuses(self) -> bool:
        """Whether torch's fused kernel computes this layer now."""
        found = self.usual and self.use_cudnn is not False and not (self.training and self.recurrent_dropout > 0)
        if self.use_cudnn is True and not found:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: use_cudnn=True, but there is no fused kernel for these "
                f"activations or for recurrent dropout. Take use_cudnn='auto'."
            )
        return found

    @property
    def fusable(self) -> bool:
        """Whether the kernels of `handson.kernels.recurrence` compute this layer."""
        return self.fuses and not (self.stateful or self.return_state)

    def over(self, x: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
        if not self.fuses:
            return self.loop(x, states, mask)
        if mask is None:
            return self.fused(x, states)
        present = Present.of(mask)
        outputs, following = self.fused(present.first(x), states, present.absent)
        return present.back(outputs), [present.last(outputs, states[0]), *following[1:]]

    def compiled(self, x: Tensor) -> Tensor:
        """What a call gives, from `handson.kernels.recurrence`: float32 on a CPU, for layers that are `fusable`."""
        from handson.kernels.recurrence import Recurrence

        if hasattr(x, MASK):
            return self(x)
        outputs: Tensor = Recurrence.apply(self._entering(x), self.stacked(), self.gates, self.return_sequences)
        return outputs

    def _entering(self, x: Tensor) -> Tensor:
        """The inputs in the order in which they are read, dropped while training."""
        return self.dropped(super()._entering(x), (x.shape[0], 1, x.shape[2]))

    def fused(self, x: Tensor, states: States | None = None, absent: Tensor | None = None) -> tuple[Tensor, States]:
        """The outputs of all steps, and the states after them, from a fused kernel of torch.

        Where steps are absent, at the end of their rows, all states but the first stay as they are.
        """
        raise NotImplementedError(type(self).__name__)

    def loop(self, x: Tensor, states: States | None = None, mask: Tensor | None = None) -> tuple[Tensor, States]:
        """What `fused` gives, step by step; of outputs only the last where not all are asked for."""
        masks = self.recurrent_masks(x)
        states = self.zero_states(x) if states is None else states
        last = not self.return_sequences
        return scan(lambda step, before: self.advance(step, before, masks), self.project(x), states, mask, last)

    def stacked(self) -> Tensor:
        """All weights under each other, (units + features, 4 units), with a row more for a bias.

        The product with [state, inputs, 1] is all that goes into the gates in a step.
        """
        raise NotImplementedError(type(self).__name__)


def _first(x: Tensor, states: States | None, units: int) -> Tensor:
    """The first of the states as a fused kernel takes it."""
    return x.new_zeros(1, x.shape[0], units) if states is None else states[0][None]


@register
class SimpleRNN(SimpleUnits, _Sequences):
    """Units whose outputs are fed back (Elman, 1990): activation(inputs @ kernel + bias + state @ recurrent_kernel).

    Parameters
    ----------
    units : int
        The size of the state and of the output.
    activation : str or function
        Of the outputs.
    **kwargs
        The arguments of `LSTM`, without `recurrent_activation` and `unit_forget_bias`.

    Examples
    --------
    >>> SimpleRNN(4)(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 4])
    """

    @property
    def usual(self) -> bool:
        return self.activation in (activations.tanh, activations.relu)

    @property
    def fusable(self) -> bool:
        return False

    def fused(self, x: Tensor, states: States | None = None, absent: Tensor | None = None) -> tuple[Tensor, States]:
        function = torch.rnn_tanh if self.activation is activations.tanh else torch.rnn_relu
        weights = [self.kernel.t(), self.recurrent_kernel.t()]
        if self.bias is not None:
            weights += [self.bias, torch.zeros_like(self.bias)]
        first = _first(x, states, self.units)
        outputs, last = function(x, first, weights, self.bias is not None, 1, 0.0, self.training, False, True)
        return outputs, [last[0]]


@register
class LSTM(LSTMUnits, _Sequences):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    Parameters
    ----------
    units : int
        The size of the state.
    activation, recurrent_activation : str or function
        Of the cell and the outputs, and of the gates.
    use_bias : bool
        Whether a bias is added.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        What the weights start from.
    unit_forget_bias : bool
        Start the forget gate's bias at one.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey.
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are dropped while training, the same at every step.
    seed : int, optional
        A seed of its own for the dropout.
    return_sequences : bool
        Give the output of every step, (n, steps, units), and not only of the last, (n, units).
    return_state : bool
        Give the states after the last step too: output, state, cell.
    go_backwards : bool
        Read the sequence from its end; the outputs are in the order in which it is read.
    stateful : bool
        Start each batch from the states after the batch before (see `RNN`).
    unroll, implementation
        There for code of Keras that names them; they make no difference for the numbers, and none here.
    use_cudnn : {'auto', True, False}
        Whether a fused kernel is used, on any device: where there is one, always, or never.
    zero_output_for_mask : bool
        Whether the output of a masked step is zeros, and not that of the step before.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Gates are in the order input, forget, cell, output: kernel (features, 4 units), recurrent_kernel (units, 4 units),
    bias (4 units).

    Called as ``layer(x, initial_state=[state, cell], mask=...)``. A masked step leaves the states as they are; masks of
    any kind run in the fused kernel too.

    Examples
    --------
    >>> LSTM(4)(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 4])
    >>> output, state, cell = LSTM(4, return_sequences=True, return_state=True)(torch.zeros(2, 7, 3))
    >>> output.shape, cell.shape
    (torch.Size([2, 7, 4]), torch.Size([2, 4]))
    """

    @property
    def usual(self) -> bool:
        return self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid

    def fused(self, x: Tensor, states: States | None = None, absent: Tensor | None = None) -> tuple[Tensor, States]:
        kernel = self.kernel
        if absent is not None and (self.return_state or self.stateful):
            x, kernel = torch.cat([x, absent[..., None].to(x.dtype)], -1), torch.cat([kernel, self._keeping(x)])
        weights = [kernel.t(), self.recurrent_kernel.t()]
        if self.bias is not None:
            weights += [self.bias, torch.zeros_like(self.bias)]
        first = _first(x, states, self.units)
        start = (first, first) if states is None else (first, states[1][None])
        outputs, state, cell = torch.lstm(x, start, weights, self.bias is not None, 1, 0.0, self.training, False, True)
        return outputs, [state[0], cell[0]]

    def _keeping(self, like: Tensor) -> Tensor:
        """The row of the kernel, for absent steps, that closes the input gate and opens the forget gate."""
        factors = torch.tensor([-SATURATED, SATURATED, 0.0, 0.0], dtype=like.dtype, device=like.device)
        return factors.repeat_interleave(self.units)[None]

    def stacked(self) -> Tensor:
        bias = [] if self.bias is None else [self.bias[None]]
        return torch.cat([self.recurrent_kernel, self.kernel, *bias])


@register
class GRU(GRUUnits, _Sequences):
    """Gated recurrent unit (Cho et al., 2014).

    Parameters
    ----------
    units : int
        The size of the state.
    reset_after : bool
        Apply the reset gate after the product with the recurrent kernel (with a bias of its own), or before.
    **kwargs
        The arguments of `LSTM`, without `unit_forget_bias`.

    Notes
    -----
    Gates are in the order update, reset, candidate: kernel (features, 3 units), recurrent_kernel (units, 3 units),
    bias (2, 3 units), or (3 units) without `reset_after`.

    Examples
    --------
    >>> GRU(4, return_sequences=True)(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7, 4])
    """

    @property
    def usual(self) -> bool:
        plain = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return plain and self.reset_after

    def _torch_order(self, weight: Tensor) -> Tensor:
        """Keras's gates (update, reset, candidate) in torch's order (reset, update, candidate), outputs first."""
        update, reset, candidate = weight.chunk(3, -1)
        return torch.cat((reset, update, candidate), -1)

    def fused(self, x: Tensor, states: States | None = None, absent: Tensor | None = None) -> tuple[Tensor, States]:
        weights = [self._torch_order(self.kernel).t(), self._torch_order(self.recurrent_kernel).t()]
        if self.bias is not None:
            weights += list(self._torch_order(self.bias))
        first = _first(x, states, self.units)
        outputs, last = torch.gru(x, first, weights, self.bias is not None, 1, 0.0, self.training, False, True)
        return outputs, [last[0]]

    def stacked(self) -> Tensor:
        """The candidate's columns are there twice, for the state, which is reset, and for the inputs, which are not."""
        both = 2 * self.units
        recurrent, kernel = F.pad(self.recurrent_kernel, (0, self.units)), self.kernel
        rows = [recurrent, torch.cat([kernel[:, :both], torch.zeros_like(kernel[:, both:]), kernel[:, both:]], 1)]
        if self.bias is not None:
            outer, inner = self.bias
            rows.append(torch.cat([outer[:both] + inner[:both], inner[both:], outer[both:]])[None])
        return torch.cat(rows)
