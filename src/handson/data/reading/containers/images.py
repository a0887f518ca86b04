"""Images that stay in their files, and are decoded by threads when their rows are asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.image_files import Header, read_pixels
from handson.data.rows.ahead import READERS
from handson.data.rows.blocks import BrokenRowsError
from handson.data.rows.patience import DiskError, patiently
from handson.data.rows.stored import Places, put

# Several threads ask for rows at once, and share the threads that decode.
_STARTING = threading.Lock()


class Pictures:
    """The `handson.data.rows.stored.Source` of image files: each is read by itself, in any order.

    Parameters
    ----------
    files : list of Path
        The files.
    shape : (int, int, int)
        Height, width and channels that all images get.
    sizes : list of (int, int)
        Height and width of each as it is; another one than ``shape`` is resized.
    deep : bool
        Whether values are float32, and not uint8.
    """

    bounds, window = None, 0

    def __init__(
        self, files: Sequence[Path], shape: tuple[int, int, int], sizes: Sequence[tuple[int, int]], deep: bool
    ) -> None:
        self._files, self._sizes = list(files), list(sizes)
        self.shape = (len(self._files), *shape)
        self.dtype = np.dtype(np.float32 if deep else np.uint8)
        self._pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_pool": None}

    def fill(self, places: Places, out: np.ndarray) -> None:
        """Decode some images into an array.

        Raises
        ------
        BrokenRowsError
            For files that cannot be read.
        """
        with _STARTING:
            pool = self._pool = self._pool or ThreadPoolExecutor(READERS, "handson-read-images")
        for target, pixels in enumerate(pool.map(self._decoded, np.asarray(places).tolist())):
            put(pixels, out, target)

    def _decoded(self, row: int) -> np.ndarray:
        file, shape = self._files[row], self.shape[1:3]
        try:
            return patiently(str(file), lambda: self._pixels(file, None if self._sizes[row] == shape else shape), _pass)
        except DiskError:
            raise
        except (HandsonError, OSError) as error:
            raise BrokenRowsError({row: str(error)}) from error

    def _pixels(self, file: Path, shape: tuple[int, ...] | None) -> np.ndarray:
        with file.open("rb") as opened:  # what the disk says, and not the decoder
            content = opened.read()
        return fitting(read_pixels(file, shape, content), self.shape[1:], self.dtype, str(file))

    def broken(self) -> dict[int, str]:
        """Rows that cannot be read, and why; every file is read."""

        def check(row: int) -> dict[int, str]:
            try:
                self._decoded(row)
            except BrokenRowsError as error:
                return error.rows
            return {}

        with ThreadPoolExecutor(READERS, "handson-check") as pool:
            return {row: reason for found in pool.map(check, range(self.shape[0])) for row, reason in found.items()}

    def announce(self, places: Places) -> None:
        """Nothing: images are decoded ahead, batch by batch."""

    def close(self) -> None:
        """End the threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()


def fitting(pixels: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, where: str) -> np.ndarray:
    """Pixels, if they are of a size and kind; grey ones among coloured ones become coloured."""
    if pixels.shape[:2] != shape[:2]:
        raise HandsonError(f"{where} is not an image that can be read: its size is not the one it declares.")
    if pixels.dtype != dtype or (pixels.shape[2] > shape[2]):
        raise HandsonError(
            f"{where} has {pixels.shape[2]} channels of {pixels.dtype}, and the first image {shape[2]} of {dtype}."
        )
    return np.broadcast_to(pixels, shape)


def _pass() -> None:
    """A file is opened each time that it is read."""


def of_headers(files: Sequence[Path], headers: Sequence[Header], shape: tuple[int, int]) -> Pictures:
    """The images of files whose headers are known."""
    channels = max(header.channels for header in headers)
    sizes = [(header.height, header.width) for header in headers]
    return Pictures(files, (*shape, channels), sizes, headers[0].deep)
