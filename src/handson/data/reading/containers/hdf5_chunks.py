"""Chunks of HDF5, read where they lie in the file: without the library's lock, and straight into place.

The library says where each chunk is and how it is packed. What it then does with most files, reading bytes, unpacking
them with zlib and putting them in order, several threads may do at once.
"""

from __future__ import annotations

import math
import zlib
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# The filters that are undone here; a file with others is read by the library.
DEFLATE, SHUFFLE = 1, 2


class Chunks(NamedTuple):
    """Where the rows of a data set lie.

    Attributes
    ----------
    rows : int
        Rows of a chunk; the last one may go beyond the data.
    width : int
        Bytes of a row.
    filters : tuple of int
        What was done to the bytes of a chunk, in order.
    item : int
        Bytes of a value.
    places, sizes, masks : ndarray of int64
        Of each chunk the first byte in the file, or -1 where the file has none; its bytes; and the filters, as bits,
        that were left out.
    """

    rows: int
    width: int
    filters: tuple[int, ...]
    item: int
    places: np.ndarray
    sizes: np.ndarray
    masks: np.ndarray

    def hold(self, first: int, last: int) -> bool:
        """Whether the file has all chunks of some rows, which are the fill value else."""
        return bool((self.places[first // self.rows : -(-last // self.rows)] >= 0).all())

    def read(self, path: Path, first: int, last: int, out: np.ndarray) -> None:
        """Put some rows into an array; those of packed chunks begin with a chunk."""
        content = out.reshape(-1).view(np.uint8).data
        with path.open("rb", buffering=0) as file:
            for number in range(first // self.rows, -(-last // self.rows)):
                start = number * self.rows
                begin, end = max(first, start), min(last, start + self.rows)
                part = content[(begin - first) * self.width : (end - first) * self.width]
                if not self._done(number):
                    _fill(file, int(self.places[number]) + (begin - start) * self.width, part)
                else:
                    self._unpack(file, number, np.frombuffer(part, np.uint8))

    def _done(self, number: int) -> list[int]:
        """What was done to the bytes of a chunk."""
        return [kind for bit, kind in enumerate(self.filters) if not int(self.masks[number]) >> bit & 1]

    def _unpack(self, file: FileIO, number: int, out: np.ndarray) -> None:
        packed, whole, done = bytearray(int(self.sizes[number])), self.rows * self.width, self._done(number)
        _fill(file, int(self.places[number]), memoryview(packed))
        values = np.frombuffer(_inflated(packed, whole) if DEFLATE in done else packed, np.uint8)
        if len(values) != whole:
            raise EOFError(f"a chunk of {len(values):,} bytes, of {whole:,}")
        if SHUFFLE in done:
            for place, part in enumerate(values.reshape(self.item, -1)):
                out[place :: self.item] = part[: len(out) // self.item]
        else:
            out[:] = values[: len(out)]


def chunks_of(data: Any) -> Chunks | None:
    """Where the chunks of a data set are; None where the library has to read it."""
    import h5py

    pieces, filters = _layout(data)
    plain = data.dtype.kind in "iuf" and data.id.get_type() == h5py.h5t.py_create(data.dtype, logical=True)
    if pieces is None or filters is None or not plain or data.file.userblock_size:
        return None
    if not hasattr(data.id, "chunk_iter"):  # of an HDF5 before 1.14
        return None
    count = -(-data.shape[0] // pieces)
    width = math.prod(data.shape[1:]) * data.dtype.itemsize
    places, sizes, masks = np.full(count, -1), np.zeros(count, np.int64), np.zeros(count, np.int64)
    if data.chunks is None:
        places[0], sizes[0] = data.id.get_offset(), data.shape[0] * width
    else:

        def note(found: Any) -> None:
            number = found.chunk_offset[0] // pieces
            places[number], sizes[number], masks[number] = found.byte_offset, found.size, found.filter_mask

        data.id.chunk_iter(note)
    if (sizes > Path(data.file.filename).stat().st_size).any():
        return None  # it was made to fill the memory; the library says what is wrong
    return Chunks(pieces, width, filters, data.dtype.itemsize, places, sizes, masks)


def _layout(data: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """The rows of a chunk, all of which have whole rows; and the filters, if they are known here."""
    if data.chunks is None:
        return (data.shape[0] if data.id.get_offset() is not None else None), ()
    steps = data.id.get_create_plist()
    filters = tuple(steps.get_filter(number)[0] for number in range(steps.get_nfilters()))
    known = filters in ((), (DEFLATE,), (SHUFFLE,), (SHUFFLE, DEFLATE))
    return (data.chunks[0] if data.chunks[1:] == data.shape[1:] else None), filters if known else None


def _inflated(packed: bytearray, most: int) -> bytes:
    """What zlib packed, not more than so many bytes."""
    unpack = zlib.decompressobj()
    found = unpack.decompress(packed, most)
    if not unpack.eof and unpack.decompress(unpack.unconsumed_tail, 1):
        raise EOFError(f"a chunk of more than {most:,} bytes")
    return found


def _fill(file: FileIO, place: int, out: memoryview) -> None:
    """Read from a place in a file until an array is full."""
    file.seek(place)
    while len(out):
        count = file.readinto(out)
        if not count:
            raise EOFError("the file ends in the middle of them")
        out = out[count:]
