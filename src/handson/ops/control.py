"""Loops and branches over functions of one's own, and the functions that tell what a tensor is.

A function cannot be written to a file: nets that hold one are built again by code, or hold it in a layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph import operators
from handson.graph.conversion import convert, device_of, type_name
from handson.graph.operation import operation
from handson.graph.symbol import Symbol, apply, symbolic

Function = Callable[..., Any]


def _over_functions(function: Function) -> Function:
    """An operation on functions and tensors, that may be a node but has no name in files."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return apply(called, args, kwargs) if symbolic(args, kwargs) else function(*args, **kwargs)

    return called


def _by_values(function: Function) -> Function:
    """What goes by values has no symbols."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if symbolic(args, kwargs):
            raise HandsonError(
                f"{function.__name__} goes by values, which a symbol has not: call it in a layer's `call`, or use "
                f"handson.ops.where(condition, a, b)."
            )
        return function(*args, **kwargs)

    return called


def _tensors(values: Any) -> Any:
    device = device_of(tree.leaves(values))
    return tree.map_leaves(lambda leaf: leaf if leaf is None else convert(leaf, device=device), values)


@_by_values
def cond(pred: Any, true_fn: Function, false_fn: Function) -> Any:
    """What the first function gives if a value is true, else what the second gives.

    Examples
    --------
    >>> cond(True, lambda: 1, lambda: 2)
    1
    """
    return true_fn() if bool(pred) else false_fn()


@_by_values
def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """What the function at an index gives; an index out of range is taken as the nearest."""
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


@_by_values
def while_loop(cond: Function, body: Function, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """The variables of a loop, after a function has changed them for as long as a condition holds.

    Examples
    --------
    >>> while_loop(lambda i: i < 5, lambda i: i + 2, 0).item()
    6
    """
    several = isinstance(loop_vars, (list, tuple))
    values, rounds = _tensors(tuple(loop_vars) if several else (loop_vars,)), 0
    while (maximum_iterations is None or rounds < maximum_iterations) and bool(cond(*values)):
        changed, rounds = body(*values), rounds + 1
        values = tuple(changed) if isinstance(changed, (list, tuple)) else (changed,)
    return values if several else values[0]


@_over_functions
def fori_loop(lower: int, upper: int, body_fun: Function, init_val: Any) -> Any:
    """A value after a function of the number of the round and the value has changed it in each round."""
    for number in range(int(lower), int(upper)):
        init_val = body_fun(number, init_val)
    return init_val


@_over_functions
def scan(
    f: Function, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: int | bool = 1
) -> Any:  # fmt: skip
    """A function of what is carried on and of each row gives what is carried on and a result; both come back.

    `unroll` changes nothing: each round runs by itself.

    Examples
    --------
    >>> total, sums = scan(lambda c, x: (c + x, c + x), 0, [1, 2, 3])
    >>> total.item(), sums.tolist()
    (6, [1, 3, 6])
    """
    if not callable(f):
        raise HandsonError(f"scan takes a function of what is carried on and of a row; got {f!r}.")
    rows = None if xs is None else _rows(xs)
    if rows is None and length is None:
        raise HandsonError("scan needs xs, whose rows it goes through, or length.")
    count = int(length) if length is not None else len(rows or ())
    carry, results = _tensors(init), []
    for number in reversed(range(count)) if reverse else range(count):
        carry, result = f(carry, None if rows is None else rows[number])
        results.append(result)
    results = results[::-1] if reverse else results
    return carry, None if not results or results[0] is None else _stacked(results)


def _rows(xs: Any) -> list[Any]:
    """The trees of each row of a tree of tensors; a list of numbers is a tensor."""
    numbers = isinstance(xs, (list, tuple)) and not any(hasattr(leaf, "shape") for leaf in tree.leaves(xs))
    tensors = convert(xs) if numbers else _tensors(xs)
    sizes = {len(leaf) for leaf in tree.leaves(tensors)}
    if len(sizes) != 1:
        raise HandsonError(f"all tensors have as many rows as each other; got {sorted(sizes)}.")

    def row(number: int) -> Any:
        return tree.map_leaves(lambda leaf: leaf[number], tensors)

    return [row(number) for number in range(sizes.pop())]


def _stacked(results: list[Any]) -> Any:
    columns = zip(*(tree.leaves(result) for result in results), strict=True)
    stacked = [torch.stack([convert(entry, device=device_of(column)) for entry in column]) for column in columns]
    return tree.rebuild(tree.spec(results[0]), stacked)


@_over_functions
def map(f: Function, xs: Any) -> Any:
    """What a function gives for each row."""
    return _stacked([f(row) for row in _rows(xs)])


@_over_functions
def vectorized_map(function: Function, elements: Any) -> Any:
    """What a function of one row gives for all rows at once.

    Examples
    --------
    >>> vectorized_map(lambda row: row.sum(), torch.ones(2, 3)).tolist()
    [3.0, 3.0]
    """
    return torch.vmap(function)(_tensors(elements) if not isinstance(elements, list) else convert(elements))


@_over_functions
def associative_scan(f: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The rows joined up to each place by a function of two rows, such as a sum.

    As in Keras the function is given many rows at once; the joining takes as many rounds as the logarithm of the rows.

    Examples
    --------
    >>> associative_scan(lambda a, b: a + b, torch.arange(4)).tolist()
    [0, 1, 3, 6]
    """
    leaves, form = tree.leaves(_tensors(elems)), tree.spec(elems)
    leaves = [leaf.flip(axis) if reverse else leaf for leaf in leaves]
    size, reach = leaves[0].shape[axis], 1
    while reach < size:
        # Each place takes in what was joined `reach` places before it.
        early = [leaf.narrow(axis, 0, size - reach) for leaf in leaves]
        late = [leaf.narrow(axis, reach, size - reach) for leaf in leaves]
        joined = tree.leaves(f(tree.rebuild(form, early), tree.rebuild(form, late)))
        leaves = [torch.cat([a.narrow(axis, 0, reach), b], axis) for a, b in zip(leaves, joined, strict=True)]
        reach *= 2
    return tree.rebuild(form, [leaf.flip(axis) if reverse else leaf for leaf in leaves])


