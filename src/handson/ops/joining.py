"""Functions that join tensors, take them apart, and put values around them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.graph.conversion import result_type
from handson.graph.operation import Tensors, operation

Sections = int | Sequence[int]


def _alike(xs: list[Tensor]) -> list[Tensor]:
    """Tensors with one type."""
    kind = result_type(*(x.dtype for x in xs)) if xs else None
    return [x if x.dtype == kind else x.to(kind) for x in xs]


@operation
def concatenate(xs: Tensors, axis: int = 0) -> Tensor:
    """Tensors one after the other along an axis.

    Examples
    --------
    >>> concatenate([[[1]], [[2]]], axis=-1).tolist()
    [[1, 2]]
    """
    return torch.cat(_alike(xs), dim=axis)


@operation
def stack(x: Tensors, axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    return torch.stack(_alike(x), dim=axis)


@operation
def hstack(xs: Tensors) -> Tensor:
    """Tensors one after the other along the second axis, rows along the first."""
    return torch.hstack(_alike(xs))


@operation
def vstack(xs: Tensors) -> Tensor:
    """Tensors one below the other."""
    return torch.vstack(_alike(xs))


@operation
def dstack(xs: Tensors) -> Tensor:
    """Tensors one after the other along the third axis."""
    return torch.dstack(_alike(xs))


@operation
def append(x1: Tensor, x2: Tensor, axis: int | None = None) -> Tensor:
    """x2 after x1 along an axis; without one, of all values in a row."""
    return torch.cat(_alike([x1, x2] if axis is not None else [x1.reshape(-1), x2.reshape(-1)]), dim=axis or 0)


def _cuts(sections: Sections) -> Any:
    return sections if isinstance(sections, int) else tuple(int(each) for each in sections)


@operation
def split(x: Tensor, indices_or_sections: Sections, axis: int = 0) -> list[Tensor]:
    """So many equal parts along an axis, or parts that begin at indices.

    Examples
    --------
    >>> [part.tolist() for part in split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    cuts, size = _cuts(indices_or_sections), x.shape[axis]
    if isinstance(cuts, int) and size % cuts:
        raise ValueError(f"the size {size} of axis {axis} cannot be divided by {cuts}; array_split gives uneven parts")
    return list(torch.tensor_split(x, cuts, dim=axis))


@operation
def array_split(x: Tensor, indices_or_sections: Sections, axis: int = 0) -> list[Tensor]:
    """`split` into parts that may differ in size by one."""
    return list(torch.tensor_split(x, _cuts(indices_or_sections), dim=axis))


@operation
def hsplit(x: Tensor, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along the second axis, of a row along the first."""
    return list(torch.hsplit(x, _cuts(indices_or_sections)))


@operation
def vsplit(x: Tensor, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along the first axis."""
    return list(torch.vsplit(x, _cuts(indices_or_sections)))


@operation
def dsplit(x: Tensor, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along the third axis."""
    return list(torch.dsplit(x, _cuts(indices_or_sections)))


@operation
def unstack(x: Tensor, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """What lies at each place of an axis."""
    if num is not None and x.shape[axis] != num:
        raise ValueError(f"axis {axis} has the size {x.shape[axis]}, not num={num}")
    return list(x.unbind(axis))


PAD_MODES = ("constant", "reflect", "symmetric", "edge")


@operation
def pad(x: Tensor, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """Values put before and after those along each axis: a constant, or the mirror image without or with the rim.

    Examples
    --------
    >>> pad([1, 2, 3], [(2, 1)], mode="reflect").tolist()
    [3, 2, 1, 2, 3, 2]
    """
    widths = _widths(x, pad_width)
    if mode not in PAD_MODES:
        raise HandsonError(f"pad: unknown mode {mode!r}.{nearest(mode, PAD_MODES)} Known: {', '.join(PAD_MODES)}.")
    if mode == "constant":
        flat = [width for pair in reversed(widths) for width in pair]
        return F.pad(x, flat, value=0 if constant_values is None else constant_values)
    if constant_values is not None:
        raise ValueError(f"constant_values go with mode='constant'; got mode={mode!r}")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = torch.index_select(x, axis, _mirrored(x.shape[axis], before, after, mode).to(x.device))
    return x


def _widths(x: Tensor, given: Any) -> list[tuple[int, int]]:
    if isinstance(given, int):
        return [(given, given)] * x.dim()
    pairs = [(pair, pair) if isinstance(pair, int) else tuple(int(width) for width in pair) for pair in given]
    if len(pairs) != x.dim() or builtins.any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"pad_width has a pair (before, after) for each of the {x.dim()} axes; got {given!r}")
    return pairs  # type: ignore[return-value]


def _mirrored(size: int, before: int, after: int, mode: str) -> Tensor:
    """Which places along an axis are taken."""
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "symmetric":
        turned = places % (2 * size)
        return torch.where(turned < size, turned, 2 * size - 1 - turned)
    if size == 1:
        return torch.zeros_like(places)
    turned = places % (2 * size - 2)
    return torch.where(turned < size, turned, 2 * size - 2 - turned)
