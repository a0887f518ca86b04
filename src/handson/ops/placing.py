"""Functions that put values at indices, one by one or joined with what is there."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.graph.operation import operation
from handson.ops.picking import from_the_front, needs_values


@operation
def slice_update(inputs: Tensor, start_indices: Any, updates: Tensor) -> Tensor:
    """A copy in which a block that begins at an index is replaced."""
    starts = [int(start) for start in start_indices]
    block = tuple(builtins.slice(start, start + side) for start, side in zip(starts, updates.shape, strict=True))
    outputs = inputs.clone()
    outputs[block] = updates.to(outputs.dtype)
    return outputs


@operation
def scatter(indices: Tensor, values: Tensor, shape: Sequence[int]) -> Tensor:
    """Zeros of a shape with values added at indices."""
    zeros = torch.zeros(tuple(int(side) for side in shape), dtype=values.dtype, device=values.device)
    places = tuple(indices.reshape(-1, indices.shape[-1]).long().unbind(-1))
    return zeros.index_put(places, values.reshape(-1, *zeros.shape[indices.shape[-1] :]), accumulate=True)


REDUCTIONS = {"add": "sum", "max": "amax", "min": "amin", "mul": "prod"}


@operation
def scatter_update(inputs: Tensor, indices: Tensor, updates: Tensor, reduction: str | None = None) -> Tensor:
    """A copy with values at indices replaced, or joined by `reduction`: 'add', 'max', 'min' or 'mul'.

    Examples
    --------
    >>> scatter_update([1, 2, 3], [[0], [0]], [5, 6], reduction="add").tolist()
    [12, 2, 3]
    """
    updates, places = updates.to(inputs.dtype), indices.long()
    if reduction is None:
        return inputs.index_put(tuple(places.unbind(-1)), updates)
    if reduction not in REDUCTIONS:
        raise HandsonError(f"scatter_update: unknown reduction {reduction!r}.{nearest(reduction, REDUCTIONS)} Known: "
                           f"{', '.join(REDUCTIONS)}.")  # fmt: skip
    # All that the indices name is one row of a matrix.
    sides = inputs.shape[: places.shape[-1]]
    rows = torch.zeros(places.shape[:-1], dtype=torch.int64, device=places.device)
    for axis, side in enumerate(sides):
        rows = rows * side + from_the_front(places[..., axis], side)
    matrix, added = inputs.reshape(math.prod(sides), -1), updates.reshape(rows.numel(), -1)
    found = matrix.scatter_reduce(0, rows.reshape(-1, 1).expand(added.shape), added, REDUCTIONS[reduction])
    return found.reshape(inputs.shape)


def _segments(data: Tensor, segment_ids: Tensor, num_segments: int | None, how: str) -> Tensor:
    if num_segments is None:
        needs_values("segment_* without num_segments", segment_ids)
        num_segments = int(segment_ids.max()) + 1 if segment_ids.numel() else 0
    ids = segment_ids.long()
    # What belongs to no segment goes to one more, which is left out.
    ids = torch.where((ids >= 0) & (ids < num_segments), ids, num_segments)
    fill = _neutral(data.dtype, how)
    start = torch.full((num_segments + 1, *data.shape[1:]), fill, dtype=data.dtype, device=data.device)
    return start.scatter_reduce(0, ids.reshape(-1, *[1] * (data.dim() - 1)).expand(data.shape), data, how)[:-1]


def _neutral(kind: torch.dtype, how: str) -> float:
    """What an empty segment gives."""
    if how in ("sum", "prod"):
        return 0 if how == "sum" else 1
    if kind.is_floating_point:
        return -torch.inf if how == "amax" else torch.inf
    return torch.iinfo(kind).min if how == "amax" else torch.iinfo(kind).max


@operation
def segment_sum(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The sum of the rows of each segment.

    Examples
    --------
    >>> segment_sum([1, 2, 3], [0, 0, 1]).tolist()
    [3, 3]
    """
    return _segments(data, segment_ids, num_segments, "sum")


@operation
def segment_max(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The largest value of the rows of each segment."""
    return _segments(data, segment_ids, num_segments, "amax")


@operation
def segment_min(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The smallest value of the rows of each segment."""
    return _segments(data, segment_ids, num_segments, "amin")


@operation
def segment_prod(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The product of the rows of each segment."""
    return _segments(data, segment_ids, num_segments, "prod")
