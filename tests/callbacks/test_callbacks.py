"""Callbacks, against Keras's and against what their names promise."""

import csv
import errno
import os

import numpy as np
import pytest
import torch

import handson
from handson import Sequential, callbacks
from handson.core.errors import HandsonError
from handson.layers import Dense
from handson.optimizers import SGD


def net(seed=0, metrics=None, optimizer=None):
    model = Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)], seed=seed)
    model.compile(optimizer or SGD(0.01), "mse", metrics=metrics)
    return model


def data():
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    return x, x.sum(1)


def scripted(callback, values, monitor="val_loss", model=None):
    """Run a callback over given values of a quantity, as the loop would; the epochs until it stopped."""
    model = model or net()
    callback.set_model(model)
    callback.set_params({"epochs": len(values), "steps": 1, "batch_size": 1, "metrics": ["loss", monitor]})
    model.stop_training = False
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {"loss": 0.0, monitor: value})
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    callback.on_train_end({})
    return rates


VALUES = [np.round(np.random.default_rng(seed).normal(1, 0.3, 25) + np.linspace(1, 0, 25), 2) for seed in range(6)]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 3},
        {"patience": 2, "min_delta": 0.1},
        {"patience": 0},
        {"patience": 4, "baseline": 0.9},
        {"patience": 2, "start_from_epoch": 5},
    ],
)
def test_early_stopping_stops_when_keras_does(keras, values, arguments):
    theirs = keras.callbacks.EarlyStopping(**arguments)
    model = keras.Sequential([keras.layers.Dense(1)])
    theirs.set_model(model)
    theirs.on_train_begin()
    model.stop_training = False
    expected = len(values)
    for epoch, value in enumerate(values):
        theirs.on_epoch_end(epoch, {"val_loss": float(value)})
        if model.stop_training:
            expected = epoch + 1
            break
    assert len(scripted(callbacks.EarlyStopping(**arguments), values)) == expected


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("arguments", [{"patience": 2, "factor": 0.5}, {"patience": 1, "cooldown": 3},
                                       {"patience": 2, "min_lr": 0.003, "min_delta": 0.05}])  # fmt: skip
def test_the_rate_is_reduced_when_keras_does(keras, values, arguments):
    theirs = keras.callbacks.ReduceLROnPlateau(**arguments)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    theirs.set_model(model)
    theirs.on_train_begin()
    expected = []
    for epoch, value in enumerate(values):
        theirs.on_epoch_end(epoch, {"val_loss": float(value)})
        expected.append(float(model.optimizer.learning_rate.value))
    np.testing.assert_allclose(scripted(callbacks.ReduceLROnPlateau(**arguments), values), expected, rtol=1e-6)


@pytest.mark.parametrize("epochs", [3, 12])
def test_best_weights_are_restored_whether_or_not_it_stopped_early(epochs):
    x, y = data()
    model, kept = net(optimizer=SGD(0.3)), []

    class Keep(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append((logs["val_loss"], self.model.get_weights()))

    stopping = callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    model.fit(x, y, epochs=epochs, batch_size=4, validation_data=(x, y), verbose=0, callbacks=[Keep(), stopping])
    best = min(kept, key=lambda pair: pair[0])
    assert all(np.array_equal(a, b) for a, b in zip(best[1], model.get_weights(), strict=True))
    assert model.evaluate(x, y) == pytest.approx(best[0], rel=1e-5)


def test_a_metric_that_should_rise_is_maximized():
    x, y = data()
    model = Sequential([Dense(1, activation="sigmoid", input_dim=3)], seed=0)
    model.compile("sgd", "binary_crossentropy", metrics=["acc"])
    stopping = callbacks.EarlyStopping("val_acc", patience=2)
    model.fit(x, y > 0, epochs=3, validation_data=(x, y > 0), verbose=0, callbacks=[stopping])
    assert stopping.sign == 1.0


def test_without_validation_the_training_loss_is_watched_and_said(capsys):
    x, y = data()
    net().fit(x, y, epochs=2, verbose=2, callbacks=[callbacks.EarlyStopping(patience=1)])
    assert "EarlyStopping watches 'loss': there is no validation data for 'val_loss'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: callbacks.EarlyStopping(min_delta="small"), "EarlyStopping: min_delta is a number; got 'small'"),
        (
            lambda: callbacks.EarlyStopping(monitor=5),
            "EarlyStopping: monitor is a key of the history, 'val_loss'; got 5",
        ),
        (lambda: callbacks.EarlyStopping(baseline="x"), "EarlyStopping: baseline is a number; got 'x'"),
        (lambda: callbacks.ReduceLROnPlateau(factor="x"), "ReduceLROnPlateau: factor is a number; got 'x'"),
        (lambda: callbacks.ReduceLROnPlateau(min_lr="x"), "ReduceLROnPlateau: min_lr is a number; got 'x'"),
    ],
)
def test_arguments_of_another_kind_are_named(make, message):
    with pytest.raises(HandsonError, match=message):
        make()


