"""A training that was stopped anywhere goes on with the same numbers, bit for bit."""

import os
import re

import numpy as np
import pytest
import torch
from interrupted import (
    EPOCHS,
    ROWS,
    Crash,
    Interrupt,
    check_equal,
    data,
    dense,
    everything,
    interrupt,
    train,
    until_done,
)
from torch import nn

from handson import Model, Sequential, layers, metrics
from handson.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from handson.data import Augment
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.schedules import ExponentialDecay, LinearRamp, OneCycle
from handson.training.engines import Eager
from handson.training.recording import checkpoint, keeper
from handson.training.recording.interruption import Stopped


@pytest.fixture(autouse=True)
def _write_often(monkeypatch):
    """As often as the thread can; a process that ends needs no flush, only a power failure does."""
    monkeypatch.setattr(keeper, "MOST_SHARE", 1.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def recurrent():
    return Sequential([layers.Reshape((3, 1)), layers.LSTM(4), layers.Dropout(0.2), layers.Dense(1)])


def foreign():
    return Sequential([nn.Linear(3, 5), nn.Dropout(0.4), nn.BatchNorm1d(5), nn.Linear(5, 1)])


def wrapped():
    return Model(nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.4), nn.Linear(5, 1)))


def fixed(make):
    """Modules of torch draw their weights from torch's generator."""

    def made():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return make()

    return made


NETS = {"dense": dense, "recurrent": recurrent, "torch layers": fixed(foreign), "torch module": fixed(wrapped)}


# Where it is stopped


MOMENTS = {
    "the first step": [(0, 0)],
    "the second step": [(0, 1)],
    "the middle": [(1, 2)],
    "the last step of an epoch": [(0, 3)],
    "the first step of an epoch": [(1, 0)],
    "the very last step": [(2, 3)],
    "twice in a row": [(1, 1), (1, 2)],
    "every step of an epoch": [(1, step) for step in range(4)],
    "once in every epoch": [(0, 2), (1, 0), (2, 3)],
}


