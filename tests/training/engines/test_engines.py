"""Every engine gives the numbers of the reference, and exactly its own again."""

import os
import subprocess
import sys

import changes
import interrupted
import numpy as np
import pytest
import torch
from changes import Change
from conformance import MORE_OPTIMIZERS, OPTIMIZERS, check_against_reference, close, jobs, trained
from hypothesis import given, settings

import handson
from handson.core.errors import HandsonError
from handson.core.pure import declare
from handson.kernels import library, winograd
from handson.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    MaxPooling2D,
    Reshape,
)
from handson.metrics import Metric
from handson.optimizers import SGD, Adam
from handson.training import engines, fit


@settings(deadline=None, max_examples=40)
@given(job=jobs(OPTIMIZERS | MORE_OPTIMIZERS))
def test_shards_give_the_numbers_of_the_reference(job):
    check_against_reference("shards", **job)


@settings(deadline=None, max_examples=160)
@given(job=jobs(OPTIMIZERS | MORE_OPTIMIZERS))
def test_the_dense_program_gives_the_numbers_of_the_reference(job):
    check_against_reference("dense", **job)


def test_accuracy_is_that_of_the_reference(rng):
    x, y = rng.normal(size=(100, 4)).astype(np.float32), rng.integers(0, 3, size=100)
    histories = [
        trained(e, [("dense", 8, "relu", True)], "sparse", "adam", 3, x, y, None)[1] for e in ("dense", "eager")
    ]
    assert histories[0].history["accuracy"] == histories[1].history["accuracy"]


def test_the_program_repeats_itself_exactly_however_its_steps_are_cut(rng, tmp_path):
    x, y = rng.normal(size=(100, 4)).astype(np.float32), rng.normal(size=(100, 1)).astype(np.float32)

    def run(callbacks=()):
        net = handson.Sequential([Dense(8, activation="relu"), Dropout(0.3), BatchNormalization(), Dense(1)], seed=1)
        net.compile("adam", "mse", metrics=["mae"])
        history = net.fit(x, y, epochs=3, batch_size=7, verbose=0, engine="dense", callbacks=list(callbacks))
        return net.get_weights(), history.history

    (weights, history), (again, same), (cut, looked) = run(), run(), run([EveryStep()])
    assert history == same == looked
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(weights, again, cut, strict=True))


def dense_net():
    layers = [Dense(8, activation="tanh", use_bias=False), BatchNormalization(center=False, scale=False)]
    return [*layers, Dropout(0.2), Dense(1, kernel_regularizer="l2")]


def fused_net():
    return [Conv2D(4, 3, activation="relu"), MaxPooling2D(), Dropout(0.2), Flatten(), Dense(1, kernel_regularizer="l2")]


def recurrent_net():
    return [LSTM(4, return_sequences=True), GRU(3), Dense(1, kernel_regularizer="l2")]


NETS = [("dense", dense_net, (4,)), ("blocks", fused_net, (6, 6, 1)), ("blocks", recurrent_net, (5, 2))]
CHANGES = [
    "slower", "heavier", "clip", "clip_norms", "forget", "drop_more", "drop_nothing", "sharpen", "activate_otherwise",
    "freeze", "freeze_second", "freeze_one_weight", "freeze_all", "average", "punish", "exchange_weight",
    "exchange_memory",
]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "layers", "shape", "optimizer"),
    [
        *((*net, lambda: SGD(0.01, 0.9)) for net in [*NETS, ("shards", dense_net, (4,))]),
        *((*NETS[0], optimizer) for optimizer in (lambda: SGD(0.01), lambda: Adam(0.01))),
    ],
)
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_callback_changes_between_epochs_holds_from_then_on(rng, change, engine, layers, shape, optimizer):
    x, y = rng.normal(size=(40, *shape)).astype(np.float32), rng.normal(size=(40, 1)).astype(np.float32)

    def run(engine):
        net = handson.Sequential(layers(), seed=1)
        net.compile(optimizer(), "huber")
        callbacks = [Change(getattr(changes, change))]
        history = net.fit(x, y, epochs=4, batch_size=8, verbose=0, seed=2, engine=engine, callbacks=callbacks)
        return net.get_weights(), history.history["loss"]

    (weights, losses), (expected, their_losses) = run(engine), run("eager")
    close(weights, expected)
    np.testing.assert_allclose(losses, their_losses, rtol=2e-3)


