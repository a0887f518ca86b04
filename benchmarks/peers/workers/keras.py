"""Keras on the backend that the variable KERAS_BACKEND names."""

from __future__ import annotations

import keras

from benchmarks.peers.workers.vocabulary import Vocabulary


class Driver(Vocabulary):
    """Keras on one job."""

    module = keras

    def net(self, seed: int) -> keras.Sequential:
        keras.utils.set_random_seed(seed)
        return self.compiled()