@pytest.mark.parametrize("plan", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("crash", [False, True], ids=["signal", "crash"])
def test_stopped_at_any_step_it_ends_the_same(tmp_path, plan, crash):
    check_equal(tmp_path, plan, crash=crash)


def test_a_signal_is_heeded_after_the_step_in_which_it_comes(tmp_path):
    with pytest.raises(
        Stopped, match=r"stopped by SIGTERM after step 3 of epoch 2; everything is saved in .*/run\. To"
    ):
        train(tmp_path / "run", [(1, 2)])
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step == 4 + 3


def at(moment, number, crash):
    """Interrupts at the n-th moment of a kind, once."""
    count = [0]

    def act(*ignored):
        count[0] += 1
        if count[0] == number:
            interrupt(crash)

    return lambda: LambdaCallback(**{moment: act})


@pytest.mark.parametrize("crash", [False, True], ids=["signal", "crash"])
@pytest.mark.parametrize(
    ("moment", "number"),
    [("on_train_begin", 1), ("on_epoch_begin", 1), ("on_epoch_begin", 3), ("on_epoch_end", 1), ("on_epoch_end", 2),
     ("on_epoch_end", 3), ("on_train_end", 1)],
)  # fmt: skip
def test_stopped_between_epochs_it_ends_the_same(tmp_path, moment, number, crash):
    quiet = [lambda: LambdaCallback(**{moment: lambda *ignored: None})]
    undisturbed = everything(*train(tmp_path / "whole", callbacks=quiet))
    disturbing = at(moment, number, crash)
    with pytest.raises((Stopped, Crash)):
        train(tmp_path / "run", callbacks=[disturbing])
    resumed = everything(*train(tmp_path / "run", callbacks=[disturbing]))
    assert resumed == undisturbed


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("crash", [False, True], ids=["signal", "crash"])
def test_stopped_during_validation_it_ends_the_same(tmp_path, monkeypatch, number, crash):
    undisturbed = everything(*train(tmp_path / "whole", engine="eager"))
    count, evaluate = [0], Eager.evaluate

    def disturbed(self, batches):
        count[0] += 1
        if count[0] == number:
            interrupt(crash)
        return evaluate(self, batches)

    monkeypatch.setattr(Eager, "evaluate", disturbed)
    with pytest.raises((Stopped, Crash)):
        train(tmp_path / "run", engine="eager")
    assert everything(*train(tmp_path / "run", engine="eager")) == undisturbed


# What is trained


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_nets_with_randomness_and_running_means(tmp_path, make):
    check_equal(tmp_path, [(0, 1), (1, 2)], make=make)


OPTIMIZERS = {
    "SGD": lambda: SGD(0.1),
    "momentum": lambda: SGD(OneCycle(0.1), momentum=LinearRamp(0.5, 0.9, every="step"), nesterov=True),
    "decay": lambda: SGD(lr=0.1, decay=0.1, momentum=0.9, clipnorm=1.0),
    "RMSprop": lambda: RMSprop(0.01, momentum=0.5, centered=True),
    "Adam": lambda: Adam(ExponentialDecay(0.01, 5, 0.5), amsgrad=True, global_clipnorm=1.0),
    "averaged": lambda: Adam(0.01, use_ema=True, ema_momentum=0.9),
    "AdamW": lambda: AdamW(LinearRamp(0.03, 0.01), weight_decay=0.1),
    "Adagrad": lambda: Adagrad(0.1, use_ema=True),
    "Adadelta": lambda: Adadelta(1.0, clipvalue=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_and_schedules(tmp_path, optimizer):
    check_equal(tmp_path, [(0, 3), (1, 2)], optimizer=optimizer)


CALLBACKS = {
    "early stopping": [lambda: EarlyStopping(patience=2, min_delta=1e9, restore_best_weights=True)],
    "best weights": [lambda: EarlyStopping(patience=9, restore_best_weights=True, monitor="loss")],
    "plateau": [lambda: ReduceLROnPlateau(patience=2, min_delta=1e9, cooldown=1)],
    "a long cooldown": [lambda: ReduceLROnPlateau(patience=1, min_delta=1e9, cooldown=3)],
    "schedule": [lambda: LearningRateScheduler(lambda epoch, rate: rate * 0.5)],
}


@pytest.mark.parametrize("callbacks", CALLBACKS.values(), ids=CALLBACKS)
@pytest.mark.parametrize("plan", [[(1, 1)], [(0, 3), (2, 1)]])
def test_callbacks_go_on_with_what_they_know(tmp_path, callbacks, plan):
    check_equal(tmp_path, plan, callbacks=callbacks, epochs=5)


class StopInTheMiddle(Callback):
    """Asks for the end in the middle of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            self.model.stop_training = True


@pytest.mark.parametrize("plan", [(0, 3), (1, 1)])
def test_an_end_asked_for_in_an_epoch_comes_at_once_also_when_resumed(tmp_path, plan):
    check_equal(tmp_path, [plan], callbacks=[StopInTheMiddle])
    assert len(train(tmp_path / "whole", callbacks=[StopInTheMiddle])[2].epoch) == 2


def test_an_early_end_is_remembered(tmp_path):
    """Stopped by a signal in the epoch after which it ends, and once more when it has ended."""
    make = [lambda: EarlyStopping(patience=1, min_delta=1e9)]
    (_, made, history), _ = until_done(tmp_path / "run", [(1, 3)], callbacks=make, epochs=9)
    assert (len(history.epoch), made[0].stopped_epoch) == (2, 1)
    _, made, history = train(tmp_path / "run", callbacks=make, epochs=9)
    assert (len(history.epoch), made[0].stopped_epoch) == (2, 1)


class Largest(metrics.Metric):
    def __init__(self, name="largest"):
        super().__init__(name=name)
        self.largest = self.add_variable((), "zeros", name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(torch.maximum(self.largest, y_pred.abs().max()))

    def result(self):
        return self.largest


@pytest.mark.parametrize("crash", [False, True])
def test_metrics_that_are_no_means_go_on_with_what_they_have_seen(tmp_path, crash):
    measure = {"metrics": ["r2_score", metrics.NMAD(relative=False), Largest()]}
    check_equal(tmp_path, [(0, 3), (1, 1), (1, 2)], crash=crash, compile=measure)


@pytest.mark.parametrize("plan", [[(1, 1)], [(2, 3)]])
def test_files_of_callbacks_are_those_of_the_undisturbed_run(tmp_path, plan):
    def callbacks(folder):
        saved = folder / "best-{epoch}.safetensors"
        return [lambda: CSVLogger(folder / "log.csv"), lambda: ModelCheckpoint(saved, save_best_only=True)]

    train(tmp_path / "whole", callbacks=callbacks(tmp_path / "whole"))
    until_done(tmp_path / "run", plan, callbacks=callbacks(tmp_path / "run"))
    whole, resumed = (
        {
            path.name: path.read_bytes()
            for path in (tmp_path / name).iterdir()
            if path.suffix in (".csv", ".safetensors")
        }
        for name in ("whole", "run")
    )
    assert whole == resumed
    assert len(whole) >= 2


def test_a_worse_net_does_not_take_the_place_of_the_best_one(tmp_path):
    """Keras forgets the best value at a restart (keras#17012)."""
    kept = [lambda: ModelCheckpoint(tmp_path / "best.h5", save_best_only=True, monitor="loss")]
    rising = [*kept, lambda: LearningRateScheduler(lambda epoch: 0.01 if epoch < 1 else 50.0)]
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 1)], callbacks=rising)
    best = (tmp_path / "best.h5").read_bytes()
    train(tmp_path / "run", callbacks=rising)
    assert (tmp_path / "best.h5").read_bytes() == best


ARGUMENTS = {
    "weights": {"sample_weight": np.linspace(0, 2, ROWS)},
    "no shuffling": {"shuffle": False},
    "validation now and then": {"validation_freq": 2},
    "the training rows measured": {"evaluate_training": True},
    "no validation": {"validation_split": 0.0},
    "given validation rows": {"validation_data": data()},
    "scaled": {"compile": {"scale_inputs": "standard", "scale_targets": "minmax"}},
    "one batch": {"batch_size": 1000},
    "its own seed": {"seed": None},
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_of_fit(tmp_path, arguments):
    make = dense
    if "seed" in arguments:

        def make():
            net = dense()
            net.seed, net.seed_given = 7, True
            return net

    check_equal(tmp_path, [(1, 0)], make=make, **arguments)


def test_the_seed_that_nobody_gave_is_kept(tmp_path):
    """Each net has a seed of its own; a resumed run has that of its beginning."""
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(0, 1)], seed=None)
    _, _, history = train(tmp_path / "run", seed=None)
    undisturbed = everything(*train(tmp_path / "whole", seed=history.seed))
    assert undisturbed["predictions"] == everything(*train(tmp_path / "run", seed=None))["predictions"]


