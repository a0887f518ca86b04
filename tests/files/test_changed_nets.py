"""Nets that were frozen, thawed, cut or grown are saved as they are now; what would be lost is refused."""

import copy
import gc

import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Model, Sequential
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Dense, Dropout
from handson.optimizers import SGD, Adagrad, Adam

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = X[:, :1]
OPTIMIZERS = {
    "momentum": lambda: SGD(0.05, momentum=0.9), "adam": lambda: Adam(0.01), "adagrad": lambda: Adagrad(0.05),
    "average": lambda: Adam(0.01, use_ema=True, ema_momentum=0.8),
}  # fmt: skip


def reg(optimizer="adam"):
    net = Sequential([Dense(8, activation="relu", input_dim=4), Dense(8), Dense(1)], seed=0)
    net.compile(OPTIMIZERS[optimizer](), "mse")
    return net


def fit(net, epochs=1, **arguments):
    targets = np.repeat(Y, net.output_shape[-1], 1)
    return net.fit(X, targets, batch_size=8, epochs=epochs, verbose=0, **arguments)


def thaw(net):
    net.layers[0].trainable = False
    fit(net)
    net.trainable = True


def frozen_parameters(net):
    net.layers[0].requires_grad_(False)
    fit(net)


def one_frozen_parameter(net):
    net.layers[1].bias.requires_grad_(False)
    fit(net)


def another_top(net):
    fit(net)
    net.pop()
    net.add(Dense(3))


def another_top_of_the_same_shape(net):
    fit(net)
    net.pop()
    net.add(Dense(1))


def cut(net):
    fit(net)
    net.pop()


def lent(net):
    fit(net)
    Sequential([Dense(4, input_dim=4), *net.layers[:-1], Dense(3)])


def freeze_after(net):
    fit(net)
    net.layers[0].trainable = False
    fit(net)


def freeze_thaw_freeze(net):
    thaw(net)
    fit(net)
    net.layers[1].trainable = False


def taken_out_of_the_middle(net):
    fit(net)
    top, middle = net.pop(), net.pop()
    net.add(Dropout(0.2))
    net.add(top)
    assert middle.name == "dense_1"


def renamed(net):
    fit(net)
    net.layers[0].name = "body"


def as_double(net):
    fit(net)
    net.double()


CHANGES = [
    renamed, as_double, thaw, frozen_parameters, one_frozen_parameter, another_top, another_top_of_the_same_shape, cut,
    lent, freeze_after, freeze_thaw_freeze, taken_out_of_the_middle,
]  # fmt: skip


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def training(net):
    return [weight.requires_grad for weight in net.parameters()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_net_comes_back_and_goes_on_as_it_would_have(tmp_path, change, optimizer):
    net = reg(optimizer)
    change(net)
    net.save(tmp_path / "a.handson")
    loaded = handson.load(tmp_path / "a.handson")
    assert same(loaded.get_weights(), net.get_weights())
    assert training(loaded) == training(net)
    assert [layer.name for layer in loaded.layers] == list(net._modules)
    histories = [fit(each, 3, initial_epoch=1).history["loss"] for each in (net, loaded)]
    assert histories[0] == histories[1]
    assert same(loaded.get_weights(), net.get_weights())


def test_a_net_of_anothers_layers_is_saved_under_its_own_names(tmp_path):
    first = reg()
    fit(first)
    second = Sequential([Dense(4, input_dim=4), *first.layers[:-1], Dense(2)])
    second.save(tmp_path / "b.handson"), first.save(tmp_path / "a.handson")
    for net, path in ((first, "a.handson"), (second, "b.handson")):
        assert same(handson.load(tmp_path / path).get_weights(), net.get_weights())
    assert list(handson.load(tmp_path / "b.handson").state_dict()) == list(second.state_dict())


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_of_a_changed_net_goes_on(tmp_path, change):
    plain, stopped = reg("momentum"), reg("momentum")
    for net in (plain, stopped):
        change(net)
    fit(plain, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, 3, run=tmp_path / "run", callbacks=[Stop()], checkpoint_seconds=0)
    again = reg("momentum")
    change(again)
    fit(again, 3, run=tmp_path / "run", callbacks=[Go()], resume="force")
    assert same(plain.get_weights(), again.get_weights())


class Stop(handson.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


class Go(handson.callbacks.Callback):
    pass


# What an optimizer remembers belongs to a weight


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "average"])
def test_a_new_weight_of_an_old_name_has_no_momentum(optimizer):
    net = reg(optimizer)
    fit(net)
    net.pop()
    net.add(Dense(1))
    before = {slot: dict(held) for slot, held in net.optimizer.slots.items()}
    net.evaluate(X, Y)
    for slot, held in before.items():
        assert "dense_2.kernel" not in net.optimizer.slots[slot]
        assert net.optimizer.slots[slot]["dense.kernel"] is held["dense.kernel"]