@pytest.mark.parametrize(("engine", "layers", "shape"), NETS)
@pytest.mark.parametrize("place", [None, 0, 1, 2])
def test_who_looks_into_a_layer_meanwhile_sees_every_step(rng, engine, layers, shape, place):
    x, y = rng.normal(size=(40, *shape)).astype(np.float32), rng.normal(size=(40, 1)).astype(np.float32)

    def run(engine):
        seen = []

        def look(net):
            part = net if place is None else net.layers[place]
            part.register_forward_hook(lambda part, inputs, output: seen.append(float(output.detach().square().sum())))

        net = handson.Sequential(layers(), seed=1)
        net.compile("sgd", "mse")
        net.fit(x, y, epochs=3, batch_size=8, verbose=0, seed=2, engine=engine, callbacks=[Change(look)])
        return seen

    seen, expected = run(engine), run("eager")
    assert len(seen) == len(expected) == 10
    np.testing.assert_allclose(seen, expected, rtol=1e-3)


@pytest.mark.parametrize(("engine", "layers", "shape"), NETS)
def test_a_net_that_is_watched_from_the_beginning_trains_in_an_engine_that_shows_it(
    rng, monkeypatch, engine, layers, shape
):
    monkeypatch.setattr(engines, "FEWEST_STEPS", 0)
    x, y = rng.normal(size=(40, *shape)).astype(np.float32), rng.normal(size=(40, 1)).astype(np.float32)
    net, seen = handson.Sequential(layers(), seed=1), []
    net.compile("sgd", "mse")
    net.register_forward_hook(lambda net, inputs, output: seen.append(len(output)))
    with pytest.raises(HandsonError, match=f"'{engine}' cannot run this training: .*hook"):
        net.fit(x, y, verbose=0, engine=engine)
    net.fit(x, y, verbose=0, batch_size=5, epochs=5)
    assert seen.count(5) == 40


CALLS = []


def counted(y_true, y_pred):
    CALLS.append(len(y_pred))
    return (y_true - y_pred).square()


@declare
def correlation(y_true, y_pred):
    """Of a whole batch."""
    a, b = (each - each.mean() for each in (y_true, y_pred))
    return (a * b).sum() / ((a * a).sum() * (b * b).sum() + 1e-6).sqrt()


@declare
def pinball(y_true, y_pred, share=0.3):
    error = y_true - y_pred
    return torch.maximum(share * error, (share - 1) * error)


@declare
class Standardized(Metric):
    """Errors beside the deviation of the batch."""

    def __init__(self):
        super().__init__("standardized")

    def values(self, y_true, y_pred):
        return (y_true - y_pred) / y_true.std()


@pytest.mark.parametrize("metrics", [[correlation], [pinball, "mae"], [Standardized(), pinball]])
@pytest.mark.parametrize("missing", [False, True])
def test_metrics_of_a_user_are_those_of_the_reference(rng, metrics, missing):
    x, y = rng.normal(size=(45, 4)).astype(np.float32), rng.normal(size=(45, 2)).astype(np.float32)
    if missing and metrics[0] is pinball:
        y[::3, 0] = np.nan

    def run(engine, callbacks=()):
        net = handson.Sequential([Dense(8, activation="relu"), Dropout(0.2), Dense(2)], seed=1)
        net.compile("adam", "mse", metrics=metrics, scale_targets=(0.5, 2.0))
        given = {"epochs": 3, "batch_size": 8, "validation_split": 0.2, "callbacks": list(callbacks)}
        return net.fit(x, y, verbose=0, seed=2, engine=engine, **given).history

    found, expected = run("dense"), run("eager")
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4)
    assert run("dense", [EveryStep()]) == found


