"""Image files: what their headers say, and their pixels as an array that keeps every value."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.damage import reading, warned

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".bmp": "BMP", ".gif": "GIF",
          ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".pgm": "PPM", ".ppm": "PPM", ".pbm": "PPM",
          ".pnm": "PPM"}  # fmt: skip
FITS = (".fits", ".fit", ".fts")
FORMATS, IMAGE = sorted(set(IMAGES.values())), "an image that can be read"
# Larger images than this are refused before they are decoded.
MOST_PIXELS = 50_000_000
# Of colours of 16 bits Pillow gives the upper byte; read in the other byte order, it gives the lower one.
DEEP = ("RGB;16", "RGBA;16", "RGBX;16")
GREY_AND_ALPHA = "LA;16B"
# The bytes of a PNG file's header: depth and kind of colour, and the checksum of the first chunk.
DEPTH, CHUNK, CHECKSUM = slice(24, 26), slice(12, 29), slice(29, 33)
WHITE, DEEP_WHITE = 255, 65535
ORIENTATION = 0x0112
TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: np.rot90(pixels, 1),
}


class Header(NamedTuple):
    """What is known of an image before it is decoded.

    Attributes
    ----------
    height, width : int
        As it is seen: turned as its EXIF says.
    channels : int
        1 or 3.
    deep : bool
        Whether its values have more than 8 bits, and are read as float32.
    remarks : tuple of str
        What is done to it, for the summary.
    """

    height: int
    width: int
    channels: int
    deep: bool
    remarks: tuple[str, ...]


@contextmanager
def _opened(file: Path, content: bytes | bytearray | None = None) -> Iterator[Any]:
    """An image of a format that is read; what Pillow warns of is an error that names the file."""
    from PIL import Image

    try:
        with reading(file, IMAGE), warned("error"):
            # Not by its name: files that Pillow maps into memory are not always turned as they should be.
            source = file.open("rb") if content is None else io.BytesIO(content)
            with source, Image.open(source, formats=FORMATS) as image:
                yield image
    except (Image.DecompressionBombError, Warning) as error:
        raise HandsonError(f"{file} is not {IMAGE}: {error}") from None


def read_header(file: Path, content: bytes | None = None) -> Header:
    """What a file, or its content, says of its image.

    Raises
    ------
    HandsonError
        For something that is no image, for more than `MOST_PIXELS` pixels, and for values that could not be kept.
    """
    if file.suffix.lower() in FITS:
        from handson.data.reading.containers.fits import image_size

        return Header(*image_size(file), 1, True, ())
    with _opened(file, content) as image:
        if image.width * image.height > MOST_PIXELS:
            raise HandsonError(
                f"{file} has {image.width}x{image.height} pixels; more than {MOST_PIXELS:,} are refused."
            )
        _check_depth(file, image)
        orientation = _orientation(image)
        # Pillow turns TIFF files itself, and gives the turned size.
        sideways = orientation > 4 and image.format != "TIFF"
        height, width = (image.width, image.height) if sideways else (image.height, image.width)
        remarks = [
            name
            for name, applies in (
                ("turned as their EXIF says", orientation > 1),
                ("with transparency, put on white", image.has_transparency_data),
                ("with several frames, of which the first is read", getattr(image, "is_animated", False)),
                ("with inks (CMYK) converted to RGB", image.mode == "CMYK"),
            )
            if applies
        ]
        return Header(height, width, _channels(image), _is_deep(image), tuple(remarks))


def _orientation(image: Any) -> int:
    from PIL import Image

    # That of PNG files would decode the pixels first.
    found = Image.Image.getexif(image).get(ORIENTATION, 1)
    return found if found in TURNS else 1


def _rawmodes(image: Any) -> list[str]:
    """How the pixels lie in the file, by Pillow's names."""
    return [str(args if isinstance(args, str) else (args or ("",))[0]) for *_, args in image.tile]


def _is_deep(image: Any) -> bool:
    return image.mode.startswith(("I", "F")) or any(";16" in raw for raw in _rawmodes(image))


def _channels(image: Any) -> int:
    grey = image.mode.startswith(("I", "F")) or GREY_AND_ALPHA in _rawmodes(image)
    return 1 if grey or image.mode in ("1", "L", "LA", "La") else 3


def _check_depth(file: Path, image: Any) -> None:
    """Raise where Pillow would cut values to 8 bits, and there is no way around it."""
    if image.mode.startswith(("I", "F")):
        return
    cut = [raw for raw in _rawmodes(image) if ";16" in raw and not raw.startswith(DEEP) and raw != GREY_AND_ALPHA]
    deep_ppm = any(
        codec.startswith("ppm") and isinstance(args, tuple) and args[1] > WHITE for codec, _, _, args in image.tile
    )
    if cut or deep_ppm:
        raise HandsonError(
            f"{file} has more than 8 bits in each of its {image.mode} values, and would be cut to 8. Save it as PNG or "
            f"TIFF with RGB colours."
        )


