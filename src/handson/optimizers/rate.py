"""The learning rate as a user reads it: a number that can be assigned to, as Keras's variable can."""

from __future__ import annotations

from typing import Any

import numpy as np


class LearningRate(float):
    """The learning rate of an optimizer at the moment.

    Parameters
    ----------
    value : float
        The number.
    owner : Optimizer
        Whose it is.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> optimizer = SGD(0.5)
    >>> optimizer.learning_rate.assign(0.25)
    >>> optimizer.learning_rate, optimizer.learning_rate.numpy()
    (0.25, array(0.25, dtype=float32))
    """

    _owner: Any
    shape: tuple[int, ...] = ()
    dtype = "float32"

    def __new__(cls, value: float, owner: Any) -> LearningRate:
        found = super().__new__(cls, value)
        found._owner = owner
        return found

    def assign(self, value: Any) -> None:
        """Give the optimizer another rate."""
        self._owner.learning_rate = value

    def numpy(self) -> np.ndarray:
        """The number as an array without axes."""
        return np.array(self, dtype=np.float32)

    def __reduce__(self) -> Any:
        return float, (float(self),)
