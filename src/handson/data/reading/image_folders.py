"""Folders of images: their sizes are read from the headers before anything is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.damage import reading
from handson.data.reading.dataset import Dataset

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF",
          ".webp": "WEBP"}  # fmt: skip
FORMATS, IMAGE = sorted(set(IMAGES.values())), "an image that can be read"
# Larger images than this are refused before they are decoded.
MOST_PIXELS = 50_000_000
# All images of a folder together are kept in memory; more than this fits into few.
MOST_BYTES = 1 << 34


def read_folder(path: Path, image_shape: Sequence[int] | None = None) -> Dataset:
    """Images in a folder; its subfolders, if it has some, are the classes.

    Parameters
    ----------
    path : Path
        The folder.
    image_shape : (int, int), optional
        Height and width; by default the images' own, which must be the same.

    Returns
    -------
    Dataset
        Images as uint8; as float32 where they are of 16 or more bits, such as those of telescopes.

    Raises
    ------
    HandsonError
        For a folder without images, images of different sizes (say image_shape), and files that are no images.
    """
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    found = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    found = found or [(file, -1) for file in _image_files(path)]
    if not found:
        raise HandsonError(f"{path} holds no images ({', '.join(sorted(IMAGES))}), nor do its subfolders.")
    files, labels = [file for file, _ in found], np.array([label for _, label in found], np.int64)
    _check_total(files, image_shape)
    images = _stack(files, [_read_image(file, image_shape) for file in files])
    known = [folder.name for folder in folders] if labels.max() >= 0 else None
    names = np.array([str(file.relative_to(path)) for file in files])
    return Dataset(images, labels if known else None, [], ["class"] if known else [], known, None, names, str(path))


def _check_total(files: list[Path], image_shape: Sequence[int] | None) -> None:
    """Raise, before anything is decoded, unless the first image, as often as there are files, fits into memory."""
    from PIL import Image

    # One that Pillow finds too large is refused, with its name, when it is read.
    with reading(files[0], IMAGE), warnings.catch_warnings(), suppress(Image.DecompressionBombError):
        warnings.simplefilter("ignore")
        size = 0
        with Image.open(files[0], formats=FORMATS) as image:
            height, width = (image.height, image.width) if image_shape is None else image_shape
            size = len(files) * height * width * len(image.getbands())
    if size > MOST_BYTES:
        raise HandsonError(
            f"{files[0].parent} holds {len(files):,} images of {height}x{width}, more than {MOST_BYTES >> 30} GiB "
            f"together. Say image_shape=(height, width) to make them smaller."
        )


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES and file.is_file())


def _stack(files: list[Path], images: list[np.ndarray]) -> np.ndarray:
    """Images of one size and type as one array; grey ones among coloured ones become coloured."""
    channels = max(image.shape[2] for image in images)
    images = [np.repeat(image, channels, 2) if image.shape[2] < channels else image for image in images]
    first = images[0]
    for file, image in zip(files, images, strict=True):
        if image.shape != first.shape:
            raise HandsonError(
                f"{file} is {image.shape[0]}x{image.shape[1]}, and {files[0].name} {first.shape[0]}x"
                f"{first.shape[1]}. Say image_shape=(height, width) to bring all to one size."
            )
        if image.dtype != first.dtype:
            raise HandsonError(
                f"{file} and {files[0].name} have different ranges of values: one has 8 bits in a pixel, the other "
                f"more. Bring all to one kind."
            )
    return np.stack(images)


def _read_image(file: Path, image_shape: Sequence[int] | None) -> np.ndarray:
    from PIL import Image

    try:
        picture = _decode(file, image_shape)
    except Image.DecompressionBombError as error:
        raise HandsonError(f"{file} is not an image that can be read: {error}") from None
    array = np.asarray(picture)
    return array[..., None] if array.ndim == 2 else array


def _decode(file: Path, image_shape: Sequence[int] | None) -> Any:
    from PIL import Image

    with reading(file, IMAGE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise HandsonError(
                    f"{file} has {image.width}x{image.height} pixels; more than {MOST_PIXELS:,} are refused."
                )
            picture = image.convert(_plain_mode(image.mode))
            if image_shape is None:
                return picture
            return picture.resize((int(image_shape[1]), int(image_shape[0])), Image.Resampling.BILINEAR)


def _plain_mode(mode: str) -> str:
    """The mode of Pillow that keeps the pixels' values: grey of 8 bits, floats for more, or colours."""
    if mode.startswith(("I", "F")):
        return "F"
    return "L" if mode in ("1", "L", "LA", "La") else "RGB"
