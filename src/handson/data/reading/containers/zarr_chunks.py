"""Chunks of Zarr, read from their files and unpacked straight into place.

The library goes through an event loop and threads of its own for each chunk, which takes longer than unpacking it.
Arrays of whole rows, packed with zstd, blosc or not at all, are read without; all others are the library's.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Chunks(NamedTuple):
    """Where the rows of an array lie.

    Attributes
    ----------
    folder : Path
        That of the array.
    metadata : object
        What the library knows of it: the names of its chunks.
    shape : tuple of int
        Rows of a chunk, and the shape of each.
    codec : object or None
        Unpacks a chunk: ``decode(bytes, out)``.
    """

    folder: Path
    metadata: Any
    shape: tuple[int, ...]
    codec: Any

    def read(self, first: int, last: int, out: np.ndarray) -> bool:
        """Put the rows of some chunks into an array; False where the library has to, or says what is wrong."""
        rows, row = self.shape[0], (0,) * (len(self.shape) - 1)
        for start in range(first, last, rows):
            path = self.folder / self.metadata.encode_chunk_key((start // rows, *row))
            part = out[start - first : start - first + rows]
            try:
                self._unpack(path.read_bytes(), part)
            except (FileNotFoundError, ValueError, RuntimeError):
                return False
        return True

    def _unpack(self, content: bytes, out: np.ndarray) -> None:
        whole = out if len(out) == self.shape[0] else np.empty(self.shape, out.dtype)
        if self.codec is not None:
            self.codec.decode(content, whole)
        else:
            np.copyto(whole, np.frombuffer(content, out.dtype).reshape(self.shape))
        if whole is not out:
            out[:] = whole[: len(out)]


def chunks_of(array: Any, folder: Path) -> Chunks | None:
    """How the chunks of an array are read; None where the library has to read them."""
    if math.prod(array.chunks[1:]) != math.prod(array.shape[1:]) or array.shards or array.dtype.kind not in "iuf":
        return None
    metadata = array.metadata
    if metadata.zarr_format == 2:
        known = metadata.order == "C" and not metadata.filters
        codec = metadata.compressor
    else:
        names = [type(one).__name__ for one in metadata.codecs]
        known = names[:1] == ["BytesCodec"] and len(names) <= 2 and _is_native(metadata.codecs[0], array.dtype)
        codec = metadata.codecs[1] if len(names) == 2 else None
    return Chunks(folder, metadata, tuple(array.chunks), _numcodec(codec)) if known and _is_known(codec) else None


def _is_native(codec: Any, dtype: np.dtype) -> bool:
    return dtype.itemsize == 1 or getattr(codec.endian, "value", codec.endian) == sys.byteorder


def _is_known(codec: Any) -> bool:
    return codec is None or type(codec).__name__ in ("Zstd", "ZstdCodec", "Blosc", "BloscCodec")


def _numcodec(codec: Any) -> Any:
    """The codec that unpacks what was packed with one of format 2, or of format 3."""
    import numcodecs

    name = type(codec).__name__.removesuffix("Codec")
    return None if codec is None else {"Zstd": numcodecs.Zstd, "Blosc": numcodecs.Blosc}[name]()
