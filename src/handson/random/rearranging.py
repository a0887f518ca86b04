"""Tensors changed at random: values dropped, rows in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph.conversion import convert
from handson.random.drawing import uniform
from handson.random.generator import draw_of
from handson.randomness import words
from handson.randomness.keys import permutation


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None) -> Tensor:
    """The inputs with a share of them set to zero, the others divided by 1 - rate.

    Parameters
    ----------
    inputs : tensor
        Of any shape.
    rate : float
        The share, from 0 up to, and not including, 1.
    noise_shape : tuple of int, optional
        The shape of the mask: sizes of 1 share one decision, None follows the inputs.
    seed : int or SeedGenerator, optional
        See `handson.random`.

    Examples
    --------
    >>> sorted(set(dropout(torch.ones(100), 0.5, seed=0).tolist()))
    [0.0, 2.0]
    """
    inputs = convert(inputs)
    if not 0.0 <= rate < 1.0:
        raise HandsonError(f"dropout's rate lies between 0 and 1, 1 not included; got {rate!r}.")
    given = noise_shape if noise_shape is not None else inputs.shape
    if len(given) != inputs.dim():
        raise HandsonError(f"noise_shape has a size for each axis of {tuple(inputs.shape)}; got {noise_shape!r}.")
    shape = tuple(actual if size is None else size for size, actual in zip(given, inputs.shape, strict=True))
    kept = uniform(shape, seed=seed).to(inputs.device) >= rate
    return torch.where(kept, inputs / (1.0 - rate), torch.zeros((), dtype=inputs.dtype, device=inputs.device))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """A tensor with its slices along an axis in another order.

    Examples
    --------
    >>> sorted(shuffle([3, 1, 2], seed=0).tolist())
    [1, 2, 3]
    """
    x = convert(x)
    draw, count = draw_of(seed), x.shape[axis]
    key = draw.whole_key()
    if key is not None:
        return x.index_select(axis, torch.from_numpy(permutation(key, count)).to(x.device))
    rows, _ = draw.spread(())
    return x.index_select(axis, torch.argsort(words.words(draw.key, rows, count)[0]))