def vectorize(pyfunc: Function, *, excluded: Any = None, signature: str | None = None) -> Function:
    """A function of numbers as a function of arrays, as numpy.vectorize makes it."""
    if signature is not None or excluded is not None:
        raise HandsonError("vectorize takes a function of numbers; `signature` and `excluded` are not here. Use "
                           "vectorized_map, or torch.vmap.")  # fmt: skip

    def called(*args: Any) -> Tensor:
        tensors = torch.broadcast_tensors(*_tensors(args))
        if not tensors[0].dim():
            return pyfunc(*tensors)
        flat = [each.reshape(-1) for each in tensors]
        return torch.vmap(pyfunc)(*flat).reshape(tensors[0].shape)

    return called


def get_item(x: Any, key: Any) -> Any:
    """x[key]: places, slices, '...' and None, as in NumPy.

    Examples
    --------
    >>> get_item([[1, 2], [3, 4]], (slice(None), 0)).tolist()
    [1, 3]
    """
    return operators.get_item(x, operators.described_key(key))


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A tensor for a number, a list or an array; a symbol stays one.

    Examples
    --------
    >>> convert_to_tensor([1, 2], dtype="float32")
    tensor([1., 2.])
    """
    if sparse or ragged:
        raise HandsonError(
            "convert_to_tensor: sparse and ragged tensors are not here; tensors are dense: pad the rows."
        )
    if symbolic(x):
        return _as_given(x, dtype)
    return convert(x, dtype)


@operation
def _as_given(x: Tensor, dtype: Any = None) -> Tensor:
    """A tensor of symbols."""
    return convert(x, dtype)


@_by_values
def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """The values as an array of NumPy; bfloat16, which NumPy has not, as float32."""
    found = convert(x).detach().cpu()
    return (found.float() if found.dtype is torch.bfloat16 else found).numpy().copy()


def is_tensor(x: Any) -> bool:
    """Whether something is a tensor, with or without values yet."""
    return isinstance(x, (Tensor, Symbol))


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape; None for sizes that a symbol does not know yet.

    Examples
    --------
    >>> shape([[1, 2]]), shape(Symbol((None, 3)))
    ((1, 2), (None, 3))
    """
    return tuple(x.shape) if hasattr(x, "shape") else tuple(convert(x).shape)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> int:
    """The number of values.

    Examples
    --------
    >>> size([[1, 2]])
    2
    """
    sides = shape(x)
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        raise HandsonError(f"size: {x!r} has sizes that are not known before there are data.")
    return int(np.prod(known, dtype=np.int64))


def dtype(x: Any) -> str:
    """The name of the type.

    Examples
    --------
    >>> dtype([1.0])
    'float32'
    """
    return type_name(x.dtype if hasattr(x, "dtype") else convert(x).dtype)
