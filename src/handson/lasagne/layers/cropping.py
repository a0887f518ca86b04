"""Cropping of inputs that are merged to the smallest of them, axis by axis, as U-nets need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.theano.variable import apply, common, rank

MODES = (None, "lower", "upper", "center")


def checked(layer: Any, cropping: Any) -> tuple[str | None, ...] | None:
    """What each axis is cropped to, None for no cropping at all."""
    if cropping is None:
        return None
    axes = len(layer.input_shapes[0])
    found = (*cropping, *([None] * axes))[:axes] if isinstance(cropping, (list, tuple)) else (cropping,)
    for mode in found:
        if mode not in MODES or not isinstance(cropping, (list, tuple)):
            raise HandsonError(
                f"{type(layer).__name__}: cropping is a list with None, 'lower', 'upper' or 'center' for each axis; "
                f"got {cropping!r}.{nearest(str(mode), [each for each in MODES if each])}"
            )
    return found


def cropped_shapes(shapes: Sequence[Any], cropping: Sequence[str | None] | None) -> list[tuple[int | None, ...]]:
    """The shapes of the inputs after cropping.

    Examples
    --------
    >>> cropped_shapes([(None, 2, 8), (None, 3, 6)], (None, None, "center"))
    [(None, 2, 6), (None, 3, 6)]
    """
    if cropping is None:
        return [tuple(shape) for shape in shapes]
    return [
        tuple(
            own if mode is None else None if None in sizes else min(sizes)
            for own, mode, sizes in zip(shape, cropping, zip(*shapes, strict=True), strict=True)
        )
        for shape in shapes
    ]


def crop(inputs: Sequence[Any], cropping: Sequence[str | None] | None) -> list[Any]:
    """The inputs, cropped."""
    if cropping is None:
        return list(inputs)
    return [
        apply(_cropped, number, tuple(cropping), *inputs, ndim=rank(one), dtype=common(one))
        for number, one in enumerate(inputs)
    ]


def _cropped(number: int, cropping: Sequence[str | None], *inputs: Tensor) -> Tensor:
    found = inputs[number]
    for axis, mode in enumerate(cropping):
        if mode is not None:
            least, size = min(one.shape[axis] for one in inputs), found.shape[axis]
            start = {"lower": 0, "upper": size - least, "center": (size - least) // 2}[mode]
            found = found.narrow(axis, start, least)
    return found
