"""The history of a training as a callback, as older programs ask for it."""

from __future__ import annotations

from typing import Any

from handson.callbacks import Callback


class History(Callback):
    """Keeps losses and metrics by epoch. `fit` returns a history of its own, which knows more.

    Attributes
    ----------
    history : dict of str to list of float
        One list for each quantity.
    epoch : list of int
        The epochs, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import keras
    >>> history = keras.callbacks.History()
    >>> net = keras.Sequential([keras.layers.Dense(1)])
    >>> net.compile("sgd", "mse")
    >>> _ = net.fit(np.ones((8, 2)), np.ones(8), epochs=2, verbose=0, callbacks=[history])
    >>> history.epoch, len(history.history["loss"])
    ([0, 1], 2)
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
