"""A net that was fitted on a DataFrame knows its columns by name."""

import numpy as np
import pandas as pd
import pytest

import handson
from handson import Input, Model, Sequential
from handson.core.errors import HandsonError
from handson.ensembles import Ensemble
from handson.layers import Concatenate, Dense


@pytest.fixture
def x(rng):
    """Inputs with names."""
    return pd.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"])


@pytest.fixture
def y(x):
    """Two targets with names."""
    return pd.DataFrame({"u": 3 * x.a + x.b, "v": x.c})


def net(outputs=2, seed=0):
    """A small net, compiled."""
    model = Sequential([Dense(4, activation="tanh"), Dense(outputs)], seed=seed)
    model.compile("adam", "mse")
    return model


def test_columns_are_found_by_name_in_any_order(x, y, tmp_path):
    model = net()
    model.fit(x, y, epochs=2, verbose=0)
    assert model.input_columns == ["a", "b", "c"]
    expected = model.predict(x.to_numpy())
    model.save(tmp_path / "a.handson")
    for known in (model, handson.load(tmp_path / "a.handson")):
        for given in (x, x[["c", "a", "b"]], x.assign(z=1.0)[["z", "c", "b", "a"]]):
            np.testing.assert_array_equal(known.predict(given), expected)
        assert known.evaluate(x[["b", "c", "a"]], y[["v", "u"]]) == model.evaluate(x, y)


def test_validation_and_training_go_on_with_the_same_columns(x, y):
    plain, mixed = net(), net()
    for model, order, targets in ((plain, ["a", "b", "c"], ["u", "v"]), (mixed, ["c", "a", "b"], ["v", "u"])):
        model.fit(x, y, epochs=1, verbose=0)
        held_out = (x[order], y[targets])
        history = model.fit(x[order], y[targets], epochs=2, verbose=0, validation_data=held_out)
        model.train_on_batch(x[order], y[targets])
        model.held_out = history.history["val_loss"]
    assert plain.held_out == mixed.held_out
    np.testing.assert_array_equal(plain.predict(x), mixed.predict(x))


def test_members_of_an_ensemble_know_their_columns(x, y):
    ensemble = Ensemble([net(seed=0), net(seed=1)]).fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(ensemble.predict(x), ensemble.predict(x[["c", "b", "a"]]))
    assert ensemble.evaluate(x, y) == ensemble.evaluate(x[["c", "b", "a"]], y[["v", "u"]])


def between_symbols():
    first, second = Input((3,), name="first"), Input((2,), name="second")
    both = Model([first, second], Dense(2)(Concatenate()([first, second])), seed=0)
    both.compile("adam", "mse")
    return both


@pytest.mark.parametrize("second_is_a_frame", [True, False])
def test_columns_of_several_inputs_are_found_by_name(x, y, tmp_path, second_is_a_frame):
    model, other = between_symbols(), x[["a", "b"]] if second_is_a_frame else x[["a", "b"]].to_numpy()
    model.fit([x, other], y, epochs=1, verbose=0)
    assert model.input_columns == [["a", "b", "c"], ["a", "b"] if second_is_a_frame else None]
    mixed = other[["b", "a"]] if second_is_a_frame else other
    expected = model.predict([x, other])
    model.save(tmp_path / "a.handson")
    for known in (model, handson.load(tmp_path / "a.handson")):
        np.testing.assert_array_equal(known.predict([x[["c", "b", "a"]], mixed]), expected)
        np.testing.assert_array_equal(known.predict({"second": mixed, "first": x[["b", "c", "a"]]}), expected)
    with pytest.raises(HandsonError, match="inputs have no column 'c'"):
        model.predict([x[["a", "b"]], other])


def test_columns_of_the_targets_of_several_outputs_are_found_by_name(x, y, tmp_path):
    symbol = Input((3,))
    model = Model(symbol, {"both": Dense(2, name="both")(symbol), "one": Dense(1, name="one")(symbol)}, seed=0)
    model.compile("adam", "mse")
    model.fit(x, {"both": y, "one": y["u"]}, epochs=1, verbose=0)
    assert model.target_names == [["u", "v"], ["u"]]
    model.save(tmp_path / "a.handson")
    expected = model.evaluate(x, {"both": y, "one": y["u"]})
    for known in (model, handson.load(tmp_path / "a.handson")):
        assert known.evaluate(x, {"both": y[["v", "u"]], "one": y["v"].rename("u")}) != expected
        assert known.evaluate(x, {"both": y[["v", "u"]], "one": y["u"]}) == expected
        assert known.test_on_batch(x, {"both": y[["v", "u"]], "one": y["u"]}) == expected
    held_out = (x, {"both": y[["v", "u"]], "one": y["u"]})
    history = model.fit(*held_out, epochs=1, verbose=0, validation_data=held_out).history
    assert history["val_loss"] == [model.evaluate(x, {"both": y, "one": y["u"]})]


@pytest.mark.parametrize("columns", [[["a"], ["b", "c"]], [["a", "b", "c"]], ["a", "b"], [["a", "b", "b"], None]])
def test_columns_that_are_not_those_of_the_inputs_are_not_saved(x, y, tmp_path, columns):
    model = between_symbols()
    model.fit([x, x[["a", "b"]]], y, epochs=1, verbose=0)
    model.input_columns = columns
    with pytest.raises(HandsonError, match="cannot be saved.*input_columns: expected"):
        model.save(tmp_path / "a.handson")


