"""ReLU, 2x2 max-pooling and dropout in one pass over the data.

The plain expression, `dropout(max_pool2d(relu(x), 2))`, writes an array for each of the three and one of positions, and
walks through all of them in the backward pass. Here each value is read once, and what is kept is a byte for each
output: which of the four won, or 4 where none is positive or the output was dropped. Both give the same numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.kernels.keyed_dropout import settings_of
from handson.kernels.library import Int, Kernel, Pointer, Real, Record, Word
from handson.kernels.threads import over_rows


class Drop(NamedTuple):
    """What is dropped: see `handson.kernels.keyed_dropout`."""

    key: int
    rows: Tensor
    rate: float


class Lines(NamedTuple):
    """For each channel, float32: a value x becomes (x - centre) * factor + shift."""

    centre: np.ndarray
    factor: np.ndarray
    shift: np.ndarray

    @staticmethod
    def plain(channels: int, shift: np.ndarray | None = None) -> Lines:
        """Only the shift, or nothing."""
        zeros = np.zeros(channels, np.float32)
        return Lines(zeros, zeros + 1, zeros if shift is None else shift)

    def fields(self) -> dict[str, np.ndarray]:
        """As kernels take them."""
        return {name: np.ascontiguousarray(line, np.float32) for name, line in self._asdict().items()}


class _Pool(Record):
    x: Pointer
    y: Pointer
    winners: Pointer
    height: Int
    width: Int
    channels: Int
    centre: Pointer
    factor: Pointer
    shift: Pointer
    rows: Pointer
    key: Word
    threshold: Word
    scale: Real


class _Unpool(Record):
    gradient: Pointer
    winners: Pointer
    below: Pointer
    height: Int
    width: Int
    channels: Int
    scale: Real


_pool, _unpool = Kernel("pool", _Pool), Kernel("unpool", _Unpool)


def dropping(drop: Drop | None) -> dict[str, Any]:
    """What is dropped, as kernels take it; without a `Drop` nothing is."""
    if drop is None:
        return {"rows": None, "key": 0, "threshold": 0, "scale": 1.0}
    return settings_of(drop.key, drop.rows, drop.rate)


def outputs_for(images: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Room for the outputs and the winners of so many images like those in x (n, h, w, c)."""
    _, height, width, channels = x.shape
    y = torch.empty(images, height // 2, width // 2, channels)
    return y, torch.empty(y.shape, dtype=torch.uint8)


def pool_into(y: Tensor, winners: Tensor, x: Tensor, drop: Drop | None, lines: Lines) -> float:
    """Pool what the lines make of images x (n, h, w, c), on all cores; what gradients are scaled with."""
    dropped, (height, width, channels) = dropping(drop), x.shape[1:]
    record = _Pool(
        x=x.detach(), y=y, winners=winners, height=height, width=width, channels=channels, **lines.fields(), **dropped
    )
    over_rows(_pool, record, len(x), work=x.numel())
    return float(dropped["scale"])


class PooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(x), 2))` of images (n, h, w, c), float32 on a CPU. No `Drop`: all are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop: Drop | None) -> Tensor:
        """Outputs of shape (n, h // 2, w // 2, c)."""
        y, ctx.winners = outputs_for(len(x), x)
        ctx.scale, ctx.shape = pool_into(y, ctx.winners, x.contiguous(), drop, Lines.plain(x.shape[3])), x.shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the inputs."""
        below, (height, width, channels) = torch.empty(ctx.shape), ctx.shape[1:]
        record = _Unpool(
            gradient=gradients[0].contiguous(), winners=ctx.winners, below=below, height=height, width=width,
            channels=channels, scale=ctx.scale,
        )  # fmt: skip
        over_rows(_unpool, record, len(below), work=gradients[0].numel())
        return below, None