def test_frozen_weights_keep_what_the_optimizer_remembers_of_them():
    net = reg("momentum")
    fit(net)
    held = net.optimizer.slots["momentum"]["dense.kernel"]
    before = held.clone()
    net.layers[0].trainable = False
    fit(net)
    assert net.optimizer.slots["momentum"]["dense.kernel"] is held
    assert torch.equal(held, before)


def test_an_old_average_does_not_replace_frozen_weights():
    net = reg("average")
    fit(net)
    net.layers[0].trainable = False
    net.layers[0].set_weights([np.ones((4, 8), "f4"), np.zeros(8, "f4")])
    fit(net)
    assert (net.layers[0].get_weights()[0] == 1).all()


def test_an_optimizer_is_no_other_nets_also_when_the_first_is_gone():
    optimizer = Adam()
    first = Sequential([Dense(1, input_dim=4)], name="first")
    first.compile(optimizer, "mse")
    fit(first)
    del first
    gc.collect()
    with pytest.raises(HandsonError, match="this Adam has trained another net, 'first'"):
        reg().compile(optimizer, "mse")


def test_a_copied_net_goes_on_with_its_own_momentum():
    net = reg("momentum")
    fit(net)
    again = copy.deepcopy(net)
    fit(net, 2, initial_epoch=1), fit(again, 2, initial_epoch=1)
    assert same(net.get_weights(), again.get_weights())


# Refused at `save`


def refuse(net, tmp_path, match):
    with pytest.raises(HandsonError, match=rf"(?s)cannot be saved.*{match}.*save_weights\(\)"):
        net.save(tmp_path / "a.handson")
    assert not list(tmp_path.iterdir())


class Doubling(handson.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = 2 * factor

    def forward(self, x):
        return self.factor * x


def test_a_setting_that_does_not_come_from_its_argument_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._entries, "layer", dict(registry._entries["layer"]))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    handson.register(Doubling)
    net = Sequential([Doubling(3.0, input_shape=(4,)), Dense(1)])
    net.save(tmp_path / "b.handson")
    (tmp_path / "b.handson").unlink()
    net.layers[0].factor = 5.0
    refuse(net, tmp_path, "doubling.factor is 5.0, and would come back as 10.0")


def test_settings_that_were_changed_after_a_layer_was_made_are_kept(tmp_path):
    net = Sequential([Dropout(0.5, input_shape=(4,)), Dense(1, activation="relu"), BatchNormalization()])
    net.layers[0].rate, net.layers[1].activation = 0.25, handson.activations.get("tanh")
    net.layers[2].momentum = 0.5
    net.save(tmp_path / "a.handson")
    loaded = handson.load(tmp_path / "a.handson").layers
    assert (loaded[0].rate, loaded[1].activation, loaded[2].momentum) == (0.25, net.layers[1].activation, 0.5)


def test_a_weight_of_another_shape_is_refused(tmp_path):
    net = reg()
    net.layers[0].kernel = nn.Parameter(torch.zeros(5, 8))
    refuse(net, tmp_path, r"weights/dense.kernel has shape \(5, 8\)")


def test_a_weight_that_nothing_describes_is_refused(tmp_path):
    net = reg()
    net.layers[0].extra = nn.Parameter(torch.zeros(5))
    refuse(net, tmp_path, "not known: .*dense.extra")


def test_a_weight_that_two_layers_were_given_is_refused(tmp_path):
    net = Sequential([Dense(4, input_dim=4), Dense(4)])
    net.layers[1].kernel = net.layers[0].kernel
    refuse(net, tmp_path, "are one weight, and would become two")


def test_a_layer_in_two_parts_of_a_net_stays_one(tmp_path):
    layer = Dense(4, input_dim=4)
    net = Sequential([Sequential([layer]), Sequential([layer])])
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    assert loaded.layers[0].layers[0] is loaded.layers[1].layers[0]


def test_saving_draws_no_random_number(tmp_path):
    net = reg()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    net.save(tmp_path / "a.handson")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("make", [lambda: nn.Linear(4, 1), lambda: nn.Sequential(nn.Linear(4, 1), nn.Tanh())])
def test_a_module_of_torch_is_refused_with_the_way_out(tmp_path, make):
    for net in (Model(make()), Sequential([make()]), Sequential([Sequential([make()])])):
        net.compile("adam", "mse")
        net.fit(X, Y, verbose=0)
        with pytest.raises(HandsonError, match=r"of PyTorch, which a file cannot describe.*save_weights\(\)"):
            net.save(tmp_path / "a.handson")
    assert not list(tmp_path.iterdir())


