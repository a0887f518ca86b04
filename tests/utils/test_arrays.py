"""Arrays of `utils`, against Keras's."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import handson
from handson import HandsonError, utils


@pytest.mark.parametrize("shape", [(), (5,), (5, 1), (2, 3), (2, 3, 1)])
@pytest.mark.parametrize("count", [None, 7])
def test_one_hot_vectors_are_those_of_keras(keras, shape, count):
    classes = np.random.default_rng(0).integers(0, 5, shape)
    found, wanted = utils.to_categorical(classes, count), keras.utils.to_categorical(classes, count)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)
    assert np.array_equal(utils.to_categorical(classes.tolist(), count), wanted)


def test_one_hot_vectors_of_a_tensor_are_a_tensor():
    found = utils.to_categorical(torch.tensor([[1], [0]]), 3)
    assert found.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert found.dtype == torch.float32


@pytest.mark.parametrize(("classes", "count"), [([-1, 0], None), ([0, 3], 3), ([0.5], None), (["a"], None)])
def test_what_is_no_class_is_refused(classes, count):
    with pytest.raises(HandsonError, match="to_categorical takes classes"):
        utils.to_categorical(classes, count)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_vectors_are_normalized_as_by_keras(keras, order):
    x = np.random.default_rng(0).normal(size=(4, 5))
    x[2] = 0
    np.testing.assert_allclose(utils.normalize(x, order=order), keras.utils.normalize(x, order=order))
    np.testing.assert_allclose(utils.normalize(torch.tensor(x), order=order).numpy(), utils.normalize(x, order=order))
    np.testing.assert_allclose(np.linalg.norm(utils.normalize(x[:2], axis=0, order=order), order, 0), np.ones(5))


rows = st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=5)
ways = st.sampled_from(["pre", "post"])


@given(rows, st.one_of(st.none(), st.integers(1, 7)), ways, ways)
def test_sequences_are_padded_as_by_keras(sequences, maxlen, padding, truncating):
    import keras

    arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": -1}
    found = utils.pad_sequences(sequences, **arguments)
    wanted = keras.utils.pad_sequences(sequences, **arguments)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


def test_sequences_of_vectors_and_of_texts_are_padded(keras):
    vectors = [[[1, 2]], [[3, 4], [5, 6]]]
    assert np.array_equal(utils.pad_sequences(vectors), keras.utils.pad_sequences(vectors))
    assert utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="").tolist() == [["", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("sequences", "arguments", "said"),
    [
        ([1, 2], {}, "entry 0 is 1"),
        ([[1]], {"padding": "left"}, "padding is 'pre' or 'post'"),
        ([[1]], {"value": "x"}, "dtype is object"),
        ([[[1, 2]], [[1]]], {}, "have the shape"),
        (iter([[1]]), {}, "list of sequences"),
    ],
)
def test_sequences_that_cannot_be_padded_are_refused(sequences, arguments, said):
    with pytest.raises(HandsonError, match=said):
        utils.pad_sequences(sequences, **arguments)


def test_a_seed_fixes_nets_and_the_generators_of_programs():
    def everything():
        utils.set_random_seed(5)
        net = handson.Sequential([handson.layers.Dense(2, input_dim=3)])
        net.build((None, 3))
        numbers = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
        return net.get_weights()[0].tolist(), numbers

    assert everything() == everything()
