"""Zarr folders (formats 2 and 3): their arrays, each in blocks of whole chunks or shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, listing
from handson.data.reading.containers.arrays import check_numbers, check_size, check_there, text_or_numbers
from handson.data.reading.containers.zarr_chunks import chunks_of
from handson.data.reading.damage import reading
from handson.data.reading.keeping import Keeping
from handson.data.rows.blocks import Blocks, even_bounds
from handson.data.rows.stored import StoredRows

FOLDER = "a Zarr folder that can be read"
# Codecs that only move and pack bytes: others may run code ('pickle'), or read what they are told to.
CODECS = {
    "bytes", "endian", "transpose", "sharding_indexed", "crc32c", "crc32", "adler32", "fletcher32", "jenkins_lookup3",
    "gzip", "zlib", "zstd", "blosc", "lz4", "bz2", "lzma", "pcodec", "zfpy", "shuffle", "bitshuffle", "delta",
    "fixedscaleoffset", "scale_offset", "cast_value", "quantize", "bitround", "packbits", "astype",
}  # fmt: skip
TEXT_CODECS = {"vlen-utf8"}


class ZarrFolder:
    """The arrays of a Zarr folder, opened to be read only; its own array is called 'data' if it is one.

    Parameters
    ----------
    path : Path
        The folder.
    keeping : Keeping
        How the inputs are kept.
    """

    def __init__(self, path: Path, keeping: Keeping) -> None:
        self.path, self._keeping = path, keeping
        with reading(path, FOLDER):
            self.names = [name for name, array in _arrays(path) if array.shape]

    def load(self, name: str, what: str) -> np.ndarray:
        """One array in memory; `what` says in an error what it is for."""
        with reading(self.path, FOLDER):
            array = self._checked(name, what)
            return text_or_numbers(array[...], f"{self.path}, array {name!r}")

    def stored(self, name: str, what: str) -> StoredRows:
        """One array, whose rows stay in the folder."""
        with reading(self.path, FOLDER):
            array = self._checked(name, what)
            return StoredRows(Blocks(_Array(self.path, name, array), self._keeping.window))

    def _checked(self, name: str, what: str) -> Any:
        check_there(self.path, name, what, self.names)
        array, where = _opened(self.path, name), f"{self.path}, array {name!r}"
        texts = what != "inputs"
        check_numbers(array.dtype, where, texts)
        strange = sorted(set(_codecs(array.metadata.to_dict())) - CODECS - (TEXT_CODECS if texts else set()))
        if strange:
            raise HandsonError(f"{where} is packed with {listing(strange)}, which is not read.")
        check_size(array.shape, np.dtype(array.dtype), array.nbytes_stored(), where)
        return array


class _Array:
    """Reads the blocks of an array."""

    def __init__(self, path: Path, key: str, array: Any) -> None:
        self.path, self.key = path, key
        self.name = f"{path}, array {key!r}"
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        width = max(1, int(np.prod(self.shape[1:])) * self.dtype.itemsize)
        self.bounds = even_bounds(self.shape[0], (array.shards or array.chunks)[0], width)
        self._opened: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_opened": None}

    def file(self, number: int) -> None:
        """None: a chunk is a file of its own, one of many."""

    def read(self, number: int, out: np.ndarray) -> None:
        opened = self._opened
        if opened is None:
            array = _opened(self.path, self.key)
            self._opened = opened = array, chunks_of(array, self.path / array.path)
        array, chunks = opened
        first, last = (int(bound) for bound in self.bounds[number : number + 2])
        if chunks is None or not chunks.read(first, last, out):
            out[:] = array[first:last]

    def close(self) -> None:
        self._opened = None


def _opened(path: Path, key: str | None) -> Any:
    """What is in the folder, or one of its arrays, to be read only."""
    try:
        import zarr
    except ImportError:
        raise HandsonError("Zarr folders need zarr: pip install 'handson[zarr]'.") from None
    _check_inside(path, key or "")
    found: Any = zarr.open(str(path), mode="r")
    return found[key] if key is not None and hasattr(found, "members") else found


def _arrays(path: Path) -> Iterator[tuple[str, Any]]:
    """The arrays of a folder, by their paths in it."""
    found = _opened(path, None)
    if not hasattr(found, "members"):
        yield "data", found
        return
    for name, member in sorted(found.members(max_depth=None)):
        if hasattr(member, "shape"):
            yield name, member


def _check_inside(path: Path, key: str) -> None:
    """Raise for an array that is linked to from the folder, and lies somewhere else."""
    place, root = (path / key).resolve(), path.resolve()
    if root not in (place, *place.parents):
        raise HandsonError(f"{path / key} is a link that leads out of the folder, to {place}. Copy what it leads to.")


def _codecs(metadata: Any) -> Iterator[str]:
    """The names of all codecs in an array's metadata, those within shards included."""
    if isinstance(metadata, (list, tuple)):
        for part in metadata:
            yield from _codecs(part)
        return
    if not isinstance(metadata, dict):
        return
    for key in ("codecs", "index_codecs", "filters", "compressor"):
        parts = metadata.get(key) or ()
        for part in parts if isinstance(parts, (list, tuple)) else (parts,):
            name = part.get("name", part.get("id", "")) if isinstance(part, dict) else type(part).__name__
            yield str(name).removeprefix("numcodecs.")
            yield from _codecs(part.get("configuration") if isinstance(part, dict) else None)
