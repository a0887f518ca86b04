"""Data that come in batches: as arrays in the same batches, or an error that names the batch."""

import threading
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import handson
from handson import HandsonError, Sequential
from handson.data.rows import streamed
from handson.layers import Dense, Dropout
from handson.training.recording.keeper import Keeper

X = np.random.default_rng(0).normal(size=(50, 3)).astype("f4")
Y = X.sum(1, keepdims=True)
SIZE = 8


def net(**compiled):
    made = Sequential([Dense(4, activation="tanh"), Dropout(0.3), Dense(1)], seed=0)
    made.compile("adam", "mse", **({"metrics": ["mae"]} | compiled))
    return made


def batches():
    for first in range(0, len(X), SIZE):
        yield X[first : first + SIZE], Y[first : first + SIZE]


def forever():
    while True:
        yield from batches()


class Numbered:
    """A `PyDataset` by its methods."""

    def __init__(self):
        self.ended = 0

    def __len__(self):
        return -(-len(X) // SIZE)

    def __getitem__(self, number):
        return X[number * SIZE : (number + 1) * SIZE], Y[number * SIZE : (number + 1) * SIZE]

    def on_epoch_end(self):
        self.ended += 1


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


def loader(**arguments):
    return DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=SIZE, **arguments)


KINDS = {
    "a function": (lambda: batches, {}),
    "a function of the epoch": (lambda: lambda epoch: batches(), {}),
    "an endless generator": (forever, {"steps_per_epoch": 7}),
    "an iterable": (lambda: Iterable(), {}),
    "a PyDataset": (Numbered, {}),
    "a DataLoader": (loader, {}),
    "a Dataset of PyTorch": (lambda: TensorDataset(torch.tensor(X), torch.tensor(Y)), {"batch_size": SIZE}),
    "an IterableDataset": (Stream, {"batch_size": SIZE}),
}


class Iterable:
    def __iter__(self):
        return batches()


def same(ours, theirs):
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True))
    assert ours.history.history == theirs.history.history


@pytest.mark.parametrize("kind", KINDS)
def test_batches_train_as_the_arrays_in_them(kind):
    make, arguments = KINDS[kind]
    ours, theirs = net(), net()
    ours.fit(make(), epochs=3, shuffle=False, verbose=0, validation_data=batches, **arguments)
    theirs.fit(X, Y, epochs=3, shuffle=False, batch_size=SIZE, verbose=0, validation_data=(X, Y), engine="eager",
               validation_batch_size=SIZE)  # fmt: skip
    same(ours, theirs)


def test_they_are_evaluated_and_predicted():
    trained = net()
    expected = trained.evaluate(X, Y, batch_size=SIZE)
    assert trained.evaluate(batches()) == pytest.approx(expected, rel=1e-6)
    assert trained.evaluate(forever(), steps=7) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(trained.predict(batches()), trained.predict(X), atol=1e-6)
    np.testing.assert_allclose(trained.predict((x for x, _ in batches())), trained.predict(X), atol=1e-6)
    assert trained.predict(forever(), steps=2).shape == (16, 1)


def test_batches_by_number_have_an_order_of_each_epoch():
    seen = []

    class Watched(Numbered):
        def __getitem__(self, number):
            seen.append(number)
            return super().__getitem__(number)

    data = Watched()
    net().fit(data, epochs=2, verbose=0, seed=1)
    first, second = seen[-14:-7], seen[-7:]
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert data.ended == 2
    again = list(seen)
    seen.clear()
    net().fit(Watched(), epochs=2, verbose=0, seed=1)
    assert seen == again


def test_weights_in_batches_and_of_classes_count():
    labels = (Y[:, 0] > 0).astype(int)
    weights = np.arange(len(X)) / 10

    def made():
        found = Sequential([Dense(2, activation="softmax")], seed=0)
        found.compile("sgd", "sparse_categorical_crossentropy")
        return found

    def weighted():
        for first in range(0, len(X), SIZE):
            part = slice(first, first + SIZE)
            yield X[part], labels[part], weights[part]

    ours, theirs = made(), made()
    ours.fit(weighted, epochs=2, verbose=0, class_weight={0: 2.0, 1: 0.5})
    theirs.fit(X, labels, epochs=2, verbose=0, shuffle=False, batch_size=SIZE, sample_weight=weights,
               class_weight={0: 2.0, 1: 0.5}, engine="eager")  # fmt: skip
    same(ours, theirs)


