"""Epochs at whose ends nothing is due are one stretch, which changes nothing but the time."""

import numpy as np
import pytest

import handson
from handson.callbacks import Callback
from handson.core.errors import TrainingError
from handson.layers import BatchNormalization, Dense, Dropout
from handson.optimizers import SGD, Adam
from handson.schedules import LinearRamp, OneCycle
from handson.training.engines import DenseProgram, Eager


class Looks(Callback):
    def on_epoch_end(self, epoch, logs=None):
        pass


@pytest.fixture
def data(rng):
    return rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(50, 2)).astype(np.float32)


@pytest.fixture
def stretches(monkeypatch):
    """How many epochs each stretch of several had."""
    found = []
    for engine in (DenseProgram, Eager):

        def counted(self, stretch, engine=engine, run=engine.run):
            if type(self) is engine and len(stretch.spans) > 1:
                found.append(len(stretch.spans))
            run(self, stretch)

        monkeypatch.setattr(engine, "run", counted)
    return found


def trained(data, callbacks=(), optimizer=None, epochs=40, missing=False, **arguments):
    x, y = data
    if missing:
        y = np.where(np.abs(y) > 1.5, np.nan, y)
    net = handson.Sequential([Dense(8, "tanh"), Dropout(0.3), BatchNormalization(), Dense(2)], seed=1)
    net.compile(optimizer or Adam(OneCycle(0.01)), "mse", metrics=["mae"])
    given = {"batch_size": 7, "verbose": 0, "engine": "dense", "seed": 3} | arguments
    return net, net.fit(x, y, epochs=epochs, callbacks=list(callbacks), **given)


def same(first, second):
    assert first[1].history == second[1].history
    assert first[1].epoch == second[1].epoch
    assert first[0].age == second[0].age
    assert first[0].optimizer.iterations == second[0].optimizer.iterations
    assert all(map(np.array_equal, first[0].get_weights(), second[0].get_weights()))


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: Adam(OneCycle(0.01)),
        lambda: SGD(0.01, LinearRamp(0.5, 0.9), weight_decay=0.01, use_ema=True),
    ],
)
@pytest.mark.parametrize(
    "settings", [{}, {"missing": True}, {"shuffle": False}, {"initial_epoch": 3}, {"engine": "eager"}]
)
def test_the_numbers_are_those_of_one_epoch_after_another(data, stretches, optimizer, settings):
    together = trained(data, optimizer=optimizer(), **settings)
    assert sum(stretches) > 20
    count = len(stretches)
    same(together, trained(data, [Looks()], optimizer(), **settings))
    assert len(stretches) == count


def test_a_second_training_goes_on_where_the_first_ended(data, stretches):
    net, _ = trained(data, epochs=25)
    other, _ = trained(data, [Looks()], epochs=25)
    histories = [
        each.fit(*data, epochs=20, batch_size=7, verbose=0, engine="dense", callbacks=callbacks).history
        for each, callbacks in ((net, []), (other, [Looks()]))
    ]
    assert histories[0] == histories[1]
    assert len(stretches) >= 2


@pytest.mark.parametrize(
    "arguments",
    [{"validation_split": 0.2}, {"evaluate_training": True}, {"verbose": 2}],
)
def test_who_looks_after_every_epoch_gets_every_epoch(data, stretches, arguments):
    trained(data, **arguments)
    assert not stretches


def test_a_method_of_one_callback_counts(data, stretches):
    callback, seen = Callback(), []
    callback.on_epoch_end = lambda epoch, logs=None: seen.append(epoch)
    trained(data, [callback])
    assert seen == list(range(40))
    steps = Callback()
    steps.on_train_batch_end = lambda batch, logs=None: seen.append(batch)
    seen.clear()
    trained(data, [steps], epochs=2)
    assert seen == [*range(8)] * 2


def test_a_loss_that_is_nan_is_found_where_it_began(data, stretches):
    errors, nets = [], []
    for callbacks in ([], [Looks()]):
        net = handson.Sequential([Dense(8), Dense(2)], seed=1)
        net.compile(SGD(LinearRamp(0.01, 30.0)), "mse")
        nets.append(net)
        with pytest.raises(TrainingError) as raised:
            net.fit(*data, epochs=60, batch_size=7, verbose=0, engine="dense", seed=3, callbacks=callbacks)
        errors.append(str(raised.value))
    assert stretches
    assert errors[0] == errors[1]
    assert nets[0].history.history == nets[1].history.history
    assert nets[0].age == nets[1].age
    assert all(map(np.array_equal, nets[0].get_weights(), nets[1].get_weights()))


def test_losses_that_may_be_nan_are_not_checked(data, stretches):
    histories = []
    for callbacks in ([], [Looks()]):
        net = handson.Sequential([Dense(8), Dense(2)], seed=1)
        net.compile(SGD(LinearRamp(0.01, 30.0)), "mse")
        given = {"epochs": 60, "batch_size": 7, "verbose": 0, "engine": "dense", "seed": 3}
        histories.append(net.fit(*data, callbacks=callbacks, terminate_on_nan=False, **given).history["loss"])
    assert stretches
    assert not np.isfinite(histories[0][-1])
    np.testing.assert_array_equal(*histories)