def images():
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (ROWS, 8, 8, 1), dtype=np.uint8), rng.integers(0, 3, ROWS)


def pixels():
    return Sequential([layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3, activation="softmax")])


def shake(inputs, targets):
    return inputs + torch.randn_like(inputs), targets


@pytest.mark.parametrize(
    "augment", [Augment(horizontal_flip=True, rotation=20, noise=0.1), shake], ids=["ours", "a function"]
)
def test_images_with_augmentation_and_class_weights(tmp_path, augment):
    def train_images(folder, plan=()):
        net, (x, y) = pixels(), images()
        net.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"], scale_inputs=(0, 255))
        history = net.fit(
            x, y, epochs=3, batch_size=8, seed=1, verbose=0, augment=augment, class_weight={0: 1.0, 1: 2.0, 2: 0.5},
            callbacks=[Interrupt(plan)], run=folder, checkpoint_seconds=0.0,
        )  # fmt: skip
        return everything(net, [], history, x)

    undisturbed = train_images(tmp_path / "whole")
    with pytest.raises(Stopped):
        train_images(tmp_path / "run", [(1, 2)])
    assert train_images(tmp_path / "run") == undisturbed


# Modules of torch


class Counting(nn.Module):
    """Remembers its calls in a buffer that belongs into no file."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.calls += 1
        return self.linear(x) * (1 + self.calls / 100)


class Noisy(layers.Layer):
    """A layer of the user's that draws from torch's generator."""

    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x

    def output_shape(self, input_shape):
        return input_shape


class Mask(nn.Module):
    """Has a constant that is not finite."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf, 0.0]))
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return self.linear((x + self.mask).softmax(-1))


