"""Small trainings that are interrupted where a test says, and what must be equal at their end."""

import os
import signal

import numpy as np

from handson import Sequential, layers
from handson.callbacks import Callback
from handson.optimizers import Adam
from handson.state.state import TrainingState
from handson.training.recording.interruption import Stopped

STEPS, EPOCHS = 5, 3
ROWS = 8 * STEPS - 3  # the last batch is ragged


class Crash(Exception):
    """What ends a process without a word."""


class Interrupt(Callback):
    """Sends a signal or raises at the moments of a plan: (epoch, step) pairs, each used once."""

    def __init__(self, plan, crash=False):
        self.plan, self.crash, self.epoch = plan, crash, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) in self.plan:
            self.plan.remove((self.epoch, batch))
            interrupt(self.crash)


def interrupt(crash=False):
    if crash:
        raise Crash
    os.kill(os.getpid(), signal.SIGTERM)


def dense():
    return Sequential(
        [layers.Dense(6, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(1)]
    )


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    return x, np.sin(x).sum(1, keepdims=True)


def train(folder, plan=(), make=dense, optimizer=None, callbacks=(), crash=False, compile=None, **arguments):
    """One call of fit in a fresh net, interrupted as planned; everything that must be equal at the end."""
    net, (x, y) = make(), data()
    net.compile((optimizer or (lambda: Adam(0.01)))(), **{"loss": "mse", "metrics": ["mae"], **(compile or {})})
    made = [callback() for callback in callbacks]
    given = {"epochs": EPOCHS, "batch_size": 8, "seed": 3, "validation_split": 0.2, "verbose": 0}
    given |= {"checkpoint_seconds": 0.0, **arguments}
    if "validation_data" in given:
        del given["validation_split"]
    x, y = arguments.pop("data", (x, y))
    given.pop("data", None)
    history = net.fit(x, y, callbacks=[*made, Interrupt(plan, crash)], run=folder, **given)
    return net, made, history


def everything(net, made, history, x=None):
    """What two runs must have in common, as bytes and text."""
    state = TrainingState.of(net, net.optimizer)
    found = {name: tensor.detach().cpu().numpy().tobytes() for name, tensor in state.tensors.items()}
    found |= {"values": repr(state.values), "history": repr((history.epoch, history.history, history.notes))}
    found |= {"age": net.age, "seed": history.seed, "stop": net.stop_training}
    found["predictions"] = net.predict(data()[0] if x is None else x).tobytes()
    found["callbacks"] = repr([callback.state() for callback in made])
    for number, callback in enumerate(made):
        found |= {f"{number}/{name}": tensor.numpy().tobytes() for name, tensor in callback.tensors().items()}
    return found


def until_done(folder, plan, **job):
    """Call fit again and again until nothing interrupts it any more; how often it was called."""
    calls = 0
    while True:
        calls += 1
        try:
            return train(folder, plan, **job), calls
        except (Stopped, Crash):
            assert calls < 20


def check_equal(tmp_path, plan, **job):
    """An interrupted run ends like an undisturbed one."""
    undisturbed, planned = everything(*train(tmp_path / "whole", **job)), len(plan)
    result, calls = until_done(tmp_path / "stopped", list(plan), **job)
    resumed = everything(*result)
    assert calls == planned + 1
    assert [name for name in undisturbed if undisturbed[name] != resumed.get(name)] == []
    assert resumed.keys() == undisturbed.keys()