def test_missing_columns_are_named(x, y):
    model = net()
    model.fit(x, y, epochs=1, verbose=0)
    for verb in (model.predict, lambda x: model.evaluate(x, y), lambda x: model.fit(x, y, verbose=0)):
        with pytest.raises(HandsonError, match=r"inputs have no column 'c', which .* Did you mean 'C'\?"):
            verb(x.rename(columns={"c": "C"}))
    with pytest.raises(HandsonError, match="targets have no column 'v'"):
        model.evaluate(x, y.rename(columns={"v": "w"}))


def test_arrays_and_counted_columns_count_as_they_lie(x, y):
    for first in (x.to_numpy(), pd.DataFrame(x.to_numpy())):
        model = net()
        model.fit(first, y.to_numpy(), epochs=1, verbose=0)
        assert model.input_columns is None
        np.testing.assert_array_equal(model.predict(x), model.predict(x.to_numpy()))


def test_a_single_target_may_have_any_name(x, y):
    model = net(1)
    model.fit(x, y[["u"]], epochs=1, verbose=0)
    assert model.evaluate(x, y[["u"]].rename(columns={"u": "w"})) == model.evaluate(x, y["u"])


def test_names_that_are_there_twice_and_saved_indices_are_refused(x, y):
    with pytest.raises(HandsonError, match="column 'a' twice"):
        net().fit(pd.concat([x, x[["a"]]], axis=1), y, verbose=0)
    with pytest.raises(HandsonError, match="'Unnamed: 0'.*index_col=0"):
        net().fit(x.assign(**{"Unnamed: 0": range(40)}), y, verbose=0)


def test_a_net_with_other_names_than_inputs_is_not_saved(x, y, tmp_path):
    model = net()
    model.fit(x, y, epochs=1, verbose=0)
    model.input_columns = ["a", "b"]
    with pytest.raises(HandsonError, match="cannot be saved.*input_columns: expected 3 different names; got 2"):
        model.save(tmp_path / "a.handson")


def test_the_columns_of_a_training_that_was_refused_are_not_remembered():
    x, y = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, 1.0]}), np.ones(2)
    net = Sequential([Dense(1)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="inputs hold nan"):
        net.fit(x, y, verbose=0)
    net.fit(x[["a"]], y, verbose=0)
    assert net.input_columns == ["a"]


# Rows are paired as they lie: tables that say otherwise are refused


MISPLACED = {
    "targets": lambda model, x, y, turned: model.fit(x, turned, verbose=0),
    "weights": lambda model, x, y, turned: model.fit(x, y, sample_weight=turned, verbose=0),
    "validation": lambda model, x, y, turned: model.fit(x, y, validation_data=(x, turned), verbose=0),
    "evaluate": lambda model, x, y, turned: model.evaluate(x, turned, verbose=0),
    "other inputs": lambda model, x, y, turned: with_two_inputs().fit([x, x.sort_index(ascending=False)], y, verbose=0),
}


def with_two_inputs():
    first, second = Input((4,)), Input((4,))
    model = Model([first, second], Dense(1)(Concatenate()([first, second])))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("what", MISPLACED)
def test_the_same_rows_in_another_order_are_refused(what):
    x, y = pd.DataFrame(np.eye(4), columns=list("abcd")), pd.Series(np.arange(4.0))
    with pytest.raises(HandsonError, match="have the rows of the inputs in another order: inputs begin with row 0, "):
        MISPLACED[what](net(1), x, y, y.sort_index(ascending=False))


@pytest.mark.parametrize("index", [[10, 11, 12, 13], [0, 0, 1, 2], [1, 2, 3, 4]])
def test_other_rows_are_paired_as_they_lie(index):
    x, y = pd.DataFrame(np.eye(4), columns=list("abcd")), pd.Series(np.arange(4.0), index=index)
    net(1).fit(x, y, verbose=0)
    net(1).fit(x, y.sort_index(ascending=False).to_numpy(), verbose=0)


def test_numbers_that_are_out_of_order_are_names(rng):
    table = pd.DataFrame(rng.normal(size=(24, 4)))
    years = table.set_axis([2021, 2020, 2019, 2018], axis=1)
    for fitted, shuffled in ((table[[2, 0, 3, 1]], table), (years, years[[2018, 2019, 2020, 2021]])):
        net = Sequential([Dense(1)], seed=0)
        net.compile("sgd", "mse")
        net.fit(fitted, table[0], verbose=0)
        np.testing.assert_array_equal(net.predict(shuffled), net.predict(fitted.to_numpy()))


def test_columns_in_another_order_than_their_numbers_are_refused_where_they_have_no_names(rng):
    table, net = pd.DataFrame(rng.normal(size=(24, 4))), Sequential([Dense(1)], seed=0)
    net.compile("sgd", "mse")
    net.fit(table, table[0], verbose=0)
    for verb in (net.predict, lambda x: net.evaluate(x, table[0])):
        with pytest.raises(HandsonError, match="numbered in another order, '3', '1', '0', '2'.*sort_index"):
            verb(table[[3, 1, 0, 2]])
    assert net.predict(table[[3, 1, 0, 2]].to_numpy()).shape == (24, 1)
