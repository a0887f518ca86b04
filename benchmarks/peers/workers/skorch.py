"""skorch, without its validation split and its printing."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import cross_val_score
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor

from benchmarks.peers.jobs import FOLDS
from benchmarks.peers.workers import torch_nets
from benchmarks.peers.workers.adapter import Library


class Driver(Library):
    """skorch on one job."""

    def net(self, seed: int) -> NeuralNet:
        optimizer, options = torch_nets.optimizer_options(self.job)
        kind = NeuralNetRegressor if self.job.classes is None else NeuralNetClassifier
        return kind(
            torch_nets.make(self.job, seed),
            criterion=torch_nets.loss_of(self.job),
            optimizer=optimizer,
            **{f"optimizer__{name}": value for name, value in options.items()},
            batch_size=self.job.batch,
            max_epochs=self.job.epochs,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )

    def fit(self, net: NeuralNet, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        net.partial_fit(torch_nets.tensors(x), y, epochs=epochs)

    def predict(self, net: NeuralNet, x: np.ndarray) -> np.ndarray:
        return net.predict_proba(torch_nets.tensors(x))

    def folds(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(-cross_val_score(self.net(0), x, y, cv=FOLDS, scoring="neg_mean_squared_error").mean())
