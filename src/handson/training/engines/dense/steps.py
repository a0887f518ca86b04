"""The steps of the dense program one by one, with a loss that PyTorch computes.

The program itself goes through all steps without Python. A loss that is written in PyTorch cannot be part of it: it
stands between the program's forward and backward pass, and is all that PyTorch does in a step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handson.training.engines.dense.program import Arrays, Program
from handson.training.engines.dense.update import updates
from handson.training.preparation.job import Job, Span

# From the rows of a batch and the net's outputs for them to the loss, as sum and count, and its gradient.
Loss = Callable[[np.ndarray, np.ndarray], tuple[float, float, np.ndarray]]


def train(
    program: Program, job: Job, span: Span, data: Arrays, order: np.ndarray, outputs: np.ndarray, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Train on the rows of `order`; the sums and counts of the losses.

    Parameters
    ----------
    program : Program
        With the weights in it, which are changed.
    data : tuple of ndarray
        All inputs; the targets are not used.
    order : ndarray, shape (rows,)
        The rows of the steps, one after another.
    outputs : ndarray, shape (rows, width) or empty
        Gets the outputs, if there is room for them.
    loss : function
        Given the rows of a batch and their outputs.
    """
    from handson.kernels import dense_program as kernel

    size, width, start = job.batches.batch_size, program.width, program.places[-1]
    keys, update = program.keys(job.seed, [span.age]), updates(job, program.penalized, program.weights, [span])
    training = program.training(data, order, size, keys, update, outputs)
    # The kernels add each step's penalty, times its count, to its total.
    penalties, ones = (training.held["span"].held[name] for name in ("totals", "counts"))
    ones[:] = 1
    totals, counts = np.zeros(len(ones)), np.zeros(len(ones))
    for step in range(len(ones)):
        rows = order[step * size : (step + 1) * size]
        kernel.forward(training, step, step + 1)
        total, counts[step], gradient = loss(rows, program.arena[start:][: len(rows) * width].reshape(-1, width))
        program.upper[: gradient.size] = gradient.ravel()
        kernel.backward(training, step, step + 1)
        totals[step] = total + counts[step] * penalties[step]
    return totals, counts
