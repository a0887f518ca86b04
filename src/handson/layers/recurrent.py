"""Recurrent layers over sequences (n, steps, features), with Keras's gates, weights and defaults.

The usual case (tanh and sigmoid, no recurrent dropout) runs in torch's fused kernels, or in those of
`handson.kernels.recurrence` where an engine asks for them; everything else, and the tests' reference, is the plain
loop over the steps.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations, initializers
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, fraction, positive
from handson.layers.dropout import dropout_mask
from handson.randomness.keys import check_seed, derive


class _ForgetBias(initializers.Initializer):
    """A bias of four gates whose second, the forget gate's, starts at one (Jozefowicz et al., 2015)."""

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializer

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        units = shape[0] // 4
        first = initializers.call(self.initializer, (units,), derive(key, 0))
        last = initializers.call(self.initializer, (2 * units,), derive(key, 1))
        return torch.cat([first, torch.ones(units), last])


class _Recurrent(Layer):
    gates: int

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.units = positive(owner, "units", units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.recurrent_initializer = kernel_initializer, recurrent_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer, self.recurrent_regularizer = kernel_regularizer, recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.dropout = fraction(owner, "dropout", dropout)
        self.recurrent_dropout = fraction(owner, "recurrent_dropout", recurrent_dropout)
        self.seed = None if seed is None else check_seed(seed)
        self.return_sequences, self.go_backwards = return_sequences, go_backwards
        self.path = self.name

    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 3, "(batch, steps, features)")
        features, width = input_shape[-1], self.gates * self.units
        if features is None:
            raise HandsonError(f"{type(self).__name__} {self.name!r} needs the number of features: {input_shape}.")
        self.kernel = self.add_weight(
            (features, width), self.kernel_initializer, "kernel", regularizer=self.kernel_regularizer
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, width), self.recurrent_initializer, "recurrent_kernel", regularizer=self.recurrent_regularizer
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.bias_shape(), self.bias_initializer, "bias", regularizer=self.bias_regularizer
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        batch, steps, _ = input_shape
        return (batch, steps, self.units) if self.return_sequences else (batch, self.units)

    @property
    def fusable(self) -> bool:
        """Whether fused kernels compute this layer."""
        plain = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return plain and not (self.training and self.recurrent_dropout > 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self._entering(x)
        outputs = self.fused(x) if self.fusable else self.loop(x)
        return outputs if self.return_sequences else outputs[:, -1]

    def compiled(self, x: Tensor) -> Tensor:
        """What `forward` gives, from `handson.kernels.recurrence`: float32 on a CPU, for layers that are `fusable`."""
        from handson.kernels.recurrence import Recurrence

        outputs: Tensor = Recurrence.apply(self._entering(x), self.stacked(), self.gates, self.return_sequences)
        return outputs

    def _entering(self, x: Tensor) -> Tensor:
        """The inputs in the order in which they are read, dropped while training."""
        if self.go_backwards:
            x = x.flip(1)
        if self.training and self.dropout > 0:
            x = x * dropout_mask(self, (len(x), 1, x.shape[2]), x, "/input", self.dropout)
        return x

    def recurrent_masks(self, like: Tensor) -> list[Tensor] | None:
        """One dropout mask of the state for each gate, or None."""
        if not (self.training and self.recurrent_dropout > 0):
            return None
        shape = (len(like), self.units)
        return [dropout_mask(self, shape, like, f"/state_{gate}", self.recurrent_dropout) for gate in range(self.gates)]

    def fused(self, x: Tensor) -> Tensor:
        raise NotImplementedError(type(self).__name__)

    def loop(self, x: Tensor) -> Tensor:
        raise NotImplementedError(type(self).__name__)

    def stacked(self) -> Tensor:
        """All weights under each other, (units + features, 4 units), with a row more for a bias.

        The product with [state, inputs, 1] is all that goes into the gates in a step.
        """
        raise NotImplementedError(type(self).__name__)


@register
class LSTM(_Recurrent):
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
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are dropped while training, the same at every step.
    seed : int, optional
        A seed of its own for the dropout.
    return_sequences : bool
        Give the output of every step, (n, steps, units), and not only of the last, (n, units).
    go_backwards : bool
        Read the sequence from its end.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Gates are in the order input, forget, cell, output: kernel (features, 4 units), recurrent_kernel (units, 4 units),
    bias (4 units).

    Examples
    --------
    >>> LSTM(4)(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 4])
    """

    gates = 4

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias
        if unit_forget_bias:
            self.bias_initializer = _ForgetBias(self.bias_initializer)

    def fused(self, x: Tensor) -> Tensor:
        weights = [self.kernel.t(), self.recurrent_kernel.t()]
        if self.bias is not None:
            weights += [self.bias, torch.zeros_like(self.bias)]
        zeros = x.new_zeros(1, len(x), self.units)
        return torch.lstm(x, (zeros, zeros), weights, self.bias is not None, 1, 0.0, self.training, False, True)[0]

    def loop(self, x: Tensor) -> Tensor:
        projected = torch.matmul(x, self.kernel)
        if self.bias is not None:
            projected = projected + self.bias
        state, cell = x.new_zeros(len(x), self.units), x.new_zeros(len(x), self.units)
        masks, outputs = self.recurrent_masks(x), []
        for step in projected.unbind(1):
            entry, forget, candidate, exit_ = (step + self._recur(state, masks)).chunk(4, 1)
            cell = self.recurrent_activation(forget) * cell + self.recurrent_activation(entry) * self.activation(
                candidate
            )
            state = self.recurrent_activation(exit_) * self.activation(cell)
            outputs.append(state)
        return torch.stack(outputs, 1)

    def stacked(self) -> Tensor:
        bias = [] if self.bias is None else [self.bias[None]]
        return torch.cat([self.recurrent_kernel, self.kernel, *bias])

    def _recur(self, state: Tensor, masks: list[Tensor] | None) -> Tensor:
        if masks is None:
            return torch.matmul(state, self.recurrent_kernel)
        kernels = self.recurrent_kernel.chunk(4, 1)
        return torch.cat([torch.matmul(state * m, k) for m, k in zip(masks, kernels, strict=True)], 1)


@register
class GRU(_Recurrent):
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

    gates = 3

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    @property
    def fusable(self) -> bool:
        return self.reset_after and super().fusable

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _torch_order(self, weight: Tensor) -> Tensor:
        """Keras's gates (update, reset, candidate) in torch's order (reset, update, candidate), outputs first."""
        update, reset, candidate = weight.chunk(3, -1)
        return torch.cat((reset, update, candidate), -1)

    def fused(self, x: Tensor) -> Tensor:
        weights = [self._torch_order(self.kernel).t(), self._torch_order(self.recurrent_kernel).t()]
        if self.bias is not None:
            weights += list(self._torch_order(self.bias))
        zeros = x.new_zeros(1, len(x), self.units)
        return torch.gru(x, zeros, weights, self.bias is not None, 1, 0.0, self.training, False, True)[0]

    def loop(self, x: Tensor) -> Tensor:
        recurrent_bias = None
        projected = torch.matmul(x, self.kernel)
        if self.bias is not None:
            projected = projected + (self.bias[0] if self.reset_after else self.bias)
            recurrent_bias = self.bias[1].chunk(3, 0) if self.reset_after else None
        masks, outputs = self.recurrent_masks(x), []
        state = x.new_zeros(len(x), self.units)
        for step in projected.unbind(1):
            state = self._step(step.chunk(3, 1), state, masks, recurrent_bias)
            outputs.append(state)
        return torch.stack(outputs, 1)

    def stacked(self) -> Tensor:
        """The candidate's columns are there twice, for the state, which is reset, and for the inputs, which are not."""
        both = 2 * self.units
        recurrent, kernel = F.pad(self.recurrent_kernel, (0, self.units)), self.kernel
        rows = [recurrent, torch.cat([kernel[:, :both], torch.zeros_like(kernel[:, both:]), kernel[:, both:]], 1)]
        if self.bias is not None:
            outer, inner = self.bias
            rows.append(torch.cat([outer[:both] + inner[:both], inner[both:], outer[both:]])[None])
        return torch.cat(rows)

    def _step(
        self,
        inputs: tuple[Tensor, ...],
        state: Tensor,
        masks: list[Tensor] | None,
        bias: tuple[Tensor, ...] | None,
    ) -> Tensor:
        def recur(gate: int, vector: Tensor) -> Tensor:
            masked = vector if masks is None else vector * masks[gate]
            product = torch.matmul(masked, self.recurrent_kernel.chunk(3, 1)[gate])
            return product if bias is None else product + bias[gate]

        update = self.recurrent_activation(inputs[0] + recur(0, state))
        reset = self.recurrent_activation(inputs[1] + recur(1, state))
        inner = reset * recur(2, state) if self.reset_after else recur(2, reset * state)
        return update * state + (1 - update) * self.activation(inputs[2] + inner)
