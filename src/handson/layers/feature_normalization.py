"""`Normalization`: features to mean 0 and variance 1, by moments that are given or learned from data beforehand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.masked import unmasked
from handson.core.registry import register
from handson.layers.base import Layer, Shape
from handson.layers.sample_normalization import axes_of, within

# The least deviation that is divided by, as in Keras.
LEAST = 1e-7
# How many values are looked at at once in double precision.
PIECE = 1 << 22


@register
class Normalization(Layer):
    """(x - mean) / sqrt(variance), feature by feature, with moments from `adapt` or given.

    Parameters
    ----------
    axis : int, sequence of int or None
        The axes that have a mean and a variance for each place; None for one mean and variance of all values.
    mean, variance : float or array, optional
        The moments, both or none; broadcast to the sizes of the axes.
    invert : bool
        Whether the layer does the opposite: x sqrt(variance) + mean.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Before `adapt` the mean is 0 and the variance 1. Keras gives each row of one-dimensional data a mean of its own,
    which is never wanted: here ``axis=None`` is asked for. NaN and infinite values are refused by `adapt`.

    Examples
    --------
    >>> layer = Normalization()
    >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> layer(torch.tensor([[1.0, 30.0]])).tolist()
    [[-1.0, 1.0]]
    """

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None or axis == () else axes_of("Normalization", axis)
        self.invert = bool(invert)
        if (mean is None) != (variance is None):
            raise HandsonError("Normalization takes both mean and variance, or learns both by adapt(data).")
        self.input_mean, self.input_variance = (_moment(value) for value in (mean, variance))
        if self.input_mean is not None and self.input_variance is not None:
            if self.input_mean.shape != self.input_variance.shape or self.input_mean.ndim > len(self.axis):
                raise HandsonError(
                    f"Normalization: mean and variance have one shape, of at most as many axes as axis={self.axis} "
                    f"names; got {self.input_mean.shape} and {self.input_variance.shape}."
                )
            if (self.input_variance < 0).any():
                raise HandsonError(f"Normalization: a variance is not negative; got {variance!r}.")

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """Tensors are kept as lists, which files can hold."""
        kept = Layer.kept_arguments(arguments)
        return {key: value.tolist() if isinstance(value, Tensor) else value for key, value in kept.items()}

    def build(self, input_shape: Shape) -> None:
        sizes = self._sizes(input_shape)
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(sizes, "zeros", "adapt_mean", trainable=False)
            self.adapt_variance = self.add_weight(sizes, "ones", "adapt_variance", trainable=False)
            self.adapt_mean.name, self.adapt_variance.name = "mean", "variance"
            # Keras has it for files of old.
            self.count = self.add_weight((), "zeros", "count", trainable=False, dtype="int32")
            return
        for name, value in (("adapt_mean", self.input_mean), ("adapt_variance", self.input_variance)):
            try:
                whole = np.broadcast_to(np.asarray(value, dtype="float32"), sizes)
            except ValueError as error:
                raise HandsonError(
                    f"Normalization {self.name!r}: mean and variance of shape {self.input_mean.shape} do not fit the "
                    f"sizes {sizes} of axis={self.axis} in inputs {input_shape}."
                ) from error
            self.register_buffer(name, torch.tensor(whole), persistent=False)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """The sizes of the axes that have moments of their own."""
        axes = within(self, shape, self.axis) if self.axis else []
        sizes = tuple(shape[axis] for axis in axes)
        if axes[:1] == [0] or None in sizes:
            raise HandsonError(
                f"Normalization {self.name!r}: axis={self.axis} of inputs {shape} must be axes of features of known "
                f"size, not that of the rows. One mean of all values: Normalization(axis=None)."
            )
        return sizes  # type: ignore[return-value]

    def _takes(self, shape: Shape) -> bool:
        return self._sizes(shape) == tuple(self.adapt_mean.shape)

    @property
    def mean(self) -> Tensor | None:
        """The mean, of a shape that is broadcast over inputs; None before the layer is built."""
        return self._placed(self.adapt_mean, len(self.built_shape)) if self.built_shape is not None else None

    @property
    def variance(self) -> Tensor | None:
        """The variance, of a shape that is broadcast over inputs; None before the layer is built."""
        return self._placed(self.adapt_variance, len(self.built_shape)) if self.built_shape is not None else None

    def _placed(self, moment: Tensor, rank: int) -> Tensor:
        axes = {axis % rank for axis in self.axis}
        sizes = iter(moment.shape)
        return moment.view([next(sizes) if axis in axes else 1 for axis in range(rank)])

    def call(self, inputs: Tensor) -> Tensor:
        mean, variance = (self._placed(moment, inputs.dim()) for moment in (self.adapt_mean, self.adapt_variance))
        deviation = torch.sqrt(variance).clamp(min=LEAST)
        return inputs * deviation + mean if self.invert else (inputs - mean) / deviation

    def adapt(self, data: Any) -> None:
        """Learn the moments from data; what was learned before is forgotten.

        Parameters
        ----------
        data : array, Tensor, DataFrame, or an iterable of batches
            A batch may be a tuple, whose first entry are the inputs.
        """
        if self.input_mean is not None:
            raise HandsonError(f"Normalization {self.name!r} has a given mean and variance: there is nothing to adapt.")
        count, mean, variance = 0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            if not np.isfinite(batch).all():
                raise HandsonError(
                    f"Normalization {self.name!r}: adapt takes finite numbers; got NaN or infinite values. Leave out "
                    f"or fill such rows first."
                )
            self.ensure_built((None, *batch.shape[1:]))
            kept = within(self, batch.shape, self.axis) if self.axis else []
            others = tuple(axis for axis in range(batch.ndim) if axis not in kept)
            own = math.prod(batch.shape[axis] for axis in others)
            if own:
                count, mean, variance = _joined((count, mean, variance), (own, batch.mean(others), batch.var(others)))
        if not count:
            raise HandsonError(f"Normalization {self.name!r}: adapt got no data.")
        with torch.no_grad():
            self.adapt_mean.copy_(torch.as_tensor(mean))
            self.adapt_variance.copy_(torch.as_tensor(variance))


Moments = tuple[int, np.ndarray, np.ndarray]


def _joined(one: Moments, other: Moments) -> Moments:
    """Number, mean and variance of two samples together (Chan et al., 1979)."""
    count = one[0] + other[0]
    share, step = other[0] / count, other[1] - one[1]
    spread = share * (1 - share) * step**2
    return count, one[1] + share * step, (1 - share) * one[2] + share * other[2] + spread


def _moment(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, dtype="float64")


def _batches(data: Any) -> Iterator[np.ndarray]:
    """The data in pieces, in double precision."""
    for batch in _given(data):
        batch = batch[0] if isinstance(batch, (list, tuple)) and any(map(_is_array, batch)) else batch
        array = batch.detach().cpu().numpy() if isinstance(batch, Tensor) else unmasked(batch)
        if array.dtype.kind not in "biuf" or not array.ndim:
            raise HandsonError(
                f"adapt takes numbers: an array, a tensor, or batches of them; got {type(batch).__name__} of type "
                f"{array.dtype}, with {array.ndim} axes."
            )
        rows = max(1, PIECE // max(1, math.prod(array.shape[1:])))
        for start in range(0, max(1, len(array)), rows):
            yield array[start : start + rows].astype("float64")


def _given(data: Any) -> Iterable[Any]:
    """The batches: data that are one array, a table or nested lists of numbers are one batch."""
    if _is_array(data) or hasattr(data, "to_numpy"):
        return [data]
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (list, tuple, dict, str)):
        return (data[position] for position in range(len(data)))
    if not isinstance(data, Iterable) or isinstance(data, (str, dict)):
        raise HandsonError(f"adapt takes an array, a tensor or an iterable of batches; got {type(data).__name__}.")
    if isinstance(data, (list, tuple)):
        holds = data and (_is_array(data[0]) or (isinstance(data[0], tuple) and any(map(_is_array, data[0]))))
        return data if holds or not data else [data]
    return itertools.chain(data)


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, Tensor))
