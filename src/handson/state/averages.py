"""Averaged weights: what an optimizer with `use_ema` keeps beside the weights that it trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from handson.optimizers import Optimizer
from handson.state.state import ModuleLike, named_weights, trainable_weights


@contextmanager
def averaged(module: ModuleLike, optimizer: Optimizer) -> Iterator[None]:
    """While this lasts, the net has the averaged weights, if its optimizer keeps an average.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> net, optimizer = torch.nn.Linear(1, 1, bias=False), SGD(use_ema=True)
    >>> optimizer.slots["average"] = {"weight": torch.tensor([[5.0]])}
    >>> with averaged(net, optimizer):
    ...     net.weight.item()
    5.0
    """
    averages = _averages(module, optimizer)
    if not averages:
        yield
        return
    weights = named_weights(module)
    kept = {name: weights[name].detach().clone() for name in averages}
    _assign(weights, averages)
    try:
        yield
    finally:
        _assign(weights, kept)


def take_averages(module: ModuleLike, optimizer: Optimizer) -> None:
    """After a training: the averaged weights, if there are any, become the net's."""
    _assign(named_weights(module), _averages(module, optimizer))


def _averages(module: ModuleLike, optimizer: Optimizer) -> dict[str, Tensor]:
    """The averages of the weights that train; those of weights that are frozen by now are out of date."""
    if not optimizer.use_ema:
        return {}
    averages = optimizer.slots.get("average", {})
    return {name: averages[name] for name in trainable_weights(module) if name in averages}


@torch.no_grad()
def _assign(weights: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)