# Nets in nets


def nested():
    inner = Sequential([Dense(5, input_dim=4), BatchNormalization(), Dense(4, activation="relu")], name="body")
    net = Sequential([inner, Sequential([Dense(3), Sequential([Dense(4), Dense(2)])]), Dense(1)], seed=0)
    net.compile("adam", "mse")
    return net


@pytest.mark.parametrize("freeze", [False, True])
def test_nets_in_nets_come_back(tmp_path, freeze):
    net = nested()
    net.layers[0].trainable = not freeze
    fit(net)
    net.save(tmp_path / "a.handson")
    loaded = handson.load(tmp_path / "a.handson")
    assert list(loaded.state_dict()) == list(net.state_dict())
    assert [type(layer).__name__ for layer in loaded.layers] == ["Sequential", "Sequential", "Dense"]
    assert (loaded.layers[0].name, loaded.layers[0].trainable) == ("body", not freeze)
    fit(net, 3, initial_epoch=1), fit(loaded, 3, initial_epoch=1)
    assert same(net.get_weights(), loaded.get_weights())


def test_nets_in_nets_are_summarised(capsys):
    nested().summary()
    rows = [line for line in capsys.readouterr().out.splitlines() if "(" in line][1:]
    assert [row.split(" (")[0] for row in rows] == [
        "body", "  dense", "  batch_normalization", "  dense_1", "sequential", "  dense", "  sequential",
        "    dense", "    dense_1", "dense",
    ]  # fmt: skip
    assert rows[0].split()[-1] == str(4 * 5 + 5 + 4 * 5 + 5 * 4 + 4)


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
@pytest.mark.parametrize("by_name", [False, True])
def test_weights_of_nets_in_nets_are_loaded(tmp_path, suffix, by_name):
    net, other = nested(), nested()
    fit(net)
    net.save_weights(tmp_path / f"a{suffix}")
    assert other.load_weights(tmp_path / f"a{suffix}", by_name=by_name) == {}
    assert same(net.get_weights(), other.get_weights())


def in_keras(keras):
    layers = keras.layers
    body = keras.Sequential([layers.Dense(5), layers.BatchNormalization(), layers.Dense(4, activation="relu")])
    inner = keras.Sequential([layers.Dense(3), keras.Sequential([layers.Dense(4), layers.Dense(2)])])
    net = keras.Sequential([keras.Input((4,)), body, inner, layers.Dense(1)])
    rng = np.random.default_rng(3)
    net.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in net.get_weights()])
    return net


def test_nets_in_nets_go_to_keras_and_back(keras, tmp_path):
    theirs, ours = in_keras(keras), nested()
    theirs.save_weights(tmp_path / "a.weights.h5")
    assert ours.load_weights(tmp_path / "a.weights.h5") == {}
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X, verbose=0), rtol=1e-4)
    other = nested()
    fit(other)
    other.save_weights(tmp_path / "b.weights.h5")
    theirs.load_weights(tmp_path / "b.weights.h5")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), other.predict(X), atol=1e-5)


def test_files_of_keras_name_the_layers_of_inner_nets(keras, tmp_path):
    body = keras.Sequential([keras.layers.LSTM(3, name="memory"), keras.layers.Dense(4, name="answer")], name="body")
    keras.Sequential([keras.Input((5, 2)), body, keras.layers.Dense(1, name="top")]).save_weights(
        tmp_path / "a.weights.h5"
    )
    inner = Sequential([handson.layers.LSTM(3, name="memory"), Dense(4, name="answer")], name="body")
    net = Sequential([handson.layers.Input((5, 2)), inner, Dense(1, name="top")])
    assert net.load_weights(tmp_path / "a.weights.h5", by_name=True) == {}


def test_names_of_modules_that_differ_in_dots_and_case_are_kept_apart(tmp_path):
    def net():
        module = nn.Sequential()
        module.add_module("a", nn.Linear(4, 4))
        module.add_module("A", nn.Linear(4, 4))
        module.add_module("1", nn.Sequential(nn.Linear(4, 4)))
        module.add_module("10", nn.Linear(4, 2))
        return Model(module)

    first, second = net(), net()
    first.save_weights(tmp_path / "a.h5")
    assert second.load_weights(tmp_path / "a.h5") == {}
    assert same(first.get_weights(), second.get_weights())


def test_a_whole_module_is_summarised(capsys):
    net = Model(nn.Sequential(nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 2), nn.Tanh())))
    net.summary()
    assert "Total params: 16" in capsys.readouterr().out