def test_a_loss_of_a_user_may_change_what_it_is_given(rng):
    x, y = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(30, 1)).astype(np.float32)

    def run(engine):
        net = handson.Sequential([Dense(8, activation="tanh"), Dense(1)], seed=1)
        net.compile("adam", declare(lambda y_true, y_pred: y_pred.sub_(y_true).square()))
        return net.fit(x, y, epochs=3, batch_size=8, verbose=0, seed=2, engine=engine).history["loss"]

    np.testing.assert_allclose(run("dense"), run("eager"), rtol=1e-4)


class EveryStep(handson.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class Backwards(SGD):
    """An optimizer of a user."""

    def update(self, weights, gradients, slots, rate, position):
        super().update(weights, gradients, slots, -rate, position)


def test_a_loss_that_is_not_a_number_is_found_in_its_layer(rng):
    x = rng.normal(size=(64, 4)).astype(np.float32)
    net = handson.Sequential([Dense(8, activation="relu", name="first"), Dense(1, name="second")], seed=0)
    net.compile(SGD(1e12), "mse")
    with pytest.raises(handson.core.errors.TrainingError, match=r"it began in epoch \d, step \d+, in '(first|second)'"):
        net.fit(x, x.sum(1), epochs=3, verbose=0, engine="dense")


@pytest.mark.parametrize(
    ("layers", "compiled", "fitted", "obstacle"),
    [
        ([LSTM(3, input_shape=(5, 2)), Dense(1)], {}, {}, "the layer lstm"),
        ([Dense(1, input_dim=3, kernel_regularizer=lambda w: w.abs().max())], {}, {}, "the regularizer of kernel"),
        ([Dense(1, input_dim=3, trainable=False)], {}, {}, "a net without weights to train"),
        ([Dense(1, input_dim=3)], {"optimizer": Backwards()}, {}, "the optimizer Backwards"),
        ([Dense(1, input_dim=3)], {"loss": counted}, {}, "the loss counted, which is not declared"),
        ([Dense(1, input_dim=3)], {"metrics": [counted]}, {}, "the metric counted, which is not declared"),
        ([Dense(1, input_dim=3, activation="mish")], {}, {}, "the layer dense"),
        ([Dense(1, input_dim=3, dtype="float64")], {}, {}, "the layer dense, which computes in float64"),
        ([Dense(1, input_dim=3, activity_regularizer="l2")], {}, {}, "the activity_regularizer of dense"),
        ([Dense(1, input_dim=3)], {}, {"augment": lambda x, y: (x, y)}, "augmentation"),
    ],
)
def test_what_the_program_cannot_run_is_refused_with_the_reason(layers, compiled, fitted, obstacle):
    net = handson.Sequential(layers)
    net.compile(**{"optimizer": "adam", "loss": "mse"} | compiled)
    x = np.ones((10, *net.input_shape[1:]), np.float32)
    with pytest.raises(HandsonError, match=f"'dense' cannot run .*{obstacle}"):
        net.fit(x, np.ones(10), verbose=0, engine="dense", **fitted)
    net.fit(x, np.ones(10), verbose=0, **fitted)


def normalized(**arguments):
    return [Conv2D(4, 2, use_bias=False), BatchNormalization(**arguments), Activation("relu"), MaxPooling2D()]


def convolutional(engine, x, y, stack, epochs=2):
    layers = {
        "convolution": lambda: [Conv2D(4, 3, activation="relu"), MaxPooling2D(), Dropout(0.2)],
        "same": lambda: [Conv2D(16, 3, padding="same", activation="relu"), MaxPooling2D()],
        "apart": lambda: [Conv2D(4, (2, 3), padding="same", use_bias=False), Activation("relu"), MaxPooling2D(),
                          Dropout(0.3)],
        "normalized, same": lambda: [Conv2D(32, 3, padding="same", use_bias=False), *normalized()[1:]],
        "normalized": normalized,
        "normalized, dropped": lambda: [*normalized(momentum=0.5), Dropout(0.4)],
        "normalized, bare": lambda: normalized(scale=False, center=False),
        "normalized, frozen": lambda: normalized(trainable=False),
        "dropped": lambda: [Dropout(0.1), Conv2D(5, 2, activation="relu"), MaxPooling2D(), Dropout(0.4), Conv2D(4, 2),
                            Activation("relu"), MaxPooling2D(), Dropout(0.5, seed=3), Dropout(0.2)],
        "alone": lambda: [Activation("relu"), MaxPooling2D(), Dropout(0.3)],
        "wide": lambda: [Conv2D(32, 3, activation="relu"), Conv2D(32, 3, padding="same", activation="tanh"),
                         Conv2D(32, 3, padding="same", use_bias=False), *normalized()[1:],
                         Conv2D(32, 3, padding="same", activation="relu"), MaxPooling2D()],
        "strided": lambda: [Conv2D(4, 3, strides=2, activation="relu"), MaxPooling2D(), Dropout(0.2)],
        "first": lambda: [Activation("relu"), MaxPooling2D(), Conv2D(3, 2, activation="relu"), MaxPooling2D((2, 2))],
        "channels first": lambda: [Conv2D(6, 3, padding="same", activation="relu", data_format="channels_first"),
                                   MaxPooling2D(data_format="channels_first"), Conv2D(3, 2, activation="relu"),
                                   MaxPooling2D()],
    }[stack]()  # fmt: skip
    net = handson.Sequential([*layers, Flatten(), Dense(1)], seed=2)
    net.compile("adam", "mse", metrics=["mae"])
    history = net.fit(x, y, epochs=epochs, batch_size=8, verbose=0, seed=3, engine=engine, validation_data=(x, y))
    return net.get_weights(), history.history, net.predict(x)


@pytest.mark.parametrize("stack", ["alone", "strided"])
@pytest.mark.parametrize("size", [(13, 14), (14, 13), (15, 15)])
def test_pooling_without_its_convolution_gives_the_bits_of_the_reference(rng, stack, size):
    x, y = rng.normal(size=(19, *size, 9)).astype(np.float32), rng.normal(size=19).astype(np.float32)
    (weights, history, predicted), expected = (convolutional(e, x, y, stack) for e in ("blocks", "eager"))
    assert all(np.array_equal(a, b) for a, b in zip(weights, expected[0], strict=True))
    assert history == expected[1]
    assert np.array_equal(predicted, expected[2])


@pytest.mark.parametrize(
    ("stack", "channels"),
    [
        *((stack, few) for stack in ("convolution", "dropped", "first", "same", "apart", "wide") for few in (1, 3, 9)),
        *(
            (f"normalized{how}", many)
            for how in ("", ", dropped", ", bare", ", frozen", ", same")
            for many in (1, 2, 9)
        ),
        ("channels first", 9),
    ],
)
@pytest.mark.parametrize("size", [(13, 14), (14, 13), (15, 15)])
def test_blocks_are_those_of_the_reference_within_rounding(rng, stack, channels, size):
    x, y = rng.normal(size=(19, *size, channels)).astype(np.float32), rng.normal(size=19).astype(np.float32)
    (weights, history, predicted), expected = (convolutional(e, x, y, stack) for e in ("blocks", "eager"))
    for ours, theirs in zip(weights, expected[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[1][name], rtol=1e-4)
    np.testing.assert_allclose(predicted, expected[2], rtol=1e-3, atol=1e-3)
    again = convolutional("blocks", x, y, stack)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again[0], strict=True))


