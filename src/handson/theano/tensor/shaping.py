"""Functions of Theano that arrange and pick values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, apply_several, common, rank


class ShapeOf(Variable):
    """The sizes of a variable: a vector whose length is known, so that it can be taken apart."""

    length: int

    def __iter__(self) -> Any:
        return (get(self, axis) for axis in range(self.length))

    def __len__(self) -> int:
        return self.length


def _sizes(x: Tensor) -> Tensor:
    return torch.tensor(x.shape)


def shape(x: Any) -> Variable:
    """The sizes of the axes: a vector."""
    from handson.graph import Node

    node = Node(_sizes, (x,), {})
    found = ShapeOf(1, "int64", node)
    found.length, node.outputs = rank(x), found
    return found


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Tensor) else value


def _reshaped(x: Tensor, sizes: Any) -> Tensor:
    return x.reshape([int(size) for size in (sizes.tolist() if isinstance(sizes, Tensor) else sizes)])


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Variable:
    """The values in another shape; -1 stands for what is left over."""
    if isinstance(newshape, int) or (isinstance(newshape, Variable) and newshape.ndim == 0):
        newshape = (newshape,)
    axes = len(newshape) if isinstance(newshape, (tuple, list)) else ndim or getattr(newshape, "length", None)
    if axes is None:
        raise HandsonError("reshape: give the sizes as a tuple, or say how many there are: reshape(x, sizes, ndim=2).")
    return apply(_reshaped, x, tuple(newshape) if isinstance(newshape, list) else newshape, ndim=axes, dtype=common(x))


def _flattened(x: Tensor, axes: int) -> Tensor:
    return x.reshape(*x.shape[: axes - 1], -1)


def flatten(x: Any, outdim: int = 1, ndim: int | None = None) -> Variable:
    """The last axes as one, so that `outdim` are left.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> flatten(T.tensor4(), 2).ndim
    2
    """
    axes = ndim or outdim
    if not 1 <= axes <= max(1, rank(x)):
        raise HandsonError(f"flatten: {rank(x)} axes cannot be flattened to {axes}.")
    return apply(_flattened, x, axes, ndim=axes, dtype=common(x))


def _arranged(x: Tensor, pattern: tuple[Any, ...]) -> Tensor:
    kept = [axis for axis in pattern if axis != "x"]
    dropped = [axis for axis in range(x.dim()) if axis not in kept]
    x = x.permute(*kept, *dropped)
    for _ in dropped:
        x = x.squeeze(-1)
    return x[tuple(None if axis == "x" else slice(None) for axis in pattern)] if pattern else x


def dimshuffle(x: Any, *pattern: Any) -> Variable:
    """The axes in another order, with new ones of size 1 where the pattern says 'x'.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> dimshuffle(T.vector(), "x", 0).eval
    <bound method ...>
    """
    axes = tuple(pattern[0]) if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)) else pattern
    named = [axis for axis in axes if axis != "x"]
    if any(not isinstance(axis, int) or not 0 <= axis < rank(x) for axis in named) or len(set(named)) < len(named):
        raise HandsonError(f"dimshuffle: {axes} names axes from 0 to {rank(x) - 1}, each once, and 'x' for new ones.")
    return apply(_arranged, x, axes, ndim=len(axes), dtype=common(x))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Variable:
    """The axes in reversed order, or in the order given."""
    return dimshuffle(x, tuple(reversed(range(rank(x)))) if axes is None else tuple(axes))


def swapaxes(x: Any, axis1: int, axis2: int) -> Variable:
    """Two axes exchanged."""
    order = list(range(rank(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return dimshuffle(x, tuple(order))


def shape_padleft(x: Any, n_ones: int = 1) -> Variable:
    """New axes of size 1 in front."""
    return dimshuffle(x, (*("x",) * n_ones, *range(rank(x))))


def shape_padright(x: Any, n_ones: int = 1) -> Variable:
    """New axes of size 1 at the end."""
    return dimshuffle(x, (*range(rank(x)), *("x",) * n_ones))


def shape_padaxis(x: Any, axis: int) -> Variable:
    """A new axis of size 1."""
    pattern: list[Any] = list(range(rank(x)))
    pattern.insert(axis if axis >= 0 else axis + rank(x) + 1, "x")
    return dimshuffle(x, tuple(pattern))


def addbroadcast(x: Any, *axes: int) -> Any:
    """The same variable: axes of size 1 are broadcast in any case."""
    return x


def unbroadcast(x: Any, *axes: int) -> Any:
    """The same variable: axes of size 1 are broadcast in any case."""
    return x


def patternbroadcast(x: Any, broadcastable: Any) -> Any:
    """The same variable: axes of size 1 are broadcast in any case."""
    return x


def _joined(values: list[Tensor], axis: int) -> Tensor:
    return torch.cat(values, axis)


def concatenate(tensor_list: Sequence[Any], axis: int = 0) -> Variable:
    """Values one after the other, along an axis."""
    values = list(tensor_list)
    return apply(_joined, values, axis, ndim=rank(values[0]), dtype=common(*values))


def join(axis: int, *tensors: Any) -> Variable:
    """`concatenate`, the axis first."""
    return concatenate(tensors, axis)


def stack(*tensors: Any, axis: int = 0) -> Variable:
    """Values beside each other, along a new axis."""
    values: Any = tensors
    if len(tensors) == 2 and isinstance(tensors[0], (list, tuple)):
        values, axis = tensors
    elif len(tensors) == 1:
        (values,) = tensors
    return apply(_together, list(values), axis, ndim=rank(values[0]) + 1, dtype=common(*values))


def _together(values: list[Any], axis: int) -> Tensor:
    return torch.stack([torch.as_tensor(value) for value in values], axis)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Each value several times, along an axis."""
    return apply(_repeated, x, repeats, axis, ndim=1 if axis is None else rank(x), dtype=common(x))


