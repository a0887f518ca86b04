"""Adafactor: second moments as an outer product of rows and columns, for large nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.optimizers.base import Numbers, Optimizer, Tensors
from handson.schedules import Position


@registry.register
class Adafactor(Optimizer):
    """Adam's step sizes from row and column means of squared gradients (Shazeer and Stern, 2018).

    With b = 1 - t^beta_2_decay and s = g^2 + epsilon_1, matrices keep r = b * r + (1 - b) * rowmean(s) and c likewise
    for columns, and v = outer(r, c) / mean(r); vectors keep v = b * v + (1 - b) * s. With u = g / sqrt(v), a weight w
    moves by

        -min(rate, 1 / sqrt(t)) * max(epsilon_2, rms(w)) * u / max(1, rms(u) / clip_threshold)

    Parameters
    ----------
    learning_rate : float or Schedule
        The largest relative step.
    beta_2_decay : float
        How the share of the past grows.
    epsilon_1, epsilon_2 : float
        Keep squares and steps from zero.
    clip_threshold : float
        Bounds the root mean square of a step.
    relative_step : bool
        As in Keras 3, the step is min(rate, 1 / sqrt(t)) with either value.
    **kwargs
        The arguments of every `Optimizer`.

    Examples
    --------
    >>> optimizer = Adafactor()
    >>> optimizer.build([torch.zeros(20, 30)])
    >>> [tuple(slot.shape) for slot in optimizer.variables[2:]]
    [(20,), (30,), (0,)]
    """

    recordable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    rated = ("rate", "relative")

    def slot_values(self) -> Mapping[str, float]:
        return {"row": 0.0, "column": 0.0, "velocity": 0.0}

    def slot_shape(self, slot: str, name: str, weight: Tensor) -> tuple[int, ...]:
        shape = tuple(weight.shape)
        if len(shape) < 2:
            return shape if slot == "velocity" else (0,)
        return {"row": shape[:-1], "column": (*shape[:-2], shape[-1]), "velocity": (0,)}[slot]

    def numbers(self, position: Position) -> dict[str, float]:
        numbers, step = super().numbers(position), self.updates(position) + 1
        return numbers | {"relative": min(numbers["rate"], step**-0.5), "new": float(step**self.beta_2_decay)}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        new = numbers["new"]
        for weight, gradient, rows, columns, velocity in zip(weights, gradients, *slots, strict=True):
            squares = gradient.square() + self.epsilon_1
            if weight.dim() < 2:
                velocity.mul_(1.0 - new).add_(new * squares)
                size = velocity
            else:
                rows.mul_(1.0 - new).add_(new * squares.mean(-1))
                columns.mul_(1.0 - new).add_(new * squares.mean(-2))
                size = (rows / rows.mean(-1, keepdim=True))[..., None] * columns[..., None, :]
            step = gradient / size.sqrt()
            step = step / (_rms(step) / self.clip_threshold).clamp(min=1.0)
            weight.sub_(numbers["relative"] * _rms(weight).clamp(min=self.epsilon_2) * step)


def _rms(values: Tensor) -> Tensor:
    return torch.sqrt(values.square().mean())
