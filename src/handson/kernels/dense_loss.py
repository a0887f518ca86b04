"""The losses of the program of a dense net, and their gradients, by number.

The kernels are in ``c/dense_loss.c``; the formulas are those of `handson.losses`. Missing targets are NaN. A NaN of the
net passes through as it does in PyTorch.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Real, Record

MSE, MAE, HUBER, BINARY, BINARY_LOGITS, CATEGORICAL, CATEGORICAL_LOGITS = range(7)


class Data(Record):
    """Inputs and targets, a row for each sample, and weights of samples or None."""

    inputs: Pointer
    targets: Pointer
    weights: Pointer
    columns: Int
    target_columns: Int


class Loss(Record):
    """Which loss, and Huber's delta."""

    kind: Int
    delta: Real


class _BatchLoss(Record):
    loss: Pointer
    data: Pointer
    rows: Pointer
    size: Int
    columns: Int
    output: Pointer
    gradient: Pointer
    wanted: Pointer
    values: Pointer
    total: Pointer
    count: Pointer


_batch_loss = Kernel("dense_batch_loss", _BatchLoss)


def data_of(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Data:
    """The data of some samples, all float32 without gaps; empty weights are none."""
    return Data(
        inputs=inputs, targets=targets, weights=weights if len(weights) else None,
        columns=inputs.shape[1], target_columns=targets.shape[1],
    )  # fmt: skip


def batch_loss(loss: Loss, data: Data, rows: np.ndarray, output: np.ndarray) -> tuple[float, int, np.ndarray]:
    """The summed loss of a batch, how many values are in it, and the gradient of the sum over the count."""
    gradient, room = np.empty_like(output), np.empty((2, output.size), np.float32)
    total, count = np.zeros(1), np.zeros(1, np.int64)
    _batch_loss(
        _BatchLoss(
            loss=loss, data=data, rows=rows, size=output.shape[0], columns=output.shape[1], output=output,
            gradient=gradient, wanted=room[0], values=room[1], total=total, count=count,
        )
    )  # fmt: skip
    return float(total[0]), int(count[0]), gradient
