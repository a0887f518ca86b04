"""Arrays in files of Keras's cache, read without running what a file says."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.utils.downloads import get_file

BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
Pair = tuple[Any, Any]

# All that a pickled array of numbers, or of lists of them, is made of.
_KNOWN = {
    (module, name): target
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
    for name, target in (
        ("ndarray", np.ndarray),
        ("dtype", np.dtype),
        ("_reconstruct", np._core.multiarray._reconstruct),  # type: ignore[attr-defined]
    )
}


class _Arrays(pickle.Unpickler):
    """Reads arrays, lists, dictionaries and numbers; a file that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise HandsonError(
                f"a data set holds arrays of numbers; this file names {module}.{name}, and is not read."
            ) from None


def unpickled(file: Any, encoding: str = "ASCII") -> Any:
    """What a pickle of arrays holds."""
    try:
        return _Arrays(file, encoding=encoding).load()
    except (pickle.UnpicklingError, EOFError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise HandsonError(f"the file of the data set is damaged: {error}.") from None


def read_npz(path: str) -> dict[str, np.ndarray]:
    """The arrays of a '.npz' file, also those of lists."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {Path(name).stem: _member(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise error if isinstance(error, HandsonError) else HandsonError(f"{path} is damaged: {error}.") from None


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        _, _, dtype = read(file)
        if dtype.hasobject:
            return unpickled(file)
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def fetched(name: str, file_hash: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file of Keras's collection, in the cache or from the net."""
    return read_npz(get_file(Path(name).name, BASE + Path(name).name, file_hash=file_hash))


def split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> tuple[Pair, Pair]:
    """Rows in Keras's order for a seed, in two parts."""
    if not 0 <= test_split < 1:
        raise HandsonError(f"test_split lies between 0 and 1; got {test_split!r}.")
    (order,) = shuffled(seed, len(x))
    x, y = np.asarray(x)[order], np.asarray(y)[order]
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])


def shuffled(seed: int, *counts: int) -> list[np.ndarray]:
    """Keras's orders of rows for a seed, one after the other from one generator."""
    rng = np.random.RandomState(seed)
    orders = [np.arange(count) for count in counts]
    for order in orders:
        rng.shuffle(order)
    return orders
