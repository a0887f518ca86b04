"""Prices of houses in California: 20640 rows of 8 numbers (Pace and Barry, 1997)."""

from __future__ import annotations

from handson.datasets.arrays import Pair, fetched, split
from handson.layers.preprocessing.encoding import chosen

HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's file in ~/.keras/datasets.

    Parameters
    ----------
    version : {'large', 'small'}
        All rows, or the first 600.
    path : str
        The file's name there.
    test_split : float
        The share of the second part.
    seed : int
        The seed of the order.
    """
    rows = slice(600 if chosen("load_data", "version", version, ("large", "small")) == "small" else None)
    found = fetched(path, HASH)
    return split(found["x"][rows], found["y"][rows], test_split, seed)
