"""Images of Pillow and arrays, from and to files, and of another size."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from handson.core.errors import HandsonError
from handson.layers.preprocessing.encoding import chosen
from handson.ops.image import resize

MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
FORMATS = ("channels_last", "channels_first")
RESAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
# Modes of Pillow that are grey already, some with more than 8 bits.
GREY = ("L", "I;16", "I")


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Read an image with Pillow.

    Parameters
    ----------
    path : str, Path or io.BytesIO
        The file.
    color_mode : {'rgb', 'rgba', 'grayscale'}
        What it is converted to.
    target_size : tuple of int, optional
        Height and width that it is resized to.
    interpolation : {'nearest', 'bilinear', 'bicubic', 'hamming', 'box', 'lanczos'}
        How.
    keep_aspect_ratio : bool
        Whether the middle is cut out in the proportions of `target_size`, and not distorted.

    Returns
    -------
    PIL.Image.Image
    """
    from PIL import Image, UnidentifiedImageError

    mode = chosen("load_img", "color_mode", color_mode, tuple(MODES))
    try:
        source = path if isinstance(path, io.BytesIO) else io.BytesIO(Path(path).read_bytes())
        image: Any = Image.open(source)
        image.load()
    except (OSError, UnidentifiedImageError) as error:
        raise HandsonError(f"load_img: {path} is no image that can be read: {error}.") from None
    if image.mode != MODES[mode] and not (mode == "grayscale" and image.mode in GREY):
        image = image.convert(MODES[mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    way = getattr(Image.Resampling, chosen("load_img", "interpolation", interpolation, RESAMPLING).upper())
    box = _middle(image.size, target_size) if keep_aspect_ratio else None
    return image.resize((target_size[1], target_size[0]), way, box=box)


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box in the middle, in the proportions of a (height, width)."""
    width, height = size
    high, wide = min(height, width * target[0] // target[1]), min(width, height * target[1] // target[0])
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """An image as an array of float32, with an axis of channels.

    Parameters
    ----------
    img : PIL.Image.Image or array
        The image, with or without channels.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels go.
    dtype : str, optional
        Another type than float32.

    Examples
    --------
    >>> img_to_array(np.zeros((4, 5), np.uint8)).shape
    (4, 5, 1)
    """
    first = chosen("img_to_array", "data_format", data_format or FORMATS[0], FORMATS) == FORMATS[1]
    x = np.asarray(img, dtype=dtype or "float32")
    if x.ndim not in (2, 3):
        raise HandsonError(f"img_to_array takes one image, (h, w) or (h, w, c); got the shape {x.shape}.")
    x = x if x.ndim == 3 else x[..., None]
    return x.transpose(2, 0, 1) if first else x


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array as an image of Pillow.

    Parameters
    ----------
    x : array of shape (h, w, c)
        With one, three or four channels.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    scale : bool
        Whether values are stretched to 0 .. 255.
    dtype : str, optional
        What they are computed in, by default float32.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> np.asarray(array_to_img(np.array([[[0.0], [0.5], [1.0]]]))).tolist()
    [[0, 127, 255]]
    """
    from PIL import Image

    first = chosen("array_to_img", "data_format", data_format or FORMATS[0], FORMATS) == FORMATS[1]
    values = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
    values = np.asarray(values, dtype=dtype or "float32")
    if values.ndim != 3:
        raise HandsonError(f"array_to_img takes one image, (h, w, c); got the shape {values.shape}.")
    values = values.transpose(1, 2, 0) if first else values
    if scale:
        values = values - values.min()
        values = values / (values.max() or 1) * 255
    if values.shape[2] not in (1, 3, 4):
        raise HandsonError(f"array_to_img takes 1, 3 or 4 channels; got {values.shape[2]}.")
    if values.shape[2] > 1:
        return Image.fromarray(values.astype(np.uint8))
    grey = values[:, :, 0]
    return Image.fromarray(grey.astype(np.int32 if grey.max() > 255 else np.uint8))


def save_img(
    path: str | PathLike[str], x: Any, data_format: str | None = None, file_format: str | None = None,
    scale: bool = True, **kwargs: Any,
) -> None:  # fmt: skip
    """Write an array to an image file.

    Parameters
    ----------
    path : str or Path
        The file.
    x, data_format, scale
        As in `array_to_img`.
    file_format : str, optional
        The format; by default it follows from the name.
    **kwargs
        What Pillow's `save` takes.
    """
    kind = (file_format or Path(path).suffix[1:]).lower()
    kind = "jpeg" if kind == "jpg" else kind
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and kind == "jpeg":
        raise HandsonError("a JPEG file has no transparency: save x[..., :3], or a PNG.")
    image.save(path, format=kind or None, **kwargs)


def smart_resize(x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str = FORMATS[0]) -> Any:
    """The middle of images in the proportions of a size, resized.

    Parameters
    ----------
    x : array or Tensor of shape (h, w, c), or a batch
        The images.
    size : tuple of int
        Height and width.
    interpolation : {'bilinear', 'nearest', 'bicubic'}
        How.
    data_format : {'channels_last', 'channels_first'}
        Where the channels are.

    Examples
    --------
    >>> smart_resize(np.zeros((8, 12, 3), np.float32), (4, 4)).shape
    (4, 4, 3)
    """
    out = resize(x, tuple(size), interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format)
    return out if isinstance(x, Tensor) else out.numpy()