def _repeated(x: Tensor, repeats: Any, axis: int | None) -> Tensor:
    return x.repeat_interleave(repeats if not isinstance(repeats, Tensor) or repeats.dim() else int(repeats), axis)


def tile(x: Any, reps: Any, ndim: int | None = None) -> Variable:
    """All values several times, along each axis."""
    counts = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    return apply(_tiled, x, counts, ndim=max(rank(x), len(counts)), dtype=common(x))


def _tiled(x: Tensor, counts: tuple[Any, ...]) -> Tensor:
    return x.tile([int(count) for count in counts])


def squeeze(x: Any) -> Variable:
    """Without the axes of size 1: not possible before sizes are known."""
    raise HandsonError(
        "squeeze: which axes have size 1 is not known before there are values; use x[:, 0] or dimshuffle."
    )


def roll(x: Any, shift: Any, axis: int | None = None) -> Variable:
    """Values moved along an axis, those at the end to the front."""
    return apply(_rolled, x, shift, axis, ndim=rank(x), dtype=common(x))


def _rolled(x: Tensor, shift: Any, axis: int | None) -> Tensor:
    return x.roll(_whole(shift), axis) if axis is not None else x.flatten().roll(_whole(shift)).view_as(x)


def sort(x: Any, axis: int = -1, kind: Any = None, order: Any = None) -> Variable:
    """Values in order, along an axis."""
    return apply(lambda x, axis: x.sort(axis).values, x, axis, ndim=rank(x), dtype=common(x))


def argsort(x: Any, axis: int = -1, kind: Any = None, order: Any = None) -> Variable:
    """The order that sorts values along an axis."""
    return apply(lambda x, axis: x.argsort(axis), x, axis, ndim=rank(x), dtype="int64")


def take(x: Any, indices: Any, axis: int | None = None) -> Variable:
    """The entries at some places, along an axis."""
    if axis is None:
        return get(flatten(x), indices)
    return get(x, (*(slice(None),) * axis, indices))


def diff(x: Any, n: int = 1, axis: int = -1) -> Variable:
    """The differences of neighbours."""
    return apply(lambda x, n, axis: x.diff(n, axis), x, n, axis, ndim=rank(x), dtype=common(x))


# Picking by index.


def _described(key: Any) -> Any:
    """An index with its variables where a tree has leaves."""
    if isinstance(key, slice):
        return ("slice", key.start, key.stop, key.step)
    return "..." if key is ... else key


def _places(x: Any, key: Any) -> tuple[tuple[Any, ...], int]:
    """A described index, and the number of axes of what it picks."""
    parts = key if isinstance(key, tuple) else (key,)
    left, advanced = rank(x), 0
    met = False
    for part in parts:
        if part is None:
            left += 1
        elif isinstance(part, slice) or part is ...:
            continue
        elif rank(part) == 0:
            left -= 1
        elif getattr(part, "dtype", None) in ("bool", bool):
            left, met, advanced = left - rank(part), True, max(advanced, 1)
        else:
            left, met, advanced = left - 1, True, max(advanced, rank(part))
    if left < 0:
        raise HandsonError(f"{x!r} has too few axes for the index {key!r}.")
    return tuple(map(_described, parts)), left + (advanced if met else 0)


