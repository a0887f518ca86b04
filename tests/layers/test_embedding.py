"""`Embedding`: vectors, masks and ids that are none."""

import numpy as np
import pytest
import torch
from keras_peers import assert_same, filled, mask_of

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers import LSTM, Dense, Embedding
from handson.randomness.stream import Stream, active

IDS = np.array([[1, 2, 0, 0], [4, 0, 3, 3]])


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int16", "float32"])
def test_vectors_masks_and_gradients_are_those_of_keras(keras, mask_zero, dtype):
    ours, theirs = Embedding(5, 3, mask_zero=mask_zero), keras.layers.Embedding(5, 3, mask_zero=mask_zero)
    ours.ensure_built((None, 4))
    theirs.build((None, 4))
    filled(ours, theirs)
    ids = torch.tensor(IDS.astype(dtype))
    assert_same(ours, theirs, ids)
    assert ours(ids).dtype == torch.float32
    assert mask_of(ours(IDS.astype(dtype))) is None if not mask_zero else mask_of(ours(IDS.astype(dtype))).tolist()


@pytest.mark.parametrize("shape", [(), (4,), (4, 2), (3, 2, 2)])
def test_ids_of_any_shape_are_taken(shape):
    layer = Embedding(5, 3)
    assert layer(torch.zeros(2, *shape, dtype=torch.int64)).shape == (2, *shape, 3)
    assert layer(torch.zeros(2, 7, dtype=torch.int64)).shape == (2, 7, 3)
    assert layer.compute_output_shape((None, *shape)) == (None, *shape, 3)


@pytest.mark.parametrize("wrong", [-1, 5, 10**6, -(10**12)])
def test_ids_outside_of_the_range_are_errors_that_name_them(wrong):
    layer = Embedding(5, 3, name="words")
    for taken in (layer, layer.check_ids):
        with pytest.raises(HandsonError, match=rf"Embedding 'words' takes ids from 0 to 4; got {wrong}\."):
            taken(np.array([[1, wrong]]))


def test_ids_in_the_range_pass_the_check():
    layer = Embedding(5, 3)
    for ids in (IDS, IDS.astype("float32"), IDS.astype("uint8"), torch.tensor(IDS), np.zeros((0, 4), int)):
        layer.check_ids(ids)


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf])
def test_fractions_are_no_ids(wrong):
    with pytest.raises(HandsonError, match="Embedding .*(ids are whole numbers; got|takes ids from 0 to 4; got)"):
        Embedding(5, 3)(np.array([[1.0, wrong]], "float32"))


def test_on_a_gpu_ids_outside_of_the_range_become_nan_in_a_step_and_errors_outside_of_one(monkeypatch):
    layer = Embedding(5, 3)
    layer(IDS)
    inside, outside = torch.tensor([[1, 4]]), torch.tensor([[1, 7], [-1, 4]])
    # What a GPU is asked for runs on any device.
    monkeypatch.setattr("handson.layers.embedding._may_ask", lambda ids: False)
    assert torch.equal(layer._on_gpu(inside), layer(inside))
    assert layer._on_gpu(outside).isnan().all(-1).tolist() == [[False, True], [True, False]]
    monkeypatch.setattr("handson.layers.embedding._may_ask", lambda ids: True)
    with pytest.raises(HandsonError, match="takes ids from 0 to 4; got 7"):
        layer._on_gpu(outside)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_survives_ids_outside_of_the_range():
    layer = Embedding(5, 3).to("cuda")
    with pytest.raises(HandsonError, match="takes ids from 0 to 4; got 7"):
        layer(torch.tensor([[7]], device="cuda"))
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.arange(1, device="cuda")
        assert bool(layer(torch.tensor([[7]], device="cuda")).isnan().all())
    assert layer(torch.tensor([[4]], device="cuda")).shape == (1, 1, 3)


@pytest.mark.parametrize("listed", [False, True])
def test_given_vectors_are_where_it_starts(listed):
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    layer = Embedding(5, 3, weights=[vectors] if listed else vectors, trainable=False)
    net = handson.Sequential([layer, layers.Flatten(), Dense(1)], seed=3)
    net.compile("sgd", "mse")
    net.fit(IDS, np.zeros(2), epochs=1, verbose=0)
    assert np.array_equal(layer.get_weights()[0], vectors)
    assert layer.get_config()["weights"] is None


def test_given_vectors_of_another_shape_are_an_error():
    with pytest.raises(HandsonError, match=r"weight 0 of 'embedding' has shape \(5, 3\); got an array of \(4, 3\)"):
        Embedding(5, 3, weights=np.zeros((4, 3)))


def test_constraints_and_penalties_are_those_of_the_vectors():
    layer = Embedding(5, 3, "ones", embeddings_regularizer="l2", embeddings_constraint="unit_norm")
    layer(IDS)
    assert float(layer.losses[0].detach()) == pytest.approx(0.01 * 15)
    net = handson.Sequential([layer, layers.Flatten(), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    net.fit(IDS, np.zeros(2), epochs=1, verbose=0)
    np.testing.assert_allclose(np.linalg.norm(layer.get_weights()[0], axis=0), 1.0, rtol=1e-5)


def test_the_number_of_ids_may_be_given_to_the_first_layer():
    net = handson.Sequential([Embedding(5, 3, input_length=4), layers.Flatten(), Dense(1)])
    assert net.built
    assert net.predict(IDS, verbose=0).shape == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "Embedding: input_dim must be a positive whole number; got 0"),
        ((5, 2.5), "Embedding: output_dim must be a positive whole number; got 2.5"),
    ],
)
def test_arguments_out_of_range_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Embedding(*arguments)


def test_quantization_is_refused():
    with pytest.raises(TypeError, match="Embedding has no argument 'quantization_config'"):
        Embedding(5, 3, quantization_config=2)


def test_a_net_of_words_trains_as_that_of_keras(keras):
    def net(of):
        embedding = of.layers.Embedding(5, 3, mask_zero=True)
        return of.Sequential([of.layers.Input((4,), dtype="int32"), embedding, of.layers.GRU(4), of.layers.Dense(1)])

    ours, theirs = net(handson), net(keras)
    filled(ours, theirs)
    y = np.array([[1.0], [-1.0]], "float32")
    for one, optimizers in ((ours, handson.optimizers), (theirs, keras.optimizers)):
        one.compile(optimizers.SGD(0.1), "mse")
        one.fit(IDS, y, epochs=5, batch_size=2, shuffle=False, verbose=0)
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5, rtol=1e-4)


def test_what_fills_up_sequences_does_not_matter_for_what_is_predicted():
    stack = [layers.Input((None,), dtype="int32"), Embedding(5, 3, mask_zero=True), layers.Dropout(0.5)]
    net = handson.Sequential([*stack, Dense(4, "relu"), LSTM(3)], seed=0)
    short, long = np.array([[1, 2, 3]]), np.array([[1, 2, 3, 0, 0, 0]])
    np.testing.assert_allclose(net.predict(short, verbose=0), net.predict(long, verbose=0), rtol=1e-5)
