"""The optimizers' formulas for a step that is recorded once and run again and again.

A recorded step holds no number that changes: what a schedule gives, or what depends on how many steps were done, the
host works out in double precision before the step and puts into a tensor, which these formulas read. Apart from that
they are those of `handson.optimizers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, Optimizer, RMSprop, laid_out
from handson.schedules import Position

Tensors = list[Tensor]


class Numbers(NamedTuple):
    """What changes from step to step: numbers on the host, tensors without axes on the device.

    Attributes
    ----------
    rate : float or Tensor
        The learning rate; Adam's with its corrections for the first steps.
    momentum : float or Tensor
        SGD's momentum.
    kept : float or Tensor
        What weight decay multiplies the weights by.
    share : float or Tensor
        The share of the new weights in their moving average.
    """

    rate: Any
    momentum: Any
    kept: Any
    share: Any


def obstacle(optimizer: Optimizer) -> str | None:
    """Why an optimizer has no formula here, None if it has one.

    Examples
    --------
    >>> obstacle(SGD()), obstacle(Optimizer())
    (None, 'the optimizer Optimizer')
    """
    return None if type(optimizer) in FORMULAS else f"the optimizer {type(optimizer).__name__}"


def numbers(optimizer: Optimizer, position: Position) -> Numbers:
    """The numbers of the step at a position.

    Examples
    --------
    >>> numbers(SGD(0.5, momentum=0.9, weight_decay=0.1), Position())
    Numbers(rate=0.5, momentum=0.9, kept=0.95, share=1.0)
    """
    rate, step = optimizer.value("learning_rate", position), position.iteration + 1
    kept = 1.0 - rate * (optimizer.weight_decay or 0.0)
    if isinstance(optimizer, Adam):
        rate *= (1.0 - optimizer.beta_2**step) ** 0.5 / (1.0 - optimizer.beta_1**step)
    momentum = optimizer.value("momentum", position) if isinstance(optimizer, SGD) else 0.0
    # As in Keras, the average starts from the weights after the first step.
    return Numbers(rate, momentum, kept, 1.0 - optimizer.ema_momentum if position.iteration else 1.0)


def settings(optimizer: Optimizer) -> dict[str, Any]:
    """What a recorded step holds of an optimizer for good: everything but `numbers`."""
    changing = {"_rate", "iterations", "weight_decay", "ema_momentum"}
    changing |= {"momentum"} if isinstance(optimizer, SGD) else set()
    held = {name: value for name, value in vars(optimizer).items() if name not in changing}
    return held | {"slots": tuple(optimizer.slot_values()), "decays": bool(optimizer.weight_decay)}


@torch.no_grad()
def apply(optimizer: Any, names: list[str], weights: Tensors, gradients: Tensors, held: Numbers) -> None:
    """One step: clip, decay, update, average. `gradients` are overwritten."""
    gradients = [laid_out(gradient, weight) for gradient, weight in zip(gradients, weights, strict=True)]
    if optimizer.clipnorm or optimizer.clipvalue or optimizer.global_clipnorm:
        optimizer.clip(gradients)
    if optimizer.weight_decay:
        torch._foreach_mul_(weights, held.kept)
    slots = [[optimizer.slots[slot][name] for name in names] for slot in optimizer.slot_values()]
    FORMULAS[type(optimizer)](optimizer, weights, gradients, slots, held)
    if optimizer.use_ema:
        averages = [optimizer.slots["average"][name] for name in names]
        changes = torch._foreach_sub(weights, averages)
        torch._foreach_mul_(changes, held.share)
        torch._foreach_add_(averages, changes)


def _sgd(optimizer: SGD, weights: Tensors, gradients: Tensors, slots: list[Tensors], held: Numbers) -> None:
    torch._foreach_mul_(gradients, held.rate)
    if not slots:
        torch._foreach_sub_(weights, gradients)
        return
    (velocities,) = slots
    torch._foreach_mul_(velocities, held.momentum)
    torch._foreach_sub_(velocities, gradients)
    if optimizer.nesterov:
        torch._foreach_sub_(weights, gradients)
        torch._foreach_add_(weights, torch._foreach_mul(velocities, held.momentum))
    else:
        torch._foreach_add_(weights, velocities)


def _rmsprop(optimizer: RMSprop, weights: Tensors, gradients: Tensors, slots: list[Tensors], held: Numbers) -> None:
    velocities = slots[0]
    torch._foreach_mul_(velocities, optimizer.rho)
    torch._foreach_addcmul_(velocities, gradients, gradients, 1.0 - optimizer.rho)
    divisors = velocities
    if optimizer.centered:
        torch._foreach_lerp_(slots[-1], gradients, 1.0 - optimizer.rho)
        divisors = list(torch._foreach_addcmul(velocities, slots[-1], slots[-1], -1.0))
    divisors = list(torch._foreach_add(divisors, optimizer.epsilon))
    torch._foreach_sqrt_(divisors)
    torch._foreach_div_(gradients, divisors)
    torch._foreach_mul_(gradients, held.rate)
    if optimizer.momentum:
        torch._foreach_mul_(slots[1], optimizer.momentum)
        torch._foreach_add_(slots[1], gradients)
        gradients = slots[1]
    torch._foreach_sub_(weights, gradients)


def _adam(optimizer: Adam, weights: Tensors, gradients: Tensors, slots: list[Tensors], held: Numbers) -> None:
    optimizer.corrected(weights, gradients, slots, held.rate)


def _proportional(
    optimizer: Optimizer, weights: Tensors, gradients: Tensors, slots: list[Tensors], held: Numbers
) -> None:
    """For optimizers whose step is the rate times something: their own formula, on zeros and with a rate of 1."""
    steps = [torch.zeros_like(weight) for weight in weights]
    optimizer.update(steps, gradients, slots, 1.0, Position())
    torch._foreach_mul_(steps, held.rate)
    torch._foreach_add_(weights, steps)


FORMULAS: dict[type[Optimizer], Callable[..., None]] = {
    SGD: _sgd, RMSprop: _rmsprop, Adam: _adam, AdamW: _adam, Adagrad: _proportional, Adadelta: _proportional,
}  # fmt: skip