def _key(parts: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for part in parts:
        if isinstance(part, tuple) and part and part[0] == "slice":
            found.append(slice(*map(_whole, part[1:])))
        elif isinstance(part, str):
            found.append(...)
        elif isinstance(part, Tensor) and part.dtype is not torch.bool:
            found.append(part.to(torch.int64) if part.dim() else int(part))
        else:
            found.append(part)
    return tuple(found)


def _flips(x: Tensor, key: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
    """Torch has no steps backwards: values are turned round, and read forwards."""
    found = list(key)
    for position, part in enumerate(key):
        if isinstance(part, slice) and part.step is not None and part.step < 0:
            size = x.shape[position]
            places = torch.arange(size, device=x.device).cpu().numpy()[part]
            found[position] = torch.as_tensor(places.copy(), device=x.device)
    return x, tuple(found)


def _picked(x: Tensor, parts: Sequence[Any]) -> Tensor:
    x, key = _flips(x, _key(parts))
    return x[key]


def get(x: Any, key: Any) -> Variable:
    """x[key]: numbers, slices, and arrays of places, among which may be variables."""
    parts, ndim = _places(x, key)
    return apply(_picked, x, parts, ndim=ndim, dtype=common(x))


def _changed(x: Tensor, parts: Sequence[Any], value: Any, adds: bool) -> Tensor:
    key, found = _key(parts), x.clone()
    value = value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=x.dtype, device=x.device)
    if adds and any(isinstance(part, Tensor) for part in key):
        return found.index_put(_indices(found, key), value.to(x.dtype), accumulate=True)
    if adds:
        found[key] = found[key] + value
    else:
        found[key] = value.to(x.dtype)
    return found


def _indices(x: Tensor, key: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """An index by arrays alone, which adds up where a place is named twice."""
    if any(not isinstance(part, (Tensor, int)) for part in key):
        raise HandsonError("inc_subtensor: an array of places stands beside numbers and arrays alone.")
    return tuple(part if isinstance(part, Tensor) else torch.tensor(part, device=x.device) for part in key)


def set_subtensor(x: Variable, y: Any) -> Variable:
    """An array with other values in some places: `x` is written as an index, `a[key]`."""
    return _replaced(x, y, adds=False)


def inc_subtensor(x: Variable, y: Any) -> Variable:
    """An array with something added in some places: `x` is written as an index, `a[key]`."""
    return _replaced(x, y, adds=True)


def _replaced(x: Variable, y: Any, adds: bool) -> Variable:
    if x.node is None or x.node.function is not _picked:
        raise HandsonError(f"set_subtensor and inc_subtensor take a part of a variable, such as x[0]; got {x!r}.")
    whole, parts = x.node.arguments[0]
    return apply(_changed, whole, parts, y, adds, ndim=rank(whole), dtype=common(whole))


def nonzero(x: Any) -> tuple[Variable, ...]:
    """For each axis, where the values that are not zero lie."""
    from handson.theano.variable import apply_several

    return tuple(apply_several(lambda x: x.nonzero(as_tuple=True), (x,), [(1, "int64")] * rank(x)))


def stacklists(arg: Any) -> Variable:
    """Lists of variables in lists as one variable, with an axis for each level.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> a, b = T.scalars("a", "b")
    >>> stacklists([[a, b], [b, a]]).eval({a: 1.0, b: 2.0}).tolist()
    [[1.0, 2.0], [2.0, 1.0]]
    """
    return stack([stacklists(one) for one in arg]) if isinstance(arg, (list, tuple)) else arg


def horizontal_stack(*args: Any) -> Variable:
    """Matrices beside each other."""
    return concatenate(args, axis=1)


def vertical_stack(*args: Any) -> Variable:
    """Matrices below each other."""
    return concatenate(args, axis=0)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The diagonals along two axes; they are the last axis of what is given."""
    return apply(torch.diagonal, a, offset, axis1, axis2, ndim=rank(a) - 1, dtype=common(a))


def split(x: Any, splits_size: Sequence[int], n_splits: int, axis: int = 0) -> list[Variable]:
    """Parts of given sizes along an axis."""
    sizes = [int(size) for size in splits_size]
    if len(sizes) != n_splits:
        raise HandsonError(f"split: n_splits={n_splits}, and splits_size has {len(sizes)} sizes.")
    return apply_several(torch.split, (x, sizes, axis), [(rank(x), common(x))] * n_splits)


def flatnonzero(a: Any) -> Variable:
    """The places of what is not 0, in the flattened array."""
    return nonzero(flatten(a))[0]


def nonzero_values(a: Any) -> Variable:
    """What is not 0, in order."""
    flat = flatten(a)
    return get(flat, nonzero(flat)[0])
