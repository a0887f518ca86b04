"""How images are prepared for nets that were trained on ImageNet, and what their classes are called."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from handson.applications.preparation import caffe_images, tf_images, torch_images
from handson.core.errors import HandsonError, listing
from handson.core.regular import read_bytes
from handson.utils.downloads import cache_folder

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
