"""Layers that drop values at random while training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, fraction
from handson.randomness import stream, words
from handson.randomness.keys import check_seed

# From so many values on, on a CPU, a compiled kernel is loaded; it drops the same ones.
WORTH_A_KERNEL = 1 << 18


class _Dropout(Layer):
    noise_shape: tuple[int | None, ...] | None = None

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = fraction(type(self).__name__, "rate", rate)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name

    def mask_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the mask for an input: sizes of 1 share one decision."""
        given = self.noise_shape or (None,) * len(shape)
        if len(given) != len(shape):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: noise_shape={given} has another number of axes than inputs of "
                f"shape {tuple(shape)}."
            )
        return tuple(actual if size is None else size for size, actual in zip(given, shape, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        if self.rate == 1.0:
            return torch.zeros_like(x)
        active = stream.current()
        if active is not None and self.noise_shape is None and x.numel() >= WORTH_A_KERNEL and _fits_kernel(x):
            key = mask_key(self, active)
            if isinstance(key, int):
                from handson.kernels.keyed_dropout import KeyedDropout

                return KeyedDropout.apply(x, key, active.rows, self.rate)
        return x * dropout_mask(self, self.mask_shape(x.shape), x)


def _fits_kernel(x: Tensor) -> bool:
    if x.device.type != "cpu" or x.dtype != torch.float32 or not x.is_contiguous():
        return False
    from handson.kernels.library import missing

    return missing() is None


@register
class Dropout(_Dropout):
    """Sets a share of its inputs to zero while training, and scales the others by 1 / (1 - rate).

    Outside of training it does nothing. Srivastava et al. (2014).

    Parameters
    ----------
    rate : float
        The share that is dropped, from 0 to 1.
    noise_shape : tuple, optional
        The shape of the mask, batch included; entries of 1 share one decision along an axis, None follows the input.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The mask of a sample is a function of the run's seed, this layer's name, the epoch and the sample's id. So it does
    not depend on the batch the sample is in, and a resumed run drops what an uninterrupted one would have dropped.

    Examples
    --------
    >>> layer = Dropout(0.5).train()
    >>> sorted(set(layer(torch.ones(100, 10)).flatten().tolist()))
    [0.0, 2.0]
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)


@register
class SpatialDropout2D(_Dropout):
    """Drops whole channels of images, (n, h, w, c). Tompson et al. (2015).

    Parameters
    ----------
    rate : float
        The share of channels that is dropped.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> y = SpatialDropout2D(0.5).train()(torch.ones(2, 3, 3, 8))
    >>> bool((y.amin((1, 2)) == y.amax((1, 2))).all())
    True
    """

    noise_shape = (None, 1, 1, None)

    def build(self, input_shape: Shape) -> None:
        self.expect_rank(input_shape, 4, "(batch, height, width, channels)")


def mask_key(layer: Any, active: stream.Stream, purpose: str = "") -> words.Key:
    """The key of a layer's masks in an epoch: the run's, or the layer's own."""
    return active.key(layer.path + purpose, layer.seed)


def dropout_mask(
    layer: Any, shape: tuple[int, ...], like: Tensor, purpose: str = "", share: float | None = None
) -> Tensor:
    """A float mask of zeros and 1 / (1 - rate), on the device and with the dtype of `like`.

    In a training run the run's stream decides, sample by sample; without one, torch's generator does.
    """
    share = layer.rate if share is None else share
    if share == 1.0:
        return like.new_zeros(shape)
    active = stream.current()
    if active is None:
        kept = torch.rand(shape, device=like.device) >= share
    else:
        key = mask_key(layer, active, purpose)
        rows = active.rows if shape[0] == len(active.rows) else torch.arange(shape[0], device=like.device)
        kept = words.keep(key, rows, math.prod(shape[1:]), share).view(shape)
    return kept.to(like.dtype).mul_(1.0 / (1.0 - share))