def test_a_misspelt_monitor_is_an_error_before_the_first_step():
    x, y = data()
    model = net(metrics=["mae"])
    before = model.get_weights()
    with pytest.raises(HandsonError, match="monitor='val_mea' is not measured. Did you mean 'val_mae'"):
        model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[callbacks.EarlyStopping("val_mea")])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_checkpoints_keep_the_best(tmp_path):
    x, y = data()
    model, losses = net(optimizer=SGD(0.3)), []
    saver = callbacks.ModelCheckpoint(tmp_path / "best.handson", save_best_only=True)
    listen = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["val_loss"]))
    model.fit(x, y, epochs=8, batch_size=4, validation_data=(x, y), verbose=0, callbacks=[saver, listen])
    assert handson.load(tmp_path / "best.handson").evaluate(x, y) == pytest.approx(min(losses), rel=1e-5)


def test_checkpoint_names_are_filled_in(tmp_path):
    x, y = data()
    net().fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "w{epoch:02d}.safetensors")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w01.safetensors", "w02.safetensors"]
    with pytest.raises(HandsonError, match="names 'val_loss', which is not measured"):
        net().fit(x, y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{val_loss}.handson")])


def test_a_best_net_that_could_not_be_saved_is_saved_when_it_is_better_than_what_is_on_the_disk(tmp_path, monkeypatch):
    """What failed to be written does not count as the best so far."""
    saved, losses = [], iter([1.0, 0.5, 0.7, 0.8])

    class Full(callbacks.ModelCheckpoint):
        def _save(self, epoch, logs):
            with monkeypatch.context() as patch:
                if epoch == 1:
                    patch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
                done = super()._save(epoch, logs)
            saved.append((epoch, done))
            return done

    class Measured(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = next(losses)

    x, y = data()
    made = [Measured(), Full(tmp_path / "best.h5", save_best_only=True)]
    net().fit(x, y, epochs=4, verbose=0, validation_data=(x, y), callbacks=made)
    assert saved == [(0, True), (1, False), (2, True)]
    assert made[1].best == 0.7


@pytest.mark.parametrize(("threshold", "mode", "saves"), [(0.6, "min", [1]), (0.4, "min", []), (None, "min", [0, 1]),
                                                          (0.6, "max", [0]), (2.0, "max", [])])  # fmt: skip
def test_the_first_value_must_beat_the_threshold(tmp_path, threshold, mode, saves):
    saved, losses = [], iter([1.0, 0.5])

    class Measured(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = next(losses)

    class Count(callbacks.ModelCheckpoint):
        def _save(self, epoch, logs):
            saved.append(epoch)
            return True

    x, y = data()
    best = Count(tmp_path / "a.h5", save_best_only=True, initial_value_threshold=threshold, mode=mode)
    net().fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[Measured(), best])
    assert saved == saves


def test_checkpoints_by_steps(tmp_path):
    x, y = data()
    times = []

    class Count(callbacks.ModelCheckpoint):
        def _save(self, epoch, logs):
            times.append(epoch)

    net().fit(x, y, epochs=2, batch_size=4, verbose=0, callbacks=[Count(tmp_path / "a.handson", save_freq=4)])
    assert times == [0, 0, 1, 1]


@pytest.mark.parametrize(("name", "message"), [("a.pt", "can run code"), ("a", "its ending says no format")])
def test_checkpoints_in_other_formats_are_refused_at_once(name, message):
    with pytest.raises(HandsonError, match=message):
        callbacks.ModelCheckpoint(name)


def test_learning_rate_scheduler_sets_each_epoch():
    x, y = data()
    history = net().fit(
        x, y, epochs=3, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]
    )
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.05, 0.1 / 3])
    history = net().fit(
        x, y, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)]
    )
    np.testing.assert_allclose(history.history["learning_rate"], [0.005, 0.0025])


def test_a_schedule_and_a_callback_do_not_fight():
    x, y = data()
    model = net(optimizer=SGD(handson.schedules.Cosine(0.1)))
    with pytest.raises(HandsonError, match="the optimizer has the schedule"):
        model.fit(x, y, verbose=0, callbacks=[callbacks.ReduceLROnPlateau()])


def test_csv_logger_writes_a_row_per_epoch_and_can_go_on(tmp_path):
    x, y = data()
    path, model = tmp_path / "log.csv", net(metrics=["mae"])
    model.fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)])
    model.fit(x, y, initial_epoch=2, epochs=3, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["loss"]) == model.history.history["loss"][0]


