"""Shapes of batches: tuples with None for what varies; several inputs have lists or dictionaries of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handson.core.errors import HandsonError

Shape = tuple[int | None, ...]
# A shape, or a list, tuple or dictionary of shapes.
Shapes = Any


def is_shape(value: Any) -> bool:
    """Whether this is one shape, and not a tree of several.

    Examples
    --------
    >>> is_shape((None, 3)), is_shape([(None, 3)]), is_shape(((None, 3), (None, 4)))
    (True, False, False)
    """
    return isinstance(value, (tuple, list)) and all(
        size is None or isinstance(size, (int, np.integer)) for size in value
    )


def map_shapes(function: Callable[[Any], Any], shapes: Shapes) -> Any:
    """A tree of the same form, with a function applied to each shape in it."""
    if isinstance(shapes, dict):
        return {key: map_shapes(function, branch) for key, branch in shapes.items()}
    if is_shape(shapes):
        return function(tuple(shapes))
    return [map_shapes(function, branch) for branch in shapes]


def flat_shapes(shapes: Shapes) -> list[Shape]:
    """The shapes in a tree of them, in order.

    Examples
    --------
    >>> flat_shapes({"a": (None, 3), "b": [(None, 2)]})
    [(None, 3), (None, 2)]
    """
    found: list[Shape] = []
    map_shapes(found.append, shapes)
    return found


def batched(shapes: Shapes) -> Shapes:
    """The shapes with None in place of the number of rows."""
    return map_shapes(lambda shape: (None, *shape[1:]), shapes)


def compatible(expected: Shapes, got: Shapes) -> bool:
    """Whether shapes fit others that have None for dimensions that vary.

    Examples
    --------
    >>> compatible((None, None, 3), (None, 8, 3)), compatible([(None, 2)], [(None, 3)])
    (True, False)
    """
    if isinstance(expected, dict) or isinstance(got, dict):
        same = isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys()
        return same and all(compatible(shape, got[key]) for key, shape in expected.items())
    if is_shape(expected) != is_shape(got) or len(expected) != len(got):
        return False
    pairs = zip(expected, got, strict=True)
    if is_shape(expected):
        return all(a is None or b is None or a == b for a, b in pairs)
    return all(compatible(a, b) for a, b in pairs)


def given_shape(
    input_shape: Sequence[int | None] | None, input_dim: int | None, batch_shape: Sequence[int | None] | None = None
) -> Shape | None:
    """The shape of a batch from the arguments of a first layer."""
    if batch_shape is not None:
        if input_shape is not None or input_dim is not None:
            raise HandsonError("give input_shape or batch_input_shape, not both.")
        if isinstance(batch_shape, int) or not batch_shape:
            raise HandsonError(f"batch_input_shape is a tuple, such as (None, 3); got {batch_shape!r}.")
        input_shape = tuple(batch_shape)[1:]
    if input_dim is not None:
        if input_shape is not None:
            raise HandsonError("give input_shape or input_dim, not both.")
        input_shape = (input_dim,)
    if input_shape is None:
        return None
    if isinstance(input_shape, int):
        raise HandsonError(f"input_shape is a tuple, such as ({input_shape},); got {input_shape}.")
    for size in input_shape:
        if size is not None and (not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1):
            raise HandsonError(
                f"the sizes of input_shape are positive whole numbers or None; got {tuple(input_shape)}."
            )
    return (None, *(None if size is None else int(size) for size in input_shape))
