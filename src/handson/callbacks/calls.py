"""The list of callbacks that a training, an evaluation or a prediction calls."""

from __future__ import annotations

import inspect
import math
from typing import Any

from torch import Tensor

from handson.callbacks.base import Callback, Logs, TrainedModel
from handson.core.described import why_not
from handson.core.errors import HandsonError, nearest
from handson.core.pure import is_builtin

# All hooks.
HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
# What each is called with.
ARGUMENTS = {name: tuple(inspect.signature(getattr(Callback, name)).parameters)[1:] for name in HOOKS}
TEST_BATCHES, TEST_ENDS = ("on_test_batch_begin", "on_test_batch_end"), ("on_test_begin", "on_test_end")
PREDICT_BATCHES = ("on_predict_batch_begin", "on_predict_batch_end")


def as_list(callbacks: Any) -> list[Callback]:
    """The callbacks that were given: none, one, or a list of them.

    Raises
    ------
    HandsonError
        For what is no callback, and for a callback with a method that would never be called.
    """
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    given = [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in given:
        if not isinstance(callback, Callback):
            raise HandsonError(
                f"callbacks are objects of handson.callbacks; got {callback!r}. Your own: subclass "
                f"handson.callbacks.Callback."
            )
        _check_hooks(callback)
    return given


def _check_hooks(callback: Callback) -> None:
    """Raise for a method that looks like a hook and is none: it would be ignored."""
    if is_builtin(callback) and not any(name.startswith("on_") for name in vars(callback)):
        return  # signatures take longer to read than the steps of a small net
    names = {name for part in (*type(callback).__mro__, callback) for name in vars(part) if name.startswith("on_")}
    for name in sorted(names.difference(HOOKS)):
        if inspect.isroutine(inspect.getattr_static(callback, name)):
            raise HandsonError(
                f"{type(callback).__name__}.{name} would never be called: there is no such hook."
                f"{nearest(name, HOOKS)} There are: {', '.join(HOOKS)}."
            )
    for name, expected in ARGUMENTS.items():
        why = why_not(getattr(callback, name), *expected) if callback.defines(name) else None
        if why is not None:
            raise HandsonError(
                f"{type(callback).__name__}.{name} cannot be called with ({', '.join(expected)}): {why}."
            )


class CallbackList:
    """The callbacks of one training, evaluation or prediction, called one after another.

    Parameters
    ----------
    callbacks : Callback, or list of Callback
        In the order in which they are called.
    model : Model
        The net.
    params : dict
        What the callbacks may know about the training.
    """

    def __init__(self, callbacks: Any, model: TrainedModel, params: dict[str, Any]) -> None:
        self.callbacks = as_list(callbacks)
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)
        intervals = [callback.step_interval for callback in self.callbacks if callback.step_interval]
        self.looks = any(callback.looks for callback in self.callbacks)
        # How many look into steps.
        self.lookers = sum(callback.defines("on_look_inside") for callback in self.callbacks)
        self.lasting = [callback for callback in self.callbacks if not callback.passive]
        self.sees_epochs = any(callback.sees_epochs for callback in self.callbacks)
        # Every multiple of every interval is a multiple of this one.
        self.step_interval = math.gcd(*intervals) if intervals else None

    def define(self, *hooks: str) -> bool:
        """Whether any callback defines one of these hooks; hooks that none defines cost nothing."""
        return any(callback.defines(*hooks) for callback in self.callbacks)

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    def states(self) -> list[dict[str, Any]]:
        """The state of every callback, as JSON."""
        return [{"class": type(callback).__name__, "state": callback.state()} for callback in self.lasting]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of all callbacks under one name each."""
        return {
            f"callbacks/{number}/{name}": tensor
            for number, callback in enumerate(self.lasting)
            for name, tensor in callback.tensors().items()
        }

    def set_states(self, states: list[dict[str, Any]], tensors: dict[str, Tensor]) -> None:
        """Take up what `states` and `tensors` gave, in a run with the same callbacks."""
        for number, (callback, stored) in enumerate(zip(self.lasting, states, strict=False)):
            if stored["class"] == type(callback).__name__:
                prefix = f"callbacks/{number}/"
                own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                callback.set_state(stored["state"], own)

    def train_begin(self) -> None:
        """Call `on_train_begin`."""
        self.call("on_train_begin", {})

    def train_end(self, logs: Logs) -> None:
        """Call `on_train_end`."""
        self.call("on_train_end", logs)

    def epoch_begin(self, epoch: int) -> None:
        """Call `on_epoch_begin`."""
        self.call("on_epoch_begin", epoch, {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """Call `on_epoch_end`; callbacks may add to the logs."""
        self.call("on_epoch_end", epoch, logs)

    def look(self, step: int, logs: Logs) -> None:
        """Call `on_look` of those that look."""
        for callback in self.callbacks:
            if callback.looks:
                callback.on_look(step, logs)

    def step_begin(self, step: int) -> None:
        """Call `on_train_batch_begin` of those that want steps."""
        for callback in self.callbacks:
            if callback.step_interval and step % callback.step_interval == 0:
                callback.on_train_batch_begin(step, {})

    def step_end(self, step: int, logs: Logs) -> None:
        """Call `on_train_batch_end` of those whose interval ends with this step."""
        for callback in self.callbacks:
            if callback.step_interval and (step + 1) % callback.step_interval == 0:
                callback.on_train_batch_end(step, logs)
