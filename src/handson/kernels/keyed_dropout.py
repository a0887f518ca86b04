"""Dropout with the words of `handson.randomness.words`, in one pass over the data.

The plain expression, `x * mask`, writes and reads a dozen arrays of whole numbers to make the mask. Here an element's
word lives in a register, and the backward pass draws it again instead of keeping it. Both give the same bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.kernels.library import Int, Kernel, Pointer, Real, Record, Word
from handson.kernels.threads import over_rows


class _Drop(Record):
    x: Pointer
    y: Pointer
    rows: Pointer
    count: Int
    key: Word
    threshold: Word
    scale: Real


_drop = Kernel("drop", _Drop)


class KeyedDropout(torch.autograd.Function):
    """Keyed dropout as a differentiable function of a contiguous float32 tensor on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, key: int, rows: Tensor, rate: float) -> Tensor:
        """Drop elements of x, of shape (n, ...), with probability `rate`."""
        ctx.settings = key, rows, rate
        return _dropped(x.detach(), *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """The same elements of the gradient."""
        return _dropped(gradients[0].contiguous(), *ctx.settings), None, None, None


def threshold_of(rate: float) -> int:
    """The smallest word that keeps its element."""
    return min(round(rate * 2**32), 2**32 - 1)


def settings_of(key: int, rows: Tensor, rate: float) -> dict[str, Any]:
    """The numbers of the samples, the key, the threshold and the scale, as kernels take them."""
    numbers = rows.to(torch.int64).contiguous()
    return {"rows": numbers, "key": key, "threshold": threshold_of(rate), "scale": 1.0 / (1.0 - rate)}


def _dropped(x: Tensor, key: int, rows: Tensor, rate: float) -> Tensor:
    """x * scale where an element's word reaches the threshold, x * 0 elsewhere."""
    y = torch.empty_like(x)
    record = _Drop(x=x, y=y, count=x[:1].numel(), **settings_of(key, rows, rate))
    over_rows(_drop, record, len(x), work=x.numel())
    return y
