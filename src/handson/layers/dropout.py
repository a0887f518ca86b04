"""Layers that drop values at random while training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing
from handson.core.registry import register
from handson.layers.base import Layer, Shape, fraction
from handson.randomness import stream, words
from handson.randomness.keys import check_seed

# From so many values on, on a CPU, a compiled kernel is loaded; it drops the same ones.
WORTH_A_KERNEL = 1 << 18
FORMATS = (None, "channels_last", "channels_first")


class _Dropout(Layer):
    floats_only, keeps_shape, supports_masking = True, True, True
    noise_shape: tuple[int | None, ...] | None = None

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = fraction(type(self).__name__, "rate", rate)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        if self.rate == 1.0:
            return torch.zeros_like(x)
        active = stream.current()
        if type(active) is stream.Stream and self.noise_shape is None and _worth_a_kernel(x):
            from handson.kernels.keyed_dropout import KeyedDropout

            return KeyedDropout.apply(x, mask_key(self, active), active.rows, self.rate)
        return x * dropout_mask(self, shape_of_noise(self, x.shape), x)


def _worth_a_kernel(x: Tensor) -> bool:
    if x.numel() < WORTH_A_KERNEL or x.device.type != "cpu" or x.dtype != torch.float32 or not x.is_contiguous():
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
    not depend on the batch the sample is in, and a resumed run drops what an uninterrupted one would have dropped. A
    layer that is called several times in a step, as in a Siamese net, drops other values in each call.

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
        self.noise_shape = checked_noise_shape(type(self).__name__, noise_shape)


class _SpatialDropout(_Dropout):
    """The base of what drops whole channels."""

    rank: ClassVar[int] = 3
    places: ClassVar[str] = "steps"

    def _share(self, data_format: str | None) -> None:
        """Share one decision along all axes but that of the channels."""
        if data_format not in FORMATS:
            raise HandsonError(f"{type(self).__name__}: data_format is one of {listing(FORMATS)}; got {data_format!r}.")
        self.data_format, shared = data_format, (1,) * (self.rank - 2)
        self.noise_shape = (None, None, *shared) if data_format == "channels_first" else (None, *shared, None)

    def build(self, input_shape: Shape) -> None:
        first = self.data_format == "channels_first"
        self.expect_rank(
            input_shape,
            self.rank,
            f"(batch, channels, {self.places})" if first else f"(batch, {self.places}, channels)",
        )


@register
class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of sequences, (n, steps, channels). Tompson et al. (2015).

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
    >>> y = SpatialDropout1D(0.5).train()(torch.ones(2, 3, 8))
    >>> bool((y.amin(1) == y.amax(1)).all())
    True
    """

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype, **kwargs)
        self._share(None)


@register
class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images, (n, h, w, c). Tompson et al. (2015).

    Parameters
    ----------
    rate : float
        The share of channels that is dropped.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
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

    rank, places = 4, "height, width"

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype, **kwargs)
        self._share(data_format)


@register
class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes, (n, depth, h, w, c). Tompson et al. (2015).

    Parameters
    ----------
    rate : float
        The share of channels that is dropped.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> y = SpatialDropout3D(0.5).train()(torch.ones(2, 3, 3, 3, 8))
    >>> bool((y.amin((1, 2, 3)) == y.amax((1, 2, 3))).all())
    True
    """

    rank, places = 5, "depth, height, width"

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype, **kwargs)
        self._share(data_format)


def checked_noise_shape(owner: str, noise_shape: Any) -> tuple[int | None, ...] | None:
    """A noise shape as a tuple: sizes, and None for those of the input."""
    if noise_shape is None:
        return None
    sizes = tuple(noise_shape) if isinstance(noise_shape, (tuple, list)) else ()
    if not sizes or not all(size is None or (isinstance(size, (int, np.integer)) and size > 0) for size in sizes):
        raise HandsonError(
            f"{owner}: noise_shape is a tuple of sizes, with None for those of the input, as (None, 1, None); got "
            f"{noise_shape!r}."
        )
    return sizes


def shape_of_noise(layer: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a layer's random decisions for an input: sizes of 1 share one decision."""
    given = layer.noise_shape or (None,) * len(shape)
    if len(given) != len(shape):
        raise HandsonError(
            f"{type(layer).__name__} {layer.name!r}: noise_shape={given} has another number of axes than inputs of "
            f"shape {tuple(shape)}."
        )
    return tuple(actual if size is None else size for size, actual in zip(given, shape, strict=True))


def mask_key(layer: Any, active: stream.Stream, purpose: str = "") -> words.Key:
    """The key of a layer's masks in one of its calls in a step of an epoch: the run's, or the layer's own."""
    return active.key(active.call(layer.path + purpose), layer.seed)


def dropout_mask(
    layer: Any, shape: tuple[int, ...], like: Tensor, purpose: str = "", share: float | None = None
) -> Tensor:
    """A float mask of zeros and 1 / (1 - rate), on the device and with the dtype of `like`.

    In a training run the run's stream decides, sample by sample; without one, torch's generator does.
    """
    share = layer.rate if share is None else share
    if share == 1.0:
        return like.new_zeros(shape)
    return kept(layer, shape, like, share, purpose).to(like.dtype).mul_(1.0 / (1.0 - share))


def kept(layer: Any, shape: tuple[int, ...], like: Tensor, share: float, purpose: str = "") -> Tensor:
    """Which values of a shape are kept, where a share of them is dropped."""
    active = stream.current()
    if active is None:
        return torch.rand(shape, device=like.device) >= share
    return words.keep(mask_key(layer, active, purpose), rows_of(active, shape, like), _rest(shape), share).view(shape)


def normal_noise(layer: Any, like: Tensor) -> Tensor:
    """Standard normal numbers, one for each value of `like`."""
    active = stream.current()
    if active is None:
        return torch.randn_like(like)
    shape = tuple(like.shape)
    numbers = words.normal(mask_key(layer, active), rows_of(active, shape, like), _rest(shape))
    return numbers.view(shape).to(like.dtype)


def rows_of(active: stream.Stream, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """The ids of the samples; where the first axis is not that of the samples, positions."""
    same = bool(shape) and shape[0] == len(active.rows)
    return active.rows if same else torch.arange(shape[0] if shape else 1, device=like.device)


def _rest(shape: tuple[int, ...]) -> int:
    return math.prod(shape[1:])
