"""Lasagne's initializers: functions of a shape that give an array.

Shapes are Lasagne's: a weight is (inputs, units), a filter (filters, channels, height, width).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.lasagne.random import get_rng
from handson.lasagne.utils import floatX

# The factors that keep the spread of values behind a nonlinearity.
RELU_GAIN = float(np.sqrt(2))


class Initializer:
    """The base of all initializers: `sample(shape)` gives an array.

    Examples
    --------
    >>> Constant(2.0)((2,)).tolist()
    [2.0, 2.0]
    """

    def __call__(self, shape: tuple[int, ...]) -> Any:
        return self.sample(shape)

    def sample(self, shape: tuple[int, ...]) -> Any:
        """The numbers for a shape."""
        raise NotImplementedError(f"{type(self).__name__} must define sample(shape).")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"


class Normal(Initializer):
    """Normal numbers.

    Parameters
    ----------
    std, mean : float
        Their spread and mean.
    """

    def __init__(self, std: float = 0.01, mean: float = 0.0) -> None:
        self.std, self.mean = std, mean

    def sample(self, shape: tuple[int, ...]) -> Any:
        return floatX(get_rng().normal(self.mean, self.std, size=shape))


class Uniform(Initializer):
    """Numbers between two bounds.

    Parameters
    ----------
    range : float or (float, float)
        The bounds; a number stands for both signs.
    std : float, optional
        The spread, in place of the bounds.
    mean : float
        The mean, with `std`.
    """

    def __init__(self, range: Any = 0.01, std: float | None = None, mean: float = 0.0) -> None:
        if std is not None:
            low, high = mean - np.sqrt(3) * std, mean + np.sqrt(3) * std
        else:
            low, high = range if isinstance(range, (tuple, list)) else (-range, range)
        self.range = (float(low), float(high))

    def sample(self, shape: tuple[int, ...]) -> Any:
        return floatX(get_rng().uniform(*self.range, size=shape))


def _gain(gain: Any) -> float:
    return RELU_GAIN if gain == "relu" else float(gain)


class _Scaled(Initializer):
    """Numbers whose spread follows from the shape."""

    def __init__(self, initializer: Any, gain: Any = 1.0, c01b: bool = False) -> None:
        if c01b:
            raise HandsonError("c01b=True is a layout of cuda-convnet; here filters are (filters, channels, h, w).")
        self.initializer, self.gain, self.c01b = initializer, _gain(gain), c01b

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if len(shape) < 2:
            raise HandsonError(f"{type(self).__name__} is for weights with two axes or more; got the shape {shape}.")
        field = int(np.prod(shape[2:]))
        return shape[0] * field, shape[1] * field

    def _spread(self, shape: tuple[int, ...]) -> float:
        raise NotImplementedError(type(self).__name__)

    def sample(self, shape: tuple[int, ...]) -> Any:
        return self.initializer(std=self._spread(shape)).sample(shape)


class Glorot(_Scaled):
    """Spread gain * sqrt(2 / (n1 + n2)), over the numbers of inputs and outputs (Glorot and Bengio, 2010)."""

    def _spread(self, shape: tuple[int, ...]) -> float:
        return self.gain * float(np.sqrt(2.0 / sum(self._fans(shape))))


class GlorotNormal(Glorot):
    """`Glorot` with normal numbers."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class GlorotUniform(Glorot):
    """`Glorot` with uniform numbers.

    Examples
    --------
    >>> bool(abs(GlorotUniform().sample((100, 50))).max() <= (6 / 150) ** 0.5)
    True
    """

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class He(_Scaled):
    """Spread gain * sqrt(1 / n), over the number of inputs (He et al., 2015)."""

    def _spread(self, shape: tuple[int, ...]) -> float:
        if len(shape) < 2:
            raise HandsonError(f"He is for weights with two axes or more; got the shape {shape}.")
        return self.gain * float(np.sqrt(1.0 / (shape[0] if len(shape) == 2 else np.prod(shape[1:]))))


class HeNormal(He):
    """`He` with normal numbers."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class HeUniform(He):
    """`He` with uniform numbers."""

    def __init__(self, gain: Any = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class Constant(Initializer):
    """One value in all places."""

    def __init__(self, val: float = 0.0) -> None:
        self.val = val

    def sample(self, shape: tuple[int, ...]) -> Any:
        return floatX(np.full(shape, self.val))


class Sparse(Initializer):
    """Normal numbers in a share of the places of each column, zeros in the others."""

    def __init__(self, sparsity: float = 0.1, std: float = 0.01) -> None:
        self.sparsity, self.std = sparsity, std

    def sample(self, shape: tuple[int, ...]) -> Any:
        if len(shape) != 2:
            raise HandsonError(f"Sparse is for weights with two axes; got the shape {shape}.")
        weight, (inputs, units) = floatX(np.zeros(shape)), shape
        for unit in range(units):
            places = get_rng().permutation(inputs)[: int(inputs * self.sparsity)]
            weight[places, unit] = get_rng().normal(0.0, self.std, size=len(places))
        return weight


class Orthogonal(Initializer):
    """A matrix whose rows or columns are perpendicular (Saxe et al., 2013)."""

    def __init__(self, gain: Any = 1.0) -> None:
        self.gain = _gain(gain)

    def sample(self, shape: tuple[int, ...]) -> Any:
        if len(shape) < 2:
            raise HandsonError(f"Orthogonal is for weights with two axes or more; got the shape {shape}.")
        flat = (shape[0], int(np.prod(shape[1:])))
        u, _, v = np.linalg.svd(get_rng().normal(0.0, 1.0, flat), full_matrices=False)
        return floatX(self.gain * (u if u.shape == flat else v).reshape(shape))
