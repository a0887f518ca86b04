"""Layers that make one tensor of several, value by value: sums, products, means and extremes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape
from handson.layers.shapes import Shapes, is_shape

Masks = Sequence[Tensor | None]


class Merge(Layer):
    """The base of layers that combine several inputs value by value; `merge` says how.

    Inputs are broadcast. Those with fewer axes get axes of size 1 after the rows: beside (n, t, d), (n, d) counts for
    every step. Where every input has a mask, a step of the output is there if it is there in any of them.

    Examples
    --------
    >>> class Distance(Merge):
    ...     def merge(self, inputs, masks):
    ...         return (inputs[0] - inputs[1]).abs()
    >>> Distance()([torch.tensor([[1.0]]), torch.tensor([[3.0]])]).item()
    2.0
    """

    supports_masking = True
    # How many inputs it takes, None for any number.
    count: int | None = None

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        """The output for inputs with the same number of axes, and their masks."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(inputs, masks).")

    def build(self, input_shape: Shapes) -> None:
        self.compute_output_shape(input_shape)

    def _takes(self, shape: Shapes) -> bool:
        self.compute_output_shape(shape)
        return True

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        shapes = self._listed(input_shape)
        most = max(map(len, shapes))
        padded = [(*shape[:1], *(1,) * (most - len(shape)), *shape[1:]) for shape in shapes]
        return tuple(self._side(sides, shapes) for sides in zip(*padded, strict=True))

    def _side(self, sides: tuple[int | None, ...], shapes: list[Shape]) -> int | None:
        """The size that sizes are broadcast to."""
        known = set(sides) - {1, None}
        if len(known) > 1:
            raise HandsonError(
                f"{self._title} takes inputs of shapes that are the same or broadcast; got {self._said(shapes)}."
            )
        return known.pop() if known else None if None in sides else 1

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        inputs = self._tensors(inputs)
        masks = [None] * len(inputs) if mask is None else list(mask)
        most = max(x.dim() for x in inputs)
        if any(x.dim() < most for x in inputs):
            masks = [None] * len(inputs)
            inputs = [x[(slice(None), *(None,) * (most - x.dim()))] for x in inputs]
        return self.merge(inputs, masks)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = masks_of(self, inputs, mask)
        return None if any(one is None for one in masks) else functools.reduce(torch.logical_or, masks)

    @property
    def _title(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def _said(self, shapes: Sequence[Any]) -> str:
        return ", ".join(map(str, shapes))

    def _listed(self, shapes: Any) -> list[Shape]:
        """The shapes of the inputs, if they are a list of so many as the layer takes."""
        number = "several" if self.count is None else str(self.count)
        if (is_shape(shapes) and len(shapes)) or not isinstance(shapes, (list, tuple)):
            raise HandsonError(
                f"{self._title} takes a list of {number} inputs, as in layer([a, b]); got one of shape {shapes}."
            )
        if not shapes or (self.count is not None and len(shapes) != self.count):
            raise HandsonError(f"{self._title} takes a list of {number} inputs; got {len(shapes)}.")
        return [tuple(shape) for shape in shapes]

    def _tensors(self, inputs: Any) -> list[Tensor]:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != (self.count or len(inputs)):
            self._listed(tuple(inputs.shape) if isinstance(inputs, Tensor) else [tuple(x.shape) for x in inputs])
        return list(inputs)


def masks_of(layer: Layer, inputs: Any, mask: Any) -> list[Any]:
    """One mask, or None, for each input."""
    if mask is None:
        return [None] * len(inputs)
    if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
        raise HandsonError(
            f"{type(layer).__name__} {layer.name!r} takes a list of masks, one or None for each of its {len(inputs)} "
            f"inputs; got {len(mask) if isinstance(mask, (list, tuple)) else 'one mask'}."
        )
    return [None if one is None else one.to(torch.bool) for one in mask]


def over(mask: Tensor, x: Tensor) -> Tensor:
    """A mask of steps as one of values."""
    return mask.to(torch.bool).unsqueeze(-1).expand(x.shape)


@register
class Add(Merge):
    """The sum of its inputs.

    Examples
    --------
    >>> Add()([torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0]])]).tolist()
    [[11.0, 12.0]]
    """

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        return functools.reduce(torch.add, inputs)


@register
class Subtract(Merge):
    """The first of its two inputs less the second.

    Examples
    --------
    >>> Subtract()([torch.tensor([[3.0]]), torch.tensor([[1.0]])]).item()
    2.0
    """

    count = 2

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        return inputs[0] - inputs[1]


@register
class Multiply(Merge):
    """The product of its inputs. An input counts as 1 where it is masked; where all are, the product is 0.

    Examples
    --------
    >>> Multiply()([torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0]])]).tolist()
    [[6.0, 8.0]]
    """

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        pairs = list(zip(inputs, masks, strict=True))
        there = [over(mask, x) for x, mask in pairs if mask is not None]
        neutral = (x if mask is None else x.masked_fill(~over(mask, x), 1) for x, mask in pairs)
        output = functools.reduce(torch.mul, neutral)
        return output if len(there) < len(inputs) else output.masked_fill(~functools.reduce(torch.logical_or, there), 0)


@register
class Average(Merge):
    """The mean of its inputs.

    Examples
    --------
    >>> Average()([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])]).tolist()
    [[2.0, 3.0]]
    """

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        return functools.reduce(torch.add, inputs) / len(inputs)


class _Extreme(Merge):
    choose: Callable[[Tensor, Tensor], Tensor]

    def merge(self, inputs: list[Tensor], masks: Masks) -> Tensor:
        """The extreme of what is there: a masked value gives way to the other one."""
        output, there = inputs[0], None if masks[0] is None else over(masks[0], inputs[0])
        for x, mask in zip(inputs[1:], masks[1:], strict=True):
            own = None if mask is None else over(mask, x)
            x = x if own is None else torch.where(own, x, output)
            output = output if there is None else torch.where(there, output, x)
            there = None if own is None or there is None else own | there
            output = type(self).choose(output, x)
        return output


@register
class Maximum(_Extreme):
    """The largest of its inputs, value by value; masked values do not count.

    Examples
    --------
    >>> Maximum()([torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, 2.0]])]).tolist()
    [[3.0, 4.0]]
    """

    choose = staticmethod(torch.maximum)


@register
class Minimum(_Extreme):
    """The smallest of its inputs, value by value; masked values do not count.

    Examples
    --------
    >>> Minimum()([torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, 2.0]])]).tolist()
    [[1.0, 2.0]]
    """

    choose = staticmethod(torch.minimum)


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of several inputs: ``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first of two inputs less the second: ``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of several inputs: ``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of several inputs: ``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest of several inputs, value by value: ``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of several inputs, value by value: ``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)