def test_convolutions_with_many_channels_take_fewer_multiplications(rng, monkeypatch):
    x, y = rng.normal(size=(19, 14, 14, 3)).astype(np.float32), rng.normal(size=19).astype(np.float32)
    found, pays = [], winograd.pays
    monkeypatch.setattr(winograd, "pays", lambda *sizes: found.append(pays(*sizes)) or found[-1])
    convolutional("blocks", x, y, "wide", epochs=1)
    first_batch = slice(0, 4)  # the first convolution has few inputs
    assert found[first_batch] == [False, *[library.lanes() == 16] * 3]


RECURRENT = {
    "lstm": lambda: [LSTM(5)],
    "gru": lambda: [GRU(5)],
    "stacked": lambda: [LSTM(17, return_sequences=True), Dropout(0.2), GRU(4, go_backwards=True, dropout=0.3)],
    "dropped": lambda: [LSTM(6, dropout=0.4, return_sequences=True, use_bias=False), Dense(2, "tanh"), Flatten()],
    "frozen": lambda: [GRU(6, return_sequences=True), LSTM(4, trainable=False), BatchNormalization()],
    "penalized": lambda: [LSTM(4, kernel_regularizer="l2"), Dropout(0.5)],
    "beside a loop": lambda: [LSTM(4, return_sequences=True), LSTM(3, recurrent_dropout=0.5), Dense(2)],
    "beside a block": lambda: [Reshape((7, 3, 1)), Conv2D(2, (2, 2), activation="relu"), MaxPooling2D(),
                               Reshape((3, 2)), GRU(4)],
}  # fmt: skip


