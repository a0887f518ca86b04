"""Initializers: the numbers that the weights of a layer start from, with Keras's names, defaults and distributions.

An initializer is called with the shape of a weight in Keras's layout (inputs before outputs, convolution kernels as
height, width, inputs, outputs) and a key; it returns a float32 tensor on the CPU. The same key gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError, listing
from handson.core.serializers import serializers
from handson.randomness import words
from handson.randomness.keys import check_seed, derive, fresh_seed

Shape = Sequence[int]
# The standard deviation of a standard normal number cut off at two standard deviations.
TRUNCATED_DEVIATION = 0.87962566103423978


def fans(shape: Shape) -> tuple[int, int]:
    """The numbers of inputs and of outputs that one unit of a weight connects to.

    Examples
    --------
    >>> fans((3, 4)), fans((3, 3, 16, 32))
    ((3, 4), (144, 288))
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class Initializer(Noun):
    """The base of all initializers: `draw` fills a shape from a key.

    Parameters of the random ones include `seed`: None takes the key of the net that is built; a number fixes the
    values whatever the net's seed is.

    Examples
    --------
    >>> Zeros()((2, 2)).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """

    kind = "initializer"
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: torch.dtype | None = None, key: int | None = None) -> Tensor:
        if self.seed is not None:
            key = derive(self.seed)
        elif key is None:
            key = derive(fresh_seed())
        return self.draw(tuple(shape), key).to(dtype or torch.float32)

    def clone(self) -> Initializer:
        """Another initializer with the same arguments."""
        made: Initializer = type(self).from_config(self.get_config())
        return made

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        """The numbers for a shape, from a key."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, key).")


class _Random(Initializer):
    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_seed(seed)


def _uniform(key: int, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return words.uniform(key, torch.zeros(1, dtype=torch.int64), math.prod(shape), low, high).reshape(shape)


def _normal(key: int, shape: tuple[int, ...], deviation: float) -> Tensor:
    return deviation * words.normal(key, torch.zeros(1, dtype=torch.int64), math.prod(shape)).reshape(shape)


def _truncated_normal(key: int, shape: tuple[int, ...], deviation: float) -> Tensor:
    """Normal numbers within two standard deviations, by inverting their distribution function."""
    edge = math.erf(math.sqrt(2.0))
    fraction = _uniform(key, shape, -edge, edge).double()
    return (deviation * math.sqrt(2.0) * torch.erfinv(fraction)).float()


@registry.register(aliases=("zero",))
class Zeros(Initializer):
    """All zeros.

    Examples
    --------
    >>> Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return torch.zeros(shape)


@registry.register(aliases=("one",))
class Ones(Initializer):
    """All ones.

    Examples
    --------
    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return torch.ones(shape)


@registry.register
class Constant(Initializer):
    """One value everywhere, or an array that is repeated along missing axes.

    Parameters
    ----------
    value : float or array
        The value.

    Examples
    --------
    >>> Constant(0.5)((2,)).tolist(), Constant([1.0, 2.0])((2, 2)).tolist()
    ([0.5, 0.5], [[1.0, 2.0], [1.0, 2.0]])
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        value = torch.as_tensor(self.value, dtype=torch.float64)
        try:
            return value.expand(shape).clone()
        except RuntimeError:
            raise HandsonError(
                f"Constant: values of shape {tuple(value.shape)} do not fill the shape {shape}."
            ) from None


