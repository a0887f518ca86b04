"""What CIFAR-10 and CIFAR-100 share: their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handson.core.errors import HandsonError
from handson.datasets.arrays import unpickled
from handson.utils.downloads import get_file


def folder(name: str, inner: str, file_hash: str) -> Path:
    """The unpacked folder of one of the two."""
    origin = f"https://www.cs.toronto.edu/~kriz/{name}-python.tar.gz"
    place = get_file(f"{inner}-target", origin, extract=True, file_hash=file_hash)
    return Path(place) / inner


def read_batch(path: Path, key: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) and classes (n, 1), as bytes."""
    with path.open("rb") as file:
        found = unpickled(file, encoding="bytes")
    if not isinstance(found, dict) or key.encode() not in found:
        raise HandsonError(f"{path} has no {key}.")
    images = np.asarray(found[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(found[key.encode()], np.uint8)[:, None]
