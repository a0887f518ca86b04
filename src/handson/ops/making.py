"""Tensors made from nothing but a shape: zeros, ranges, windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import convert, floatx, result_type, torch_type
from handson.graph.operation import operation

Sides = int | Sequence[int]


def _sides(shape: Sides) -> tuple[int, ...]:
    sides = (shape,) if isinstance(shape, int) else tuple(shape)
    if None in sides:
        raise ValueError(f"the shape {sides} has an unknown size; zeros_like and its kin take it from a symbol")
    return tuple(int(side) for side in sides)


def _kind(dtype: Any) -> torch.dtype:
    return floatx() if dtype is None else torch_type(dtype)


@operation
def zeros(shape: Sides, dtype: Any = None) -> Tensor:
    """Zeros of a shape.

    Examples
    --------
    >>> zeros((1, 2), dtype="int32").tolist()
    [[0, 0]]
    """
    return torch.zeros(_sides(shape), dtype=_kind(dtype))


@operation
def ones(shape: Sides, dtype: Any = None) -> Tensor:
    """Ones of a shape."""
    return torch.ones(_sides(shape), dtype=_kind(dtype))


@operation
def empty(shape: Sides, dtype: Any = None) -> Tensor:
    """A tensor of a shape, whose values are not set."""
    return torch.empty(_sides(shape), dtype=_kind(dtype))


@operation
def full(shape: Sides, fill_value: Tensor, dtype: Any = None) -> Tensor:
    """One value, or values that are broadcast, in a tensor of a shape."""
    return fill_value.to(_kind(dtype)).broadcast_to(_sides(shape)).clone()


@operation
def zeros_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Zeros of the shape and type of x."""
    return torch.zeros_like(x, dtype=None if dtype is None else torch_type(dtype))


@operation
def ones_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Ones of the shape and type of x."""
    return torch.ones_like(x, dtype=None if dtype is None else torch_type(dtype))


@operation
def empty_like(x: Tensor, dtype: Any = None) -> Tensor:
    """A tensor of the shape and type of x, whose values are not set."""
    return torch.empty_like(x, dtype=None if dtype is None else torch_type(dtype))


@operation
def full_like(x: Tensor, fill_value: Tensor, dtype: Any = None) -> Tensor:
    """One value, or values that are broadcast, in the shape and type of x."""
    return fill_value.to(x.dtype if dtype is None else torch_type(dtype)).broadcast_to(x.shape).clone()


@operation
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on the k-th diagonal of a matrix of N rows and M columns, zeros elsewhere."""
    return (torch.ones(N, M or N).tril(k or 0).triu(k or 0)).to(_kind(dtype))


@operation
def identity(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix."""
    return torch.eye(n).to(_kind(dtype))


@operation
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on and below the k-th diagonal, zeros above."""
    return torch.ones(N, M or N).tril(k).to(_kind(dtype))


@operation
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each value, the highest first, as a matrix."""
    powers = torch.arange(len(x) if N is None else N, device=x.device)
    return x[:, None] ** (powers if increasing else powers.flip(0))


@operation
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """Numbers from `start` up to `stop`, which is left out.

    Examples
    --------
    >>> arange(3).tolist(), arange(1, 2, 0.5).tolist()
    ([0, 1, 2], [1.0, 1.5])
    """
    given = [value for value in (start, stop, step) if value is not None]
    kind = (
        result_type(*(getattr(value, "dtype", type(value)) for value in given)) if dtype is None else torch_type(dtype)
    )
    first, last = (0, start) if stop is None else (start, stop)
    return torch.arange(first, last, 1 if step is None else step, dtype=kind)


def _steps(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> tuple[Tensor, Tensor]:
    """Evenly spaced values between two tensors, in float64 so that the last one is exact; and their distance."""
    first, last = torch.broadcast_tensors(convert(start, torch.float64), convert(stop, torch.float64))
    parts = num - 1 if endpoint else num
    along = torch.arange(num, dtype=torch.float64, device=first.device).reshape(-1, *[1] * first.dim())
    step = (last - first) / parts if parts > 0 else torch.full_like(first, torch.nan)
    values = first + along * step if parts > 0 else first.expand(num, *first.shape)
    if endpoint and num > 1:
        values = torch.cat([values[:-1], last[None]])
    return torch.movedim(values, 0, axis), step


def _kind_between(start: Any, stop: Any, dtype: Any) -> torch.dtype:
    if dtype is not None:
        return torch_type(dtype)
    kinds = [convert(value).dtype if not isinstance(value, (int, float)) else type(value) for value in (start, stop)]
    return result_type(*(kind if kind is not bool else int for kind in kinds), float)


@operation
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:  # fmt: skip
    """`num` evenly spaced numbers from `start` to `stop`, which `endpoint=False` leaves out.

    Examples
    --------
    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    kind = _kind_between(start, stop, dtype)
    values, step = _steps(start, stop, num, endpoint, axis)
    return (values.to(kind), step.to(kind)) if retstep else values.to(kind)


@operation
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None, axis: int = 0
) -> Tensor:  # fmt: skip
    """`base` to the power of `linspace`."""
    return torch.pow(float(base), _steps(start, stop, num, endpoint, axis)[0]).to(_kind_between(start, stop, dtype))


@operation
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:  # fmt: skip
    """`num` numbers from `start` to `stop`, each the same factor from the one before."""
    first, last = convert(start, torch.float64), convert(stop, torch.float64)
    values, _ = _steps(first.abs().log(), last.abs().log(), num, endpoint, axis)
    return (values.exp() * first.sign()).to(_kind_between(start, stop, dtype))


def _window(name: str, function: Callable[..., Tensor], says: str) -> Callable[..., Tensor]:
    def called(x: Any) -> Tensor:
        return function(int(x))

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


bartlett = _window("bartlett", torch.signal.windows.bartlett, "The triangular window of x points.")
blackman = _window("blackman", torch.signal.windows.blackman, "Blackman's window of x points.")
hamming = _window("hamming", torch.signal.windows.hamming, "Hamming's window of x points.")
hanning = _window("hanning", torch.signal.windows.hann, "Hann's window of x points.")


@operation
def kaiser(x: Any, beta: float) -> Tensor:
    """Kaiser's window of x points."""
    return torch.signal.windows.kaiser(int(x), beta=float(beta))


@operation
def meshgrid(*x: Tensor, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of each point of a grid, from the coordinates along its axes."""
    return list(torch.meshgrid(*x, indexing=indexing))