@registry.register(aliases=("IdentityInitializer",))
class Identity(Initializer):
    """The identity matrix times a gain; a matrix that is not square has ones on its diagonal.

    Parameters
    ----------
    gain : float
        The factor.

    Examples
    --------
    >>> Identity(2.0)((2, 3)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        if len(shape) != 2:
            raise HandsonError(f"Identity is for matrices; got the shape {shape}.")
        return self.gain * torch.eye(*shape)


@registry.register(aliases=("uniform",))
class RandomUniform(_Random):
    """Uniform on [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
        The interval.
    seed : int, optional
        See `Initializer`.

    Examples
    --------
    >>> bool(RandomUniform(2.0, 3.0, seed=0)((5,)).min() >= 2.0)
    True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return _uniform(key, shape, self.minval, self.maxval)


@registry.register(aliases=("normal",))
class RandomNormal(_Random):
    """Normal with a mean and a standard deviation.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation.
    seed : int, optional
        See `Initializer`.

    Examples
    --------
    >>> bool(RandomNormal(5.0, 0.01, seed=0)((5,)).mean().round() == 5.0)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return self.mean + _normal(key, shape, self.stddev)


@registry.register
class TruncatedNormal(_Random):
    """Normal, cut off at two standard deviations from the mean.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation before the cut.
    seed : int, optional
        See `Initializer`.

    Examples
    --------
    >>> bool(TruncatedNormal(0.0, 1.0, seed=0)((99,)).abs().max() <= 2.0)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        return self.mean + _truncated_normal(key, shape, self.stddev)


@registry.register
class VarianceScaling(_Random):
    """Numbers of variance scale / n, with n the number of inputs, of outputs, or their mean.

    Parameters
    ----------
    scale : float
        The factor, positive.
    mode : {'fan_in', 'fan_out', 'fan_avg'}
        What n is.
    distribution : {'truncated_normal', 'untruncated_normal', 'uniform'}
        The shape of the distribution.

    Examples
    --------
    >>> values = VarianceScaling(2.0, "fan_in", seed=0)((1000, 50))
    >>> round(values.var().item() * 1000, 1)
    2.0
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = "truncated_normal" if distribution == "normal" else distribution
        _check_choice("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        _check_choice("distribution", distribution, ("truncated_normal", "untruncated_normal", "uniform"))
        if not scale > 0:
            raise HandsonError(f"scale must be positive; got {scale}.")
        self.scale, self.mode, self.distribution = scale, mode, distribution

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        fan_in, fan_out = fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _uniform(key, shape, -limit, limit)
        if self.distribution == "untruncated_normal":
            return _normal(key, shape, math.sqrt(variance))
        return _truncated_normal(key, shape, math.sqrt(variance) / TRUNCATED_DEVIATION)


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise HandsonError(f"{argument} must be one of {listing(choices)}; got {value!r}.")


class _NamedScaling(VarianceScaling):
    scaling: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.scaling, seed=seed)


@registry.register
class GlorotUniform(_NamedScaling):
    """Uniform with variance 2 / (inputs + outputs) (Glorot and Bengio, 2010), Keras's default for kernels.

    Examples
    --------
    >>> GlorotUniform(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (1.0, "fan_avg", "uniform")


@registry.register
class GlorotNormal(_NamedScaling):
    """Truncated normal with variance 2 / (inputs + outputs) (Glorot and Bengio, 2010).

    Examples
    --------
    >>> GlorotNormal(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (1.0, "fan_avg", "truncated_normal")


@registry.register
class HeUniform(_NamedScaling):
    """Uniform with variance 2 / inputs (He et al., 2015), made for ReLU.

    Examples
    --------
    >>> HeUniform(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (2.0, "fan_in", "uniform")


@registry.register
class HeNormal(_NamedScaling):
    """Truncated normal with variance 2 / inputs (He et al., 2015), made for ReLU.

    Examples
    --------
    >>> HeNormal(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (2.0, "fan_in", "truncated_normal")


@registry.register
class LecunUniform(_NamedScaling):
    """Uniform with variance 1 / inputs (LeCun et al., 1998): the first of the fourth lecture's two.

    Examples
    --------
    >>> LecunUniform(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (1.0, "fan_in", "uniform")


@registry.register
class LecunNormal(_NamedScaling):
    """Truncated normal with variance 1 / inputs (LeCun et al., 1998).

    Examples
    --------
    >>> LecunNormal(seed=0)((3, 4)).shape
    torch.Size([3, 4])
    """

    scaling = (1.0, "fan_in", "truncated_normal")


@registry.register(aliases=("OrthogonalInitializer",))
class Orthogonal(_Random):
    """A random orthogonal matrix (Saxe et al., 2014); dimensions but the last are taken together.

    Examples
    --------
    >>> q = Orthogonal(seed=0)((4, 4))
    >>> torch.allclose(q @ q.T, torch.eye(4), atol=1e-5)
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        if len(shape) < 2:
            raise HandsonError(f"an orthogonal weight has at least two dimensions; got the shape {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        numbers = _normal(key, (max(rows, columns), min(rows, columns)), 1.0).double()
        q, r = torch.linalg.qr(numbers)
        q = q * torch.sign(torch.diagonal(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape).float()


def call(identifier: Any, shape: Shape, key: int, dtype: torch.dtype | None = None) -> Tensor:
    """The numbers of an initializer for a shape; a plain function gets the shape only."""
    draw = get(identifier)
    return draw(shape, dtype, key=key) if isinstance(draw, Initializer) else draw(shape)


def get(identifier: Any) -> Initializer:
    """The initializer for a name, a configuration or an object.

    Examples
    --------
    >>> get("he_normal")
    HeNormal()
    """
    initializer = registry.resolve("initializer", identifier)
    if not callable(initializer):
        raise HandsonError(f"an initializer is a name or an Initializer; got {identifier!r}.")
    return initializer


def STFT(*args: Any, **kwargs: Any) -> None:
    """Refused: Keras's initializer of its STFT layer, which handson has not.

    Examples
    --------
    >>> STFT()
    Traceback (most recent call last):
    handson.core.errors.HandsonError: STFT fills the kernels of Keras's STFTSpectrogram layer, which handson has not...
    """
    raise HandsonError(
        "STFT fills the kernels of Keras's STFTSpectrogram layer, which handson has not. Compute spectrograms with "
        "torch.stft before training, or in a layer of your own."
    )


serialize, deserialize = serializers("initializer", get)
# Keras's other names.
STFTInitializer = stft = STFT
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
constant, zeros, ones, identity, orthogonal = Constant, Zeros, Ones, Identity, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, glorot_normal, glorot_uniform = VarianceScaling, GlorotNormal, GlorotUniform
he_normal, he_uniform, lecun_normal, lecun_uniform = HeNormal, HeUniform, LecunNormal, LecunUniform
