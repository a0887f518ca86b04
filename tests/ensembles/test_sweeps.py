"""Sweeps: each combination is the net trained alone, and the table says what came out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from handson import Sequential, sweep
from handson.callbacks import EarlyStopping
from handson.core.errors import HandsonError
from handson.layers import Dense, Dropout
from handson.optimizers import SGD, Adam


def data(rows=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, np.sin(x).sum(1)


def build(units=6, dropout=0.0, rate=0.01, seed=None, optimizer=None):
    net = Sequential([Dense(units, activation="tanh"), Dropout(dropout), Dense(1)], seed=seed)
    net.compile(optimizer or Adam(rate), "mse", metrics=["mae"])
    return net


FIT = {"epochs": 2, "validation_split": 0.25, "verbose": 0}


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@settings(deadline=None, max_examples=10)
@given(
    units=st.lists(st.integers(1, 12), min_size=1, max_size=2, unique=True), seed=st.integers(0, 99),
    rates=st.lists(st.sampled_from([0.1, 0.01, 0.001]), min_size=1, max_size=2, unique=True),
    dropouts=st.lists(st.sampled_from([0.0, 0.5]), min_size=1, max_size=2, unique=True),
    engine=st.sampled_from(["dense", "eager"]),
)  # fmt: skip
def test_each_combination_is_the_net_trained_alone(units, seed, rates, dropouts, engine):
    x, y = data()
    grid = {"units": units, "rate": rates, "dropout": dropouts}
    found = sweep(build, grid, x, y, seed=seed, engine=engine, **FIT)
    assert sorted(map(str, map(sorted, map(dict.items, found.arguments)))) == sorted(
        str(sorted(each.items())) for each in ParameterGrid(grid)
    )
    for number, (arguments, net) in enumerate(zip(found.arguments, found.members, strict=True)):
        alone = build(**arguments, seed=seed)
        history = alone.fit(x, y, engine=engine, **FIT)
        assert same(net, alone)
        row = found.table.loc[number]
        assert row[list(arguments)].to_dict() == arguments
        for name, values in history.history.items():
            assert row[name] == values[-1]
        assert row["at_epoch"] == 2
    assert found.table["val_loss"].is_monotonic_increasing
    best = min(range(len(found.members)), key=lambda k: found.histories[k].history["val_loss"][-1])
    assert found.best is found.members[best]
    assert found.best_arguments == found.arguments[best]


def test_combinations_may_be_listed_and_have_gaps():
    x, y = data()
    found = sweep(build, [{"units": 3}, {"rate": 0.1}, {}], x, y, seed=0, **FIT)
    assert found.arguments == [{"units": 3}, {"rate": 0.1}, {}]
    assert math.isnan(found.table.loc[1, "units"])
    for arguments, net in zip(found.arguments, found.members, strict=True):
        alone = build(**arguments, seed=0)
        alone.fit(x, y, **FIT)
        assert same(net, alone)


def test_batch_size_and_epochs_go_to_fit():
    x, y = data()
    found = sweep(
        build, {"batch_size": [8, 32], "epochs": np.array([1, 3])}, x, y, seed=0, validation_split=0.25, verbose=0
    )
    for arguments, net, history in zip(found.arguments, found.members, found.histories, strict=True):
        alone = build(seed=0)
        alone.fit(x, y, validation_split=0.25, verbose=0, **arguments)
        assert same(net, alone)
        assert history.params["batch_size"] == arguments["batch_size"]
        assert len(history.epoch) == arguments["epochs"]


def test_more_may_be_better():
    x, y = data()

    def classifier(rate):
        net = Sequential([Dense(6, activation="tanh"), Dense(1, activation="sigmoid")])
        net.compile(Adam(rate), "binary_crossentropy", metrics=["accuracy"])
        return net

    rates = {"rate": [0.3, 0.1, 0.01, 0.001]}
    found = sweep(classifier, rates, x, y > 0, monitor="val_accuracy", seed=0, **FIT)
    assert found.table["val_accuracy"].is_monotonic_decreasing
    assert found.table["val_accuracy"].nunique() > 1


def test_seeds_can_be_swept():
    x, y = data()
    found = sweep(build, {"seed": [3, 4]}, x, y, seed=0, **FIT)
    assert [net.seed for net in found.members] == [3, 4]
    alone = build(seed=4)
    alone.fit(x, y, **FIT)
    assert same(found.members[1], alone)


def test_optimizers_among_the_values_are_copied():
    x, y = data()
    given = [Adam(0.01), SGD(0.1, momentum=0.5)]
    found = sweep(build, {"optimizer": given, "units": [3, 4]}, x, y, seed=0, **FIT)
    assert [each.iterations for each in given] == [0, 0]
    alone = build(optimizer=SGD(0.1, momentum=0.5), units=4, seed=0)
    alone.fit(x, y, **FIT)
    assert same(found.members[3], alone)


@pytest.mark.parametrize("engine", ["dense", "eager"])
def test_a_combination_whose_loss_is_no_number_comes_last(engine, capsys):
    x, y = data()
    settings = FIT | {"epochs": 3, "verbose": 2, "engine": engine}
    found = sweep(build, {"rate": [1e30, 0.01, 0.1]}, x, y, seed=0, **settings)
    assert found.table.index[-1] == 0
    assert found.table.loc[0].drop("rate").isna().all()
    assert found.best_arguments["rate"] in (0.01, 0.1)
    assert "0 (rate=1e+30): the loss became NaN or infinite" in capsys.readouterr().out


def test_restored_weights_count_with_their_epoch():
    x, y = data()
    stopping = EarlyStopping(patience=50, restore_best_weights=True)
    found = sweep(build, {"rate": [0.3, 0.01]}, x, y, seed=0, callbacks=[stopping], **(FIT | {"epochs": 12}))
    for number, history in enumerate(found.histories):
        epoch, _, value = history.best("val_loss")
        assert found.table.loc[number, "val_loss"] == value
        assert found.table.loc[number, "at_epoch"] == epoch + 1


def test_the_best_can_be_an_ensemble():
    x, y = data()
    found = sweep(build, {"rate": [0.1, 0.01, 0.001]}, x, y, seed=0, **FIT)
    pair = found.ensemble(2)
    assert pair.members == [found.members[number] for number in found.table.index[:2]]
    assert repr(found).startswith(
        f"Sweep(3 combinations, best val_loss {found.table['val_loss'].iloc[0]:.4g} with {{'rate'"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"grid": {"unit": [3]}},
            r"build has no argument 'unit'\. Did you mean 'units'\? It takes: 'units', 'dropout'",
        ),
        ({"grid": {"units": 3}}, r"'units' has 3\. One value is a list too: \[3\]\."),
        ({"grid": {"units": "abc"}}, r"'units' has 'abc'"),
        ({"grid": {"units": []}}, r"grid is a dictionary of names to lists of values.*got \{'units': \[\]\}\."),
        ({"grid": [3]}, r"or a list of dictionaries; got \[3\]\."),
        ({"grid": 7}, r"or a list of dictionaries; got 7\."),
        ({"validation_split": 0.0}, r"sweep compares by 'val_loss': give validation_split=0\.2, or validation_data"),
        ({"monitor": "val_los"}, r"monitor='val_los' is not measured\. Did you mean 'val_loss'"),
        ({"grid": {"epochs": [1]}}, r"sweep: 'epochs' is in the grid and an argument too"),
        ({"epoch": 3}, r"sweep has no argument 'epoch'\. Did you mean 'epochs'\?"),
        ({"build": build()}, r"sweep needs a function whose arguments are the hyper-parameters"),
    ],
)
def test_what_cannot_be_swept_is_refused(changed, message):
    x, y = data()
    arguments = {"build": build, "grid": {"units": [3]}, "seed": 0} | FIT | changed
    with pytest.raises(HandsonError, match=message):
        sweep(arguments.pop("build"), arguments.pop("grid"), x, y, **arguments)


def test_the_epoch_of_a_net_that_overfits_is_the_one_it_went_back_to():
    """Learning noise by heart: the best epoch lies before the last one, and the table measures the weights of that."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 3)).astype(np.float32), rng.normal(size=24)
    held_out = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=60)
    stopping = EarlyStopping(patience=100, restore_best_weights=True)
    found = sweep(
        build, {"units": [20, 40], "rate": [0.05]}, x, y, seed=0, epochs=25, batch_size=4, validation_data=held_out,
        callbacks=[stopping], verbose=0,
    )  # fmt: skip
    assert (found.table["at_epoch"] < 25).all()
    for number, net in enumerate(found.members):
        history, row = found.histories[number].history, found.table.loc[number]
        assert row["val_loss"] == min(history["val_loss"]) < history["val_loss"][-1]
        assert row["at_epoch"] == int(np.argmin(history["val_loss"])) + 1
        assert row["loss"] == history["loss"][int(row["at_epoch"]) - 1]
        assert net.evaluate(*held_out, return_dict=True)["val_loss"[4:]] == pytest.approx(row["val_loss"], rel=1e-5)
