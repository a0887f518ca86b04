"""Handwritten digits: 60000 and 10000 images of 28 x 28 bytes (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

from handson.datasets.arrays import Pair, fetched

HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's file in ~/.keras/datasets.

    Parameters
    ----------
    path : str
        Its name there.
    """
    found = fetched(path, HASH)
    return (found["x_train"], found["y_train"]), (found["x_test"], found["y_test"])