def test_scalings_are_measured_on_the_first_batches():
    ours, theirs = net(scale_inputs="standard"), net(scale_inputs="standard")
    ours.fit(batches, epochs=1, verbose=0)
    theirs.fit(X, Y, epochs=1, verbose=0, shuffle=False, batch_size=SIZE, engine="eager")
    same(ours, theirs)


def test_rows_may_have_other_lengths_where_the_net_takes_them():
    def lengths():
        for length in (3, 5, 2):
            yield np.ones((4, length, 2), "f4"), np.ones((4, length, 1), "f4")

    made = Sequential([Dense(1, input_shape=(None, 2))], seed=0)
    made.compile("sgd", "mse")
    assert np.isfinite(made.fit(lengths, epochs=2, verbose=0).history["loss"]).all()


# What goes wrong.


def raising():
    yield from batches()
    yield from batches()
    raise KeyError("gone")


def other_shapes():
    yield X[:8], Y[:8]
    yield X[:8, :2], Y[:8]


def not_finite():
    yield X[:8], Y[:8]
    yield np.where(X[:8] > 1, np.nan, X[:8]), Y[:8]


def other_targets():
    yield X[:8], Y[:8]
    yield X[:8], np.ones((8, 3))


@pytest.mark.parametrize(
    ("data", "arguments", "match"),
    [
        (raising, {}, "batch 14 of epoch 1: KeyError: 'gone'"),
        (other_shapes, {}, r"batch 1 of epoch 1: the net takes inputs of shape \(None, 3\); got \(None, 2\)"),
        (not_finite, {}, "batch 1 of epoch 1: inputs hold nan in row"),
        (other_targets, {}, "batch 1 of epoch 1: .*targets"),
        (lambda: iter(()), {}, "the data have no batch"),
        (lambda: [], {}, "the data have no batch"),
        (batches, {"steps_per_epoch": 9}, "the data ended after 7 batches; expected 9"),
        (batches, {"validation_split": 0.1}, "validation_split divides arrays; these data come in batches"),
        (batches, {"sample_weight": np.ones(50)}, "sample_weight belongs into the batches"),
        (batches, {"missing": "drop"}, "missing='drop' leaves rows of arrays out"),
        (lambda: ((X, Y, X, Y) for _ in range(2)), {}, r"a batch is \(x,\), \(x, y\) or .* got 4 entries"),
    ],
)
def test_what_is_wrong_is_named(data, arguments, match):
    with pytest.raises(HandsonError, match=match):
        net().fit(data, epochs=2, verbose=0, **arguments)
    assert not [thread for thread in threading.enumerate() if thread.name == "handson-stream"]


def test_a_generator_that_has_ended_says_what_to_pass():
    with pytest.raises(HandsonError, match=r"the generator has ended before epoch 2: it is read once. Pass a function"):
        net().fit(batches(), epochs=2, verbose=0)
    with pytest.raises(HandsonError, match="y belongs into the batches"):
        net().fit(batches(), Y)


def test_a_run_keeps_what_was_trained_before_the_data_failed(tmp_path):
    calls = []

    def failing(epoch):
        calls.append(epoch)
        yield from batches()
        if epoch == 1 and len(calls) < 4:
            raise OSError("disk")

    with pytest.raises(HandsonError, match="batch 7 of epoch 2: OSError: disk"):
        net().fit(failing, epochs=3, verbose=0, run=tmp_path / "run", checkpoint_seconds=0)
    ours, theirs = net(), net()
    calls += [0] * 4
    ours.fit(failing, epochs=3, verbose=0, run=tmp_path / "run", resume="force")
    theirs.fit(batches, epochs=3, verbose=0)
    same(ours, theirs)


class Stop(handson.callbacks.Callback):
    def __init__(self, step):
        self.step = step

    step_interval = 1

    def on_train_batch_end(self, batch, logs=None):
        if self.model.age == 1 and batch == self.step:
            raise KeyboardInterrupt


