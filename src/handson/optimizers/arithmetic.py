"""Arithmetic on lists of tensors with factors that are floats, or tensors without axes in a step that is replayed.

With floats each of these is one kernel. A tensor's value is not known to the host, so it takes a kernel more.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Tensors = list[Tensor]


def add_scaled(weights: Tensors, steps: Tensors, factor: Any) -> None:
    """weights += factor * steps.

    Examples
    --------
    >>> weights = [torch.tensor([1.0])]
    >>> add_scaled(weights, [torch.tensor([4.0])], -0.5)
    >>> add_scaled(weights, [torch.tensor([4.0])], torch.tensor(-0.5))
    >>> weights
    [tensor([-3.])]
    """
    if isinstance(factor, Tensor):
        torch._foreach_add_(weights, torch._foreach_mul(steps, factor))
    else:
        torch._foreach_add_(weights, steps, alpha=factor)


def add_ratio(weights: Tensors, numerators: Tensors, divisors: Tensors, factor: Any) -> None:
    """weights += factor * numerators / divisors.

    Examples
    --------
    >>> weights = [torch.tensor([1.0])]
    >>> add_ratio(weights, [torch.tensor([4.0])], [torch.tensor([2.0])], -0.5)
    >>> weights
    [tensor([0.])]
    """
    if isinstance(factor, Tensor):
        add_scaled(weights, list(torch._foreach_div(numerators, divisors)), factor)
    else:
        torch._foreach_addcdiv_(weights, numerators, divisors, factor)


def blend(averages: Tensors, weights: Tensors, share: Any) -> None:
    """averages += share * (weights - averages).

    Examples
    --------
    >>> averages = [torch.tensor([1.0])]
    >>> blend(averages, [torch.tensor([3.0])], 0.5)
    >>> averages
    [tensor([2.])]
    """
    if isinstance(share, Tensor):
        add_scaled(averages, list(torch._foreach_sub(weights, averages)), share)
    else:
        torch._foreach_lerp_(averages, weights, share)
