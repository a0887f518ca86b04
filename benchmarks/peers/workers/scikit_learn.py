"""scikit-learn's multi-layer perceptron."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPRegressor

from benchmarks.peers.jobs import ADAM_EPSILON, FOLDS
from benchmarks.peers.workers.adapter import Library

warnings.filterwarnings("ignore", category=ConvergenceWarning)


class Driver(Library):
    """scikit-learn on one job."""

    def net(self, seed: int) -> MLPRegressor:
        return MLPRegressor(
            hidden_layer_sizes=(64, 64),
            alpha=0.0,
            batch_size=self.job.batch,
            max_iter=self.job.epochs,
            n_iter_no_change=self.job.epochs,
            epsilon=ADAM_EPSILON,
            random_state=seed,
        )

    def fit(self, net: MLPRegressor, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        for _ in range(epochs):
            net.partial_fit(x, y.ravel())

    def predict(self, net: MLPRegressor, x: np.ndarray) -> np.ndarray:
        return net.predict(x)

    def folds(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(-cross_val_score(self.net(0), x, y.ravel(), cv=FOLDS, scoring="neg_mean_squared_error").mean())
