"""HDF5 files: their data sets, each in blocks of whole chunks."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.containers.arrays import check_numbers, check_size, check_there, text_or_numbers
from handson.data.reading.containers.hdf5_chunks import Chunks, chunks_of
from handson.data.reading.damage import reading
from handson.data.reading.keeping import Keeping
from handson.data.rows.blocks import Blocks, even_bounds
from handson.data.rows.stored import StoredRows

FILE = "an HDF5 file that can be read"
# Groups in groups, and data sets, at most.
DEEPEST, MOST_SETS = 16, 10_000


class Hdf5File:
    """The arrays of an HDF5 file.

    Only data sets that lie in the file itself are there: links to other files, and data sets that are views of other
    files, could read what nobody meant to read.

    Parameters
    ----------
    path : Path
        The file; it is opened to be read, without a lock.
    keeping : Keeping
        How the inputs are kept.
    """

    def __init__(self, path: Path, keeping: Keeping) -> None:
        self.path, self._keeping = path, keeping
        with reading(path, FILE), opened(path) as file:
            self.names = list(_datasets(file))

    def load(self, name: str, what: str) -> np.ndarray:
        """One array in memory; `what` says in an error what it is for."""
        with reading(self.path, FILE), opened(self.path) as file:
            data = self._checked(file, name, what)
            return text_or_numbers(data[()], f"{self.path}, array {name!r}")

    def stored(self, name: str, what: str) -> StoredRows:
        """One array, whose rows stay in the file."""
        with reading(self.path, FILE), opened(self.path) as file:
            data = self._checked(file, name, what)
            return StoredRows(Blocks(_Dataset(self.path, name, data), self._keeping.window))

    def _checked(self, file: Any, name: str, what: str) -> Any:
        found = _datasets(file)
        check_there(self.path, name, what, found)
        data, where = found[name], f"{self.path}, array {name!r}"
        check_numbers(data.dtype, where, texts=what != "inputs")
        check_size(data.shape, data.dtype, data.id.get_storage_size(), where)
        return data


class _Dataset:
    """Reads the blocks of a data set."""

    def __init__(self, path: Path, key: str, data: Any) -> None:
        self.path, self.key = path, key
        self.name = f"{path}, array {key!r}"
        self.shape, self.dtype = tuple(data.shape), data.dtype
        width = max(1, int(np.prod(self.shape[1:])) * self.dtype.itemsize)
        self.bounds = even_bounds(self.shape[0], data.chunks[0] if data.chunks else 1, width)
        self._start()

    def _start(self) -> None:
        # The library reads one thing after another, and is not to be closed meanwhile.
        self._lock = threading.Lock()
        self._file: Any = None
        self._chunks: Chunks | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_file", "_chunks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def file(self, number: int) -> Path:
        return self.path

    def read(self, number: int, out: np.ndarray) -> None:
        first, last = (int(bound) for bound in self.bounds[number : number + 2])
        with self._lock:
            if self._file is None:
                self._file = opened(self.path)
                self._chunks = chunks_of(self._file[self.key])
            chunks = self._chunks
        if chunks is not None and chunks.hold(first, last):
            try:
                chunks.read(self.path, first, last, out)
                return
            except (zlib.error, EOFError):  # the library says what is wrong, if it cannot read them either
                pass
        with self._lock:
            self._file = self._file or opened(self.path)
            self._file[self.key].read_direct(out, np.s_[first:last])

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None


def opened(path: Path) -> Any:
    """The file, open to be read only; not locked, because file servers often cannot."""
    try:
        import h5py
    except ImportError:
        raise HandsonError("HDF5 files need h5py: pip install 'handson[hdf5]'.") from None
    return h5py.File(path, "r", locking=False)


def _datasets(file: Any) -> dict[str, Any]:
    """The data sets that lie in the file itself, by their paths."""
    import h5py

    found: dict[str, Any] = {}
    waiting, seen = [("", file)], set()
    while waiting and len(found) < MOST_SETS:
        prefix, group = waiting.pop(0)
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or prefix.count("/") > DEEPEST:
            continue
        seen.add(address)
        own = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        for name, entry in ((f"{prefix}{name}", group[name]) for name in own):
            if isinstance(entry, h5py.Group):
                waiting.append((f"{name}/", entry))
            elif isinstance(entry, h5py.Dataset) and entry.shape and not entry.external and not entry.is_virtual:
                found[name] = entry
    return found
