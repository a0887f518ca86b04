"""The callback through which a NeuralNet's history is kept and its handlers are called."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from handson.callbacks import Callback


class Watch(Callback):
    """Tells a NeuralNet what the loop of handson does.

    Parameters
    ----------
    net : NeuralNet
        The net.
    data : tuple
        (X_train, y_train, X_valid, y_valid), for scores of one's own.
    """

    def __init__(self, net: Any, data: tuple[Any, Any, Any, Any]) -> None:
        self.net, self.data, self.started = net, data, 0.0
        history = net.train_history_
        self.best = {key: min([info[key] for info in history] or [math.inf]) for key in ("train_loss", "valid_loss")}

    @property
    def step_interval(self) -> int | None:
        return 1 if self.net.handlers("on_batch_finished") else None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.net.refresh_settings()
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call("on_batch_finished")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        history = self.net.train_history_
        info: dict[str, Any] = {"epoch": len(history) + 1}
        for key, name in {"train_loss": "loss", "valid_loss": "val_loss"}.items():
            info[key] = float(logs.get(name, math.nan))
            info[f"{key}_best"] = bool(info[key] < self.best[key])
            self.best[key] = min(self.best[key], info[key]) if info[key] == info[key] else self.best[key]
        info["valid_accuracy"] = float(logs.get("val_accuracy", math.nan))
        info |= self._scores()
        info["dur"] = time.perf_counter() - self.started
        history.append(info)
        self._call("on_epoch_finished")

    def _scores(self) -> dict[str, float]:
        """Scores of one's own, of all rows together."""
        x_train, y_train, x_valid, y_valid = self.data
        found: dict[str, float] = {}
        for scores, x, y in ((self.net.valid_scores(), x_valid, y_valid), (self.net.train_scores(), x_train, y_train)):
            if scores and len(y):
                outputs = self.net.predict_proba(x)
                found |= {name: float(np.mean(score(y, outputs))) for name, score in scores}
        return found

    def _call(self, moment: str) -> None:
        try:
            for handler in self.net.handlers(moment):
                handler(self.net, self.net.train_history_)
        except StopIteration:
            self.model.stop_training = True
