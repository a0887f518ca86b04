"""Layers that take several inputs together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import handson.theano.tensor as T
from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne.layers.base import MergeLayer, Shape
from handson.lasagne.layers.cropping import checked, crop, cropped_shapes


class ConcatLayer(MergeLayer):
    """Puts inputs one behind the other, along an axis.

    Parameters
    ----------
    incomings : list of Layer or tuple
        The layers before.
    axis : int
        The axis.
    cropping : list of None, 'lower', 'upper' or 'center', optional
        For each axis, which part is kept of inputs that are larger than the smallest; axes left out stay as they are.
    name : str, optional
        A name.

    Examples
    --------
    >>> ConcatLayer([(None, 2, 5), (None, 3, 5)]).output_shape
    (None, 5, 5)
    """

    def __init__(self, incomings: Sequence[Any], axis: int = 1, cropping: Any = None, name: str | None = None) -> None:
        super().__init__(incomings, name)
        self.axis, self.cropping = axis, checked(self, cropping)
        self.get_output_shape_for(self.input_shapes)
        if self.cropping is None:
            concatenate = own.Concatenate(axis=axis)
            concatenate.ensure_built(list(self.input_shapes))
            self.parts = [concatenate]

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        _check_axes(self, input_shapes)
        input_shapes = cropped_shapes(input_shapes, self.cropping)
        axes, axis = len(input_shapes[0]), self.axis % len(input_shapes[0])
        found = list(input_shapes[0])
        for number in range(axes):
            sizes = [shape[number] for shape in input_shapes]
            if number == axis:
                found[number] = None if None in sizes else sum(sizes)
            else:
                found[number] = _agreeing(self, sizes, input_shapes)
        return tuple(found)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        if self.cropping is not None:
            return T.concatenate(crop(inputs, self.cropping), axis=self.axis)
        return self.apply_parts(list(inputs), True, [])


concat = ConcatLayer


def _check_axes(layer: Any, shapes: Any) -> None:
    if len({len(shape) for shape in shapes}) > 1:
        raise HandsonError(
            f"{type(layer).__name__}: the shapes {', '.join(map(str, shapes))} have other numbers of axes."
        )


def _agreeing(layer: Any, sizes: list[Any], shapes: Any) -> Any:
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        raise HandsonError(f"{type(layer).__name__}: the shapes {', '.join(map(str, shapes))} do not fit together.")
    return known.pop() if known else None


class ElemwiseMergeLayer(MergeLayer):
    """Applies a function of two arguments to the inputs, one after the other.

    Parameters
    ----------
    incomings : list of Layer or tuple
        The layers before.
    merge_function : function
        Such as `T.mul`, `T.maximum`.
    cropping : list, optional
        As of `ConcatLayer`.
    name : str, optional
        A name.
    """

    def __init__(
        self, incomings: Sequence[Any], merge_function: Callable[..., Any], cropping: Any = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(incomings, name)
        self.merge_function, self.cropping = merge_function, checked(self, cropping)

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        _check_axes(self, input_shapes)
        sizes = zip(*cropped_shapes(input_shapes, self.cropping), strict=True)
        return tuple(_agreeing(self, [one for one in each if one != 1] or [1], input_shapes) for each in sizes)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        found = None
        for one in crop(inputs, self.cropping):
            found = one if found is None else self.merge_function(found, one)
        return found


class ElemwiseSumLayer(ElemwiseMergeLayer):
    """The weighted sum of inputs.

    Parameters
    ----------
    incomings : list of Layer or tuple
        The layers before.
    coeffs : float or list of float
        The weights.
    cropping : list, optional
        As of `ConcatLayer`.
    name : str, optional
        A name.
    """

    def __init__(
        self, incomings: Sequence[Any], coeffs: Any = 1, cropping: Any = None, name: str | None = None
    ) -> None:
        super().__init__(incomings, T.add, cropping, name)
        self.coeffs = list(coeffs) if isinstance(coeffs, (list, tuple)) else [coeffs] * len(incomings)
        if len(self.coeffs) != len(incomings):
            raise HandsonError(f"ElemwiseSumLayer: {len(self.coeffs)} coeffs for {len(incomings)} inputs.")
        plain = all(one == 1 for one in self.coeffs) and len({tuple(shape) for shape in self.input_shapes}) == 1
        if plain and len(incomings) > 1:
            added = own.Add()
            added.ensure_built(list(self.input_shapes))
            self.parts = [added]

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        if self.parts is not None:
            return self.apply_parts(list(inputs), True, [])
        scaled = [one * weight if weight != 1 else one for one, weight in zip(inputs, self.coeffs, strict=True)]
        return super().get_output_for(scaled, **kwargs)
