"""The nets in the vocabulary that Keras and handson share: one text for both."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.jobs import ADAM_EPSILON, LEARNING_RATE, MOMENTUM, NORM_EPSILON, NORM_MOMENTUM
from benchmarks.peers.workers.adapter import Library


def lecture(layers: Any) -> list[Any]:
    """The fourth lecture's net."""
    net = [layers.Input((96, 96, 1))]
    for filters, size, rate in [(32, 3, 0.1), (64, 2, 0.2), (128, 2, 0.3)]:
        net += [layers.Conv2D(filters, size, activation="relu"), layers.MaxPooling2D(), layers.Dropout(rate)]
    net += [layers.Flatten(), layers.Dense(1000, activation="relu"), layers.Dropout(0.5)]
    return [*net, layers.Dense(1000, activation="relu"), layers.Dense(30)]


def dense(layers: Any) -> list[Any]:
    """5-64-64-1."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    return [layers.Input((5,)), *hidden, layers.Dense(1)]


def lstm(layers: Any) -> list[Any]:
    """A net that reads light curves."""
    return [layers.Input((130, 3)), layers.LSTM(64), layers.Dense(5, activation="softmax")]


def digits(layers: Any) -> list[Any]:
    """Two blocks with batch normalization, and a dense layer."""
    net = [layers.Input((28, 28, 1))]
    for filters in (32, 64):
        norm = layers.BatchNormalization(momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON)
        net += [layers.Conv2D(filters, 3, padding="same"), norm, layers.Activation("relu"), layers.MaxPooling2D()]
    return [*net, layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]


def transformer(layers: Any) -> tuple[Any, Any]:
    """Inputs and outputs of a net that attends to light curves, normalized after each part of its two blocks."""
    inputs = layers.Input((130, 3))
    x = layers.Dense(32)(inputs)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, 8)(x, x)
        x = layers.LayerNormalization(epsilon=NORM_EPSILON)(layers.add([x, attended]))
        hidden = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
        x = layers.LayerNormalization(epsilon=NORM_EPSILON)(layers.add([x, hidden]))
    return inputs, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x))


def text(layers: Any) -> list[Any]:
    """A net that reads texts."""
    return [layers.Input((100,)), layers.Embedding(2000, 32), layers.GRU(64), layers.Dense(2, activation="softmax")]


NETS = {"lecture": lecture, "dense": dense, "lstm": lstm, "digits": digits, "text": text}
# Those that are no plain stack of layers.
GRAPHS = {"transformer": transformer}


class Vocabulary(Library):
    """A library that speaks Keras's words, on one job."""

    module: Any

    def compiled(self, **options: Any) -> Any:
        """The job's net; `options` are arguments of its class."""
        if self.job.net in GRAPHS:
            net = self.module.Model(*GRAPHS[self.job.net](self.module.layers), **options)
        else:
            net = self.module.Sequential(NETS[self.job.net](self.module.layers), **options)
        sgd, adam = self.module.optimizers.SGD, self.module.optimizers.Adam
        nesterov = self.job.optimizer == "nesterov"
        optimizer = sgd(LEARNING_RATE, momentum=MOMENTUM, nesterov=True) if nesterov else adam(epsilon=ADAM_EPSILON)
        net.compile(optimizer, "mse" if self.job.classes is None else "sparse_categorical_crossentropy")
        return net

    def fit(self, net: Any, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        net.fit(x, y, batch_size=self.job.batch, epochs=epochs, verbose=0)

    def predict(self, net: Any, x: np.ndarray) -> np.ndarray:
        return net.predict(x, batch_size=self.job.batch, verbose=0)
