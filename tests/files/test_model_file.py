"""Model files: nothing is lost, and what cannot be saved."""

import json

import numpy as np
import pytest
import torch
from model_files import NETS, contents, data_of, net_of
from torch import nn

import handson
from handson import Model, Sequential
from handson.callbacks import LearningRateScheduler
from handson.core import registry
from handson.core.errors import HandsonError, NotBuiltError
from handson.layers import (
    Dense,
)
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.schedules import Cosine, OneCycle

OPTIMIZERS = {
    "sgd": lambda: SGD(0.01),
    "nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: Adam(0.01, amsgrad=True),
    "adamw": lambda: AdamW(0.01, weight_decay=0.01, clipnorm=1.0),
    "adagrad": lambda: Adagrad(0.05),
    "adadelta": lambda: Adadelta(1.0),
    "schedule": lambda: Adam(OneCycle(maximum=0.01)),
    "average": lambda: SGD(0.01, use_ema=True, ema_momentum=0.9),
}


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# Nothing is lost


@pytest.mark.parametrize("kind", NETS)
def test_predictions_are_equal_bit_for_bit(tmp_path, kind):
    net, shape = net_of(kind)
    x, y = data_of(shape)
    net.fit(x, y, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    assert loaded.evaluate(x, y, return_dict=True) == net.evaluate(x, y, return_dict=True)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_goes_on_exactly_as_without_saving(tmp_path, kind, optimizer):
    x, y = data_of(NETS[kind][1])
    without, stopped = net_of(kind, OPTIMIZERS[optimizer]())[0], net_of(kind, OPTIMIZERS[optimizer]())[0]
    for net in (without, stopped):
        net.fit(x, y, epochs=2, verbose=0)
    stopped.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    histories = [net.fit(x, y, epochs=4, initial_epoch=2, verbose=0).history for net in (without, loaded)]
    assert histories[0] == histories[1]
    assert same(without.get_weights(), loaded.get_weights())


def test_saving_changes_nothing(trained):
    net, x, y, _ = trained
    twin, _ = net_of()
    twin.fit(x, y, epochs=2, verbose=0)
    for each in (net, twin):
        each.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
    assert same(net.get_weights(), twin.get_weights())


def test_a_file_that_was_loaded_is_saved_as_the_same_file(trained, tmp_path):
    *_, path = trained
    handson.load(path).save(tmp_path / "again.handson")
    (said, held), (again_said, again_held) = contents(path), contents(tmp_path / "again.handson")
    assert json.loads(again_said["model"]) == json.loads(said["model"])
    assert again_held.keys() == held.keys()
    assert all(torch.equal(again_held[name], held[name]) for name in held)


def test_a_learning_rate_that_was_changed_in_training_is_kept(tmp_path):
    net, shape = net_of()
    x, y = data_of(shape)
    net.fit(x, y, epochs=1, callbacks=[LearningRateScheduler(lambda epoch, rate: 0.125)], verbose=0)
    net.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").optimizer.learning_rate == 0.125


def test_a_schedule_is_kept(tmp_path):
    net, _ = net_of(optimizer=SGD(Cosine(start=0.25)))
    net.build((None, 6))
    net.save(tmp_path / "net.handson")
    schedule = handson.load(tmp_path / "net.handson").optimizer.schedule
    assert (type(schedule), schedule.get_config()["start"]) == (Cosine, 0.25)


def test_names_scalings_and_metrics_are_kept(tmp_path):
    import pandas as pd

    net, shape = net_of(metrics=["mae", handson.metrics.RootMeanSquaredError(name="error")])
    x, y = data_of(shape)
    net.fit(x, pd.DataFrame(y, columns=["u", "v"]), verbose=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    assert (loaded.name, loaded.target_names, loaded.seed, loaded.age) == ("dense", ["u", "v"], 5, 1)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in net.layers]
    assert [metric.name for metric in loaded.metrics] == [metric.name for metric in net.metrics]
    assert loaded.input_scaling.get_config() == net.input_scaling.get_config()
    assert loaded.target_scaling.get_config() == net.target_scaling.get_config()
    assert loaded.optimizer.get_config() == net.optimizer.get_config()


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("mae", None), ("binary_crossentropy", "sigmoid"), (handson.losses.Huber(0.5), None),
        (handson.losses.BinaryCrossentropy(from_logits=True), None),
    ],
)  # fmt: skip
def test_losses_are_kept_with_their_arguments(tmp_path, rng, loss, activation):
    net = Sequential([Dense(1, activation=activation, input_dim=3)], seed=0)
    net.compile("sgd", loss)
    x, y = rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 1))
    net.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").evaluate(x, y) == net.evaluate(x, y)


def test_frozen_layers_stay_frozen(tmp_path):
    net = Sequential([Dense(3, input_dim=2), Dense(1)], seed=0)
    net.layers[0].trainable = False
    net.compile("sgd", "mse")
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    before = loaded.get_weights()
    loaded.fit(np.ones((8, 2)), np.ones(8), verbose=0)
    assert np.array_equal(loaded.get_weights()[0], before[0])
    assert not np.array_equal(loaded.get_weights()[2], before[2])


