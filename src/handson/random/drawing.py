"""Numbers of a shape, drawn from a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph.conversion import convert, floatx, torch_type, type_name
from handson.random.generator import draw_of
from handson.randomness import words

Sides = int | Sequence[int]
# Integers are cut from words of 32 bits.
MOST = 1 << 32


def sides(shape: Sides) -> tuple[int, ...]:
    """A shape as a tuple of whole numbers."""
    given = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not all(isinstance(side, (int, np.integer)) and side >= 0 for side in given):
        raise HandsonError(f"a shape is whole numbers, such as (2, 3); got {shape!r}. Of a tensor: ops.shape(x).")
    return tuple(int(side) for side in given)


def fraction_type(dtype: Any) -> torch.dtype:
    """The type of fractions, checked."""
    kind = floatx() if dtype is None else torch_type(dtype)
    if not kind.is_floating_point:
        raise HandsonError(f"random fractions have a type such as 'float32'; got dtype={type_name(kind)!r}.")
    return kind


def uniform(
    shape: Sides, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:  # fmt: skip
    """Numbers that are uniform on [minval, maxval).

    Parameters
    ----------
    shape : tuple of int
        The shape.
    minval, maxval : float
        The bounds.
    dtype : str, optional
        A type of fractions.
    seed : int or SeedGenerator, optional
        See `handson.random`.

    Examples
    --------
    >>> uniform((2, 3), 1, 2, seed=0).min().item() >= 1
    True
    """
    kind, shape, draw = fraction_type(dtype), sides(shape), draw_of(seed)
    values = words.uniform(draw.key, *draw.spread(shape), float(minval), float(maxval))
    return values.reshape(shape).to(kind)


def normal(shape: Sides, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normal numbers; `mean` and `stddev` may be tensors that are broadcast.

    Examples
    --------
    >>> normal((1000,), mean=5.0, seed=0).mean().round().item()
    5.0
    """
    kind, shape, draw = fraction_type(dtype), sides(shape), draw_of(seed)
    values = words.normal(draw.key, *draw.spread(shape)).reshape(shape)
    return (values * stddev + mean).to(kind)


def truncated_normal(
    shape: Sides, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:  # fmt: skip
    """Normal numbers within two standard deviations of the mean.

    Examples
    --------
    >>> bool((truncated_normal((100,), seed=0).abs() <= 2).all())
    True
    """
    kind, shape, draw = fraction_type(dtype), sides(shape), draw_of(seed)
    edge = math.erf(math.sqrt(2.0))
    share = words.uniform(draw.key, *draw.spread(shape), -edge, edge).reshape(shape).double()
    return (torch.erfinv(share) * math.sqrt(2.0) * stddev + mean).to(kind)


def randint(shape: Sides, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Whole numbers from minval up to, and not including, maxval.

    Examples
    --------
    >>> sorted(set(randint((100,), 0, 3, seed=0).tolist()))
    [0, 1, 2]
    """
    kind, low, high = torch_type(dtype), int(minval), int(maxval)
    if kind.is_floating_point or kind is torch.bool:
        raise HandsonError(f"randint gives whole numbers, such as dtype='int32'; got dtype={type_name(kind)!r}.")
    if not 0 < high - low <= MOST:
        raise HandsonError(f"randint needs minval < maxval, at most 2**32 apart; got {minval} and {maxval}.")
    shape, draw = sides(shape), draw_of(seed)
    drawn = words.words(draw.key, *draw.spread(shape)).to(torch.int64) & 0xFFFFFFFF
    # A word of 32 bits times the number of values, of which the upper half counts.
    return ((drawn.reshape(shape) * (high - low)).bitwise_right_shift(32) + low).to(kind)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Classes, drawn for each row of logits.

    Parameters
    ----------
    logits : tensor, shape (n, classes)
        The logarithms of probabilities, up to a constant for each row.
    num_samples : int
        How many are drawn from each row.
    dtype : str
        A type of whole numbers.
    seed : int or SeedGenerator, optional
        See `handson.random`.

    Returns
    -------
    tensor, shape (n, num_samples)

    Examples
    --------
    >>> categorical([[0.0, 100.0]], 3, seed=0).tolist()
    [[1, 1, 1]]
    """
    logits = convert(logits)
    if logits.dim() != 2:
        raise HandsonError(f"categorical takes logits of shape (n, classes); got {tuple(logits.shape)}.")
    rows, classes = logits.shape
    share = uniform((rows, num_samples, classes), seed=seed).to(logits.device).clamp(min=2.0**-25)
    # The largest of the logits with noise of Gumbel's is a draw from their softmax.
    return (logits[:, None].float() - torch.log(-torch.log(share))).argmax(-1).to(torch_type(dtype))


def gamma(shape: Sides, alpha: float, dtype: Any = None, seed: Any = None) -> Tensor:
    """Numbers of the gamma distribution with shape parameter `alpha` (a number or a tensor) and scale 1.

    Examples
    --------
    >>> gamma((2000,), 3.0, seed=0).mean().round().item()
    3.0
    """
    kind, draw = fraction_type(dtype), draw_of(seed)
    return torch._standard_gamma(_filled(alpha, sides(shape)), generator=draw.generator()).to(kind)


def beta(shape: Sides, alpha: float, beta: float, dtype: Any = None, seed: Any = None) -> Tensor:
    """Numbers of the beta distribution: a / (a + b), where a and b are of the gamma distribution.

    Examples
    --------
    >>> beta((2000,), 2.0, 2.0, seed=0).mean().round(decimals=1).item()
    0.5
    """
    kind, shape, source = fraction_type(dtype), sides(shape), draw_of(seed).generator()
    first, second = (torch._standard_gamma(_filled(value, shape), generator=source) for value in (alpha, beta))
    return (first / (first + second)).to(kind)


def binomial(shape: Sides, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """How many of `counts` trials succeed, each with a probability; both may be tensors.

    Examples
    --------
    >>> binomial((2,), 10, 1.0, seed=0).tolist()
    [10.0, 10.0]
    """
    kind, shape, source = fraction_type(dtype), sides(shape), draw_of(seed).generator()
    return torch.binomial(_filled(counts, shape), _filled(probabilities, shape), generator=source).to(kind)


def _filled(value: Any, shape: tuple[int, ...]) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64).cpu().broadcast_to(shape).contiguous()
