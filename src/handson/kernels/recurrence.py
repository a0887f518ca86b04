"""Recurrent layers on a CPU: all steps in one compiled kernel, with the rows of the batch dealt to threads.

A step begins with one product: [state, inputs, 1] of every row with the recurrent kernel, the kernel and the bias under
each other. Rows do not depend on each other, so a thread goes through all steps with its rows and waits for no other.
No number depends on how many threads there are: the gradient of the weights is summed over parts of the batch that do
not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson.kernels.library import Int, Kernel, Pointer, Record, lanes
from handson.kernels.threads import over_rows

# The kinds are named by the gates that Keras counts; in memory both have four.
GRU, LSTM = 3, 4
GATES = 4
# The rows of a part: so few that what a step writes is still near the processor when it is read.
_ROWS = 16
# The gradient of the weights is summed over so many parts at most, for each needs memory of its own.
_MOST_PARTS = 8


class _Forward(Record):
    ends: Pointer
    kind: Int
    steps: Int
    rows: Int
    depth: Int
    width: Int
    kept: Int
    kept_cells: Int
    inputs: Pointer
    gates: Pointer
    cells: Pointer
    weights: Pointer


class _Backward(Record):
    ends: Pointer
    kind: Int
    steps: Int
    rows: Int
    depth: Int
    width: Int
    upper_steps: Int
    wanted: Int
    kept: Int
    upper: Pointer
    inputs: Pointer
    gates: Pointer
    cells: Pointer
    weights: Pointer
    d_inputs: Pointer
    d_cells: Pointer
    d_weights: Pointer


_recur_forward, _recur_backward = Kernel("recur_forward", _Forward), Kernel("recur_backward", _Backward)


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
        ends = _ends(rows // _ROWS, rows)
        record = _Forward(
            ends=ends, kind=kind, steps=steps, rows=rows, depth=depth, width=width, kept=len(gates),
            kept_cells=len(cells), inputs=inputs, gates=gates, cells=cells, weights=_in_blocks(padded),
        )  # fmt: skip
        over_rows(_recur_forward, record, len(ends), work=gates[0].numel() * steps)
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
        back = F.pad(padded[:wanted].t(), (0, -wanted % lanes()))
        d_inputs = torch.empty(steps + 1 if ctx.needs_input_grad[0] else 1, rows, back.shape[1])
        d_inputs[-1] = 0.0
        parts = max(1, min(rows // _ROWS, _MOST_PARTS))
        d_weights = torch.zeros(parts, *padded.shape)
        ends = _ends(parts, rows)
        record = _Backward(
            ends=ends, kind=ctx.kind, steps=steps, rows=rows, depth=len(padded), width=width, upper_steps=len(upper),
            wanted=back.shape[1], kept=len(d_inputs), upper=upper, inputs=inputs, gates=gates, cells=cells,
            weights=_in_blocks(back), d_inputs=d_inputs, d_cells=torch.zeros(rows, width), d_weights=d_weights,
        )  # fmt: skip
        over_rows(_recur_backward, record, len(ends), work=gates.numel())
        d_x = d_inputs[:-1, :, width:wanted].transpose(0, 1) if ctx.needs_input_grad[0] else None
        return d_x, _unpadded(d_weights.sum(0), units), None, None


def _padded(weights: Tensor, units: int) -> Tensor:
    """The weights with the columns of each gate, and the rows of the state, filled up to whole vectors."""
    more = -units % lanes()
    wider = F.pad(weights.reshape(-1, GATES, units), (0, more)).flatten(1)
    return wider if not more else torch.cat([F.pad(wider[:units], (0, 0, 0, more)), wider[units:]])


def _unpadded(padded: Tensor, units: int) -> Tensor:
    """The rows and columns of `padded` that are no filling."""
    width = padded.shape[1] // GATES
    narrow = padded.view(-1, GATES, width)[:, :, :units].flatten(1)
    return narrow if width == units else torch.cat([narrow[:units], narrow[width:]])


def _in_blocks(matrix: Tensor) -> Tensor:
    """A matrix with vectors of the same columns beside each other: (columns / lanes, rows, lanes)."""
    return matrix.reshape(len(matrix), -1, lanes()).transpose(0, 1).contiguous()


def _ends(parts: int, rows: int) -> np.ndarray:
    """The first row of each part, and the row after its last."""
    ends = np.arange(max(parts, 1) + 1) * rows // max(parts, 1)
    return np.stack([ends[:-1], ends[1:]], 1)