def recurrent(engine, x, y, stack, weights=None):
    net = handson.Sequential([*RECURRENT[stack](), Dense(1)], seed=2)
    net.compile(SGD(0.1, momentum=0.9), "mse", metrics=["mae"])
    arguments = {"validation_data": (x, y), "sample_weight": weights, "engine": engine}
    history = net.fit(x, y, epochs=3, batch_size=8, verbose=0, seed=3, **arguments)
    return net.get_weights(), history.history, net.predict(x)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("stack", RECURRENT)
def test_compiled_recurrent_layers_are_those_of_the_reference_within_rounding(rng, stack, weighted):
    x, y = rng.normal(size=(21, 7, 3)).astype(np.float32), rng.normal(size=21).astype(np.float32)
    weights = rng.uniform(0, 2, size=21) if weighted else None
    (found, history, predicted), expected = (recurrent(e, x, y, stack, weights) for e in ("blocks", "eager"))
    close(found, expected[0])
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[1][name], rtol=1e-4)
    np.testing.assert_allclose(predicted, expected[2], rtol=1e-3, atol=1e-4)
    again = recurrent("blocks", x, y, stack, weights)
    assert all(np.array_equal(a, b) for a, b in zip(found, again[0], strict=True))


@pytest.mark.parametrize("plan", [[(0, 0)], [(0, 3), (2, 1)]])
def test_compiled_recurrent_layers_go_on_exactly_where_they_were_stopped(tmp_path, plan):
    def make():
        layers = [Reshape((3, 1)), LSTM(6, dropout=0.3, return_sequences=True), GRU(4), Dropout(0.2), Dense(1)]
        return handson.Sequential(layers)

    interrupted.check_equal(tmp_path, plan, make=make, engine="blocks")


