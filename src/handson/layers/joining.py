"""Layers that join tensors: one after the other along an axis, or by the sums of products over one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape
from handson.layers.merging import Merge, masks_of, over
from handson.layers.shapes import Shapes
from handson.ops.normal import unit


def whole(owner: str, argument: str, value: Any) -> int:
    """The value as a whole number, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise HandsonError(f"{owner}: {argument} is a whole number; got {value!r}.")
    return int(value)


@register
class Concatenate(Merge):
    """Its inputs one after the other along an axis; the other axes have the same sizes.

    Parameters
    ----------
    axis : int
        The axis; -1 for the last.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> Concatenate()([torch.ones(2, 3), torch.zeros(2, 1)]).shape
    torch.Size([2, 4])
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = whole("Concatenate", "axis", axis)

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        shapes = self._listed(input_shape)
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise HandsonError(
                f"{self._title} takes inputs with the same number of axes, axis={self.axis} among them; got "
                f"{self._said(shapes)}."
            )
        axis, found = self.axis % rank, []
        for place, sides in enumerate(zip(*shapes, strict=True)):
            known = set(sides) - {None}
            if place != axis and len(known) > 1:
                raise HandsonError(
                    f"{self._title} takes inputs of the same shape but for axis {self.axis}; got {self._said(shapes)}."
                )
            total = None if None in sides else sum(sides)
            found.append(total if place == axis else known.pop() if known else None)
        return tuple(found)

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        return torch.cat(self._tensors(inputs), dim=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = masks_of(self, inputs, mask)
        if all(one is None for one in masks):
            return None
        pairs = zip(inputs, masks, strict=True)
        wide = [torch.ones_like(x, dtype=torch.bool) if one is None else over(one, x) for x, one in pairs]
        return torch.cat(wide, dim=self.axis).any(dim=-1)


@register
class Dot(Merge):
    """The sums of products of two inputs over one axis of each, sample by sample.

    Parameters
    ----------
    axes : int or tuple of two int
        The axis of both, or one of each, counted with the rows: 1 is the first axis of a sample.
    normalize : bool
        Whether both are divided by their norm along that axis: the result is then the cosine of their angle.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The output has the other axes of the first input, then those of the second; where there are none it is (n, 1).

    Examples
    --------
    >>> a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    >>> Dot(axes=1)([a, b]).item(), round(Dot(axes=1, normalize=True)([a, b]).item(), 2)
    (24.0, 0.96)
    """

    count = 2
    floats_only = True

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = axes if isinstance(axes, (list, tuple)) else (axes, axes)
        if len(pair) != 2:
            raise HandsonError(f"Dot: axes is a whole number or two of them, one for each input; got {axes!r}.")
        self.axes = axes
        self._pair = tuple(whole("Dot", "axes", axis) for axis in pair)
        self.normalize = bool(normalize)

    def _places(self, first: Sequence[Any], second: Sequence[Any]) -> tuple[int, int]:
        """The axes, counted from the front, if the shapes have them with the same sizes."""
        ranks = len(first), len(second)
        within = all(-rank <= axis < rank for axis, rank in zip(self._pair, ranks, strict=True))
        a, b = (axis % rank if within else 0 for axis, rank in zip(self._pair, ranks, strict=True))
        if min(ranks) < 2 or a == 0 or b == 0:
            raise HandsonError(
                f"{self._title}: axes={self.axes!r} must be axes of samples, not that of the rows; got inputs of "
                f"shapes {tuple(first)}, {tuple(second)}."
            )
        if None not in (first[a], second[b]) and first[a] != second[b]:
            raise HandsonError(
                f"{self._title}: axis {a} of {tuple(first)} and axis {b} of {tuple(second)} must have the same size; "
                f"got {first[a]} and {second[b]}."
            )
        return a, b

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        first, second = self._listed(input_shape)
        a, b = self._places(first, second)
        rows = {first[0], second[0]} - {None}
        if len(rows) > 1:
            raise HandsonError(f"{self._title} takes inputs with the same number of rows; got {first}, {second}.")
        found = (*first[1:a], *first[a + 1 :], *second[1:b], *second[b + 1 :])
        return (rows.pop() if rows else None, *(found or (1,)))

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        first, second = self._tensors(inputs)
        a, b = self._places(first.shape, second.shape)
        if self.normalize:
            first, second = (unit(x, axis) for x, axis in ((first, a), (second, b)))
        first, second = first.movedim(a, -1), second.movedim(b, 1)
        # As matrices: (n, others, size) and (n, size, others).
        product = first.flatten(1, -2) if first.dim() > 2 else first.unsqueeze(1)
        product = torch.matmul(product, second.flatten(2) if second.dim() > 2 else second.unsqueeze(2))
        return product.reshape(len(first), *((*first.shape[1:-1], *second.shape[2:]) or (1,)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Several inputs one after the other along an axis: ``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """The sums of products of two inputs over an axis: ``Dot(axes, **kwargs)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)
