"""Small photographs: 50000 and 10000 images of 32 x 32 x 3 bytes in a hundred classes (Krizhevsky, 2009)."""

from __future__ import annotations

from handson.datasets.arrays import Pair
from handson.datasets.cifar import folder, read_batch
from handson.layers.preprocessing.encoding import chosen

HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's folder in ~/.keras/datasets.

    Parameters
    ----------
    label_mode : {'fine', 'coarse'}
        A hundred classes, or twenty.
    """
    key = f"{chosen('cifar100.load_data', 'label_mode', label_mode, ('fine', 'coarse'))}_labels"
    place = folder("cifar-100", "cifar-100-python", HASH)
    return read_batch(place / "train", key), read_batch(place / "test", key)
