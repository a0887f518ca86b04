"""Pooling over windows of images and volumes, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, common, rank

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def pooled_size(size: int | None, window: int, stride: int, pad: int, ignore_border: bool) -> int | None:
    """How many windows there are along an axis.

    Examples
    --------
    >>> pooled_size(5, 2, 2, 0, True), pooled_size(5, 2, 2, 0, False)
    (2, 3)
    """
    if size is None:
        return None
    room = size + 2 * pad
    if ignore_border:
        return (room - window) // stride + 1
    return (room - 1) // stride + 1 if stride >= window else max(0, (room - window + stride - 1) // stride) + 1


def pooled(
    x: Tensor, window: Sequence[int], stride: Sequence[int], pad: Sequence[int], mode: str, ignore_border: bool = True
) -> Tensor:
    """The values of all windows; those at the border that are not whole count where `ignore_border` is False."""
    axes = len(window)
    sizes, along = x.shape[-axes:], list(zip(x.shape[-axes:], window, stride, pad, strict=True))
    counts = [pooled_size(*one, ignore_border) or 0 for one in along]
    after = [
        max(0, (count - 1) * step + size - (side + 2 * padded))
        for count, (side, size, step, padded) in zip(counts, along, strict=True)
    ]
    borders = [
        edge for padded, more in zip(reversed(pad), reversed(after), strict=True) for edge in (padded, padded + more)
    ]
    whole = x.reshape(-1, 1, *sizes)
    largest, mean = ((F.max_pool1d, F.avg_pool1d), (F.max_pool2d, F.avg_pool2d), (F.max_pool3d, F.avg_pool3d))[axes - 1]
    if mode == "max":
        found = largest(F.pad(whole, borders, value=float("-inf")), tuple(window), tuple(stride))
    else:
        sums = mean(F.pad(whole, borders), tuple(window), tuple(stride)) * float(torch.tensor(window).prod())
        found = sums if mode == "sum" else sums / _counted(whole, borders, pad, after, window, stride, mode, mean)
    cut: Any = (..., *(slice(count) for count in counts))
    return found[cut].reshape(*x.shape[:-axes], *counts)


def _counted(
    x: Tensor, borders: list[int], pad: Sequence[int], after: list[int], window: Any, stride: Any, mode: str, mean: Any
) -> Tensor:
    """How many values of each window count: those of the padding too, or not."""
    inside = torch.ones_like(x[:1])
    if mode == "average_inc_pad":
        inside = F.pad(inside, [edge for padded in reversed(pad) for edge in (padded, padded)], value=1.0)
        borders = [edge for more in reversed(after) for edge in (0, more)]
    found: Tensor = mean(F.pad(inside, borders), tuple(window), tuple(stride)) * float(torch.tensor(window).prod())
    return found


def _pool(axes: int, x: Any, ws: Any, ignore_border: Any, stride: Any, pad: Any, mode: str) -> Variable:
    if mode not in MODES:
        raise HandsonError(f"pool: mode is one of {', '.join(MODES)}; got {mode!r}.")
    if rank(x) < axes:
        raise HandsonError(f"pool: {x!r} has too few axes.")
    window = tuple(ws) if isinstance(ws, (tuple, list)) else (ws,) * axes
    step = window if stride is None else tuple(stride)
    settings = (window, step, tuple(pad or (0,) * axes), mode, bool(ignore_border))
    return apply(pooled, x, *settings, ndim=rank(x), dtype=common(x))


def pool_2d(
    input: Any, ws: Any = None, ignore_border: Any = False, stride: Any = None, pad: Any = None, mode: str = "max",
    ds: Any = None, st: Any = None, padding: Any = None,
) -> Variable:  # fmt: skip
    """Pooling over the last two axes.

    Parameters
    ----------
    input : Variable
        Images, channels first.
    ws : (int, int)
        The window; `ds` is its older name.
    ignore_border : bool
        Whether windows that are not whole are left out.
    stride, pad : (int, int), optional
        The step of the window, by default its size, and the padding; `st` and `padding` are their older names.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
        What becomes of a window; the means count values of the padding, or do not.
    """
    return _pool(
        2, input, ds if ws is None else ws, ignore_border, st if stride is None else stride, pad or padding, mode
    )


def pool_3d(
    input: Any, ws: Any = None, ignore_border: Any = False, stride: Any = None, pad: Any = None, mode: str = "max",
    ds: Any = None, st: Any = None, padding: Any = None,
) -> Variable:  # fmt: skip
    """Pooling over the last three axes: see `pool_2d`."""
    return _pool(
        3, input, ds if ws is None else ws, ignore_border, st if stride is None else stride, pad or padding, mode
    )
