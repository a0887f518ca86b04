"""What a worker does in a round of each kind of job, and the loss that shows that it was done."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.jobs import Job
from benchmarks.peers.workers.adapter import Library, Predict

# The final loss is that of so many of the training rows, in evaluation mode.
JUDGED = 1000
ROWS_BEFORE_PREDICTION = 16_000


class Fit:
    """Goes on with one net."""

    def __init__(self, library: Library, job: Job) -> None:
        self.adapter, self.job = library, job
        self.x, self.y = job.data()
        self.net: Any = None

    def run(self) -> None:
        if self.net is None:
            self.net = self.adapter.net(0)
        self.adapter.fit(self.net, self.x, self.y, self.job.epochs)

    def loss(self) -> float:
        return self.job.loss(self.adapter.predict(self.net, self.x[:JUDGED]), self.y[:JUDGED])


class Ensemble(Fit):
    """Trains several nets anew each time."""

    predict: Predict

    def run(self) -> None:
        self.predict = self.adapter.ensemble(self.x, self.y)

    def loss(self) -> float:
        return self.job.loss(self.predict(self.x[:JUDGED]), self.y[:JUDGED])


class Folds(Fit):
    """Trains a net for each fold anew each time."""

    found: float

    def run(self) -> None:
        self.found = self.adapter.folds(self.x, self.y)

    def loss(self) -> float:
        return self.found


class Prediction(Fit):
    """Predicts with a net that was trained before."""

    outputs: np.ndarray

    def __init__(self, library: Library, job: Job) -> None:
        super().__init__(library, job)
        rows = min(ROWS_BEFORE_PREDICTION, job.rows)
        self.net = library.net(0)
        library.fit(self.net, self.x[:rows], self.y[:rows], job.epochs)

    def run(self) -> None:
        self.outputs = self.adapter.predict(self.net, self.x)

    def loss(self) -> float:
        return self.job.loss(self.outputs, self.y)


TASKS = {"fit": Fit, "start": Fit, "ensemble": Ensemble, "folds": Folds, "predict": Prediction}