@pytest.mark.parametrize(
    "layer", [LSTM(3, activation="relu"), LSTM(3, recurrent_dropout=0.1), GRU(3, reset_after=False)]
)
def test_other_recurrent_layers_are_not_compiled(layer):
    net = handson.Sequential([layer, Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="does not support a net .* without LSTM or GRU of the usual kind"):
        net.fit(np.ones((4, 5, 2)), np.ones(4), verbose=0, engine="blocks")


def test_layers_of_another_type_are_not_compiled():
    net = handson.Sequential([LSTM(3, dtype="float64"), Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="does not support the layer lstm, which computes in float64"):
        net.fit(np.ones((4, 5, 2)), np.ones(4), verbose=0, engine="blocks")
    assert net.fit(np.ones((4, 5, 2)), np.ones(4), batch_size=1, epochs=30, verbose=0).history["loss"]


def test_a_recurrent_layer_that_somebody_looks_at_is_left_to_itself(rng):
    x, y = rng.normal(size=(20, 4, 2)).astype(np.float32), rng.normal(size=20).astype(np.float32)
    net = handson.Sequential([LSTM(3, input_shape=(4, 2), return_sequences=True), LSTM(3), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    seen = []
    net.layers[0].register_forward_hook(lambda layer, inputs, output: seen.append(output.shape))
    net.fit(x, y, epochs=2, batch_size=20, verbose=0, engine="blocks")
    assert len(seen) >= 2


def test_other_windows_are_not_fused():
    net = handson.Sequential([Conv2D(2, 3, activation="relu", input_shape=(9, 9, 1)), MaxPooling2D(3), Flatten()])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="does not support a net without ReLU before 2x2 max-pooling"):
        net.fit(np.ones((4, 9, 9, 1)), np.ones((4, 8)), verbose=0, engine="blocks")


def test_a_layer_that_somebody_looks_at_is_not_fused(rng):
    x, y = rng.normal(size=(20, 9, 9, 1)).astype(np.float32), rng.normal(size=20).astype(np.float32)
    net = handson.Sequential([Conv2D(2, 2, activation="relu"), MaxPooling2D(), Flatten(), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    net.build((None, 9, 9, 1))
    seen = []
    net.layers[0].register_forward_hook(lambda layer, inputs, output: seen.append(output.min().item()))
    net.fit(x, y, epochs=20, verbose=0)
    assert len(seen) >= 20
    assert min(seen) == 0.0


@pytest.mark.parametrize("engine", ["dense", "eager"])
@pytest.mark.parametrize("plan", [[(0, 0)], [(1, 2)], [(1, 3)], [(0, 3), (2, 1)]])
def test_every_engine_goes_on_exactly_where_it_was_stopped(tmp_path, engine, plan):
    interrupted.check_equal(tmp_path, plan, engine=engine)


def test_the_choice_follows_from_the_net_and_the_length_of_its_training(monkeypatch, capsys):
    monkeypatch.setattr(engines, "FEWEST_STEPS", 12)
    x, y = np.ones((24, 8, 8, 1), np.float32), np.ones(24, np.float32)

    def chosen(layers, epochs):
        net = handson.Sequential(layers, seed=0)
        net.compile("sgd", "mse")
        seen = []
        monkeypatch.setattr(fit, "choose", lambda *given: seen.append(engines.choose(*given)) or seen[-1])
        monkeypatch.setattr(fit, "_told", {""})
        net.fit(x, y, batch_size=8, epochs=epochs, verbose=2)
        return type(seen[0]).__name__, capsys.readouterr().out.count("engine=")

    dense, blocks = [Flatten(), Dense(1)], [Conv2D(2, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(1)]
    assert chosen(dense, 3) == ("Eager", 0)
    assert chosen(dense, 4) == ("DenseProgram", 2)
    assert chosen(blocks, 3) == ("Eager", 0)
    assert chosen(blocks, 4) == ("Blocks", 2)
    recurrent = [Reshape((8, 8)), LSTM(2), Dense(1)]
    assert chosen(recurrent, 3) == ("Eager", 0)
    assert chosen(recurrent, 4) == ("Blocks", 2)


def test_without_kernels_eager_runs_everything_and_says_so_once(monkeypatch, capsys):
    monkeypatch.setattr(engines, "missing", lambda: "there are none.")
    monkeypatch.setattr(fit, "_told", {""})
    x, y = np.ones((24, 8, 8, 1), np.float32), np.ones(24, np.float32)
    for layers in [Flatten(), Dense(1)], [Conv2D(2, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(1)]:
        net = handson.Sequential(layers, seed=0)
        net.compile("sgd", "mse")
        net.fit(x, y, batch_size=2, epochs=2, verbose=2)
    assert capsys.readouterr().out.count("engine='eager', which takes several times as long") == 1
    net = handson.Sequential([Reshape((64,)), LayerNormalization(), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    monkeypatch.setattr(fit, "_told", {""})
    net.fit(x, y, batch_size=2, epochs=2, verbose=2)  # no kernels would have run it
    assert "engine=" not in capsys.readouterr().out
    net = handson.Sequential([Flatten(), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="the engine 'dense' cannot run here: there are none"):
        net.fit(x, y, engine="dense", verbose=0)


WITHOUT = """
import numpy as np, handson
from handson.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
x, y = np.ones((24, 160, 160, 1), np.float32), np.ones(24, np.float32)
net = handson.Sequential([Dropout(0.5), Conv2D(16, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(1)], seed=0)
net.compile("sgd", "mse")
net.fit(x, y, batch_size=12, epochs=6, verbose=2)
"""


def test_the_setting_none_does_without_kernels():
    environment = {**os.environ, "HANDSON_KERNELS": "none"}
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("HANDSON_KERNELS=none") == 1
