"""Which layers train, and fine-tuning in two phases."""

import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Model, Sequential
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Dense, Dropout, Input, TorchModuleWrapper
from handson.models.tuning import units_of
from handson.optimizers import SGD, Adam
from handson.schedules import ExponentialDecay


def data(rng, rows=48):
    x = rng.normal(size=(rows, 3)).astype("float32")
    return x, np.sin(x.sum(1, keepdims=True))


def trained_base(rng):
    """A net within a net, with a batch normalization, that was trained."""
    x = Input((3,))
    inner = Sequential([Dense(5, "relu", name="low"), BatchNormalization(name="norm")], name="inner")
    base = Model(x, Dense(4, "relu", name="high")(Dropout(0.1)(inner(x))), name="base", seed=3)
    base.compile("adam", "mse")
    base.fit(data(rng)[0], rng.normal(size=(48, 4)), verbose=0)
    return base


def headed(base, optimizer="adam", **arguments):
    net = Sequential([base, Dense(1, name="head")], seed=4, **arguments)
    net.compile(optimizer, "mse")
    return net


def values(net):
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def changed(before, net):
    return {name for name, value in net.state_dict().items() if not torch.equal(before[name], value)}


# Freezing.


def test_units_are_layers_with_weights_in_nets_too(rng):
    net = headed(trained_base(rng))
    assert [unit.path for unit in units_of(net)] == ["base.inner.low", "base.inner.norm", "base.high", "head"]


def test_a_shared_layer_counts_once():
    x, shared = Input((3,)), Dense(3)
    assert len(units_of(Model(x, Dense(1)(shared(shared(x)))))) == 2


def test_what_is_frozen_does_not_change_and_normalizes_with_its_averages(rng):
    base = trained_base(rng)
    base.freeze()
    net, (x, y) = headed(base), data(rng)
    before = values(net)
    net.fit(x, y, epochs=2, verbose=0)
    assert changed(before, net) == {"head.kernel", "head.bias"}


@pytest.mark.parametrize("normalization", [False, True])
def test_the_last_layers_train_and_no_others(rng, normalization):
    base = trained_base(rng)
    base.freeze()
    net, (x, y) = headed(base), data(rng)
    net.unfreeze_last(3, normalization)
    before = values(net)
    net.fit(x, y, epochs=2, verbose=0)
    also = ("norm.gamma", "norm.beta", "norm.moving_mean", "norm.moving_variance") if normalization else ("low.kernel",)
    assert {f"base.inner.{name}" for name in also} <= changed(before, net)
    assert ("base.inner.low.kernel" in changed(before, net)) is not normalization
    assert any("norm" in name for name in changed(before, net)) is normalization


def test_fewer_layers_than_before_train_after_a_second_call(rng):
    net = headed(trained_base(rng))
    net.unfreeze_last(3)
    net.unfreeze_last(1)
    assert [weight.shape for weight in net.trainable_weights] == [(4, 1), (1,)]


def test_more_layers_than_there_are_is_an_error(rng):
    with pytest.raises(HandsonError, match="there are 3 layers with weights, batch normalizations not counted; got 4"):
        headed(trained_base(rng)).unfreeze_last(4)
    with pytest.raises(HandsonError, match="is not built yet"):
        Sequential([Dense(2)]).unfreeze_last(1)


def test_files_keep_what_trains(rng, tmp_path):
    base = trained_base(rng)
    base.freeze()
    net = headed(base)
    net.unfreeze_last(2)
    for name in ("net.handson", "net.keras"):
        net.save(tmp_path / name)
        found = handson.load(tmp_path / name)
        names = [unit.path for unit in units_of(found) if unit.layer.trainable]
        assert names == ["base.high", "head"], name


# Fine-tuning.