def test_a_net_that_was_never_compiled_can_be_saved_too(tmp_path, rng):
    net = Sequential([Dense(3, input_dim=2)], seed=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    x = rng.normal(size=(4, 2))
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    with pytest.raises(HandsonError, match="fit needs a compiled net"):
        loaded.fit(x, x[:, :1])


def test_weights_that_were_loaded_are_not_drawn_again_by_a_seed(trained):
    net, x, y, path = trained
    loaded = handson.load(path)
    loaded.fit(x, y, epochs=0, seed=99, verbose=0)
    assert same(loaded.get_weights(), net.get_weights())


def test_load_is_a_method_too(trained):
    net, x, _, path = trained
    np.testing.assert_array_equal(Sequential.load(path).predict(x), net.predict(x))


def test_the_weights_of_a_model_file_can_be_loaded_into_another_net(trained):
    net, _, _, path = trained
    other, _ = net_of()
    other.build((None, 6))
    assert other.load_weights(path) == {}
    assert same(other.get_weights(), net.get_weights())


# What cannot be saved


def test_a_net_without_weights_yet_cannot_be_saved(tmp_path):
    with pytest.raises(NotBuiltError, match="not built yet, so it has no weights to save"):
        Sequential([Dense(3)]).save(tmp_path / "net.handson")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_overwritten_only_if_wanted(trained):
    net, _, _, path = trained
    net.save(path)
    with pytest.raises(HandsonError, match="is there already"):
        net.save(path, overwrite=False)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: Sequential([nn.Linear(2, 1)]), "'linear' is a Linear of PyTorch, which a file cannot describe"),
        (lambda: Model(nn.Linear(2, 1)), r"a Linear of PyTorch, which a file cannot describe.*save_weights\(\)"),
    ],
)
def test_modules_of_torch_are_refused_with_the_cure(tmp_path, net, message):
    net = net()
    net.predict(np.zeros((1, 2), np.float32))
    with pytest.raises(HandsonError, match=message):
        net.save(tmp_path / "net.handson")
    assert not list(tmp_path.iterdir())


def test_a_loss_without_a_name_is_refused_with_the_cure(tmp_path):
    net = Sequential([Dense(1, input_dim=2)])
    net.compile("sgd", lambda true, predicted: (true - predicted).abs())
    with pytest.raises(HandsonError, match=r"<lambda> is not registered.*@handson.register\(kind='loss'\)"):
        net.save(tmp_path / "net.handson")


# Classes of the user


@pytest.fixture
def registered(monkeypatch):
    """Registers for the length of one test."""
    for kind in registry._entries:
        monkeypatch.setitem(registry._entries, kind, dict(registry._entries[kind]))
    monkeypatch.setattr(registry, "_names", dict(registry._names))


class TwiceTheInput(handson.layers.Layer):
    """Multiplies by a weight."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", "scale")

    def forward(self, x):
        return self.factor * self.scale * x


def net_with_own_layer():
    net = Sequential([TwiceTheInput(3.0, input_dim=2), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    return net


def test_a_registered_layer_comes_back(tmp_path, registered, rng):
    handson.register(TwiceTheInput)
    net = net_with_own_layer()
    net.save(tmp_path / "net.handson")
    loaded, x = handson.load(tmp_path / "net.handson"), rng.normal(size=(4, 2))
    assert (type(loaded.layers[0]), loaded.layers[0].factor) == (TwiceTheInput, 3.0)
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))


def test_registered_functions_come_back(tmp_path, registered, rng):
    @handson.register(kind="loss")
    def cubic(true, predicted):
        return (true - predicted).abs() ** 3

    @handson.register(kind="activation")
    def squared(x):
        return x**2

    net = Sequential([Dense(1, activation=squared, input_dim=2)], seed=0)
    net.compile("sgd", cubic)
    net.save(tmp_path / "net.handson")
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    loaded = handson.load(tmp_path / "net.handson")
    assert loaded.evaluate(x, y) == net.evaluate(x, y) == pytest.approx((abs(net.predict(x) - y) ** 3).mean(), rel=1e-5)


def test_a_layer_that_is_not_registered_is_refused_when_saving(tmp_path):
    with pytest.raises(HandsonError, match="the layer .*TwiceTheInput is not registered.*@handson.register and import"):
        net_with_own_layer().save(tmp_path / "net.handson")


def test_a_layer_that_is_not_registered_is_refused_when_loading(tmp_path, registered):
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("layer",):
            patch.setitem(registry._entries, kind, dict(registry._entries[kind]))
        patch.setattr(registry, "_names", dict(registry._names))
        handson.register(TwiceTheInput)
        net_with_own_layer().save(tmp_path / "net.handson")
    with pytest.raises(HandsonError, match="unknown layer 'TwiceTheInput'.*decorate it with @handson.register"):
        handson.load(tmp_path / "net.handson")
