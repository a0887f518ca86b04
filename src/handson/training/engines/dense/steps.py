"""The steps of the dense program one by one, with a loss that PyTorch computes.

The program itself goes through all steps without Python. A loss that somebody wrote in PyTorch cannot be part of it: it
stands between the program's forward and backward pass, and is all that PyTorch does in a step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handson.training.engines.dense.program import Program
from handson.training.engines.dense.update import clipping, optimizer_code, penalties, schedules
from handson.training.preparation.job import Job, Span

# From the rows of a batch and the net's outputs for them to the loss, as sum and count, and its gradient.
Loss = Callable[[np.ndarray, np.ndarray], tuple[float, float, np.ndarray]]


def train(
    program: Program, job: Job, span: Span, inputs: np.ndarray, order: np.ndarray, outputs: np.ndarray, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Train on the rows of `order`; the sums and counts of the losses.

    Parameters
    ----------
    program : Program
        With the weights in it, which are changed.
    inputs : ndarray, shape (n, columns)
        All inputs.
    order : ndarray, shape (rows,)
        The rows of the steps, one after another.
    outputs : ndarray, shape (rows, width) or empty
        Gets the outputs, if there is room for them.
    loss : function
        Given the rows of a batch and their outputs.
    """
    from handson.kernels import dense_program as kernel
    from handson.kernels.dense_update import apply_gradients

    p, size, steps = program, job.batches.batch_size, span.last - span.first
    weights, gradients, slots = p.weights.rows[0], p.gradients, p.weights.rows[1:]
    keys, (optimizer, numbers) = p.keys(job.seed, [span.age])[0], optimizer_code(job.optimizer)
    penalized, bounds = penalties(job.penalized, p.penalized), clipping(job.optimizer)
    rates, momenta, decays, shares = schedules(job.optimizer, [span])
    totals, counts = np.zeros(steps), np.zeros(steps)
    for step in range(steps):
        rows = order[step * size : (step + 1) * size]
        batch = inputs[rows]
        p.arena[: batch.size] = batch.ravel()
        kernel.forward(
            p.operations, len(rows), weights, rows, keys, p.thresholds, p.scales, p.masks, p.constants, p.moving,
            p.moments, p.arena, p.places, p.room,
        )  # fmt: skip
        output = p.arena[p.places[-1] :][: len(rows) * p.width].reshape(len(rows), p.width)
        if len(outputs):
            outputs[step * size : (step + 1) * size] = output
        total, count, gradient = loss(rows, output)
        p.upper[: gradient.size] = gradient.ravel()
        kernel.backward(
            p.operations, p.lowest, len(rows), weights, gradients, p.scales, p.masks, p.moments, p.sums, p.arena,
            p.places, p.upper, p.lower, p.room, p.turned,
        )  # fmt: skip
        penalty = apply_gradients(
            weights, gradients, slots, *penalized, *bounds, p.weights.ends, optimizer, rates[step], momenta[step],
            decays[step], shares[step], *numbers,
        )  # fmt: skip
        totals[step], counts[step] = total + count * penalty, count
    return totals, counts
