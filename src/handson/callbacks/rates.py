"""Callbacks that change the learning rate between epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from handson.callbacks.base import Callback, Logs, Monitoring
from handson.core import console
from handson.core.described import why_not
from handson.core.errors import HandsonError, number, whole
from handson.core.registry import register


def current_rate(owner: Any, model: Any) -> float:
    """The learning rate as a number, or an error when a schedule rules it."""
    rate = model.optimizer.given_rate
    if rate is None:
        raise HandsonError(
            f"{type(owner).__name__} sets the learning rate, but the optimizer has the schedule "
            f"{model.optimizer.schedule!r}. Give the optimizer a number, or leave the callback out."
        )
    return float(rate)


@register
class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of every epoch.

    Parameters
    ----------
    schedule : function
        From the epoch (from 0) and the current rate, or from the epoch alone, to the rate.
    verbose : int
        1 prints the rate.

    Examples
    --------
    >>> LearningRateScheduler(lambda epoch, rate: rate * 0.9).verbose
    0
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise HandsonError(f"LearningRateScheduler needs a function of the epoch and the rate; got {schedule!r}.")
        self._takes_rate = why_not(schedule, 0, 0.1) is None
        if not self._takes_rate and (why := why_not(schedule, 0)) is not None:
            raise HandsonError(f"LearningRateScheduler needs a function of (epoch, rate) or of the epoch: {why}.")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = current_rate(self, self.model)
        value = self.schedule(epoch, rate) if self._takes_rate else self.schedule(epoch)
        self.model.optimizer.learning_rate = rate = _number(value)
        if self.verbose:
            console.say(f"LearningRateScheduler: epoch {epoch + 1}: the learning rate is {rate:.5g}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = current_rate(self, self.model)


def _number(value: Any) -> float:
    """What a function of the epoch returned, as a number: Python's, NumPy's or a tensor of one value."""
    array = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    if array.size != 1 or array.dtype.kind not in "iuf" or not array.item() >= 0:
        raise HandsonError(
            f"LearningRateScheduler: the function must return a number that is not negative; got {value!r}."
        )
    return float(array.item())


@register
class ReduceLROnPlateau(Monitoring):
    """Lowers the learning rate when a quantity has stopped improving.

    Parameters
    ----------
    monitor : str
        A key of the history.
    factor : float
        The rate is multiplied by it, below 1.
    patience : int
        Epochs without improvement after which the rate is lowered.
    verbose : int
        1 prints when it happens.
    mode : {'auto', 'min', 'max'}
        Which way is better.
    min_delta : float
        The smallest change that counts as better.
    cooldown : int
        Epochs to wait after lowering.
    min_lr : float
        The lowest rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.min_lr = number("ReduceLROnPlateau: min_lr", min_lr)
        if not 0 < number("ReduceLROnPlateau: factor", factor) < 1:
            raise HandsonError(f"ReduceLROnPlateau: factor lies between 0 and 1; got {factor}.")
        self.patience = whole("ReduceLROnPlateau: patience", patience, 0)
        self.cooldown = whole("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.factor, self.verbose = factor, verbose
        self.wait = self.cooling = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.wait, self.cooling = None, 0, 0
        current_rate(self, self.model)
        self.resolve()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = current_rate(self, self.model)
        value = logs.get(self.watched)
        if value is None:
            return
        if self.cooling:
            self.cooling, self.wait = self.cooling - 1, 0
        if self.improved(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooling:
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def in_cooldown(self) -> bool:
        """Whether epochs are not counted yet, since the rate was lowered."""
        return self.cooling > 0

    def _lower(self, epoch: int) -> None:
        rate = current_rate(self, self.model)
        if rate <= self.min_lr:
            return
        lowered = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = lowered
        self.cooling, self.wait = self.cooldown, 0
        if self.verbose:
            console.say(f"ReduceLROnPlateau: epoch {epoch + 1}: the learning rate is now {lowered:.5g}.")

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "wait": self.wait, "cooling": self.cooling}


@register
class LambdaCallback(Callback):
    """A callback made of functions, for the moments they are named after.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : function of (epoch, logs), optional
        Around each epoch.
    on_train_begin, on_train_end : function of (logs), optional
        Around the training.
    on_train_batch_begin, on_train_batch_end : function of (batch, logs), optional
        Around each step; `on_batch_begin` and `on_batch_end` are other names.
    on_test_begin, on_test_end, on_predict_begin, on_predict_end : function of (logs), optional
        Around an evaluation or prediction.
    on_test_batch_begin, ..., on_predict_batch_end : function of (batch, logs), optional
        Around each of its batches.

    Examples
    --------
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))
    >>> callback.on_epoch_end(0, {"loss": 1.0})
    0 {'loss': 1.0}
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_test_begin: Callable[..., Any] | None = None,
        on_test_end: Callable[..., Any] | None = None,
        on_test_batch_begin: Callable[..., Any] | None = None,
        on_test_batch_end: Callable[..., Any] | None = None,
        on_predict_begin: Callable[..., Any] | None = None,
        on_predict_end: Callable[..., Any] | None = None,
        on_predict_batch_begin: Callable[..., Any] | None = None,
        on_predict_batch_end: Callable[..., Any] | None = None,
    ) -> None:
        given = {name: function for name, function in locals().items() if name.startswith("on_")}
        self._functions = {name: function for name, function in given.items() if function is not None}
        for name, function in self._functions.items():
            if not callable(function):
                raise HandsonError(f"LambdaCallback: {name} is a function; got {function!r}.")
            setattr(self, name, function)
