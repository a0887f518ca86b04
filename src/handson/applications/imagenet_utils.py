"""How images are prepared for nets that were trained on ImageNet, and what their classes are called."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from handson import ops
from handson.core.errors import HandsonError, listing
from handson.core.regular import read_bytes
from handson.utils.downloads import cache_folder

# Of the images of ImageNet: their mean in blue, green and red, and in red, green and blue mean and deviation as shares.
BGR_MEAN = (103.939, 116.779, 123.68)
RGB_MEAN, RGB_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES, MOST_BYTES = "imagenet_class_index.json", 1 << 20
ORIGIN = f"https://storage.googleapis.com/download.tensorflow.org/data/{CLASSES}"

__all__ = ["decode_predictions", "preprocess_input"]


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images of 0 to 255 in red, green and blue as a net of `keras.applications` wants them.

    Parameters
    ----------
    x : array, tensor or symbol, shape (..., 3)
        The images; they are not changed.
    data_format : str, optional
        'channels_last', or 'channels_first' for shape (..., 3, height, width).
    mode : {'caffe', 'tf', 'torch'}
        'caffe': blue, green, red, without the mean of ImageNet. 'tf': from -1 to 1. 'torch': standardized.

    Examples
    --------
    >>> preprocess_input(np.full((1, 1, 3), 255.0), mode="tf").tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    modes = {"caffe": caffe_images, "tf": tf_images, "torch": torch_images}
    if mode not in modes:
        raise HandsonError(f"mode is one of {listing(modes)}; got {mode!r}.")
    return modes[mode](x, data_format)


def unchanged(x: Any, data_format: str | None = None) -> Any:
    """The images as they are: the net scales them itself."""
    return x


def tf_images(x: Any, data_format: str | None = None) -> Any:
    """Images from -1 to 1."""
    return _fractions(x) / 127.5 - 1.0


def caffe_images(x: Any, data_format: str | None = None) -> Any:
    """Images in blue, green and red, without the mean of ImageNet."""
    images, axis = _fractions(x), _axis(data_format)
    flipped = np.flip(images, axis) if isinstance(images, np.ndarray) else ops.flip(images, axis)
    return flipped - _channels(BGR_MEAN, images, axis)


def torch_images(x: Any, data_format: str | None = None) -> Any:
    """Images from 0 to 1, less the mean of ImageNet, over its deviation."""
    images, axis = _fractions(x), _axis(data_format)
    return (images / 255.0 - _channels(RGB_MEAN, images, axis)) / _channels(RGB_DEVIATION, images, axis)


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


def _channels(values: tuple[float, ...], images: Any, axis: int) -> Any:
    """One number for each channel, in the form of the images."""
    shaped = np.asarray(values, dtype=np.float32).reshape((-1,) + (1,) * (-axis - 1))
    return shaped.astype(images.dtype) if isinstance(images, np.ndarray) else ops.cast(shaped, images.dtype)


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The names of the likeliest classes of ImageNet for each row of 1000 probabilities.

    Parameters
    ----------
    preds : array, shape (n, 1000)
        Probabilities.
    top : int
        How many classes of each row.

    Returns
    -------
    list of list of (str, str, float)
        WordNet's id, name and probability, the likeliest first.
    """
    preds = np.asarray(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise HandsonError(f"decode_predictions takes an array of shape (n, 1000); got {preds.shape}.")
    names = _class_names()
    best = np.argsort(preds, axis=1)[:, ::-1][:, :top]
    return [
        [(*names[str(place)], float(row[place])) for place in places] for row, places in zip(preds, best, strict=True)
    ]


def _class_names() -> dict[str, tuple[str, str]]:
    path = cache_folder() / "models" / CLASSES
    if not path.exists():
        raise HandsonError(
            f"decode_predictions reads the names of classes from {path}: put Keras's {CLASSES} there, from {ORIGIN}."
        )
    try:
        found = json.loads(read_bytes(path, MOST_BYTES))
        return {place: (str(code), str(name)) for place, (code, name) in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise HandsonError(f"{path} is not Keras's {CLASSES}, or is damaged: {error}.") from None
