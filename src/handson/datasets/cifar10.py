"""Small photographs: 50000 and 10000 images of 32 x 32 x 3 bytes in ten classes (Krizhevsky, 2009)."""

from __future__ import annotations

import numpy as np

from handson.datasets.arrays import Pair
from handson.datasets.cifar import folder, read_batch

HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's folder in ~/.keras/datasets."""
    place = folder("cifar-10", "cifar-10-batches-py", HASH)
    parts = [read_batch(place / f"data_batch_{number}") for number in range(1, 6)]
    images, classes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return (images, classes), read_batch(place / "test_batch")