class Go(Stop):
    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize("kind", ["a function", "a PyDataset", "an endless generator", "a DataLoader"])
def test_a_stopped_run_goes_on_bit_for_bit(kind, tmp_path):
    make, arguments = KINDS[kind]
    plain = net()
    plain.fit(make(), epochs=3, verbose=0, **arguments)
    with pytest.raises(KeyboardInterrupt):
        net().fit(
            make(), epochs=3, verbose=0, run=tmp_path / "run", callbacks=[Stop(3)], checkpoint_seconds=0, **arguments
        )
    again = net()
    again.fit(make(), epochs=3, verbose=0, run=tmp_path / "run", callbacks=[Go(3)], resume="force", **arguments)
    same(again, plain)


def test_who_waits_for_data_is_told_so(capsys, monkeypatch):
    """However long the training itself takes here."""
    monkeypatch.setattr(streamed, "WAITED_SHARE", 0.0)
    monkeypatch.setattr(streamed, "WAITED_SECONDS", 0.1)

    def slow():
        for x, y in batches():
            time.sleep(0.15)
            yield x, y

    net().fit(slow, epochs=1, verbose=2)
    assert "% of its time for data" in capsys.readouterr().out


def test_a_schedule_that_needs_the_number_of_steps_says_so():
    made = Sequential([Dense(1)], seed=0)
    made.compile(handson.optimizers.SGD(handson.schedules.Cosine(0.1)), "mse")
    with pytest.raises(HandsonError, match="how many batches the data give is not known: say it"):
        made.fit(batches, epochs=2, verbose=0)
    made.fit(batches, epochs=2, steps_per_epoch=7, verbose=0)


def test_of_arrays_an_epoch_may_see_fewer_batches():
    ours, theirs = net(), net()
    ours.fit(X, Y, epochs=2, batch_size=SIZE, steps_per_epoch=6, shuffle=False, verbose=0, engine="eager")
    theirs.fit(X[:48], Y[:48], epochs=2, batch_size=SIZE, shuffle=False, verbose=0, engine="eager")
    same(ours, theirs)
    with pytest.raises(HandsonError, match="steps_per_epoch=9, and the rows make 7 batches of 8"):
        net().fit(X, Y, batch_size=SIZE, steps_per_epoch=9, verbose=0)


def of_any_size(epoch, step=0):
    """Batches of sizes that change, the largest in the middle."""
    for number in range(step, 5):
        rows = np.random.default_rng((epoch, number)).integers(0, len(X), (3, 1, 9, 4, 2)[number])
        yield X[rows], Y[rows]


@pytest.mark.parametrize("data", [Numbered, lambda: of_any_size], ids=["PyDataset", "any size"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 8, 11])
def test_a_run_that_goes_on_anywhere_has_the_same_random_numbers(data, step, tmp_path, monkeypatch):
    """A small batch that was seen before the stop numbers no rows after it: dropout is as in the run undisturbed."""
    plain, stopped, again = net(), net(), net()
    plain.fit(data(), epochs=3, verbose=0)
    monkeypatch.setattr(Keeper, "is_due", lambda keeper, share=1.0: stopped.optimizer.iterations == step)

    class Leave(Stop):
        def on_train_batch_end(self, batch, logs=None):
            if self.model is stopped and stopped.optimizer.iterations == step + 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.fit(data(), epochs=3, verbose=0, run=tmp_path, callbacks=[Leave(0)])
    again.fit(data(), epochs=3, verbose=0, run=tmp_path, callbacks=[Leave(0)])
    same(again, plain)


def test_scalings_of_batches_do_not_depend_on_the_seed():
    """They are measured on the first batches in the order of the data: the seed of a history repeats its training."""
    nets = [net(scale_inputs="standard"), net(scale_inputs="standard")]
    nets[0].seed = nets[1].seed = None
    history = nets[0].fit(Numbered(), epochs=1, verbose=0)
    nets[1].fit(Numbered(), epochs=1, verbose=0, seed=history.seed)
    assert nets[0].input_scaling.get_config() == nets[1].input_scaling.get_config()
