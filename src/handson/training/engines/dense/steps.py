"""The steps of the dense program one by one, with losses that PyTorch computes.

The program itself goes through all steps without Python. A loss that is written in PyTorch cannot be part of it: it
stands between the program's forward and backward pass, and is all that PyTorch does in a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handson.kernels import dense_program as kernel
from handson.training.engines.dense.program import Program, Steps

# From the rows of a batch and the net's outputs for them to the losses: for each output sum, count and gradient.
Losses = Callable[[np.ndarray, list[np.ndarray]], list[tuple[float, float, np.ndarray]]]


def train(program: Program, training: Any, steps: Steps, losses: Losses) -> Steps:
    """Run the steps of `training`, which are of one epoch, on what was gathered.

    Parameters
    ----------
    program : Program
        With the weights in it, which are changed.
    training, steps
        What `program.training` gives.
    losses : function
        Given the rows of a batch and their outputs.
    """
    span = training.held["span"]
    order, size = span.held["order"], span.batch_size
    steps = steps._replace(counts=np.zeros(steps.counts.shape))
    for step in range(len(steps.penalties)):
        rows = order[step * size : (step + 1) * size]
        kernel.forward(training, step, step + 1)
        outputs = [program.output(number, len(rows)) for number in range(len(program.heads))]
        for number, (total, count, gradient) in enumerate(losses(rows, outputs)):
            steps.totals[number, step], steps.counts[number, step] = total, count
            program.put_gradient(number, gradient)
        kernel.backward(training, step, step + 1)
    return steps
