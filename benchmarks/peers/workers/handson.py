"""handson, with its own calls for ensembles and folds where the installed version has them."""

from __future__ import annotations

from typing import Any

import numpy as np

import handson
import handson.layers
import handson.optimizers
from benchmarks.peers.jobs import FOLDS
from benchmarks.peers.workers.adapter import Predict
from benchmarks.peers.workers.vocabulary import Vocabulary


class Driver(Vocabulary):
    """handson on one job."""

    module: Any = handson

    def net(self, seed: int) -> Any:
        return self.compiled(seed=seed)

    def ensemble(self, x: np.ndarray, y: np.ndarray) -> Predict:
        if not hasattr(handson, "deep_ensemble"):
            return super().ensemble(x, y)
        members = self.job.members
        predict: Predict = self.module.deep_ensemble(self.net, x, y, members, seed=0, **self._training()).predict
        return predict

    def folds(self, x: np.ndarray, y: np.ndarray) -> float:
        if not hasattr(handson, "cross_validate"):
            return super().folds(x, y)
        found = self.module.cross_validate(self.net, x, y, FOLDS, seed=0, **self._training())
        return float(found.scores["loss"].mean())

    def _training(self) -> dict[str, Any]:
        return {"epochs": self.job.epochs, "batch_size": self.job.batch, "verbose": 0}
