"""Variables of every kind, and arrays that expressions make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.models.device import default_device
from handson.theano.configuration import config
from handson.theano.variable import TensorType, Variable, apply, common, rank, type_of

# The first letter says the type, None what `config.floatX` says.
LETTERS = {"": None, "f": "float32", "d": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64"}
KINDS = {
    "scalar": 0, "vector": 1, "matrix": 2, "row": 2, "col": 2, "tensor3": 3, "tensor4": 4, "tensor5": 5, "tensor6": 6,
    "tensor7": 7,
}  # fmt: skip


def _maker(kind: str, ndim: int, letter: str) -> Callable[..., Variable]:
    fixed = LETTERS[letter]

    def make(name: Any = None, dtype: str | None = None) -> Variable:
        return TensorType(dtype or fixed or config.floatX, (False,) * ndim)(name)

    make.__name__ = make.__qualname__ = f"{letter}{kind}"
    make.__doc__ = f"A variable with {ndim} axes of {fixed or 'the type that config.floatX says'}."
    return make


def _makers(kind: str, ndim: int, letter: str) -> Callable[..., Any]:
    one = _maker(kind, ndim, letter)

    def several(*names: Any) -> Any:
        if len(names) == 1:  # how many, or a letter for each
            names = (None,) * names[0] if isinstance(names[0], int) else tuple(names[0])
        found = [one(name) for name in names]
        return found if len(found) > 1 else found[0]

    several.__name__ = several.__qualname__ = f"{letter}{kind.removesuffix('x')}s"
    several.__doc__ = f"Several variables with {ndim} axes, by their names."
    return several


MAKERS: dict[str, Callable[..., Any]] = {
    f"{letter}{kind}": _maker(kind, ndim, letter) for kind, ndim in KINDS.items() for letter in LETTERS
} | {
    f"{letter}{'matrices' if kind == 'matrix' else f'{kind}s'}": _makers(kind, ndim, letter)
    for kind, ndim in KINDS.items()
    for letter in LETTERS
}


def tensor(dtype: str | None = None, broadcastable: Any = (), name: str | None = None) -> Variable:
    """A variable with an axis for each entry of `broadcastable`."""
    return TensorType(dtype or config.floatX, broadcastable)(name)


def _sides(size: Any) -> list[int]:
    values = size.tolist() if isinstance(size, Tensor) else size
    return [int(value) for value in (values if isinstance(values, (tuple, list)) else (values,))]


def _filled(size: Any, value: Any, dtype: str) -> Tensor:
    kind = getattr(torch, dtype)
    if isinstance(value, Tensor):
        return value.to(kind).expand(_sides(size))
    return torch.full(_sides(size), value, dtype=kind, device=default_device())


def _length(size: Any) -> int:
    found = len(size) if isinstance(size, (tuple, list)) else getattr(size, "length", 1)
    return int(found)


def _of_size(size: Any, value: Any, dtype: Any) -> Variable:
    kind = config.floatX if dtype in (None, "floatX") else str(dtype)
    size = tuple(size) if isinstance(size, list) else size
    return apply(_filled, size, value, kind, ndim=_length(size), dtype=kind)


def zeros(shape: Any, dtype: Any = None) -> Variable:
    """Zeros, of a shape of numbers and variables."""
    return _of_size(shape, 0, dtype)


def ones(shape: Any, dtype: Any = None) -> Variable:
    """Ones, of a shape of numbers and variables.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.matrix()
    >>> ones((x.shape[0], 3)).eval({x: [[1], [2]]}).shape
    (2, 3)
    """
    return _of_size(shape, 1, dtype)


def alloc(value: Any, *shape: Any) -> Variable:
    """A value, in every place of a shape."""
    return _of_size(shape, value, type_of(value) or common(value))


def zeros_like(model: Any, dtype: Any = None, opt: Any = None) -> Variable:
    """Zeros, of the shape of something."""
    return fill(model, 0, dtype)


def ones_like(model: Any, dtype: Any = None, opt: Any = None) -> Variable:
    """Ones, of the shape of something."""
    return fill(model, 1, dtype)


def fill(model: Any, value: Any, dtype: Any = None) -> Variable:
    """A value, in every place of the shape of something."""
    kind = str(dtype or common(model))
    return apply(_like, model, value, kind, ndim=rank(model), dtype=kind)


def _like(model: Tensor, value: Any, dtype: str) -> Tensor:
    kind = getattr(torch, dtype)
    return value.to(kind).expand_as(model) if isinstance(value, Tensor) else torch.full_like(model, value, dtype=kind)


def _range(start: Any, stop: Any, step: Any, dtype: str) -> Tensor:
    numbers = [one.item() if isinstance(one, Tensor) else one for one in (start, stop, step)]
    return torch.arange(*numbers, dtype=getattr(torch, dtype), device=default_device())


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Variable:
    """Numbers from a start to before a stop."""
    first, last = (0, start) if stop is None else (start, stop)
    kind = str(dtype or common(first, last, step))
    return apply(_range, first, last, step, kind, ndim=1, dtype=kind)


def eye(n: Any, m: Any = None, k: int = 0, dtype: Any = None) -> Variable:
    """Ones on a diagonal."""
    kind = str(dtype or config.floatX)
    return apply(_eye, n, n if m is None else m, k, kind, ndim=2, dtype=kind)


def _eye(rows: Any, columns: Any, k: int, dtype: str) -> Tensor:
    ones = torch.ones(int(rows), int(columns), dtype=getattr(torch, dtype), device=default_device())
    return torch.triu(torch.tril(ones, k), k)


def identity_like(x: Any) -> Variable:
    """Ones on the diagonal of a matrix of the size of another."""
    from handson.theano.tensor.shaping import shape

    sizes: Any = shape(x)
    return eye(sizes[0], sizes[1], 0, common(x))
