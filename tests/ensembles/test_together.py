"""Nets that are trained together: each ends as it would alone, and what may not be shared is not."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import Ensemble, Model, Sequential, deep_ensemble
from handson.callbacks import Callback, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from handson.core.errors import HandsonError, TrainingError
from handson.data import Augment
from handson.ensembles import together
from handson.kernels import dense_program
from handson.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, LayerNormalization
from handson.optimizers import SGD, Adam, RMSprop

OPTIMIZERS = {
    "adam": lambda: Adam(0.01),
    "momentum": lambda: SGD(0.02, momentum=0.9),
    "rmsprop": lambda: RMSprop(0.003),
}


def build(seed=0, widths=(8,), rate=0.0, norm=False, optimizer="adam", loss="mse", outputs=1, activation=None):
    layers = []
    for width in widths:
        layers += [Dense(width, activation="relu"), *([BatchNormalization()] if norm else []), Dropout(rate)]
    net = Sequential([*layers, Dense(outputs, activation=activation)], seed=seed)
    net.compile(OPTIMIZERS[optimizer](), loss, metrics=["mae"] if loss == "mse" else ["accuracy"])
    return net


def data(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return x, np.sin(x).sum(1)


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


# Each member is the net alone.


@settings(deadline=None, max_examples=25)
@given(
    widths=st.lists(st.integers(1, 20), min_size=1, max_size=3), rate=st.sampled_from([0.0, 0.3]), norm=st.booleans(),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)), classes=st.booleans(), seed=st.integers(0, 2**63),
    members=st.integers(2, 4), rows=st.integers(20, 70), split=st.sampled_from([0.0, 0.25]),
    engine=st.sampled_from(["dense", "dense", "eager"]), workers=st.sampled_from([None, 1, 3]),
)  # fmt: skip
def test_each_member_ends_as_the_net_alone(
    widths, rate, norm, optimizer, classes, seed, members, rows, split, engine, workers
):
    x, y = data(rows, seed % 1000)
    if classes:
        y = np.arange(rows) % 3
    kind = {"loss": "sparse_categorical_crossentropy", "outputs": 3, "activation": "softmax"} if classes else {}

    def member(seed):
        return build(seed, widths, rate, norm, optimizer, **kind)

    arguments = {"epochs": 2, "batch_size": 8, "engine": engine, "validation_split": split, "verbose": 0}
    ensemble = deep_ensemble(member, x, y, members, seed=seed, workers=workers, **arguments)
    for number, (net, history) in enumerate(zip(ensemble.members, ensemble.histories, strict=True)):
        alone = member(seed + number)
        expected = alone.fit(x, y, **arguments)
        assert same(net, alone)
        assert history.history == expected.history
        assert net.optimizer.iterations == alone.optimizer.iterations
        for slot, held in alone.optimizer.slots.items():
            assert all(np.array_equal(held[name], net.optimizer.slots[slot][name]) for name in held)


def test_members_are_different_and_share_no_randomness():
    """With one seed for all they would be the same; with a generator that advances they would depend on their order."""
    x, y = data()
    nets = deep_ensemble(lambda seed: build(seed, rate=0.5), x, y, 3, seed=4, epochs=2, verbose=0).members
    assert not same(nets[0], nets[1])
    assert not same(nets[1], nets[2])
    order = [6, 4, 5]
    again = Ensemble(build(seed, rate=0.5) for seed in order).fit(x, y, epochs=2, verbose=0).members
    for seed, net in zip(order, again, strict=True):
        assert same(net, nets[seed - 4])


def test_rounding_is_all_that_differs_in_large_nets():
    x, y = data(400)
    arguments = {"epochs": 1, "batch_size": 333, "engine": "dense", "verbose": 0}
    ensemble = Ensemble([build(0, (300, 301)), build(1, (300, 301))]).fit(x, y, **arguments)
    for seed, net in enumerate(ensemble.members):
        alone = build(seed, (300, 301))
        alone.fit(x, y, **arguments)
        for ours, theirs in zip(net.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_nets_that_have_no_program_end_as_alone_too(capsys):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 5, 5, 1)).astype(np.float32), rng.normal(size=24)

    def images(seed):
        net = Sequential([Conv2D(3, 3, activation="relu"), Flatten(), Dropout(0.2), Dense(1)], seed=seed)
        net.compile("adam", "mse")
        return net

    augment = Augment(horizontal_flip=0.5)
    ensemble = deep_ensemble(images, x, y, 2, seed=0, epochs=2, batch_size=8, augment=augment, verbose=2)
    for seed, net in enumerate(ensemble.members):
        alone = images(seed)
        alone.fit(x, y, epochs=2, batch_size=8, augment=augment, verbose=0)
        assert same(net, alone)
    printed = capsys.readouterr().out
    assert printed.count("2 of 2 nets train one after another: compiled programs do not support the layer conv2d") == 1
    assert "member_1\n" in printed
    assert printed.count("2/2") == 2  # the last epoch of each


# How they run.


def test_compiled_programs_run_at_the_same_time(monkeypatch):
    """Both members are inside of a program at one moment, or the barrier breaks."""
    x, y = data()
    meeting, train = threading.Barrier(2, timeout=60), dense_program.train
    met = []

    def meet(*arguments):
        if len(met) < 2:
            met.append(threading.current_thread().name)
            meeting.wait()
        train(*arguments)

    monkeypatch.setattr(dense_program, "train", meet)
    Ensemble([build(0), build(1)]).fit(x, y, epochs=1, engine="dense", workers=2, verbose=0)
    assert len(set(met)) == 2
    assert all(name.startswith("handson-member") for name in met)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"engine": "dense", "workers": 1}, "3 of 3 nets train as compiled programs, 1 at a time."),
        ({"engine": "dense", "workers": 8}, "3 of 3 nets train as compiled programs, 3 at a time."),
        ({"epochs": 900, "initial_epoch": 899}, "3 of 3 nets train one after another: so few steps are over before"),
        ({"engine": "eager"}, "3 of 3 nets train one after another: engine='eager' does not leave Python's lock."),
        ({"shards": 2}, "3 of 3 nets train one after another: their batches are cut into shards"),
    ],
)
def test_it_says_once_how_they_run(arguments, line, capsys):
    x, y = data(20)
    Ensemble(map(build, range(3))).fit(x, y, **({"epochs": 1, "validation_split": 0.2} | arguments), verbose=2)
    printed = capsys.readouterr().out
    assert printed.count(line) == 1
    for name in ("member_1", "member_2", "member_3"):
        assert name in printed
    assert "split: 16 rows train, 4 validate" in printed


@pytest.mark.parametrize(("rows", "programs"), [(9, 0), (10, 2)])
def test_the_engine_is_that_of_the_net_alone(rows, programs, capsys):
    x, y = data(rows)
    nets = [build(0), build(1)]
    Ensemble(nets).fit(x, y, batch_size=1, verbose=2)
    assert capsys.readouterr().out.count("2 of 2 nets train as compiled programs") == (programs == 2)
    for number, net in enumerate(nets):
        alone = build(number)
        alone.fit(x, y, batch_size=1, verbose=0)
        assert same(net, alone)


def test_nets_with_and_without_a_program_train_in_one_ensemble(capsys):
    x, y = data()

    def layered(seed):
        net = Sequential([Dense(8), LayerNormalization(), Dense(1)], seed=seed)
        net.compile("adam", "mse")
        return net

    nets = [build(0), layered(1), build(2)]
    Ensemble(nets).fit(x, y, batch_size=4, verbose=2)  # 15 steps each
    printed = capsys.readouterr().out
    assert "2 of 3 nets train as compiled programs" in printed
    assert (
        "1 of 3 nets train one after another: compiled programs do not support the layer layer_normalization" in printed
    )
    for net, alone, engine in zip(nets, [build(0), layered(1), build(2)], ["dense", "eager", "dense"], strict=True):
        alone.fit(x, y, batch_size=4, engine=engine, verbose=0)
        assert same(net, alone)


def test_silence(capsys):
    x, y = data(20)
    for engine in ("dense", "eager"):
        Ensemble([build(0), build(1)]).fit(x, y, engine=engine, verbose=0)
    assert capsys.readouterr().out == ""


# Callbacks


class Recorder(Callback):
    """Remembers which nets it saw."""

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((self.model, threading.current_thread().name))


@pytest.mark.parametrize("engine", ["dense", "eager"])
def test_callbacks_are_copied_for_each_member(engine):
    x, y = data()
    given = [EarlyStopping("loss", patience=0, min_delta=1.0), ReduceLROnPlateau("loss", patience=1, factor=0.1)]
    ensemble = Ensemble([build(0), build(1)]).fit(x, y, epochs=6, engine=engine, callbacks=given, verbose=0)
    for seed, net in enumerate(ensemble.members):
        alone = build(seed)
        alone.fit(x, y, epochs=6, engine=engine, callbacks=given, verbose=0)
        assert same(net, alone)
        assert net.optimizer.learning_rate == alone.optimizer.learning_rate
    recorder = Recorder()
    ensemble.fit(x, y, epochs=2, engine=engine, callbacks=[recorder], verbose=0)
    assert recorder.seen == []


def test_callbacks_may_be_a_function_of_the_name(tmp_path):
    x, y = data()
    Ensemble([build(0), build(1)]).fit(
        x, y, epochs=2, engine="dense", verbose=0, callbacks=lambda name: [CSVLogger(tmp_path / f"{name}.csv")]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member_1.csv", "member_2.csv"]


@pytest.mark.parametrize("callback", [CSVLogger("log.csv"), ModelCheckpoint("net.handson")], ids=["csv", "model"])
def test_one_file_for_all_members_is_refused(callback):
    x, y = data()
    kind = type(callback).__name__
    with pytest.raises(HandsonError, match=rf"one file of {kind}.*callbacks=lambda name: \[{kind}\(f'\{{name\}}"):
        Ensemble([build(0), build(1)]).fit(x, y, callbacks=[callback], verbose=0)


# What goes wrong


@pytest.mark.parametrize(("engine", "epochs"), [("dense", 1_000_000), ("eager", 2)])
def test_an_error_of_one_member_ends_all(engine, epochs):
    x, y = data()
    nets = [build(0), build(1), build(2)]
    nets[1].optimizer.learning_rate = 1e30
    with pytest.raises(TrainingError, match=r"^member_2: the loss became NaN or infinite: it began in epoch"):
        Ensemble(nets).fit(x, y, epochs=epochs, engine=engine, workers=2, verbose=0)


def test_ctrl_c_ends_all():
    x, y = data()

    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    def callbacks(name):
        return [LambdaCallback(on_epoch_end=interrupt)] if name == "member_2" else []

    with pytest.raises(KeyboardInterrupt):
        Ensemble(map(build, range(4))).fit(
            x, y, epochs=1_000_000, engine="dense", workers=2, callbacks=callbacks, verbose=0
        )


def test_nets_that_share_a_part_are_refused():
    x, y = data()
    net, layer, optimizer = build(0), Dense(1), Adam()
    with_layer = [Sequential([layer]), Sequential([layer])]
    with_optimizer = [Sequential([Dense(1)]), Sequential([Dense(1)])]
    for each in (*with_layer, *with_optimizer):
        each.compile(optimizer if each in with_optimizer else "adam", "mse")
    for nets, part in (([net, net], "Adam"), (with_layer, "Dense"), (with_optimizer, "Adam")):
        with pytest.raises(HandsonError, match=rf"member_1 and member_2 share one {part}, which both would change"):
            Ensemble(nets).fit(x, y, verbose=0)


def test_workers_is_a_positive_number():
    with pytest.raises(HandsonError, match=r"workers is a whole number, at least 1; got 0\."):
        Ensemble([build(0), build(1)]).fit(*data(), workers=0, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epoch": 2}, r"no argument 'epoch'. Did you mean 'epochs'\?"),
        ({"run": "runs/mine"}, r"cannot pass 'run' on to fit"),
    ],
)
def test_unknown_arguments_are_refused(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Ensemble([build(0)]).fit(*data(), **arguments)
    with pytest.raises(HandsonError, match=message):
        deep_ensemble(build, *data(), members=2, **arguments)


def test_a_net_of_a_torch_module_can_be_a_member():
    import torch

    x, y = data()
    nets = [Model(torch.nn.Linear(4, 1), seed=seed) for seed in range(2)]
    for net in nets:
        net.compile("adam", "mse")
    weights = [net.get_weights() for net in nets]
    Ensemble(nets).fit(x, y, epochs=2, verbose=0)
    for net, before in zip(nets, weights, strict=True):
        alone = Model(torch.nn.Linear(4, 1), seed=net.seed)
        alone.set_weights(before)
        alone.compile("adam", "mse")
        alone.fit(x, y, epochs=2, verbose=0)
        assert same(net, alone)


def test_threads_leave_the_filters_of_warnings_as_they_were():
    import warnings

    x, y = data()
    before = list(warnings.filters)
    Ensemble(map(build, range(6))).fit(x, y, epochs=1, engine="dense", workers=6, verbose=0)
    assert warnings.filters == before


def test_the_line_of_a_member_says_what_came_out():
    net = build(0)
    x, y = data()
    net.fit(x, y, epochs=2, verbose=0)
    training = together.Training(net, "member_1", x, dict, {})
    training.net.history.history = {"loss": [2.0, 1.23456], "mae": [1.0, 0.5]}
    training.net.history.seconds = 0.26
    assert training.line() == "member_1: 2 epochs, loss 1.235, mae 0.5, 0.3 seconds"
