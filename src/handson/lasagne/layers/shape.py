"""Layers that arrange values."""

from __future__ import annotations

from typing import Any

import numpy as np

import handson.theano.tensor as T
from handson import layers as own
from handson.core.errors import HandsonError
from handson.lasagne.layers.base import Layer, Shape
from handson.theano.variable import Variable


class FlattenLayer(Layer):
    """Takes the last axes together, so that `outdim` are left.

    Examples
    --------
    >>> FlattenLayer((None, 2, 3, 4)).output_shape
    (None, 24)
    """

    def __init__(self, incoming: Any, outdim: int = 2, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.outdim = outdim
        if not 1 <= outdim <= len(self.input_shape):
            raise HandsonError(f"FlattenLayer: outdim={outdim} does not fit the shape {self.input_shape}.")
        if outdim == 2 and None not in self.input_shape[1:]:
            flatten = own.Flatten()
            flatten.ensure_built(self.input_shape)
            self.parts = [flatten]

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        rest = input_shape[self.outdim - 1 :]
        return (*input_shape[: self.outdim - 1], None if None in rest else int(np.prod(rest)))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return input.flatten(self.outdim) if self.parts is None else self.apply_parts(input, True, [])


flatten = FlattenLayer


class ReshapeLayer(Layer):
    """The values in another shape.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    shape : tuple
        Sizes; -1 for what is left over, [i] for the size of axis i of the input, a variable for one that varies.
    name : str, optional
        A name.

    Examples
    --------
    >>> ReshapeLayer((None, 12), ([0], 3, -1)).output_shape
    (None, 3, 4)
    """

    def __init__(self, incoming: Any, shape: Any, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.shape = tuple(shape)
        for side in self.shape:
            good = isinstance(side, (int, np.integer, Variable)) or (isinstance(side, (list, tuple)) and len(side) == 1)
            if not good or (isinstance(side, (int, np.integer)) and side < -1):
                raise HandsonError(f"ReshapeLayer: sizes are numbers, -1, [axis] or variables; got {self.shape}.")
        if self.shape.count(-1) > 1:
            raise HandsonError(f"ReshapeLayer: one size at most is -1; got {self.shape}.")

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        found = [input_shape[side[0]] if isinstance(side, (list, tuple)) else side for side in self.shape]
        found = [None if isinstance(side, Variable) else side for side in found]
        whole = list(input_shape)
        for side in self.shape:  # an axis that varies, and is passed on, is on both sides
            if isinstance(side, (list, tuple)):
                whole[side[0]] = 1
        rest = [1 if isinstance(side, (list, tuple)) else side for side in self.shape]
        if -1 in found:
            left = [side for side in rest if side != -1 or isinstance(side, Variable)]
            known = None not in whole and not any(isinstance(side, Variable) for side in left)
            found[found.index(-1)] = int(np.prod(whole)) // int(np.prod(left)) if known else None
        return tuple(found)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        sizes = tuple(input.shape[side[0]] if isinstance(side, (list, tuple)) else side for side in self.shape)
        return input.reshape(sizes)


reshape = ReshapeLayer


class DimshuffleLayer(Layer):
    """The axes in another order, with new ones of size 1 where the pattern says 'x'.

    Examples
    --------
    >>> DimshuffleLayer((2, 3, 5), (1, "x", 0, 2)).output_shape
    (3, 1, 2, 5)
    """

    def __init__(self, incoming: Any, pattern: Any, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.pattern = tuple(pattern)
        left = [side for axis, side in enumerate(self.input_shape) if axis not in self.pattern]
        if any(side not in (1, None) for side in left):
            raise HandsonError(f"DimshuffleLayer: {self.pattern} leaves out axes of {self.input_shape} that are not 1.")

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return tuple(1 if axis == "x" else input_shape[axis] for axis in self.pattern)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return input.dimshuffle(self.pattern)


dimshuffle = DimshuffleLayer


class PadLayer(Layer):
    """Surrounds inputs with a value.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before.
    width : int, or a tuple of int or pairs
        How many values on both sides of each axis, or before and after.
    val : float
        The value.
    batch_ndim : int
        How many axes in front stay as they are.
    name : str, optional
        A name.
    """

    def __init__(self, incoming: Any, width: Any, val: float = 0, batch_ndim: int = 2, name: str | None = None) -> None:
        super().__init__(incoming, name)
        axes = len(self.input_shape) - batch_ndim
        each = list(width) if isinstance(width, (list, tuple)) else [width] * axes
        self.width, self.val, self.batch_ndim = width, val, batch_ndim
        self.widths = [tuple(one) if isinstance(one, (list, tuple)) else (one, one) for one in each]
        if len(self.widths) != axes:
            raise HandsonError(f"PadLayer: width={width!r} does not fit the {axes} axes of {self.input_shape}.")

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        along = zip(input_shape[self.batch_ndim :], self.widths, strict=True)
        sizes = [None if side is None else side + before + after for side, (before, after) in along]
        return (*input_shape[: self.batch_ndim], *sizes)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        for axis, (before, after) in enumerate(self.widths, self.batch_ndim):
            edges = [_edge(input, axis, size, self.val) for size in (before, after)]
            input = T.concatenate([*edges[:1], input, *edges[1:]], axis=axis)
        return input


def _edge(input: Any, axis: int, size: int, value: float) -> Any:
    sizes = [input.shape[one] for one in range(input.ndim)]
    sizes[axis] = size
    return T.ones(tuple(sizes), dtype=input.dtype) * value


pad = PadLayer


class SliceLayer(Layer):
    """A part of the input along an axis: a slice, or one place, whose axis goes away.

    Examples
    --------
    >>> SliceLayer((2, 3, 4), -1, axis=1).output_shape, SliceLayer((2, 3, 4), slice(0, 2)).output_shape
    ((2, 4), (2, 3, 2))
    """

    def __init__(self, incoming: Any, indices: Any, axis: int = -1, name: str | None = None) -> None:
        super().__init__(incoming, name)
        self.slice, self.axis = indices, axis

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        found, axis = list(input_shape), self.axis % len(input_shape)
        if isinstance(self.slice, int):
            del found[axis]
        elif found[axis] is not None:
            found[axis] = len(range(*self.slice.indices(found[axis])))
        return tuple(found)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        return input[(*(slice(None),) * (self.axis % input.ndim), self.slice)]