def test_two_phases_train_the_head_then_the_last_layers(rng):
    net, (x, y) = headed(trained_base(rng), Adam(0.02)), data(rng)
    before, seen = values(net), []

    class Look(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, changed(before, self.model), float(self.model.optimizer.learning_rate)))

    history = net.fine_tune(x, y, epochs=(2, 3), last=1, verbose=0, callbacks=[Look()], validation_data=(x, y))
    head = {"head.kernel", "head.bias"}
    assert [epoch for epoch, _, _ in seen] == history.epoch == [0, 1, 2, 3, 4]
    assert [names for _, names, _ in seen] == [head] * 2 + [head | {"base.high.kernel", "base.high.bias"}] * 3
    assert [rate for _, _, rate in seen] == pytest.approx([0.02] * 2 + [0.002] * 3)
    assert history is net.history
    assert len(history.history["val_loss"]) == 5
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_the_numbers_are_those_of_the_steps_written_out(rng):
    x, y = data(rng)
    ours, theirs = (headed(trained_base(np.random.default_rng(7)), SGD(0.05, momentum=0.9)) for _ in range(2))
    ours.fine_tune(x, y, epochs=(2, 2), last=1, learning_rate=0.01, layer_decay=0.5, verbose=0)
    theirs.layers[0].freeze()
    theirs.fit(x, y, epochs=2, verbose=0)
    theirs.unfreeze_last(2)
    theirs.compile(SGD(0.01, momentum=0.9, rate_multipliers={"high": 0.5}), "mse")
    theirs.fit(x, y, initial_epoch=2, epochs=4, verbose=0)
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_second_call_begins_with_what_compile_was_given(rng):
    net, (x, y) = headed(trained_base(rng), SGD(0.05)), data(rng)
    rates = []

    class Look(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(round(float(self.model.optimizer.learning_rate), 9))

    for _ in range(2):
        net.fine_tune(x, y, epochs=(1, 1), head=1, layer_decay=0.5, normalization=True, verbose=0, callbacks=[Look()])
        shares = net.optimizer.rate_multipliers
    assert rates == [0.05, 0.005] * 2
    assert shares == {"base.high": 0.5, "base.inner.norm": 0.25, "base.inner.low": 0.125}


def test_rates_fall_from_layer_to_layer(rng):
    net, (x, y) = headed(trained_base(rng)), data(rng)
    net.fine_tune(x, y, epochs=(0, 1), layer_decay=0.5, normalization=True, verbose=0)
    assert net.optimizer.rate_multipliers == {"base.high": 0.5, "base.inner.norm": 0.25, "base.inner.low": 0.125}


def test_a_head_keeps_its_rate_though_a_layer_beneath_it_has_the_name_of_one_in_it(rng):
    base = Sequential([Dense(4, "relu", input_dim=3)])
    base.compile("adam", "mse")
    x, y = data(rng)
    base.fit(x, np.zeros((len(x), 4)), verbose=0)
    head = Sequential([Dense(4, name="dense"), Dense(1, name="last")], name="head")
    net = Sequential([base.layers[0], head])
    net.compile(SGD(0.1, rate_multipliers={"last": 2.0}), "mse")
    net.fine_tune(x, y, epochs=(0, 1), layer_decay=np.float32(0.5), verbose=0)
    assert net.optimizer.rate_multipliers == {"last": 2.0, "dense": 0.5, "head.dense": 1.0}


def test_weights_of_a_net_itself_have_no_place_among_rates_of_layers(rng):
    class Scaled(Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")
            self.hidden, self.last = Dense(4), Dense(1)

        def call(self, x):
            return self.last(self.hidden(x) * self.scale)

    net, (x, y) = Scaled(), data(rng)
    net.compile("adam", "mse")
    net.fit(x, y, verbose=0)
    before = values(net)
    with pytest.raises(HandsonError, match="layer_decay is for layers, and the net has weights of its own"):
        net.fine_tune(x, y, head=1, layer_decay=0.5, verbose=0)
    assert changed(before, net) == set()
    net.fine_tune(x, y, head=1, verbose=0)
    assert "scale" in changed(before, net)


def test_all_layers_train_unless_it_is_said_how_many_and_normalizations_stay_frozen(rng):
    net, (x, y) = headed(trained_base(rng)), data(rng)
    before = values(net)
    net.fine_tune(x, y, epochs=1, verbose=0)
    assert {name for name in before if "norm" not in name} == changed(before, net)


def test_what_training_has_found_of_weights_in_files_counts_as_trained(rng, tmp_path):
    trained_base(rng).save_weights(tmp_path / "base.weights.h5")
    x = Input((3,))
    inner = Sequential([Dense(5, "relu", name="low"), BatchNormalization(name="norm")], name="inner")
    base = Model(x, Dense(4, "relu", name="high")(Dropout(0.1)(inner(x))), name="base")
    base.load_weights(tmp_path / "base.weights.h5")
    net, before = headed(base), values(base)
    net.fine_tune(*data(rng), epochs=(1, 0), verbose=0)
    assert changed(before, base) == set()


def test_layers_of_all_kinds_are_known_to_be_new():
    layers = [
        handson.layers.Conv1D(4, 2, input_shape=(8, 3)),
        BatchNormalization(center=False, scale=False),
        handson.layers.LSTM(4, return_sequences=True),
        handson.layers.Bidirectional(handson.layers.GRU(3)),
        handson.layers.LayerNormalization(),
        handson.layers.PReLU(),
        Dense(2),
    ]
    assert [unit.fresh for unit in units_of(Sequential(layers, seed=0))] == [True] * 7


def test_averages_of_a_normalization_without_other_weights_stay_too(rng):
    base = Sequential([Dense(4, input_dim=3), BatchNormalization(center=False, scale=False, name="norm")])
    base.compile("adam", "mse")
    base.fit(data(rng)[0], rng.normal(size=(48, 4)), verbose=0)
    net, before = headed(base), values(base)
    net.fine_tune(*data(rng), epochs=(1, 0), verbose=0)
    assert changed(before, base) == set()


def test_a_run_goes_on_in_the_phase_where_it_stopped(rng, tmp_path):
    x, y = data(rng)

    class Stop(handson.callbacks.Callback):
        passive = True

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    def run(folder, *callbacks):
        net = headed(trained_base(np.random.default_rng(7)))
        found = net.fine_tune(x, y, epochs=(2, 3), verbose=0, run=folder, callbacks=list(callbacks))
        return net, found

    whole, history = run(tmp_path / "whole")
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        run(tmp_path / "cut", Stop())
    again, same = run(tmp_path / "cut")
    assert same.history == history.history
    for one, two in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"epochs": (1, 2, 3)}, r"those of two phases, as \(5, 10\)"),
        ({"epochs": -1}, "epochs is a whole number"),
        ({"last": 9}, "there are 2 layers with weights, batch normalizations not counted; got 9"),
        ({"head": 4}, "head is less than the 4 layers with weights; got 4"),
        ({"layer_decay": 0}, "layer_decay lies above 0"),
        ({"initial_epoch": 3}, "counts the epochs of its phases itself: leave out initial_epoch"),
        ({"learning_rate": -1}, "learning_rate is a number that is not negative"),
    ],
)
def test_arguments_that_cannot_be_are_refused(rng, arguments, said):
    net = headed(trained_base(rng))
    before = values(net)
    with pytest.raises(HandsonError, match=said):
        net.fine_tune(*data(rng), verbose=0, **arguments)
    assert changed(before, net) == set()


