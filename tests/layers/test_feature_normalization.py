"""`Normalization`: moments from data of every kind, against NumPy and Keras."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import Dense, Input, Normalization, feature_normalization


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 3 + 2


class Batches:
    """Batches by number, with targets, and without an iterator."""

    def __init__(self, x, size):
        self.x, self.size = x, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, number):
        if number >= len(self):
            raise IndexError(number)
        part = self.x[number * self.size : (number + 1) * self.size]
        return part, np.zeros(len(part))


@settings(max_examples=40, deadline=None)
@given(sample=st.lists(st.integers(1, 4), min_size=1, max_size=3), data=st.data(), invert=st.booleans())
def test_adapted_outputs_are_those_of_keras(keras, sample, data, invert):
    rank = len(sample) + 1
    axis = data.draw(
        st.none() | st.integers(1 - rank, -1) | st.lists(st.integers(1, rank - 1), min_size=1, unique=True)
    )
    axis = tuple(axis) if isinstance(axis, list) else axis
    x = numbers((20, *sample)).astype("float32")
    ours, theirs = Normalization(axis, invert=invert), keras.layers.Normalization(axis, invert=invert)
    ours.adapt(x)
    theirs.adapt(x)
    for one, two in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(one, two.value.detach(), rtol=1e-4, atol=1e-5)
    assert tuple(ours.mean.shape) == tuple(theirs.mean.shape)
    z = numbers((3, *sample), 1).astype("float32")
    np.testing.assert_allclose(ours(z), theirs(z), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: x.astype("float32"),
        torch.tensor,
        pd.DataFrame,
        lambda x: x.tolist(),
        lambda x: [x[:7], x[7:]],
        lambda x: (torch.tensor(part) for part in (x[:3], x[3:])),
        lambda x: ((part, np.zeros(len(part))) for part in (x[:3], x[3:3], x[3:])),
        lambda x: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x)), batch_size=6),
        lambda x: Batches(x, 6),
    ],
)
def test_data_of_every_kind_give_the_same_moments(form):
    x = numbers((20, 3))
    layer = Normalization()
    layer.adapt(form(x))
    np.testing.assert_allclose(layer.adapt_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.adapt_variance, x.var(0), rtol=1e-5)


def test_large_data_are_looked_at_in_pieces_and_precisely(monkeypatch):
    monkeypatch.setattr(feature_normalization, "PIECE", 64)
    x = (numbers((1000, 3)) + 1e4).astype("float32")
    layer = Normalization()
    layer.adapt(x)
    np.testing.assert_allclose(layer.adapt_variance, x.astype("float64").var(0), rtol=1e-5)


def test_adapting_again_forgets_what_was_learned():
    layer = Normalization()
    layer.adapt(numbers((20, 3)))
    layer.adapt(np.array([[0.0, 0.0, 0.0], [2.0, 4.0, 6.0]]))
    assert layer.adapt_mean.tolist() == [1.0, 2.0, 3.0]
    assert layer.adapt_variance.tolist() == [1.0, 4.0, 9.0]


def test_integers_and_constants_are_taken():
    layer = Normalization()
    layer.adapt(np.array([[1, 5], [3, 5]]))
    assert layer(np.array([[3, 5]])).tolist() == [[1.0, 0.0]]


def test_one_dimensional_data_have_one_mean_and_serve_columns():
    layer = Normalization(axis=None)
    layer.adapt(np.array([1.0, 3.0]))
    assert layer(torch.tensor([[3.0], [1.0]])).tolist() == [[1.0], [-1.0]]
    assert layer(Input((1,))).shape == (None, 1)
    with pytest.raises(HandsonError, match=r"must be axes of features .* Normalization\(axis=None\)"):
        Normalization().adapt(np.array([1.0, 3.0]))


@pytest.mark.parametrize(
    ("axis", "mean", "variance"),
    [
        (-1, [1.0, 2.0, 3.0], [1.0, 4.0, 9.0]),
        (None, 2.0, 9.0),
        (-1, 2.0, 4.0),
        ((1, 2), [1.0, 2.0, 3.0], [1.0, 4.0, 9.0]),
        ((1, 2), np.arange(6.0).reshape(2, 3), np.ones((2, 3))),
        (1, torch.tensor([0.0, 1.0]), torch.tensor([4.0, 1.0])),
    ],
)
def test_given_moments_are_used_as_in_keras_and_written_to_files(keras, axis, mean, variance):
    x = numbers((4, 2, 3)).astype("float32")
    ours, theirs = (kind(axis, mean, variance) for kind in (Normalization, keras.layers.Normalization))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
    assert ours.weights == []
    again = registry.resolve("layer", json.loads(json.dumps(registry.to_config("layer", ours))))
    assert torch.equal(again(x), ours(x))


def test_a_layer_that_is_undone_by_its_inverse():
    x = numbers((20, 3)).astype("float32")
    there, back = Normalization(), Normalization(invert=True)
    there.adapt(x)
    back.adapt(x)
    np.testing.assert_allclose(back(there(x)), x, rtol=1e-4, atol=1e-5)


def test_moments_are_kept_when_a_net_draws_its_weights_and_trains():
    x = numbers((40, 3)).astype("float32")
    layer = Normalization()
    layer.adapt(x)
    inputs = Input((3,))
    net = handson.Model(inputs, Dense(1)(layer(inputs)))
    net.compile("sgd", "mse")
    net.fit(x, x.sum(1), epochs=2, verbose=0, seed=3)
    np.testing.assert_allclose(layer.adapt_mean, x.mean(0), rtol=1e-5)
    assert not layer.trainable_weights


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([[1.0, np.nan]]), r"adapt takes finite numbers; got NaN or infinite values"),
        (np.array([["a", "b"]]), r"adapt takes numbers: .*; got ndarray of type <U1"),
        (np.zeros((0, 3)), r"adapt got no data"),
        ([], r"adapt got no data"),
        ("text", r"adapt takes an array, a tensor or an iterable of batches; got str"),
        (3, r"adapt takes an array, a tensor or an iterable of batches; got int"),
        (
            [np.zeros((2, 3)), np.zeros((2, 4))],
            r"was built for inputs of shape \(None, 3\) and cannot take \(None, 4\)",
        ),
    ],
)
def test_data_without_moments_are_an_error(data, message):
    with pytest.raises(HandsonError, match=message):
        Normalization().adapt(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 1.0}, r"takes both mean and variance, or learns both"),
        ({"mean": [1.0], "variance": 1.0}, r"mean and variance have one shape"),
        ({"mean": [[1.0]], "variance": [[1.0]]}, r"of at most as many axes as axis=\(-1,\) names"),
        ({"mean": 1.0, "variance": -1.0}, r"a variance is not negative; got -1\.0"),
        ({"axis": 1.5}, r"Normalization: axis is a whole number or several; got 1\.5"),
    ],
)
def test_arguments_that_make_no_sense_are_an_error(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Normalization(**arguments)


def test_inputs_that_do_not_fit_are_an_error():
    with pytest.raises(HandsonError, match=r"of shape \(2,\) do not fit the sizes \(3,\) of axis=\(-1,\)"):
        Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0]).ensure_built((None, 3))
    with pytest.raises(HandsonError, match="there is nothing to adapt"):
        Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 2)))
    with pytest.raises(HandsonError, match=r"axis=\(2,\) does not fit inputs \(None, 3\)"):
        Normalization(axis=2).ensure_built((None, 3))


def test_weights_go_to_keras_and_back_by_file(keras, tmp_path):
    x = numbers((20, 3)).astype("float32")

    def net(of, kind):
        inputs = of.Input((3,))
        return kind(inputs, of.Normalization(name="norm")(inputs))

    ours, theirs = net(handson.layers, handson.Model), net(keras.layers, keras.Model)
    theirs.layers[-1].adapt(x)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(ours.predict(x), theirs(x), rtol=1e-5, atol=1e-6)
    ours.layers[-1].adapt(2 * x)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    theirs.layers[-1].finalize_state()
    np.testing.assert_allclose(ours.predict(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_a_number_is_taken_as_one_value():
    assert Normalization(None, 1.0, 4.0)(np.float32(3.0)).shape == ()
