"""Muon: steps of matrices made orthogonal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.optimizers.adam import corrections
from handson.optimizers.base import Numbers, Optimizer, Tensors
from handson.schedules import Position


@registry.register
class Muon(Optimizer):
    """Momentum whose matrices are made nearly orthogonal before each step (Jordan et al., 2024; Liu et al., 2025).

    Matrices keep m = momentum * m + g and move by -rate * rms_rate * sqrt(max(rows, columns)) * N(d), with
    d = g + momentum * m for Nesterov's momentum and m otherwise. N divides by the norm and iterates
    x = a x + b (x x') x + c (x x')^2 x. Adam changes all other weights, embeddings, and those that `exclude_layers`
    names.

    Parameters
    ----------
    learning_rate : float or Schedule
        The step size of matrices; Adam's is ``learning_rate * adam_lr_ratio``.
    adam_beta_1, adam_beta_2, epsilon : float
        As in `Adam`.
    weight_decay, adam_weight_decay : float
        The decay of matrices and of the weights that Adam changes.
    exclude_layers : list of str, optional
        Patterns (regular expressions) of the names of weights, such as 'dense_1.kernel', that Adam changes.
    exclude_embeddings : bool
        Whether Adam changes weights with 'embedding' in their name.
    muon_a, muon_b, muon_c : float
        The factors of the iteration.
    adam_lr_ratio : float
        Adam's learning rate over that of matrices.
    momentum : float
        See above.
    ns_steps : int
        The number of iterations.
    nesterov : bool
        See above.
    rms_rate : float, optional
        Scales steps to the size of Adam's; None for steps without a scale.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> weight = torch.zeros(2, 2)
    >>> Muon(0.1, rms_rate=None).apply([torch.diag(torch.tensor([5.0, 3.0]))], [weight])
    >>> bool(((weight.diagonal() < -0.06) & (weight.diagonal() > -0.13)).all())
    True
    """

    recordable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.exclude_layers, self.exclude_embeddings = list(exclude_layers or ()), exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c, self.ns_steps = muon_a, muon_b, muon_c, ns_steps
        self.momentum, self.nesterov, self.rms_rate = momentum, nesterov, rms_rate

    def by_adam(self, name: str, weight: Tensor) -> bool:
        """Whether Adam changes a weight."""
        excluded = self.exclude_embeddings and "embedding" in name.lower()
        return weight.dim() != 2 or excluded or any(re.search(pattern, name) for pattern in self.exclude_layers)

    def slot_values(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "velocity": 0.0}

    def slot_shape(self, slot: str, name: str, weight: Tensor) -> tuple[int, ...]:
        # A matrix has no second moment, by which `update` knows it.
        return tuple(weight.shape) if slot == "momentum" or self.by_adam(name, weight) else (0,)

    def numbers(self, position: Position) -> dict[str, float]:
        found = corrections(self.updates(position) + 1, self.adam_beta_1, self.adam_beta_2)
        return super().numbers(position) | found

    def decay(self, names: Sequence[str], weights: Tensors, rate: Any) -> None:
        for name, weight in zip(names, weights, strict=True):
            decay = self.adam_weight_decay if self.by_adam(name, weight) else self.weight_decay
            if decay and self.decays(name, weight):
                weight.mul_(1.0 - rate * decay)

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        adam_rate = rate * self.adam_lr_ratio * numbers["root"] / numbers["bias"]
        for weight, gradient, momentum, velocity in zip(weights, gradients, *slots, strict=True):
            if velocity.shape == weight.shape:
                momentum.lerp_(gradient, 1.0 - self.adam_beta_1)
                velocity.mul_(self.adam_beta_2).addcmul_(gradient, gradient, value=1.0 - self.adam_beta_2)
                weight.sub_(adam_rate * momentum / (velocity.sqrt() + self.epsilon))
            else:
                momentum.mul_(self.momentum).add_(gradient)
                step = gradient + self.momentum * momentum if self.nesterov else momentum
                scale = 1.0 if self.rms_rate is None else self.rms_rate * max(weight.shape) ** 0.5
                weight.sub_(rate * scale * self.orthogonal(step))

    def orthogonal(self, x: Tensor) -> Tensor:
        """A matrix with nearly the same singular vectors, and singular values near 1 (Newton and Schulz)."""
        turned = x.shape[0] > x.shape[1]
        x = x.T if turned else x
        x = x / (torch.linalg.vector_norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return x.T if turned else x
