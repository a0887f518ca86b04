"""Array files: '.npy' and '.npz', read without pickles, headers before arrays."""

from __future__ import annotations

import math
import struct
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError, listing
from handson.data.reading.containers.arrays import check_there
from handson.data.reading.damage import reading
from handson.data.reading.dataset import Dataset
from handson.data.reading.keeping import Keeping
from handson.data.rows.digits import losses_of_columns, narrowed
from handson.data.rows.free_memory import free_memory

if TYPE_CHECKING:
    from handson.data.reading.containers.arrays import Arrays
    from handson.data.rows.stored import StoredRows

# The names under which the inputs are looked for in an '.npz' file when nothing is said.
INPUT_ARRAYS = ("inputs", "images", "features", "x", "X")
NUMBERS = "a file of NumPy numbers"
# The part of a file's header in an archive that has a fixed length; the lengths of its name and of what follows end it.
LOCAL_HEADER, LENGTHS = 30, slice(26, 30)
# An array that is larger than this, and so many times as large as what is stored of it, is made to fill the memory.
MOST_BYTES, MOST_TIMES = 1 << 27, 100

IN_MEMORY = Keeping(in_memory=True)

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_array(path: Path, keeping: Keeping = IN_MEMORY) -> np.ndarray:
    """The array of an '.npy' file.

    Parameters
    ----------
    path : Path
        The file.
    keeping : Keeping
        Whether numbers that are large beside the free memory are mapped, not read.

    Raises
    ------
    HandsonError
        For a file that is damaged, holds Python objects, or declares more values than it has bytes for.
    """
    with reading(path, NUMBERS), path.open("rb") as file:
        return _load(file, path.stat().st_size, str(path), (path, 0), keeping)


class Archive:
    """The arrays of an '.npz' file, each read when it is asked for.

    Parameters
    ----------
    path : Path
        The file.
    keeping : Keeping
        Which arrays stay in the file.
    """

    def __init__(self, path: Path, keeping: Keeping = IN_MEMORY) -> None:
        self.path, self._keeping = path, keeping
        with reading(path, NUMBERS), zipfile.ZipFile(path) as archive:
            self._entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """The names of the arrays."""
        return list(self._entries)

    def stored(self, name: str, what: str) -> np.ndarray | StoredRows:
        """One array; of one that stays in the file, and is not packed, its rows."""
        return _mapped(self._array(name, what, self._keeping), self._keeping)

    def load(self, name: str, what: str) -> np.ndarray:
        """One array in memory; `what` says in an error what it is for."""
        return self._array(name, what, IN_MEMORY)

    def _array(self, name: str, what: str, keeping: Keeping) -> np.ndarray:
        check_there(self.path, name, what, self.names)
        where = f"{self.path}, array {name!r}"
        entry = self._entries[name]
        size, stored = entry.file_size, entry.compress_size
        if size > max(MOST_BYTES, MOST_TIMES * stored):
            raise HandsonError(
                f"{where} is unpacked from {stored:,} bytes to {size:,}: refused, as a file that was made to fill the "
                f"memory. If you trust it, save it again with numpy.savez."
            )
        with reading(self.path, f"{NUMBERS}, array {name!r}"), zipfile.ZipFile(self.path) as archive:
            packed = entry.compress_type != zipfile.ZIP_STORED
            if packed and (keeping.in_memory is False or keeping.window):
                raise HandsonError(
                    f"{where} is packed, and is read at once. Save it with numpy.savez to leave it there."
                )
            keeping = IN_MEMORY if packed else keeping
            return _load(archive.open(f"{name}.npy"), size, where, (self.path, self._start(entry)), keeping)

    def _start(self, entry: zipfile.ZipInfo) -> int:
        """Where the bytes of an array begin in the file."""
        with self.path.open("rb") as file:
            file.seek(entry.header_offset)
            return entry.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", file.read(LOCAL_HEADER)[LENGTHS]))