def checked_sides(image_shape: Any, hint: str = "") -> tuple[int, int]:
    """Height and width that a user gave for all images.

    Examples
    --------
    >>> checked_sides([32, 48])
    (32, 48)
    """
    sides = list(image_shape) if isinstance(image_shape, (list, tuple, np.ndarray)) else []
    whole = len(sides) == 2 and all(isinstance(side, Integral) and not isinstance(side, bool) for side in sides)
    if not whole or min(sides) < 1:
        raise HandsonError(
            f"image_shape is (height, width), two whole numbers of at least 1; got {image_shape!r}.{hint}"
        )
    return int(sides[0]), int(sides[1])


def read_pixels(file: Path, image_shape: tuple[int, ...] | None, content: bytes | None = None) -> np.ndarray:
    """The pixels of an image, uint8 or float32, shape (height, width, 1 or 3): turned, on white, and resized.

    The content of the file may have been read already.
    """
    if file.suffix.lower() in FITS:
        from handson.data.reading.containers.fits import read_image

        pixels = read_image(file)
        return pixels if image_shape is None else _resized(pixels, image_shape)
    with _opened(file, content) as image:
        deep, raw = _is_deep(image), _rawmodes(image)
        image.load()
        # After that, because Pillow turns TIFF files itself.
        orientation = _orientation(image)
        if not deep:
            pixels = _plain(image)
        elif GREY_AND_ALPHA in raw:
            pixels = _grey_and_alpha(file, file.read_bytes() if content is None else content)
        elif any(mode.startswith(DEEP) for mode in raw):
            pixels = _on_white(_upper(image) + _lower(file, content), image.info.get("transparency"))
        else:
            pixels = _on_white(np.asarray(image)[..., None], image.info.get("transparency"))
    pixels = TURNS.get(orientation, lambda same: same)(pixels)
    return pixels if image_shape is None else _resized(pixels, image_shape)


def _plain(image: Any) -> np.ndarray:
    """Pixels of 8 bits."""
    from PIL import Image

    mode = "L" if _channels(image) == 1 else "RGB"
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    pixels = np.asarray(image.convert(mode))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _upper(image: Any) -> np.ndarray:
    return np.asarray(image).astype(np.uint16) << 8


def _lower(file: Path, content: bytes | None) -> np.ndarray:
    """The lower bytes of colours of 16 bits."""
    with _opened(file, content) as image:
        image.tile = [_swapped(tile) for tile in image.tile]
        return np.asarray(image).astype(np.uint16)


def _swapped(tile: Any) -> Any:
    """A part of an image in the other byte order."""
    codec, extents, offset, args = tile
    raw = args if isinstance(args, str) else args[0]
    order = raw[-1] if raw[-1] in "LB" else sys.byteorder[0].upper()
    other = raw.partition(";")[0] + (";16L" if order == "B" else ";16B")
    return type(tile)._make((codec, extents, offset, other if isinstance(args, str) else (other, *args[1:])))


def _grey_and_alpha(file: Path, given: bytes) -> np.ndarray:
    """Grey of 16 bits with transparency: the same bytes, declared to be four values of 8 bits."""
    content = bytearray(given)
    content[DEPTH] = b"\x08\x06"
    content[CHECKSUM] = struct.pack(">I", zlib.crc32(content[CHUNK]))
    with _opened(file, content) as image:
        return _on_white(np.asarray(image).view(">u2").astype(np.uint16), None)


def _on_white(pixels: np.ndarray, hidden: Any) -> np.ndarray:
    """Deep pixels as float32; what is transparent, by an alpha channel or a hidden value, is white."""
    shown = pixels.astype(np.float32)
    if pixels.shape[2] in (2, 4):
        alpha = shown[..., -1:] / DEEP_WHITE
        return np.where(alpha == 1, shown[..., :-1], shown[..., :-1] * alpha + DEEP_WHITE * (1 - alpha))
    if hidden is not None:
        shown[(pixels == np.asarray(hidden)).all(2)] = DEEP_WHITE
    return shown


def _resized(pixels: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    size = image_shape[1], image_shape[0]
    bands = [np.ascontiguousarray(pixels[..., band]) for band in range(pixels.shape[2])]
    return np.stack([np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BILINEAR)) for band in bands], 2)