@pytest.mark.parametrize(
    "make",
    [fixed(lambda: Model(Counting())), lambda: Sequential([Noisy(), layers.Dense(1)]), fixed(lambda: Model(Mask()))],
    ids=["hidden buffers", "a layer's own noise", "a mask"],
)
def test_modules_that_are_not_handsons(tmp_path, make, capsys):
    check_equal(tmp_path, [(1, 1)], make=make)
    assert capsys.readouterr().out == ""


class OwnGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.generator = nn.Linear(3, 1), torch.Generator()

    def forward(self, x):
        return self.linear(x + torch.randn(x.shape, generator=self.generator))


class ExtraState(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.count = nn.Linear(3, 1), 0

    def forward(self, x):
        return self.linear(x)

    def get_extra_state(self):
        return self.count

    def set_extra_state(self, state):
        self.count = state


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (OwnGenerator, r"OwnGenerator 'module' has random numbers of its own \(generator\), .* torch's own generator"),
        (ExtraState, r"ExtraState 'module' has an extra state, .* Keep it in a buffer"),
    ],
)
def test_what_no_checkpoint_holds_is_told(tmp_path, module, message, capsys):
    train(tmp_path / "run", make=lambda: Model(module()))
    assert re.search(message, capsys.readouterr().out)


# A run that is finished


def test_a_finished_run_is_left_as_it_is(tmp_path):
    calls = []

    def call(*arguments):
        calls.append(arguments)

    watch = [
        lambda: EarlyStopping(patience=9, restore_best_weights=True, monitor="loss"),
        lambda: LambdaCallback(on_epoch_begin=call, on_train_end=call),
    ]
    job = {"optimizer": OPTIMIZERS["averaged"], "callbacks": watch}
    first = train(tmp_path / "run", **job)
    done, files = len(calls), {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").rglob("*")}
    again = train(tmp_path / "run", **job)
    assert everything(*again) == everything(*first)
    assert again[2].seconds == first[2].seconds
    assert len(calls) == done
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").rglob("*")}


def test_the_same_net_goes_on_in_the_same_process(tmp_path):
    """As in a notebook: the cell is run again, with the net and callbacks that are there."""
    undisturbed = everything(
        *train(tmp_path / "whole", callbacks=[lambda: ReduceLROnPlateau(patience=1, min_delta=9.0)])
    )
    net, (x, y) = dense(), data()
    net.compile(Adam(0.01), "mse", metrics=["mae"])
    made = [ReduceLROnPlateau(patience=1, min_delta=9.0), Interrupt([(2, 1)])]
    given = {"epochs": EPOCHS, "batch_size": 8, "seed": 3, "validation_split": 0.2, "verbose": 0}
    with pytest.raises(Stopped):
        net.fit(x, y, callbacks=made, run=tmp_path / "run", **given)
    assert net.optimizer.learning_rate < 0.01
    history = net.fit(x, y, callbacks=made, run=tmp_path / "run", **given)
    assert everything(net, made[:1], history) == undisturbed


def test_an_error_before_the_first_checkpoint_in_the_same_process_leaves_the_beginning(tmp_path):
    """The initial weights are a checkpoint too: without it the second call would begin with trained ones."""
    undisturbed = everything(*train(tmp_path / "whole"))
    net, (x, y), crash = dense(), data(), Interrupt([(0, 2)], crash=True)
    net.compile(Adam(0.01), "mse", metrics=["mae"])
    given = {"epochs": EPOCHS, "batch_size": 8, "seed": 3, "validation_split": 0.2, "verbose": 0, "callbacks": [crash]}
    with pytest.raises(Crash):
        net.fit(x, y, run=tmp_path / "run", **given)
    assert everything(net, [], net.fit(x, y, run=tmp_path / "run", **given)) == undisturbed
