"""Recurrent layers on a CPU: all steps in one compiled kernel, with the rows of the batch dealt to threads.

A step begins with one product: [state, inputs, 1] of every row with the recurrent kernel, the kernel and the bias under
each other. Rows do not depend on each other, so a thread goes through all steps with its rows and waits for nobody. No
number depends on how many threads there are: the gradient of the weights is summed over parts of the batch that do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson.kernels import gru, lstm
from handson.kernels.threads import over_rows
from handson.kernels.tiles import add_gathered_product, set_product
from handson.kernels.vectors import LANES, compiled, load, store

# The kinds are named by the gates that Keras counts; in memory both have four.
GRU, LSTM = 3, 4
GATES = 4
# The rows of a part: so few that what a step writes is still near the processor when it is read.
_ROWS = 16
# The gradient of the weights is added to after so many steps: it does not fit into the nearest memory.
_TOGETHER = 4
# It is summed over so many parts at most, for each needs memory of its own.
_MOST_PARTS = 8


@compiled
def _forward(kind, inputs, gates, cells, weights, first, last):
    """All steps of the rows from `first` to `last`.

    Gates, cells and, into the next inputs, the states are written; of gates and cells one step where nothing is kept.
    """
    rows, width = last - first, cells.shape[2]
    for t in range(inputs.shape[0] - 1):
        sums, state = gates[t % gates.shape[0], first:last], inputs[t + 1, first:last]
        before, after = cells[t % cells.shape[0], first:last], cells[(t + 1) % cells.shape[0], first:last]
        set_product(sums.reshape(rows, GATES * width), inputs[t, first:last], weights)
        if kind == LSTM:
            lstm.step(sums, before, after, state)
        else:
            gru.step(sums, before, after, state)


@compiled
def forward_parts(ends, kind, inputs, gates, cells, weights):
    """`_forward` of parts of the rows, from a first to a last each."""
    for i in range(len(ends)):
        _forward(kind, inputs, gates, cells, weights, ends[i, 0], ends[i, 1])


@compiled
def _backward(kind, upper, inputs, gates, cells, weights, d_inputs, d_cells, d_sums, d_weights, first, last):
    """All steps of the rows from `first` to `last`, in reverse.

    `upper` has the gradients of the states of the last steps. Those of the inputs, of one step where nobody wants them,
    are written; those of the weights are added. The arrays between them are memory to work in.
    """
    steps, rows, width = gates.shape[0], last - first, cells.shape[2]
    earliest, held = steps - upper.shape[0], d_cells[first:last]
    several = d_sums[first * _TOGETHER : last * _TOGETHER]
    blocks = several.reshape(rows * _TOGETHER, GATES * width // LANES, LANES)
    seen, count, columns = np.empty(rows * _TOGETHER, np.int64), 0, np.arange(inputs.shape[2])
    for t in range(steps - 1, -1, -1):
        slopes = several[count : count + rows]
        flat = slopes.reshape(rows, GATES * width)
        above = d_inputs[(t + 1) % d_inputs.shape[0], first:last]
        below = d_inputs[t % d_inputs.shape[0], first:last]
        if t >= earliest:
            for i in range(rows):
                for j in range(0, width, LANES):
                    store(above, (i, j), load(above, (i, j)) + load(upper, (t - earliest, first + i, j)))
        before, after = cells[t, first:last], cells[t + 1, first:last]
        if kind == LSTM:
            lstm.step_back(gates[t, first:last], before, after, above, held, slopes)
        else:
            gru.step_back(gates[t, first:last], before, after, above, held, slopes)
        set_product(below, flat, weights)
        for i in range(rows):
            seen[count + i] = (t * inputs.shape[1] + first + i) * inputs.shape[2]
        count += rows
        if count == len(seen) or t == 0:
            add_gathered_product(d_weights, inputs.reshape(-1), columns, seen[:count], blocks[:count])
            count = 0


@compiled
def backward_parts(ends, d_weights, kind, upper, inputs, gates, cells, weights, d_inputs, d_cells, d_sums):
    """`_backward` of parts of the rows, from a first to a last each, with gradients of the weights for each part."""
    for i in range(len(ends)):
        _backward(
            kind, upper, inputs, gates, cells, weights, d_inputs, d_cells, d_sums, d_weights[i], ends[i, 0], ends[i, 1]
        )


class Recurrence(torch.autograd.Function):
    """The outputs of a recurrent layer: of all steps (n, steps, units), or of the last (n, units).

    Takes inputs (n, steps, features) and weights (units + features, 4 units), one row more with a bias.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, kind: int, sequences: bool) -> Tensor:
        """The outputs."""
        (rows, steps, features), units = x.shape, weights.shape[1] // GATES
        keep, padded = any(ctx.needs_input_grad), _padded(weights.detach(), units)
        width, depth = padded.shape[1] // GATES, len(padded)
        inputs = torch.empty(steps + 1, rows, depth)
        inputs[0, :, :width] = 0.0
        inputs[:-1, :, width : width + features] = x.transpose(0, 1)
        inputs[:, :, width + features :] = 1.0
        gates = torch.empty(steps if keep else 1, rows, GATES, width)
        cells = torch.empty(steps + 1 if keep else 1, rows, width)
        cells[0] = 0.0
        arrays = [tensor.numpy() for tensor in (inputs, gates, cells, _in_blocks(padded))]
        over_rows(forward_parts, (_ends(rows // _ROWS, rows),), kind, *arrays, work=gates[0].numel() * steps)
        ctx.kind, ctx.sequences, ctx.features = kind, sequences, features
        if keep:
            ctx.save_for_backward(padded, inputs, gates, cells)
        return inputs[1:, :, :units].transpose(0, 1).contiguous() if sequences else inputs[-1, :, :units].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs and of the weights."""
        padded, inputs, gates, cells = ctx.saved_tensors
        (steps, rows, _, width), units = gates.shape, gradients[0].shape[-1]
        upper = gradients[0].transpose(0, 1) if ctx.sequences else gradients[0][None]
        upper = F.pad(upper, (0, width - units)).contiguous()
        wanted = width + ctx.features if ctx.needs_input_grad[0] else width
        back = F.pad(padded[:wanted].t(), (0, -wanted % LANES))
        d_inputs = torch.empty(steps + 1 if ctx.needs_input_grad[0] else 1, rows, back.shape[1])
        d_inputs[-1] = 0.0
        parts = max(1, min(rows // _ROWS, _MOST_PARTS))
        d_weights = torch.zeros(parts, *padded.shape)
        scratch = torch.zeros(rows, width), torch.empty(rows * _TOGETHER, GATES, width)
        given = upper, inputs, gates, cells, _in_blocks(back), d_inputs, *scratch
        arrays, dealt = [tensor.numpy() for tensor in given], (_ends(parts, rows), d_weights.numpy())
        over_rows(backward_parts, dealt, ctx.kind, *arrays, work=gates.numel())
        d_x = d_inputs[:-1, :, width:wanted].transpose(0, 1) if ctx.needs_input_grad[0] else None
        return d_x, _unpadded(d_weights.sum(0), units), None, None


def _padded(weights: Tensor, units: int) -> Tensor:
    """The weights with the columns of each gate, and the rows of the state, filled up to whole vectors."""
    more = -units % LANES
    wider = F.pad(weights.reshape(-1, GATES, units), (0, more)).flatten(1)
    return wider if not more else torch.cat([F.pad(wider[:units], (0, 0, 0, more)), wider[units:]])


def _unpadded(padded: Tensor, units: int) -> Tensor:
    """The rows and columns of `padded` that are no filling."""
    width = padded.shape[1] // GATES
    narrow = padded.view(-1, GATES, width)[:, :, :units].flatten(1)
    return narrow if width == units else torch.cat([narrow[:units], narrow[width:]])


def _in_blocks(matrix: Tensor) -> Tensor:
    """A matrix as `handson.kernels.tiles.set_product` takes it."""
    return matrix.reshape(len(matrix), -1, LANES).transpose(0, 1).contiguous().transpose(0, 1)


def _ends(parts: int, rows: int) -> np.ndarray:
    """The first row of each part, and the row after its last."""
    ends = np.arange(max(parts, 1) + 1) * rows // max(parts, 1)
    return np.stack([ends[:-1], ends[1:]], 1)
