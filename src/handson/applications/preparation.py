"""How images are prepared for nets that were trained on ImageNet, with any number of bands; and their first kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson import ops
from handson.core.errors import HandsonError
from handson.layers import Identity, Input, Rescaling
from handson.layers.preprocessing.encoding import chosen
from handson.models import Model

CHANNELS = 3
# Of the images of ImageNet: their mean in red, green and blue, and mean and deviation as shares.
MEAN = (123.68, 116.779, 103.939)
MODES = ("caffe", "tf", "torch", "none")
RGB_MEAN, RGB_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def for_bands(values: Sequence[float], bands: int) -> list[float]:
    """Numbers for red, green and blue as numbers for so many bands.

    More bands than three have those of red, green and blue in turn; of one or two each has the mean.

    Examples
    --------
    >>> for_bands([1.0, 2.0, 6.0], 4), for_bands([1.0, 2.0, 6.0], 1)
    ([1.0, 2.0, 6.0, 1.0], [3.0])
    """
    if bands < CHANNELS:
        return [sum(values) / CHANNELS] * bands
    return [values[band % CHANNELS] for band in range(bands)]


def kernel_for_bands(kernel: Tensor, bands: int) -> Tensor:
    """The first kernel of a net for red, green and blue as one for so many bands.

    An image whose bands are alike gives what it gives in red, green and blue: a kernel that stands for several bands is
    divided among them, and of one or two bands each has its part of the sum.

    Parameters
    ----------
    kernel : Tensor, shape (..., 3, filters)
        Red, green and blue.
    bands : int
        How many there are.

    Examples
    --------
    >>> kernel = torch.tensor([1.0, 2.0, 6.0])[:, None]
    >>> kernel_for_bands(kernel, 4).flatten().tolist(), kernel_for_bands(kernel, 1).flatten().tolist()
    ([0.5, 2.0, 6.0, 0.5], [9.0])
    """
    if bands < CHANNELS:
        return kernel.sum(-2, keepdim=True).expand(*kernel.shape[:-2], bands, -1) / bands
    place = torch.arange(bands, device=kernel.device) % CHANNELS
    shared = torch.bincount(place, minlength=CHANNELS)[place]
    return kernel[..., place, :] / shared[:, None]


class Preparation:
    """What brings images of 0 to 255 to what a net was trained on: a function of arrays, tensors and symbols.

    Parameters
    ----------
    mode : {'caffe', 'tf', 'torch', 'none'}
        'caffe': blue, green, red, without the mean of ImageNet. 'tf': from -1 to 1. 'torch': standardized. 'none': the
        net does it itself.

    Examples
    --------
    >>> prepare = Preparation("tf")
    >>> prepare(np.full((1, 1, 3), 255.0)).tolist()
    [[[1.0, 1.0, 1.0]]]
    >>> prepare.layer()(torch.zeros(1, 1, 1, 3)).flatten().tolist()
    [-1.0, -1.0, -1.0]
    """

    def __init__(self, mode: str) -> None:
        self.mode = chosen("Preparation", "mode", mode, MODES)

    def __call__(self, x: Any, data_format: str | None = None) -> Any:
        """Prepare images; they are not changed.

        Parameters
        ----------
        x : array, tensor or symbol, shape (..., bands)
            Images of 0 to 255 in red, green and blue. Of other numbers of bands, each is shifted and scaled as
            `for_bands` says, and none is moved.
        data_format : str, optional
            'channels_last', or 'channels_first' for shape (..., bands, height, width).
        """
        if self.mode == "none":
            return x
        images, axis = _fractions(x), _axis(data_format)
        if self.mode == "tf":
            return images / 127.5 - 1.0
        bands = images.shape[axis]
        if self.mode == "torch":
            mean, deviation = for_bands(RGB_MEAN, bands), for_bands(RGB_DEVIATION, bands)
            return (images / 255.0 - _channels(mean, images, axis)) / _channels(deviation, images, axis)
        if bands != CHANNELS:
            return images - _channels(for_bands(MEAN, bands), images, axis)
        flipped = np.flip(images, axis) if isinstance(images, np.ndarray) else ops.flip(images, axis)
        return flipped - _channels(MEAN[::-1], images, axis)

    def layer(self, bands: int = CHANNELS, name: str = "preprocessing") -> Any:
        """The same as a layer that goes into a net, and into files with it.

        Parameters
        ----------
        bands : int
            How many the images have.
        name : str
            The name of the layer.

        Examples
        --------
        >>> Preparation("caffe").layer(1)(torch.full((1, 1, 1, 1), 255.0)).item()
        140.2...
        """
        if self.mode == "none":
            return Identity(name=name)
        if self.mode == "tf":
            return Rescaling(1 / 127.5, -1.0, name=name)
        if self.mode == "torch":
            pairs = zip(for_bands(RGB_MEAN, bands), for_bands(RGB_DEVIATION, bands), strict=True)
            scales, offsets = zip(*((1 / (255 * spread), -mean / spread) for mean, spread in pairs), strict=True)
            return Rescaling(list(scales), list(offsets), name=name)
        if bands != CHANNELS:
            return Rescaling(1.0, [-value for value in for_bands(MEAN, bands)], name=name)
        image = Input((None, None, CHANNELS))
        return Model(image, Rescaling(1.0, [-value for value in MEAN[::-1]])(ops.flip(image, -1)), name=name)

    def kernel(self, kernel: Tensor, bands: int) -> Tensor:
        """The first kernel of a net of red, green and blue for so many bands, in the order that they come in."""
        return kernel_for_bands(kernel.flip(-2) if self.mode == "caffe" else kernel, bands)

    def __repr__(self) -> str:
        return f"Preparation({self.mode!r})"


def _fractions(x: Any) -> Any:
    if not isinstance(x, (np.ndarray, list, tuple)):
        return ops.cast(x, "float32") if "int" in str(x.dtype) else x
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _axis(data_format: str | None) -> int:
    axes = {None: -1, "channels_last": -1, "channels_first": -3}
    if data_format not in axes:
        raise HandsonError(f"data_format is 'channels_last' or 'channels_first'; got {data_format!r}.")
    return axes[data_format]


def _channels(values: Sequence[float], images: Any, axis: int) -> Any:
    """One number for each channel, in the form of the images."""
    shaped = np.asarray(values, dtype=np.float32).reshape((-1,) + (1,) * (-axis - 1))
    return shaped.astype(images.dtype) if isinstance(images, np.ndarray) else ops.cast(shaped, images.dtype)


caffe_images, tf_images, torch_images = Preparation("caffe"), Preparation("tf"), Preparation("torch")
# Of nets that do it themselves.
unchanged = Preparation("none")
