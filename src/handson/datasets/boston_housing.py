"""Prices of houses in Boston: 506 rows of 13 numbers (Harrison and Rubinfeld, 1978)."""

from __future__ import annotations

from handson.datasets.arrays import Pair, fetched, split

HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's file in ~/.keras/datasets.

    Parameters
    ----------
    path : str
        Its name there.
    test_split : float
        The share of the second part.
    seed : int
        The seed of the order.
    """
    found = fetched(path, HASH)
    return split(found["x"], found["y"], test_split, seed)
