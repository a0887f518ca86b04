"""Callbacks that end a training: when it no longer improves, or when the loss is not a number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.callbacks.base import Callback, Logs, Monitoring
from handson.core import console
from handson.core.errors import number, whole
from handson.core.registry import register
from handson.state.state import named_weights


@register
class EarlyStopping(Monitoring):
    """Stops when a quantity has not improved for some epochs, and can go back to the best weights.

    Parameters
    ----------
    monitor : str
        A key of the history.
    min_delta : float
        The smallest change that counts as better.
    patience : int
        Epochs without improvement after which it stops.
    verbose : int
        1 prints when and why it stopped.
    mode : {'auto', 'min', 'max'}
        Which way is better.
    baseline : float, optional
        A value that must be beaten for the waiting to start anew.
    restore_best_weights : bool
        At the end of the training, stopped early or not, take the weights of the best epoch.
    start_from_epoch : int
        Epochs at the beginning that do not count.

    Examples
    --------
    >>> EarlyStopping(patience=5).patience
    5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole("EarlyStopping: patience", patience, 0)
        self.start_from_epoch = whole("EarlyStopping: start_from_epoch", start_from_epoch, 0)
        self.baseline = None if baseline is None else number("EarlyStopping: baseline", baseline)
        self.verbose, self.restore_best_weights = verbose, restore_best_weights
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch, self.wait, self.stopped_epoch, self.begun = None, 0, 0, 0, False
        self.best_weights: dict[str, Tensor] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._forget()
        self.resolve()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = (logs or {}).get(self.watched)
        if value is None or epoch < self.start_from_epoch:
            return
        # Of the first value there is no saying that it has not improved, also when it is NaN.
        self.wait += int(self.begun or value == value)
        self.begun = True
        if self.improved(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                weights = named_weights(self.model)
                self.best_weights = {name: weight.detach().clone() for name, weight in weights.items()}
            if self.baseline is None or self.improved(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:  # as in Keras, never after the first epoch
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            never = self.best is None
            best = "it was never a number" if never else f"best {self.best:.5g} in epoch {self.best_epoch + 1}"
            console.say(
                f"EarlyStopping: epoch {self.stopped_epoch + 1}: {self.watched} has not improved for {self.wait} "
                f"epochs; {best}."
            )
        if self.best_weights is not None:
            weights = named_weights(self.model)
            with torch.no_grad():
                for name, value in self.best_weights.items():
                    weights[name].copy_(value)
            if self.verbose:
                console.say(f"EarlyStopping: the weights are those of the best epoch, {self.best_epoch + 1}.")

    def state(self) -> dict[str, Any]:
        names = ("best", "best_epoch", "wait", "stopped_epoch", "begun")
        return {name: getattr(self, name) for name in names}

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.best_weights or {})

    def set_state(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        super().set_state(state, tensors)
        self.best_weights = tensors or None


@register
class TerminateOnNaN(Callback):
    """Ends the training quietly at a loss that is NaN or infinite, and says in which layer it began.

    Without this callback `fit` raises `TrainingError` then, with the same words.
    """
