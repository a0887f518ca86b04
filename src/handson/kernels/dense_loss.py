"""The losses of the program of a dense net, and their gradients, by number.

The kernels are in ``c/dense_loss.c``; the formulas are those of `handson.losses`. Missing targets are NaN. A NaN of the
net passes through as it does in PyTorch.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Real, Record

MSE, MAE, HUBER, BINARY, BINARY_LOGITS, CATEGORICAL, CATEGORICAL_LOGITS = range(7)


class Targets(Record):
    """Targets, a row for each sample, and weights of samples or None."""

    values: Pointer
    columns: Int
    weights: Pointer


class Loss(Record):
    """The loss of one output.

    Which loss, Huber's delta, and its weight among the losses of other outputs; the width of the output. In the
    program: where the output is, where its gradient goes, and whether it is added to that of another loss.
    """

    kind: Int
    delta: Real
    weight: Real
    columns: Int
    output: Int
    gradient: Int
    adds: Int


class Head(Record):
    """An output of the net: a `Loss`, `Targets`, and what each step gives: sum and count of the loss, and outputs."""

    loss: Pointer
    targets: Pointer
    totals: Pointer
    counts: Pointer
    outputs: Pointer


class _BatchLoss(Record):
    loss: Pointer
    targets: Pointer
    rows: Pointer
    size: Int
    output: Pointer
    gradient: Pointer
    wanted: Pointer
    values: Pointer
    total: Pointer
    count: Pointer


_batch_loss = Kernel("dense_batch_loss", _BatchLoss)


def targets_of(targets: np.ndarray, weights: np.ndarray) -> Targets:
    """The targets of some samples, float32 without gaps; empty weights are none."""
    return Targets(values=targets, columns=targets.shape[1], weights=weights if len(weights) else None)


def batch_loss(loss: Loss, targets: Targets, rows: np.ndarray, output: np.ndarray) -> tuple[float, int, np.ndarray]:
    """The summed loss of a batch, how many values are in it, and the gradient of the sum over the count."""
    gradient, room = np.empty_like(output), np.empty((2, output.size), np.float32)
    total, count = np.zeros(1), np.zeros(1, np.int64)
    _batch_loss(
        _BatchLoss(
            loss=loss, targets=targets, rows=rows, size=output.shape[0], output=output, gradient=gradient,
            wanted=room[0], values=room[1], total=total, count=count,
        )
    )  # fmt: skip
    return float(total[0]), int(count[0]), gradient
