"""What all callbacks share, and the list that the loop calls."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from torch import Tensor

from handson.core.described import Noun
from handson.core.errors import HandsonError, listing, nearest
from handson.metrics import Metric
from handson.optimizers import Optimizer

Logs = dict[str, float]


class TrainedModel(Protocol):
    """What callbacks need of a model; a `handson.Model` has it and much more."""

    optimizer: Optimizer
    stop_training: bool

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics."""

    def tell(self, text: str) -> None:
        """Print what was decided, unless the training is silent."""

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the net, its weights and its optimizer."""

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights."""

    def state_dict(self, *, keep_vars: bool = False) -> dict[str, Any]:
        """The weights by name, as of any `torch.nn.Module`."""


class Callback(Noun):
    """The base of all callbacks: override the methods for the moments that matter to you.

    Attributes
    ----------
    model : Model
        The net that is trained; ``self.model.stop_training = True`` ends the training after the epoch.
    params : dict
        'epochs', 'steps', 'batch_size', and 'metrics': the names of what is measured.

    Notes
    -----
    A callback that overrides `on_train_batch_begin` or `on_train_batch_end` makes the engine come up for air at every
    step, which costs speed; `step_interval` says after how many steps is enough. Without one that overrides
    `on_epoch_begin` or `on_epoch_end`, the training of a small net may run through several epochs at once.

    What a resumed run must know about a callback belongs into `state` and `tensors`.

    Examples
    --------
    >>> class Halve(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.optimizer.learning_rate *= 0.5
    """

    kind = "callback"
    model: TrainedModel
    params: dict[str, Any]

    def set_model(self, model: TrainedModel) -> None:
        """Called before the training with the net."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before the training with its parameters."""
        self.params = params

    @property
    def step_interval(self) -> int | None:
        """After how many steps `on_train_batch_end` is called; None for never."""
        return 1 if self._has_own("on_train_batch_begin", "on_train_batch_end") else None

    @property
    def sees_epochs(self) -> bool:
        """Whether `on_epoch_begin` or `on_epoch_end` do anything; else a training may run through several epochs."""
        return self._has_own("on_epoch_begin", "on_epoch_end")

    def _has_own(self, *methods: str) -> bool:
        """Whether any of these methods is not that of the base."""
        return any(getattr(getattr(self, name), "__func__", None) is not getattr(Callback, name) for name in methods)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; `logs` may be added to and go into the history."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step, counted from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step; `logs` holds the means of the epoch so far."""

    looks: ClassVar[bool] = False

    def on_look(self, step: int, logs: Logs) -> None:
        """For callbacks with `looks = True`: at most ten times a second, with the steps done and the means so far."""

    def state(self) -> dict[str, Any]:
        """What a resumed run must know, as JSON."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run must know, as named tensors."""
        return {}

    def set_state(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Take up what `state` and `tensors` gave."""
        self.__dict__.update(state)


class CallbackList:
    """The callbacks of one training, called one after another.

    Parameters
    ----------
    callbacks : iterable of Callback
        In the order in which they are called.
    model : Model
        The net.
    params : dict
        What the callbacks may know about the training.
    """

    def __init__(self, callbacks: Iterable[Any], model: TrainedModel, params: dict[str, Any]) -> None:
        self.callbacks: list[Callback] = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise HandsonError(
                    f"callbacks are objects of handson.callbacks; got {callback!r}. Your own: subclass "
                    f"handson.callbacks.Callback."
                )
            callback.set_model(model)
            callback.set_params(params)
        intervals = [callback.step_interval for callback in self.callbacks]
        self.looks = any(callback.looks for callback in self.callbacks)
        self.sees_epochs = any(callback.sees_epochs for callback in self.callbacks)
        self.step_interval = min((interval for interval in intervals if interval), default=None)

    def states(self) -> list[dict[str, Any]]:
        """The state of every callback, as JSON."""
        return [{"class": type(callback).__name__, "state": callback.state()} for callback in self.callbacks]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of all callbacks under one name each."""
        return {
            f"callbacks/{number}/{name}": tensor
            for number, callback in enumerate(self.callbacks)
            for name, tensor in callback.tensors().items()
        }

    def set_states(self, states: list[dict[str, Any]], tensors: dict[str, Tensor]) -> None:
        """Take up what `states` and `tensors` gave, in a run with the same callbacks."""
        for number, (callback, stored) in enumerate(zip(self.callbacks, states, strict=False)):
            if stored["class"] == type(callback).__name__:
                prefix = f"callbacks/{number}/"
                own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                callback.set_state(stored["state"], own)

    def train_begin(self) -> None:
        """Call `on_train_begin`."""
        for callback in self.callbacks:
            callback.on_train_begin({})

    def train_end(self, logs: Logs) -> None:
        """Call `on_train_end`."""
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def epoch_begin(self, epoch: int) -> None:
        """Call `on_epoch_begin`."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """Call `on_epoch_end`; callbacks may add to the logs."""
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def look(self, step: int, logs: Logs) -> None:
        """Call `on_look` of those that look."""
        for callback in self.callbacks:
            if callback.looks:
                callback.on_look(step, logs)

    def step_begin(self, step: int) -> None:
        """Call `on_train_batch_begin` of those that want steps."""
        for callback in self.callbacks:
            if callback.step_interval:
                callback.on_train_batch_begin(step, {})

    def step_end(self, step: int, logs: Logs) -> None:
        """Call `on_train_batch_end` of those whose interval ends with this step."""
        for callback in self.callbacks:
            if callback.step_interval and (step + 1) % callback.step_interval == 0:
                callback.on_train_batch_end(step, logs)


class Monitoring(Callback):
    """The base of callbacks that watch whether a quantity improves.

    Parameters
    ----------
    monitor : str
        A key of the history, such as 'val_loss'. Without validation data the quantity of the training rows is taken.
    mode : {'auto', 'min', 'max'}
        Which way is better; 'auto' knows it for losses and metrics.
    min_delta : float
        The smallest change that counts as better.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise HandsonError(f"{type(self).__name__}: mode is 'auto', 'min' or 'max'; got {mode!r}.")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.watched, self.sign = monitor, 1.0
        self.best: float | None = None

    def resolve(self) -> None:
        """Find out what is watched and which way is better; called when the training begins."""
        names = self.params["metrics"]
        self.watched = self.monitor
        if self.monitor not in names and self.monitor.startswith("val_") and self.monitor[4:] in names:
            self.watched = self.monitor[4:]
            self.model.tell(
                f"{type(self).__name__} watches {self.watched!r}: there is no validation data for {self.monitor!r}."
            )
        elif self.monitor not in names:
            raise HandsonError(
                f"{type(self).__name__}: monitor={self.monitor!r} is not measured.{nearest(self.monitor, names)} "
                f"Measured: {listing(names)}."
            )
        self.sign = {"min": -1.0, "max": 1.0}.get(self.mode) or self._natural_sign()

    def _natural_sign(self) -> float:
        name = self.watched.removeprefix("val_").removeprefix("train_")
        for metric in self.model.metrics:
            if metric.name == name:
                return 1.0 if metric.direction == "max" else -1.0
        return -1.0

    def improved(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than a reference by more than min_delta; NaN is never better."""
        if value != value:
            return False
        return reference is None or self.sign * (value - reference) > self.min_delta

    def state(self) -> dict[str, Any]:
        return {"best": self.best}
