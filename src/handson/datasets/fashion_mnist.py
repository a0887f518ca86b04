"""Clothes: 60000 and 10000 images of 28 x 28 bytes in ten classes (Xiao, Rasul and Vollgraf, 2017)."""

from __future__ import annotations

import gzip
import os

import numpy as np

from handson.core.errors import HandsonError
from handson.datasets.arrays import BASE, Pair
from handson.utils.downloads import get_file


def load_data() -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's files in ~/.keras/datasets/fashion-mnist."""
    parts = [
        (_read(f"{part}-images-idx3-ubyte.gz"), _read(f"{part}-labels-idx1-ubyte.gz")) for part in ("train", "t10k")
    ]
    return parts[0], parts[1]


def _read(name: str) -> np.ndarray:
    path = get_file(name, BASE + name, cache_subdir=os.path.join("datasets", "fashion-mnist"))
    with gzip.open(path) as file:
        content = file.read()
    if len(content) < 8 or content[:3] != b"\0\0\x08":
        raise HandsonError(f"{path} is no file of images or labels (IDX).")
    axes = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(*map(int, axes))
