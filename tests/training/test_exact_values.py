"""Values of float64 and large integers keep their digits up to the scaling, and up to the layer that wants them."""

import numpy as np
import pandas as pd
import pytest
import torch

import handson
from handson import Model, Sequential
from handson.data.rows.scaling import Scaling
from handson.layers import Dense, Embedding, Flatten, Input, Layer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
DATES = 2458849.5 + 0.1 * X @ [1.0, -2.0, 0.5]


def net(**compiled):
    made = Sequential([Dense(16, activation="tanh"), Dense(1)], seed=0)
    made.compile("adam", "mse", **compiled)
    return made


@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_dates_are_learned_by_their_differences(engine):
    ours, theirs = net(scale_targets="standard", metrics=["mae"]), net()
    mean, deviation = DATES.mean(), DATES.std()
    settings = {"epochs": 5, "seed": 0, "verbose": 0, "engine": engine}
    ours.fit(X, DATES, **settings)
    theirs.fit(X, (DATES - mean) / deviation, **settings)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    predicted = ours.predict(X)
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, theirs.predict(X).astype(float) * deviation + mean, rtol=0, atol=1e-5)
    expected = np.abs(predicted[:, 0] - DATES).mean()
    assert ours.evaluate(X, DATES, return_dict=True)["mae"] == pytest.approx(expected, rel=1e-4)


def test_inputs_with_a_large_common_part_keep_their_differences():
    ours, theirs = net(scale_inputs="standard"), net()
    times = 2458849.5 + X
    scaled = (times - times.mean(0)) / times.std(0)
    for made, x in ((ours, times), (theirs, scaled)):
        made.fit(x, X[:, 0], epochs=3, seed=0, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(ours.predict(times), theirs.predict(scaled), atol=1e-5)
    frame = pd.DataFrame(times, columns=["a", "b", "c"])
    np.testing.assert_allclose(ours.predict(frame), ours.predict(times), atol=1e-6)


@pytest.mark.parametrize("validation", [{"validation_split": 0.2}, {"validation_data": (X, DATES)}])
def test_validation_is_measured_in_the_same_digits(validation):
    made = net(scale_targets="standard", metrics=["mae"])
    history = made.fit(X, DATES, epochs=3, seed=0, verbose=0, **validation).history
    assert history["val_mae"][-1] < 1


def test_a_scaling_with_a_large_shift_comes_back_from_a_file(tmp_path):
    made = net(scale_targets="standard")
    made.fit(X, DATES, epochs=1, verbose=0)
    made.save(tmp_path / "net.handson")
    np.testing.assert_array_equal(handson.load(tmp_path / "net.handson").predict(X), made.predict(X))


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.int32])
def test_large_integers_are_scaled_before_they_are_rounded(kind):
    values = (2**24 + 1 + np.arange(200)).astype(kind)[:, None]
    made = net(scale_inputs="minmax")
    made.fit(values, X[:, 0], epochs=1, verbose=0)
    assert made.input_scaling.get_config() == {"shift": [2**24 + 1], "scale": [199]}
    assert len(np.unique(made.input_scaling.apply(torch.tensor(values.astype(float))))) == 200


def test_who_loses_digits_is_told(capsys):
    net().fit(X, DATES, epochs=1, verbose=2)
    text = capsys.readouterr().out
    assert "targets would lose digits: float32 has 7 of them" in text
    assert "scale_targets='standard'" in text
    net().fit(2458849.5 + X, X[:, 0], epochs=1, verbose=2)
    assert "inputs: column '0' would lose digits" in capsys.readouterr().out
    net(scale_targets="standard").fit(X, DATES, epochs=1, verbose=2)
    net().fit(X * 1000, X[:, 0], epochs=1, verbose=2)
    assert "lose digits" not in capsys.readouterr().out


@pytest.mark.parametrize("size", [16_777_217, 2**31 + 5])
def test_ids_arrive_as_they_are(size):
    seen = []

    @handson.register(name=f"Ids{size}")
    class Ids(Layer):
        takes_integers = True

        def call(self, inputs):
            seen.append(inputs.detach().clone())
            return (inputs % 7).to(torch.float32)

    x = np.array([[size], [size - 1], [3]])
    for made in (Sequential([Ids(), Dense(1)], seed=0), _functional(Ids)):
        made.compile("sgd", "mse")
        made.fit(x, np.ones(3), epochs=1, verbose=0, shuffle=False)
        made.predict(x)
        assert all(one.dtype == torch.int64 for one in seen)
        assert seen[-1].tolist() == x.tolist()


def _functional(kind):
    x = Input((1,), dtype="int64")
    return Model(x, Dense(1)(kind()(x)), seed=0)


def test_an_embedding_finds_the_rows_of_its_ids():
    made = Sequential([Embedding(5, 2, input_shape=(3,)), Flatten(), Dense(1)], seed=0)
    ids = RNG.integers(0, 5, (6, 3))
    rows = made.layers[0].get_weights()[0][ids].reshape(6, 6)
    kernel, bias = made.layers[2].get_weights()
    for kind in (np.int64, np.int32, np.uint8, np.uint32, np.float32, np.float64):
        np.testing.assert_allclose(made.predict(ids.astype(kind)), rows @ kernel + bias, atol=1e-5)


def test_labels_of_every_integer_type_are_labels():
    for kind in (np.uint32, np.uint16, np.int8, np.uint64, bool):
        made = Sequential([Dense(3, activation="softmax")], seed=0)
        made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        labels = (np.arange(200) % (2 if kind is bool else 3)).astype(kind)
        assert np.isfinite(made.fit(X, labels, epochs=1, verbose=0).history["loss"][0])


def test_numbers_of_a_scaling_are_float64():
    scaling = Scaling(shift=2458849.123456, scale=0.1)
    assert scaling.needs_double
    back = scaling.undo(scaling.apply(torch.tensor([2458849.223456], dtype=torch.float64)))
    assert float(back) == pytest.approx(2458849.223456, abs=1e-7)
