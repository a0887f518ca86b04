"""What every library is asked to do; what follows from it for those that have no call of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.jobs import FOLDS, Job

Predict = Callable[[np.ndarray], np.ndarray]


class Library(ABC):
    """A library on one job.

    Parameters
    ----------
    job : Job
        What is asked for.
    peer : str
        The peer's name, for files that drive more than one.
    """

    def __init__(self, job: Job, peer: str) -> None:
        self.job, self.peer = job, peer

    @abstractmethod
    def net(self, seed: int) -> Any:
        """A new net, ready to be trained."""

    @abstractmethod
    def fit(self, net: Any, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        """Train a net, or go on with it, for some epochs in shuffled batches."""

    @abstractmethod
    def predict(self, net: Any, x: np.ndarray) -> np.ndarray:
        """Outputs; of a classification, probabilities."""

    def ensemble(self, x: np.ndarray, y: np.ndarray) -> Predict:
        """Train nets from different seeds, one after another; their mean prediction."""
        nets = []
        for seed in range(self.job.members):
            nets.append(self.net(seed))
            self.fit(nets[-1], x, y, self.job.epochs)
        return lambda rows: np.mean([self.predict(net, rows) for net in nets], axis=0)

    def folds(self, x: np.ndarray, y: np.ndarray) -> float:
        """Train a net for each fold; the mean loss of the rows left out."""
        losses = []
        for seed, outside in enumerate(np.array_split(np.arange(len(x)), FOLDS)):
            net, inside = self.net(seed), np.delete(np.arange(len(x)), outside)
            self.fit(net, x[inside], y[inside], self.job.epochs)
            losses.append(self.job.loss(self.predict(net, x[outside]), y[outside]))
        return float(np.mean(losses))
