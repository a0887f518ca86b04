"""`Masking`, and masks on their way through nets and engines."""

import numpy as np
import pytest
import torch
from keras_peers import assert_same, mask_of

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers import GRU, LSTM, Dense, Masking


def sequences(value=0.0):
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    x[0, 3:] = x[1, :2] = x[2, 1] = value
    x[2, 4, 0] = value  # which is no masked step: the other value is another
    return x


@pytest.mark.parametrize("value", [0.0, -9.0, 3])
def test_steps_that_are_all_of_a_value_are_masked_as_in_keras(keras, value):
    ours, theirs = Masking(value), keras.layers.Masking(value)
    x = torch.tensor(sequences(value))
    assert_same(ours, theirs, x)
    assert mask_of(ours(x)).sum() == 15 - 5
    assert torch.equal(ours.compute_mask(x), torch.tensor(mask_of(ours(x))))


@pytest.mark.parametrize("value", [float("nan"), "zero", None, True])
def test_a_value_that_is_no_number_is_an_error(value):
    with pytest.raises(HandsonError, match="Masking: mask_value is a number; got"):
        Masking(value)


def test_the_mask_of_a_symbol_is_a_symbol():
    x = layers.Input((5, 2))
    masking = Masking()
    net = handson.Model(x, LSTM(3)(masking(x), mask=masking.compute_mask(x)))
    plain = handson.Model(x, net.layers[-1](masking(x)))
    np.testing.assert_array_equal(net.predict(sequences(), verbose=0), plain.predict(sequences(), verbose=0))


def chain(of):
    names = of.layers
    return of.Sequential(
        [
            names.Input((5, 2)),
            names.Masking(),
            names.Dense(4, activation="tanh"),
            names.LayerNormalization(),
            names.Dropout(0.0),
            names.LSTM(4, return_sequences=True),
            names.TimeDistributed(names.Dense(3)),
            names.Bidirectional(names.GRU(3, return_sequences=True)),
            names.Activation("relu"),
            names.SimpleRNN(2),
            names.Dense(1),
        ]
    )


@pytest.fixture
def both(keras):
    ours, theirs = chain(handson), chain(keras)
    rng = np.random.default_rng(1)
    weights = [rng.normal(scale=0.5, size=weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def test_a_mask_goes_through_a_net_as_in_keras(both):
    ours, theirs = both
    x = sequences()
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5, rtol=1e-4)


def test_a_net_with_masks_trains_as_that_of_keras(both, keras):
    y = np.array([[1.0], [-1.0], [0.5]], "float32")
    for net, optimizers in zip(both, (handson.optimizers, keras.optimizers), strict=True):
        net.compile(optimizers.SGD(0.1), "mse")
        net.fit(sequences(), y, epochs=4, batch_size=3, shuffle=False, verbose=0)
    for one, two in zip(*(net.get_weights() for net in both), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_the_engine_of_compiled_kernels_sees_masks(kind):
    def fitted(engine):
        net = handson.Sequential(
            [Masking(input_shape=(5, 2)), kind(4, return_sequences=True), kind(3), Dense(1)], seed=0
        )
        net.compile("sgd", "mse")
        x = np.concatenate([sequences()] * 4)
        net.fit(x, np.linspace(-1, 1, 12), epochs=2, batch_size=4, verbose=0, engine=engine)
        return net

    blocks, eager = fitted("blocks"), fitted("eager")
    for one, two in zip(blocks.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6, rtol=1e-5)


def test_a_layer_that_knows_no_masks_gives_none():
    x = torch.tensor(sequences())
    assert mask_of(layers.Flatten()(Masking()(x))) is None
    assert mask_of(Dense(3)(Masking()(x))) is not None


def test_a_layer_that_needs_a_mask_is_part_of_a_graph():
    class Share(layers.Layer):
        def call(self, inputs, mask=None):
            assert mask is not None
            return inputs * mask[..., None]

    x = handson.Input((None,), dtype="int32")
    net = handson.Model(x, Share()(layers.Embedding(5, 2, mask_zero=True)(x)))
    assert net.output_shape == (None, None, 2)
    assert (net.predict(np.array([[1, 0]]))[0, 1] == 0).all()
