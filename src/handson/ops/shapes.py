"""Functions that move values: reshape, transpose, join, split, repeat, pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import convert, torch_type
from handson.graph.operation import operation

Sides = int | Sequence[int | None]
Sections = int | Sequence[int]


def _sides(x: Tensor, shape: Sides) -> list[int]:
    """A shape, in which None is the size that x has on that axis."""
    sides = [shape] if isinstance(shape, int) else list(shape)
    return [int(x.shape[i] if side is None else side) for i, side in enumerate(sides)]


@operation
def reshape(x: Tensor, newshape: Sides) -> Tensor:
    """The same values in another shape; -1 is what is left, None the size that x has on that axis.

    Examples
    --------
    >>> from handson.graph import Symbol
    >>> x = Symbol((None, 2, 3))
    >>> reshape(x, (-1, 6)).shape, reshape(x, (x.shape[0], 3, 2)).shape
    ((None, 6), (None, 3, 2))
    """
    return torch.reshape(x, _sides(x, newshape))


@operation
def broadcast_to(x: Tensor, shape: Sides) -> Tensor:
    """x repeated along axes of size 1 until it has a shape."""
    return torch.broadcast_to(x, _sides(x, shape))


@operation
def ravel(x: Tensor) -> Tensor:
    """All values in one row."""
    return torch.ravel(x)


@operation
def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order; without one, backwards.

    Examples
    --------
    >>> transpose([[1, 2], [3, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    return torch.permute(x, tuple(axes) if axes is not None else tuple(reversed(range(x.dim()))))


@operation
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """Two axes in each other's place."""
    return torch.swapaxes(x, axis1, axis2)


@operation
def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places, the others in their order."""
    tuples = [tuple(axes) if isinstance(axes, (list, tuple)) else axes for axes in (source, destination)]
    return torch.movedim(x, *tuples)


@operation
def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """Axes of size 1 put in; `axis` says where they are in the result."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    ndim = x.dim() + len(axes)
    for each in axes:
        if not -ndim <= each < ndim:
            raise IndexError(f"there is no axis {each} in a result of {ndim} axes")
    for each in sorted(each % ndim for each in axes):
        x = x.unsqueeze(each)
    return x


@operation
def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Without axes of size 1: all of them, or those that are named."""
    if axis is None:
        return torch.squeeze(x)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for each in axes:
        if x.shape[each] != 1:
            raise ValueError(f"axis {each} has the size {x.shape[each]}; only axes of size 1 can be taken out")
    return torch.squeeze(x, axes)


@operation
def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """The values along axes backwards; without `axis`, along all."""
    axes = range(x.dim()) if axis is None else (axis,) if isinstance(axis, int) else axis
    return torch.flip(x, tuple(axes))


@operation
def fliplr(x: Tensor) -> Tensor:
    """The columns backwards."""
    return torch.fliplr(x)


@operation
def flipud(x: Tensor) -> Tensor:
    """The rows backwards."""
    return torch.flipud(x)


@operation
def rot90(array: Tensor, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k right angles, from the first of two axes towards the second."""
    return torch.rot90(array, k, list(axes))


@operation
def roll(x: Tensor, shift: Any, axis: Any = None) -> Tensor:
    """The values along axes moved on; those that fall out come in at the start."""
    return torch.roll(x, shift, axis)


@operation
def repeat(x: Tensor, repeats: Any, axis: int | None = None) -> Tensor:
    """Each value so many times over; without `axis`, of all values in a row.

    Examples
    --------
    >>> repeat([1, 2], 2).tolist(), repeat([1, 2], [1, 2], axis=0).tolist()
    ([1, 1, 2, 2], [1, 2, 2])
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    if isinstance(repeats, int):
        return torch.repeat_interleave(x, repeats, dim=axis)
    counts = convert(repeats, torch.int64).reshape(-1).cpu()
    # Rows are picked: their number follows from the counts, also before there are values.
    rows = torch.repeat_interleave(torch.arange(x.shape[axis]), counts.expand(x.shape[axis]))
    return torch.index_select(x, axis, rows.to(x.device))


@operation
def tile(x: Tensor, repeats: int | Sequence[int]) -> Tensor:
    """All of x so many times over, along each axis."""
    return torch.tile(x, (repeats,) if isinstance(repeats, int) else tuple(int(each) for each in repeats))


@operation
def diag(x: Tensor, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix, or a matrix with these values on it."""
    return torch.diag(x, k)


@operation
def diagflat(x: Tensor, k: int = 0) -> Tensor:
    """A matrix with all values of x on its k-th diagonal."""
    return torch.diagflat(x, k)


@operation
def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal over two axes, as the last axis."""
    return torch.diagonal(x, offset, axis1, axis2)


@operation
def tril(x: Tensor, k: int = 0) -> Tensor:
    """x on and below the k-th diagonal, zeros above."""
    return torch.tril(x, k)


@operation
def triu(x: Tensor, k: int = 0) -> Tensor:
    """x on and above the k-th diagonal, zeros below."""
    return torch.triu(x, k)


@operation
def extract_sequences(x: Tensor, sequence_length: int, sequence_stride: int) -> Tensor:
    """Stretches of the last axis, one every `sequence_stride` places."""
    return torch.unfold_copy(x, -1, sequence_length, sequence_stride)


@operation
def array(x: Tensor, dtype: Any = None) -> Tensor:
    """A tensor for a number, a list or an array."""
    return x if dtype is None else x.to(torch_type(dtype))
