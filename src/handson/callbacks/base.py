"""What all callbacks share: the moments at which they are called, and watching a quantity."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Protocol

from torch import Tensor

from handson.core import console
from handson.core.described import Noun
from handson.core.errors import HandsonError, listing, nearest, number
from handson.metrics import Metric
from handson.metrics.reported import direction_of
from handson.optimizers import Optimizer

Logs = dict[str, float]


class TrainedModel(Protocol):
    """What callbacks need of a model; a `handson.Model` has it and much more."""

    stop_training: bool

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that the net was compiled with."""

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics."""

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
        The net that is trained; ``self.model.stop_training = True`` ends the training after the epoch, or the step.
    params : dict
        'epochs', 'steps', 'batch_size', 'verbose', and 'metrics': the names of what is measured.

    Notes
    -----
    A callback that overrides `on_train_batch_begin` or `on_train_batch_end` makes the engine return to Python at every
    step, which costs speed; `step_interval` says after how many steps is enough. Without one that overrides
    `on_epoch_begin` or `on_epoch_end`, the training of a small net may run through several epochs at once. One that
    overrides `on_test_batch_...` or `on_predict_batch_...` has evaluations and predictions cut into batches of Keras's
    size, 32 rows unless another is given.

    A method `on_...` that is not listed here is refused when the training begins: it would never be called.

    What a resumed run must know about a callback belongs into `state` and `tensors`.

    Examples
    --------
    >>> class Halve(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.optimizer.learning_rate *= 0.5
    """

    kind = "callback"
    model: TrainedModel = None  # type: ignore[assignment]  # until it is called for a net
    params: dict[str, Any] = None  # type: ignore[assignment]

    def set_model(self, model: TrainedModel) -> None:
        """Called before the training with the net."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before the training with its parameters."""
        self.params = params

    @property
    def step_interval(self) -> int | None:
        """After how many steps `on_train_batch_end` is called; None for never."""
        names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
        return 1 if self.defines(*names) else None

    @property
    def sees_epochs(self) -> bool:
        """Whether `on_epoch_begin` or `on_epoch_end` do anything; else a training may run through several epochs."""
        return self.defines("on_epoch_begin", "on_epoch_end")

    def defines(self, *hooks: str) -> bool:
        """Whether any of these methods is not that of the base."""
        return any(getattr(getattr(self, name), "__func__", None) is not getattr(Callback, name) for name in hooks)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; `logs` may be added to and go into the history."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step, counted from 0 in each epoch; by default calls `on_batch_begin`."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step; `logs` holds the means of the epoch so far. By default calls `on_batch_end`."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation, or the validation of an epoch."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation or a validation; `logs` holds the loss and the metrics, without 'val_'."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of an evaluation, counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of an evaluation; `logs` holds the means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of a prediction, counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a batch of a prediction; ``logs['outputs']`` holds its outputs."""

    looks: ClassVar[bool] = False
    # Whether a recorded training may go on with it or without it, as it changes nothing.
    passive: ClassVar[bool] = False

    def on_look(self, step: int, logs: Logs) -> None:
        """For callbacks with `looks = True`: at most ten times a second, with the steps done and the means so far."""

    def on_look_inside(self, step: int, look: Any) -> None:
        """Before a stretch of steps, with the optimizer's steps so far: `look(hooks)` looks into the next one.

        The context manager `hooks` is entered while the layers compute that step's outputs; what is returned says what
        the step does to the weights: see `Monitor`.
        """

    def state(self) -> dict[str, Any]:
        """What a resumed run must know, as JSON."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run must know, as named tensors."""
        return {}

    def set_state(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Take up what `state` and `tensors` gave."""
        self.__dict__.update(state)


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
        if not isinstance(monitor, str):
            raise HandsonError(f"{type(self).__name__}: monitor is a key of the history, 'val_loss'; got {monitor!r}.")
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(number(f"{type(self).__name__}: min_delta", min_delta))
        self.watched, self.sign = monitor, 1.0
        self.best: float | None = None

    def resolve(self) -> None:
        """Find out what is watched and which way is better; called when the training begins."""
        names = self.params["metrics"]
        self.watched = self.monitor
        if self.monitor not in names and self.monitor.startswith("val_") and self.monitor[4:] in names:
            self.watched = self.monitor[4:]
            if self.params.get("verbose", 1):
                console.say(
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
        direction = direction_of(self.model.metrics, name)
        if direction is None:
            raise HandsonError(
                f"{type(self).__name__}: the best {name!r} is neither the smallest nor the largest. Give mode='min' or "
                f"mode='max', or monitor something else."
            )
        return 1.0 if direction == "max" else -1.0

    def get_monitor_value(self, logs: Logs | None) -> float | None:
        """The value of what is watched after an epoch; None where it was not measured."""
        return (logs or {}).get(self.watched)

    def improved(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than a reference by more than min_delta; NaN is never better."""
        if value != value:
            return False
        return reference is None or self.sign * (value - reference) > self.min_delta

    def state(self) -> dict[str, Any]:
        return {"best": self.best}
