"""What everything recurrent with a kernel for its inputs and one for its state shares: weights and dropout."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from handson import activations, initializers
from handson.layers.base import Layer, fraction
from handson.layers.dropout import dropout_mask
from handson.randomness.keys import check_seed, derive

# One dropout mask of the state for each gate; None where nothing is dropped.
Masks = list[Tensor] | None
Sizes = tuple[int, ...]


class ForgetBias(initializers.Initializer):
    """A bias of four gates whose second, the forget gate's, starts at one (Jozefowicz et al., 2015)."""

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializer

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        units = shape[0] // 4
        first = initializers.call(self.initializer, (units,), derive(key, 0))
        last = initializers.call(self.initializer, (2 * units,), derive(key, 1))
        return torch.cat([first, torch.ones(units), last])


class Weighted(Layer):
    """The base of everything recurrent with a kernel for the inputs and one for the state."""

    floats_only = True
    gates: ClassVar[int] = 1

    def __init__(
        self,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.recurrent_initializer = kernel_initializer, recurrent_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer, self.recurrent_regularizer = kernel_regularizer, recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint, self.recurrent_constraint = kernel_constraint, recurrent_constraint
        self.bias_constraint = bias_constraint
        self.dropout = fraction(owner, "dropout", dropout)
        self.recurrent_dropout = fraction(owner, "recurrent_dropout", recurrent_dropout)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name
        # Without a run, which has keys, masks are kept for the steps of a sequence.
        self._held: dict[str, Tensor] | None = None

    def make_weights(self, kernel: Sizes, recurrent: Sizes, bias: Sizes) -> None:
        """Make the weights, of these shapes."""
        self.kernel = self._weight("kernel", kernel, self.kernel_initializer, "kernel")
        self.recurrent_kernel = self._weight("recurrent_kernel", recurrent, self.recurrent_initializer, "recurrent")
        self.bias = self._weight("bias", bias, self.bias_initializer, "bias") if self.use_bias else None

    def _weight(self, name: str, shape: Any, initializer: Any, part: str) -> Any:
        regularizer, constraint = getattr(self, f"{part}_regularizer"), getattr(self, f"{part}_constraint")
        return self.add_weight(shape, initializer, name, regularizer=regularizer, constraint=constraint)

    def dropped(self, x: Tensor, shape: Sizes) -> Tensor:
        """The inputs, dropped while training by a mask of a shape."""
        if not (self.training and self.dropout > 0):
            return x
        return x * self._mask_of("/input", shape, x, self.dropout)

    def state_masks(self, shape: Sizes, like: Tensor) -> Masks:
        """One dropout mask of the state, of a shape, for each gate, or None."""
        if not (self.training and self.recurrent_dropout > 0):
            return None
        return [self._mask_of(f"/state_{gate}", shape, like, self.recurrent_dropout) for gate in range(self.gates)]

    def _mask_of(self, purpose: str, shape: Sizes, like: Tensor, share: float) -> Tensor:
        if self._held is None:
            return dropout_mask(self, shape, like, purpose, share)
        if purpose not in self._held:
            self._held[purpose] = dropout_mask(self, shape, like, purpose, share)
        return self._held[purpose]

    def hold_masks(self, hold: bool) -> None:
        """From now on the same values are dropped in every call, or not any more."""
        self._held = {} if hold else None