def test_a_net_with_nothing_new_or_nothing_trained_is_refused(rng):
    x, y = data(rng)
    net = headed(Sequential([Dense(4, input_dim=3)]))
    with pytest.raises(HandsonError, match="no layer that was trained before, or loaded"):
        net.fine_tune(x, y)
    net.fit(x, y, verbose=0)
    with pytest.raises(HandsonError, match="no layer whose weights are as they were drawn"):
        net.fine_tune(x, y)
    net.fine_tune(x, y, head=1, epochs=(1, 0), verbose=0)


def test_a_schedule_needs_the_rate_of_the_second_phase(rng):
    net = headed(trained_base(rng), Adam(ExponentialDecay(0.01, 10, 0.9)))
    with pytest.raises(HandsonError, match=r"fine_tune\(learning_rate=\.\.\.\)"):
        net.fine_tune(*data(rng))
    net.fine_tune(*data(rng), learning_rate=1e-4, epochs=1, verbose=0)


# Modules of PyTorch.


def torch_net():
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 1)))


def test_a_module_of_torch_is_frozen_and_fine_tuned(rng):
    net = Model(torch_net(), seed=1)
    net.compile("sgd", "mse")
    x, y = data(rng)
    before = values(net)
    net.fine_tune(x, y, head=1, last=1, epochs=(1, 0), verbose=0)
    assert changed(before, net) == {"module.3.1.weight", "module.3.1.bias"}
    net.fine_tune(x, y, head=1, last=1, epochs=(0, 1), verbose=0)
    assert changed(before, net) == {f"module.3.{layer}.{name}" for layer in "01" for name in ("weight", "bias")}
    net.unfreeze_last(4, normalization=True)
    net.fit(x, y, verbose=0)
    assert "module.1.running_mean" in changed(before, net)


def test_a_module_of_torch_in_a_subclass_keeps_its_averages(rng):
    class Net(Model):
        def __init__(self):
            super().__init__(seed=1)
            self.body, self.head = torch_net(), Dense(1)

        def call(self, inputs):
            return self.head(self.body(inputs))

    net, (x, y) = Net(), data(rng)
    net.compile("sgd", "mse")
    net.predict(x)
    before = values(net)
    net.fine_tune(x, y, epochs=(1, 0), verbose=0)
    assert changed(before, net) == {"head.kernel", "head.bias"}


def test_a_module_of_torch_in_a_stack_is_opened(rng):
    net = Sequential([TorchModuleWrapper(torch_net()[:2], input_shape=(3,)), Dense(1, name="head")], seed=1)
    net.compile("sgd", "mse")
    x, y = data(rng)
    net.layers[0].trainable = False
    net.unfreeze_last(2)
    before = values(net)
    net.fit(x, y, verbose=0)
    assert {name.split(".", 1)[1] for name in changed(before, net)} == {
        "module.0.weight",
        "module.0.bias",
        "kernel",
        "bias",
    }