def _load(file: IO[bytes], size: int, where: str, place: tuple[Path, int], keeping: Keeping) -> np.ndarray:
    """An array; mapped if it stays in its file, in which it begins at a place."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is not read")
    shape, columns_first, dtype = _HEADERS[version](file)
    if math.prod(shape) * dtype.itemsize > size and not dtype.hasobject:
        raise ValueError(f"it declares an array of shape {shape} and type {dtype}, and has {size:,} bytes")
    if not dtype.itemsize or math.prod(shape[1:]) == 0:
        raise HandsonError(f"{where} holds nothing in its rows: it has the shape {shape} and the type {dtype}.")
    if dtype.kind in "biuf" and keeping.stays(math.prod(shape) * _kept_bytes(dtype), free_memory()):
        path, start = place
        return np.memmap(path, dtype, "r", start + file.tell(), shape, "F" if columns_first else "C")
    file.seek(0)
    array = np.lib.format.read_array(file, allow_pickle=False)
    if array.ndim == 0:
        raise HandsonError(f"{where} is the single value {array.item()!r}, not one value for each row.")
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def _kept_bytes(dtype: np.dtype) -> int:
    """Bytes of a value in memory: see `images_or_features`."""
    return 1 if dtype == np.uint8 else 4


def load_groups(path: Path) -> np.ndarray:
    """The groups of the rows: the array of an '.npy' file, or the array 'groups' of an '.npz' file."""
    return Archive(path).load("groups", "groups") if path.suffix.lower() == ".npz" else load_array(path)


def _mapped(array: np.ndarray, keeping: Keeping) -> np.ndarray | StoredRows:
    """The rows of an array that is mapped; another as it is."""
    if not isinstance(array, np.memmap):
        return array
    from handson.data.rows.mapped import MappedRows

    return MappedRows(array, "inputs", keeping.window)


def read_npy(path: Path, targets: Any = None, target_names: Any = None, keeping: Keeping = IN_MEMORY) -> Dataset:
    """Inputs from an '.npy' file, and targets from another one."""
    stored = _mapped(load_array(path, keeping), keeping)
    inputs = images_or_features(stored, path)
    notes = _losses(stored, inputs, _column_names(inputs, None, path.stem, path))
    if targets is None or (isinstance(targets, list) and not targets):
        if target_names is not None:
            raise HandsonError(f"{path}: target_names={target_names!r} names the columns of targets; there are none.")
        return Dataset(inputs, source=str(path), notes=notes)
    if not isinstance(targets, str):
        raise HandsonError(f"{path}: targets is the '.npy' file that holds them; got {targets!r}.")
    if not targets.lower().endswith(".npy"):
        raise HandsonError(
            f"{path} holds one array, and targets={targets!r} names another: give the '.npy' file that holds it."
        )
    if Path(targets).resolve() == path.resolve():
        raise HandsonError(
            f"{path} holds the inputs, and targets={targets!r} is the same file: name that of the targets."
        )
    values = load_array(Path(targets))
    names = _column_names(values, target_names, Path(targets).stem, Path(targets))
    return Dataset(inputs, values, [], names, source=str(path), notes=notes)


def read_arrays(
    archive: Arrays,
    inputs: str | None = None,
    targets: str | None = None,
    groups: Any = None,
    input_names: Any = None,
    target_names: Any = None,
    classes: Any = None,
) -> tuple[Dataset, Any]:
    """A data set from a file with arrays by name, and its classes; all arguments as in `handson.data.read`."""
    path = archive.path
    for what, name in (("inputs", inputs), ("targets", targets)):
        if not (name is None or isinstance(name, str)):
            raise HandsonError(
                f"{path}: {what} is the name of one array; got {name!r}. Arrays: {listing(archive.names)}."
            )

    def texts(given: Any, what: str) -> Any:
        return [str(text) for text in archive.load(given, what)] if isinstance(given, str) else given

    inputs = inputs or next((name for name in INPUT_ARRAYS if name in archive.names), None)
    if inputs is None:
        raise HandsonError(f"{path}: say which array holds the inputs, inputs=NAME. Arrays: {listing(archive.names)}.")
    if inputs == targets:
        raise HandsonError(
            f"{path}: the array {inputs!r} is the inputs and the targets. Arrays: {listing(archive.names)}."
        )
    stored = archive.stored(inputs, "inputs")
    array = images_or_features(stored, path)
    values = None if targets is None else archive.load(targets, "targets")
    grouped = archive.load(groups, "groups") if isinstance(groups, str) else groups
    target_names, input_names = texts(target_names, "target_names"), texts(input_names, "input_names")
    classes = classes if classes == "auto" else texts(classes, "classes")
    named = [] if values is None else _column_names(values, target_names, str(targets), path)
    input_names = [] if array.ndim == 4 else _column_names(array, input_names, inputs, path)
    notes = _losses(stored, array, input_names)
    return Dataset(array, values, input_names, named, None, grouped, None, str(path), notes), classes


def _losses(stored: np.ndarray | StoredRows, kept: np.ndarray | StoredRows, names: list[str]) -> list[str]:
    """What is to be told of inputs that lose digits; of those that stay in their file nothing is known."""
    if not (isinstance(stored, np.ndarray) and isinstance(kept, np.ndarray)):
        return []
    return losses_of_columns(stored, kept.dtype, names)


def _column_names(values: np.ndarray | StoredRows, given: Any, key: str, path: Path) -> list[str]:
    columns = 1 if values.ndim == 1 else values.shape[-1]
    if given is None:
        return [key] if columns == 1 else [f"{key}_{number}" for number in range(columns)]
    if len(given) != columns:
        raise HandsonError(f"{path}: {len(given)} names for the {columns} columns of {key!r}.")
    return list(given)


def images_or_features(array: np.ndarray | StoredRows, path: Path) -> np.ndarray | StoredRows:
    """Images as (n, height, width, channels), everything else as float32, or float64 if its digits need that."""
    if isinstance(array, np.ndarray) and array.dtype.kind not in "biuf":
        raise HandsonError(f"{path}: inputs must be numbers; got {array.dtype}.")
    if isinstance(array, np.ndarray):
        array = array[..., None] if array.ndim == 3 and array.dtype == np.uint8 else array
        return array if array.dtype == np.uint8 else narrowed(array)
    return array.unsqueeze(-1) if array.ndim == 3 and array.source.dtype == np.uint8 else array
