"""Cells: what a recurrent layer computes at one step, with Keras's gates, weights and defaults.

A cell and the layer of the same kind share one class, which has the weights and the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.recurrent_weights import ForgetBias, Masks, Weighted

States = list[Tensor]


class Units(Weighted):
    """A number of units that are fed back: the base of cells and layers.

    Subclasses define `project`, which can be done for all steps at once, and `advance`, which cannot.
    """

    # How many tensors the state has.
    tensors: ClassVar[int] = 1

    def __init__(self, units: int, *, implementation: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = positive(type(self).__name__, "units", units)
        if implementation not in (0, 1, 2):
            raise HandsonError(f"{type(self).__name__}: implementation is 0, 1 or 2; got {implementation!r}.")
        self.implementation = implementation

    @property
    def state_size(self) -> int | list[int]:
        """The size of the state, or of each tensor of it."""
        return self.units if self.tensors == 1 else [self.units] * self.tensors

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.gates * self.units,)

    def make_units(self, features: int | None, input_shape: Shape) -> None:
        """Make the weights for a number of features."""
        if features is None:
            raise HandsonError(f"{type(self).__name__} {self.name!r} needs the number of features: {input_shape}.")
        width = self.gates * self.units
        self.make_weights((features, width), (self.units, width), self.bias_shape())

    def zero_states(self, like: Tensor) -> States:
        """The states before the first step, for a batch."""
        return [like.new_zeros(like.shape[0], self.units) for _ in range(self.tensors)]

    def recurrent_masks(self, like: Tensor) -> Masks:
        """One dropout mask of the state for each gate, or None."""
        return self.state_masks((like.shape[0], self.units), like)

    def project(self, x: Tensor) -> Tensor:
        """What the inputs, of one step or of all, add to the gates."""
        projected = torch.matmul(x, self.kernel)
        return projected if self.bias is None else projected + self.bias

    def advance(self, projected: Tensor, states: States, masks: Masks) -> tuple[Tensor, States]:
        """The output and the next states, from what `project` gave for a step."""
        raise NotImplementedError(type(self).__name__)


class Gated(Units):
    """Units with gates."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation=activation, use_bias=use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)


class SimpleUnits(Units):
    """The formula of `SimpleRNN` and its cell."""

    def advance(self, projected: Tensor, states: States, masks: Masks) -> tuple[Tensor, States]:
        state = states[0] if masks is None else states[0] * masks[0]
        output = self.activation(projected + torch.matmul(state, self.recurrent_kernel))
        return output, [output]


class LSTMUnits(Gated):
    """The formula of `LSTM` and its cell: gates in the order input, forget, cell, output."""

    gates, tensors = 4, 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, recurrent_activation, use_bias, kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer, **kwargs,
        )  # fmt: skip
        self.unit_forget_bias = unit_forget_bias
        if unit_forget_bias:
            self.bias_initializer = ForgetBias(self.bias_initializer)

    def advance(self, projected: Tensor, states: States, masks: Masks) -> tuple[Tensor, States]:
        state, cell = states
        entry, forget, candidate, exit_ = (projected + self._recur(state, masks)).chunk(4, 1)
        kept, added = self.recurrent_activation(forget) * cell, self.activation(candidate)
        cell = kept + self.recurrent_activation(entry) * added
        state = self.recurrent_activation(exit_) * self.activation(cell)
        return state, [state, cell]

    def _recur(self, state: Tensor, masks: Masks) -> Tensor:
        if masks is None:
            return torch.matmul(state, self.recurrent_kernel)
        kernels = self.recurrent_kernel.chunk(4, 1)
        return torch.cat([torch.matmul(state * m, k) for m, k in zip(masks, kernels, strict=True)], 1)


class GRUUnits(Gated):
    """The formula of `GRU` and its cell: gates in the order update, reset, candidate."""

    gates = 3

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def project(self, x: Tensor) -> Tensor:
        projected = torch.matmul(x, self.kernel)
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if self.reset_after else self.bias)

    def advance(self, projected: Tensor, states: States, masks: Masks) -> tuple[Tensor, States]:
        (state,) = states
        update, reset, candidate = projected.chunk(3, 1)
        seen = [state] * 3 if masks is None else [state * mask for mask in masks]
        inner = self._recur(seen, masks)
        update, reset = self.recurrent_activation(update + inner[0]), self.recurrent_activation(reset + inner[1])
        if self.reset_after:
            added = reset * inner[2]
        else:
            added = torch.matmul(reset * seen[2], self.recurrent_kernel[:, 2 * self.units :])
        output = update * state + (1 - update) * self.activation(candidate + added)
        return output, [output]

    def _recur(self, seen: States, masks: Masks) -> Sequence[Tensor]:
        """What the state adds to each gate; to the candidate only where it is reset afterwards."""
        kernels = self.recurrent_kernel.chunk(3, 1)
        if masks is None and self.reset_after:
            products: Sequence[Tensor] = torch.matmul(seen[0], self.recurrent_kernel).chunk(3, 1)
        else:
            count = 3 if self.reset_after else 2
            products = [torch.matmul(seen[gate], kernels[gate]) for gate in range(count)]
        if self.bias is None or not self.reset_after:
            return products
        return [product + bias for product, bias in zip(products, self.bias[1].chunk(3), strict=True)]


class Cell(Units):
    """A cell of units: called with the inputs and the states of one step.

    Inputs (n, features) and states give the output (n, units) and the next states.
    """

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 2, "(batch, features)")
        self.make_units(input_shape[-1], input_shape)

    def call(self, inputs: Tensor, states: Any) -> tuple[Tensor, Any]:
        nested = isinstance(states, (list, tuple))
        x = self.dropped(inputs, tuple(inputs.shape))
        masks = self.recurrent_masks(inputs)
        output, following = self.advance(self.project(x), list(states) if nested else [states], masks)
        return output, following if nested else following[0]

    def get_initial_state(self, batch_size: int) -> States:
        """Zeros, for a number of rows."""
        like = next(self.parameters(), torch.zeros(())).detach()
        return self.zero_states(like.new_zeros(batch_size, 1))


@register
class SimpleRNNCell(SimpleUnits, Cell):
    """One step of a `SimpleRNN`: activation(inputs @ kernel + bias + state @ recurrent_kernel).

    Parameters
    ----------
    units : int
        The size of the state and of the output.
    **kwargs
        The arguments of `SimpleRNN` that are about one step.

    Examples
    --------
    >>> output, states = SimpleRNNCell(4)(torch.zeros(2, 3), [torch.zeros(2, 4)])
    >>> output.shape, len(states)
    (torch.Size([2, 4]), 1)
    """


@register
class LSTMCell(LSTMUnits, Cell):
    """One step of an `LSTM`; the states are those of the units and of their memory.

    Parameters
    ----------
    units : int
        The size of the state and of the output.
    **kwargs
        The arguments of `LSTM` that are about one step.

    Examples
    --------
    >>> cell = LSTMCell(4)
    >>> output, states = cell(torch.zeros(2, 3), cell.get_initial_state(2))
    >>> output.shape, len(states)
    (torch.Size([2, 4]), 2)
    """


@register
class GRUCell(GRUUnits, Cell):
    """One step of a `GRU`.

    Parameters
    ----------
    units : int
        The size of the state and of the output.
    reset_after : bool
        Apply the reset gate after the product with the recurrent kernel, or before.
    **kwargs
        The arguments of `GRU` that are about one step.

    Examples
    --------
    >>> GRUCell(4)(torch.zeros(2, 3), torch.zeros(2, 4))[0].shape
    torch.Size([2, 4])
    """