def test_lambda_callbacks_are_called_where_they_say():
    x, y = data()
    calls = []
    moments = (
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_epoch_end",
        "on_train_end",
    )
    functions = {name: (lambda *args, name=name: calls.append(name)) for name in moments}
    net().fit(x, y, batch_size=20, verbose=0, callbacks=[callbacks.LambdaCallback(**functions)])
    steps = ["on_train_batch_begin", "on_train_batch_end"] * 2
    assert calls == ["on_train_begin", "on_epoch_begin", *steps, "on_epoch_end", "on_train_end"]


def test_a_callback_of_ones_own_can_stop_the_training():
    x, y = data()

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert len(net().fit(x, y, epochs=9, verbose=0, callbacks=[Stop()]).epoch) == 2


def test_state_of_early_stopping_goes_on():
    x, y = data()
    model = net()
    first = callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    scripted(first, [1.0, 2.0, 3.0], model=model)
    second = callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    second.set_state(first.state(), first.tensors())
    assert (second.best, second.best_epoch, second.wait) == (1.0, 0, 2)
    assert second.best_weights.keys() == first.best_weights.keys()
    assert len(x) == len(y)


@pytest.mark.parametrize("first", [float("nan"), 1.0])
@pytest.mark.parametrize("patience", [0, 1, 2])
def test_early_stopping_after_a_first_epoch_that_is_no_number(keras, first, patience):
    test_early_stopping_stops_when_keras_does(keras, [first, *[float("nan")] * 4], {"patience": patience})


def test_early_stopping_recovers_from_nan():
    """Unlike in Keras, where the first value is the best one even if it is NaN, and nothing is below NaN."""
    values = [float("nan"), 0.8, 0.9, 0.7, 0.8, 0.9, 0.9]
    stopping = callbacks.EarlyStopping(patience=2)
    assert len(scripted(stopping, values)) == 6
    assert (stopping.best, stopping.best_epoch) == (0.7, 3)


def test_early_stopping_on_nothing_but_nan_says_so(capsys):
    scripted(callbacks.EarlyStopping(patience=1, verbose=1, restore_best_weights=True), [float("nan")] * 4)
    assert "EarlyStopping: epoch 2: val_loss has not improved for 1 epochs; it was never a number" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "value", [np.float32(0.25), np.float64(0.25), np.array(0.25), np.array([0.25], "f4"), torch.tensor(0.25), 0.25]
)
def test_rates_may_be_numbers_of_numpy_and_torch(value):
    x, y = data()
    history = net().fit(x, y, verbose=0, callbacks=callbacks.LearningRateScheduler(lambda epoch: value))
    assert history.history["learning_rate"] == [0.25]
    model = net(optimizer=SGD(value))
    model.fit(x, y, verbose=0)
    model.optimizer.learning_rate = value
    assert model.optimizer.learning_rate == 0.25


@pytest.mark.parametrize("value", [None, "0.1", True, float("nan"), -0.1, [0.1, 0.2]])
def test_rates_that_are_no_numbers_are_refused(value):
    x, y = data()
    with pytest.raises(HandsonError, match="the function must return a number that is not negative"):
        net().fit(x, y, verbose=0, callbacks=callbacks.LearningRateScheduler(lambda epoch: value))


@pytest.mark.parametrize("frequency", [1, 2, 3])
def test_csv_logger_keeps_columns_that_come_later(tmp_path, frequency):
    x, y = data()
    path, model = tmp_path / "log.csv", net(metrics=["mae"])
    logger = callbacks.CSVLogger(path)
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=logger, validation_data=(x, y), validation_freq=frequency)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    for name, values in history.history.items():
        written = [float("nan") if row[name] == "NA" else float(row[name]) for row in rows]
        np.testing.assert_array_equal(written, values)
    model.fit(x, y, epochs=5, initial_epoch=4, verbose=0, callbacks=callbacks.CSVLogger(path, append=True))
    assert path.read_text().splitlines()[-1].endswith("NA,NA")


def test_reducing_twice_waits_for_the_cooldown_after_a_stop():
    """What is restored in the middle of a cooldown goes on as if nothing had happened."""
    values = [1.0] * 14
    given = {"patience": 1, "cooldown": 3, "factor": 0.5}
    whole = scripted(callbacks.ReduceLROnPlateau(**given), values)
    first, model = callbacks.ReduceLROnPlateau(**given), net()
    scripted(first, values[:4], model=model)
    assert first.cooling >= 1
    second = callbacks.ReduceLROnPlateau(**given)
    second.set_model(model)
    second.set_params({"metrics": ["loss", "val_loss"]})
    second.resolve()
    second.set_state(first.state(), first.tensors())
    rates = []
    for epoch, value in enumerate(values[4:], 4):
        second.on_epoch_end(epoch, {"val_loss": value})
        rates.append(model.optimizer.learning_rate)
    assert rates == whole[4:]
