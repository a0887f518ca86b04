"""Functions that pick, place, sort and count values."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph.conversion import floatx, result_type, torch_type
from handson.graph.operation import operation


def from_the_front(indices: Tensor, size: int) -> Tensor:
    """Indices as int64, those below 0 counted from the end."""
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


@operation
def take(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """The values at indices along an axis; without one, of all values in a row.

    Examples
    --------
    >>> take([[1, 2, 3]], [0, -1], axis=1).tolist()
    [[1, 3]]
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = axis % x.dim() if -x.dim() <= axis < x.dim() else _no_axis(axis)
    picked = torch.index_select(x, axis, from_the_front(indices, x.shape[axis]).reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _no_axis(axis: int) -> int:
    raise IndexError(f"there is no axis {axis}")


@operation
def take_along_axis(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """Along an axis, for each place the value at the index that stands there."""
    size = x.numel() if axis is None else x.shape[axis]
    return torch.take_along_dim(x, from_the_front(indices, size), dim=axis)


@operation
def one_hot(x: Tensor, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Tensor:
    """1 at the place that an integer names along a new axis, 0 elsewhere; all 0 for integers that name none.

    Examples
    --------
    >>> one_hot([1, -1], 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    _dense("one_hot", sparse)
    places = torch.arange(num_classes, device=x.device)
    found = (x.long()[..., None] == places).to(floatx() if dtype is None else torch_type(dtype))
    return torch.movedim(found, -1, axis)


@operation
def multi_hot(
    inputs: Tensor, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False,
    num_tokens: int | None = None,
) -> Tensor:  # fmt: skip
    """1 at each place that one of the integers in a row names, 0 elsewhere."""
    _dense("multi_hot", sparse)
    size = num_classes if num_classes is not None else num_tokens
    if size is None:
        raise ValueError("num_classes says how long the new axis is; it is missing")
    hot = one_hot(inputs, size, axis=axis, dtype=dtype)
    return torch.amax(hot, dim=1 if inputs.dim() > 1 else 0)


def _dense(name: str, sparse: bool) -> None:
    if sparse:
        raise HandsonError(f"{name}: sparse=True is not here: tensors are dense. Leave it out.")


@operation
def sort(x: Tensor, axis: int | None = -1) -> Tensor:
    """The values along an axis, the smallest first."""
    return torch.sort(x.reshape(-1) if axis is None else x, dim=-1 if axis is None else axis, stable=True).values


@operation
def argsort(x: Tensor, axis: int | None = -1) -> Tensor:
    """Where the values along an axis are, the smallest first."""
    x = x.to(torch.uint8) if x.dtype is torch.bool else x
    x, axis = (x.reshape(-1), -1) if axis is None else (x, axis)
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


@operation
def argpartition(x: Tensor, kth: int, axis: int | None = -1) -> Tensor:
    """Indices along an axis such that none before the kth is of a larger value, none after it of a smaller."""
    return argsort(x, axis)


@operation
def top_k(x: Tensor, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest values of the last axis, and where they are.

    Examples
    --------
    >>> [part.tolist() for part in top_k([1, 5, 3], 2)]
    [[5, 3], [1, 2]]
    """
    values, places = torch.topk(x, k, sorted=sorted)
    return values, places.to(torch.int32)


@operation
def in_top_k(targets: Tensor, predictions: Tensor, k: int) -> Tensor:
    """Whether the class of each row is among those with the k largest predictions; ties count."""
    least = torch.topk(predictions, k).values[..., -1:]
    return (torch.take_along_dim(predictions, targets.long()[..., None], dim=-1) >= least)[..., 0]


@operation
def searchsorted(sorted_sequence: Tensor, values: Tensor, side: str = "left") -> Tensor:
    """Where values would have to be put in for a row to stay sorted."""
    if sorted_sequence.dim() != 1:
        raise ValueError("the sorted sequence is one row; vectorized_map does several")
    kind = result_type(sorted_sequence.dtype, values.dtype)
    return torch.searchsorted(sorted_sequence.to(kind), values.to(kind), side=side, out_int32=True)


@operation
def digitize(x: Tensor, bins: Tensor) -> Tensor:
    """The bin of each value, for bins that each begin at one of the bounds."""
    kind = result_type(x.dtype, bins.dtype, int)
    return torch.bucketize(x.to(kind), bins.to(kind), right=True, out_int32=True)


@operation
def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often each integer is there, or the sum of its weights; of a matrix for each row."""
    _dense("bincount", sparse)
    needs_values("bincount", x)
    rows, x = x.dim() == 2, x.long().reshape(-1, x.shape[-1])
    length = builtins.max(minlength, int(x.max()) + 1 if x.numel() else 0)
    kind = torch.int32 if weights is None else weights.dtype
    values = torch.ones(x.shape, dtype=kind, device=x.device) if weights is None else weights.reshape(x.shape)
    found = torch.zeros(len(x), length, dtype=kind, device=x.device).scatter_add(1, x, values)
    return found if rows else found[0]


@operation
def histogram(x: Tensor, bins: int = 10, range: Sequence[float] | None = None) -> tuple[Tensor, Tensor]:
    """How many values are in each of `bins` bins of one width, and the bounds of the bins."""
    needs_values("histogram", x)
    row = x.reshape(-1).to(torch.promote_types(x.dtype, torch.float32))
    low, high = (float(row.min()), float(row.max())) if range is None else (float(bound) for bound in range)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    bounds = torch.linspace(low, high, bins + 1, dtype=row.dtype, device=row.device)
    row = row[(row >= low) & (row <= high)]
    places = torch.bucketize(row, bounds[1:-1], right=True)
    return torch.bincount(places, minlength=bins).to(torch.int32), bounds


@operation
def nonzero(x: Tensor) -> Tensor:
    """The indices of the values that are not 0, one row for each axis."""
    needs_values("nonzero", x)
    return torch.nonzero(x).T.to(torch.int32)


def needs_values(name: str, x: Tensor) -> None:
    if x.is_meta:
        raise HandsonError(
            f"{name}: the shape of the result follows from values, which a symbol has not; call it inside of a layer's "
            f"`call`, where there are values."
        )


@operation
def unique(
    x: Tensor, sorted: bool = True, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: int | None = None, size: int | None = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """Each value once; with where it is first, which it is at each place, and how often it is there, as asked for.

    `size` is how many are given: the others are left out, missing ones are `fill_value` (0).

    Examples
    --------
    >>> [part.tolist() for part in unique([3, 1, 3], return_counts=True)]
    [[1, 3], [1, 2]]
    """
    needs_values("unique", x)
    values, inverse, counts = torch.unique(x, sorted=sorted, return_inverse=True, return_counts=True, dim=axis)
    along, flat = 0 if axis is None else axis, inverse.reshape(-1)
    first = torch.full(counts.shape, flat.numel(), device=x.device).scatter_reduce(
        0, flat, torch.arange(flat.numel(), device=x.device), "amin"
    )
    found = {"value": values, "index": first, "inverse": inverse, "counts": counts}
    if size is not None:
        found["value"] = _resized(values, along, size, 0 if fill_value is None else fill_value)
        found |= {"index": _resized(first, 0, size, 0), "counts": _resized(counts, 0, size, 0)}
    asked = {"value": True, "index": return_index, "inverse": return_inverse, "counts": return_counts}
    parts = tuple(found[name] for name, wanted in asked.items() if wanted)
    return parts[0] if len(parts) == 1 else parts


def _resized(x: Tensor, axis: int, size: int, fill: Any) -> Tensor:
    x = torch.movedim(x, axis, -1)
    kept = x[..., :size]
    return torch.movedim(F.pad(kept, (0, size - kept.shape[-1]), value=fill), -1, axis)


@operation
def unravel_index(indices: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """The index along each axis, for indices into all values in a row."""
    return tuple(part.to(indices.dtype) for part in torch.unravel_index(indices, tuple(shape)))


@operation
def slice(inputs: Tensor, start_indices: Any, shape: Sequence[int]) -> Tensor:
    """A block of some shape that begins at an index.

    Examples
    --------
    >>> slice([[1, 2], [3, 4]], (0, 1), (2, 1)).tolist()
    [[2], [4]]
    """
    starts, sides = [int(start) for start in start_indices], [int(side) for side in shape]
    for axis, (start, side) in enumerate(zip(starts, sides, strict=True)):
        # A block that reaches the end may be written with the size -1.
        inputs = torch.narrow(inputs, axis, start, inputs.shape[axis] - start if side == -1 else side)
    return inputs
