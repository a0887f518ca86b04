"""Texts and categories as indices and vectors: the numbers of Keras, which needs TensorFlow for most of them.

`tensorflow.json` has what Keras on TensorFlow gave for random arguments and data.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import handson
from handson import HandsonError, layers
from handson.core import registry
from handson.layers.preprocessing import hashes

TRUTH = json.loads((Path(__file__).parent / "tensorflow.json").read_text())
MODES = ["int", "one_hot", "multi_hot", "count"]


def arguments(case):
    return {key: tuple(value) if key == "ngrams" and isinstance(value, list) else value
            for key, value in case["arguments"].items()}  # fmt: skip


@pytest.mark.parametrize("case", TRUTH["layers"], ids=lambda case: case["layer"])
def test_outputs_and_vocabularies_are_those_of_keras_on_tensorflow(case):
    layer = getattr(layers, case["layer"])(**arguments(case))
    if case["adapt"] is not None:
        layer.adapt(case["adapt"])
    found = layer(case["data"])
    if isinstance(found, torch.Tensor) and found.is_floating_point():
        np.testing.assert_allclose(found.numpy(), np.array(case["output"]), rtol=1e-5, atol=1e-6)
    else:
        assert found.tolist() == case["output"]
    if case["vocabulary"] is not None:
        assert layer.get_vocabulary() == case["vocabulary"]
    again = registry.resolve("layer", json.loads(json.dumps(registry.to_config("layer", layer))))
    assert np.array_equal(again(case["data"]), found)


def test_hashes_are_those_of_tensorflow():
    truth = TRUTH["hashes"]
    modulo = np.uint64(truth["modulo"])
    words = hashes.fingerprint(truth["texts"])
    assert (words % modulo).tolist() == truth["farmhash"]
    assert (hashes.siphash(truth["texts"], truth["salt"]) % modulo).tolist() == truth["siphash"]
    numbers = np.array(truth["numbers"]).astype(np.uint64)
    assert (hashes.crossed([words, numbers]) % modulo).tolist() == truth["crossed"]


@given(st.lists(st.text(max_size=150), min_size=1, max_size=8))
def test_a_text_has_its_hash_whatever_it_is_hashed_with(texts):
    together = hashes.fingerprint(texts), hashes.siphash(texts, (1, 2))
    for hashed, alone in zip(together, (hashes.fingerprint, lambda one: hashes.siphash(one, (1, 2))), strict=True):
        assert hashed.tolist() == [int(alone([text])[0]) for text in texts]


numbers = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30)


@given(numbers, st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=5, unique=True).map(sorted))
def test_bins_are_those_of_numpy(values, edges):
    found = layers.Discretization(edges)(np.array(values, dtype=np.float32))
    assert found.dtype == torch.int32
    assert found.tolist() == np.digitize(np.array(values, np.float32), np.array(edges, np.float32)).tolist()


@pytest.mark.parametrize("count", [3, 50, 1000])
@pytest.mark.parametrize("epsilon", [0.01, 0.2])
@pytest.mark.parametrize("bins", [2, 7])
def test_boundaries_are_those_of_keras(keras, count, epsilon, bins):
    parts = np.random.default_rng(count).normal(size=(3, count)).astype("float32")
    ours, theirs = (
        kind(num_bins=bins, epsilon=epsilon) for kind in (layers.Discretization, keras.layers.Discretization)
    )
    ours.adapt(iter(parts))
    theirs.reset_state()  # its adapt asks for TensorFlow
    for part in parts:
        theirs.update_state(part)
    theirs.finalize_state()
    assert ours.bin_boundaries == pytest.approx(theirs.bin_boundaries)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_bins_are_encoded_as_by_keras(keras, mode, shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    ours, theirs = (
        kind([-1.0, 0.0, 0.5], output_mode=mode) for kind in (layers.Discretization, keras.layers.Discretization)
    )
    wanted = theirs(x)
    assert ours(x).dtype == wanted.dtype
    assert ours(x).tolist() == wanted.tolist()
    assert tuple(ours.compute_output_shape((None, *shape[1:]))[1:]) == tuple(ours(x).shape[1:]) or len(shape) == 1


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_categories_are_encoded_as_by_keras(keras, mode, shape):
    x = np.random.default_rng(1).integers(0, 5, shape)
    weights = {"count_weights": np.random.default_rng(2).random(shape).astype("float32")} if mode == "count" else {}
    ours, theirs = (kind(5, output_mode=mode) for kind in (layers.CategoryEncoding, keras.layers.CategoryEncoding))
    np.testing.assert_allclose(ours(x, **weights).numpy(), theirs(x, **weights).numpy())
    assert ours(x.tolist()).tolist() == ours(x).tolist()


def test_outputs_have_the_type_that_was_asked_for():
    assert layers.Hashing(3, dtype="int32")(["a"]).dtype == torch.int32
    assert layers.Hashing(3, output_mode="one_hot", dtype="int64")(["a"]).dtype == torch.int64
    wide = layers.Discretization([0.1], output_mode="one_hot", dtype="float64")
    assert wide(np.array([0.1 - 1e-12])).tolist() == [[1.0, 0.0]]
    assert wide(np.array([0.0])).dtype == torch.float64
    again = layers.Hashing.from_config(layers.Hashing(3, dtype="int32").get_config())
    assert again(["a"]).dtype == torch.int32


WORDS = ["red", "blue", "red", "green", "blue", "red"]


@pytest.mark.parametrize(
    "data",
    [
        WORDS,
        np.array(WORDS),
        np.array(WORDS, dtype=object),
        np.array([word.encode() for word in WORDS]),
        np.array(WORDS).reshape(3, 2),
        pd.Series(WORDS),
        pd.Series(WORDS, dtype="category"),
        (WORDS[start : start + 2] for start in range(0, 6, 2)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_a_vocabulary_is_found_in_lists_arrays_tables_and_batches(data):
    layer = layers.StringLookup()
    layer.adapt(data)
    assert layer.get_vocabulary() == ["[UNK]", "red", "blue", "green"]
    assert layer.vocabulary_size() == 4


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=2), min_size=1, max_size=12))
def test_the_inverse_gives_the_tokens_back(rows):
    layer = layers.StringLookup()
    layer.adapt(rows)
    back = layers.StringLookup(vocabulary=layer.get_vocabulary(), invert=True)
    assert back(layer(rows)).tolist() == rows


def test_state_can_be_taken_in_piece_by_piece():
    layer = layers.TextVectorization()
    layer.reset_state()
    for texts in (["a b"], ["a c", "a"]):
        layer.update_state(texts)
    layer.finalize_state()
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "c", "b"]


def test_a_batch_of_rows_counts_rows_as_documents():
    one, two = layers.StringLookup(output_mode="tf_idf"), layers.StringLookup(output_mode="tf_idf")
    one.adapt(["a", "b", "a"])
    two.adapt(iter([["a", "b"], ["a"]]))
    assert one.get_config()["idf_weights"] == pytest.approx(two.get_config()["idf_weights"])


def test_a_vocabulary_is_read_from_a_file_but_not_for_a_configuration(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("é\nb\n", encoding="utf-8")
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer(["b", "é", "x"]).tolist() == [2, 1, 0]
    assert layer.get_config()["vocabulary"] == ["é", "b"]
    with pytest.raises(HandsonError, match="names a file"):
        layers.StringLookup.from_config({"vocabulary": str(path)})
    with pytest.raises(HandsonError, match="No such file"):
        layers.StringLookup(vocabulary=str(tmp_path / "none.txt"))
    (tmp_path / "ids.txt").write_text("7\n-3\n")
    assert layers.IntegerLookup(vocabulary=str(tmp_path / "ids.txt"))([-3, 7]).tolist() == [2, 1]


@handson.register(kind="op")
def without_digits(texts):
    return np.char.translate(texts, str.maketrans("", "", "0123456789"))


def test_functions_standardize_and_split_and_registered_ones_are_saved():
    layer = layers.TextVectorization(
        standardize=without_digits, split=lambda texts: [text.split("-") for text in texts]
    )
    layer.adapt(["a1-b", "b2"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert layer(["a3-b", "c"]).tolist() == [[3, 2], [1, 0]]
    saved = layers.TextVectorization(standardize=without_digits, vocabulary=["a"]).get_config()
    assert saved["standardize"] == "without_digits"
    assert layers.TextVectorization.from_config(saved)(["a1"]).tolist() == [[2]]


def test_one_text_gives_one_row_and_texts_of_no_words_rows_of_zeros():
    layer = layers.TextVectorization(vocabulary=["the", "fox"])
    assert layer("the old fox").tolist() == [2, 1, 3]
    assert layer(["", "fox"]).tolist() == [[0], [3]]
    assert layer(["", ""]).shape == (2, 0)


def test_numbers_flow_through_a_net_and_texts_are_refused_with_the_way_out():
    ids = handson.Input((3,), dtype="int64")
    scale = handson.Input((1,))
    found = layers.IntegerLookup(vocabulary=[5, 7], output_mode="multi_hot")(ids)
    bins = layers.Discretization([0.0, 1.0], output_mode="one_hot")(scale)
    hashed = layers.Hashing(4, output_mode="count")(ids)
    assert (found.shape, bins.shape, hashed.shape) == ((None, 3), (None, 3), (None, 4))
    out = handson.ops.concatenate([found, bins, hashed], axis=-1)
    net = handson.Model([ids, scale], layers.Dense(1)(out))
    net.compile("sgd", "mse")
    data = [np.array([[5, 7, 9], [7, 7, 7]]), np.array([[-1.0], [0.5]])]
    net.fit(data, np.zeros(2), verbose=0)
    assert net.predict(data, verbose=0).shape == (2, 1)
    with pytest.raises(HandsonError, match=r"apply it to the data first"):
        layers.TextVectorization()(scale)
    with pytest.raises(HandsonError, match=r"apply it to the data first"):
        layers.StringLookup(vocabulary=["a"])(ids)


def test_vectors_of_words_train_a_net():
    texts, labels = ["good film", "bad film", "good good", "bad"], np.array([1, 0, 1, 0])
    layer = layers.TextVectorization(output_mode="multi_hot")
    layer.adapt(texts)
    net = handson.Sequential([layers.Dense(1, activation="sigmoid")], seed=0)
    net.compile(handson.optimizers.Adam(0.3), "binary_crossentropy", metrics=["accuracy"])
    net.fit(layer(texts), labels, epochs=20, verbose=0)
    assert net.predict(layer(["good"]), verbose=0) > 0.5 > net.predict(layer(["bad"]), verbose=0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.StringLookup(vocabulary=["a", "b", "a"]), "repeated: 'a'"),
        (lambda: layers.StringLookup(vocabulary=[]), "at least one token"),
        (lambda: layers.StringLookup(vocabulary=["a", ""], mask_token=""), "a meaning of its own"),
        (lambda: layers.StringLookup(output_mode="multihot"), "Did you mean 'multi_hot'"),
        (lambda: layers.StringLookup(output_mode="count", invert=True), "invert=True takes indices"),
        (lambda: layers.StringLookup(sparse=True, output_mode="count"), "sparse"),
        (lambda: layers.StringLookup(max_tokens=1), "max_tokens is a whole number, at least 2"),
        (lambda: layers.StringLookup(pad_to_max_tokens=True), "needs max_tokens"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "got 3"),
        (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "idf_weights"),
        (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0]), "idf_weights"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), "does not adapt"),
        (lambda: layers.StringLookup()(["a"]), "no vocabulary"),
        (lambda: layers.StringLookup(vocabulary=["a"])([1, 2]), "takes texts; got int64"),
        (lambda: layers.StringLookup(vocabulary=["a"])(np.array(["a", None], dtype=object)), "value 1 is None"),
        (lambda: layers.StringLookup(vocabulary=["a"])([["a", "b"], ["a"]]), "same length"),
        (lambda: layers.StringLookup(vocabulary=["red"], num_oov_indices=0)(["rad"]), "Did you mean 'red'"),
        (lambda: layers.StringLookup().adapt("a text"), r"Write \[text\]"),
        (lambda: layers.StringLookup().adapt([1, 2]), "takes texts"),
        (lambda: layers.StringLookup().adapt((x, 1) for x in ["a"]), "Leave out targets"),
        (lambda: layers.StringLookup().adapt(["a"], steps=2), "steps counts batches"),
        (lambda: layers.IntegerLookup(vocabulary=["a"]), "whole numbers"),
        (lambda: layers.IntegerLookup(vocabulary=[1])([0.5]), "whole numbers"),
        (lambda: layers.IntegerLookup(vocabulary=[1], salt=3), "farmhash"),
        (lambda: layers.IntegerLookup(vocabulary=[1], num_oov_indices=0)([2, 1]), "not in its vocabulary: 2"),
        (lambda: layers.TextVectorization(ragged=True), "ragged"),
        (lambda: layers.TextVectorization(standardize="lowercase"), "Did you mean 'lower"),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), "output_sequence_length"),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), "split=None"),
        (lambda: layers.TextVectorization(vocabulary=["a"], standardize=len)(["a"]), "numpy.vectorize"),
        (lambda: layers.Hashing(0), "num_bins"),
        (lambda: layers.Hashing(3, salt=(1, 2, 3)), "salt"),
        (lambda: layers.HashedCrossing(3)((["a"], ["b", "c"])), "one shape"),
        (lambda: layers.HashedCrossing(3)((["a"], [0.5])), "Discretization"),
        (lambda: layers.Discretization(), "bin_boundaries, or num_bins"),
        (lambda: layers.Discretization([1.0, 0.0]), "ascending"),
        (lambda: layers.Discretization([1.0]).adapt([1.0]), "does not adapt"),
        (lambda: layers.Discretization(num_bins=3)([1.0]), "no boundaries"),
        (lambda: layers.CategoryEncoding(), "IntegerLookup"),
        (lambda: layers.CategoryEncoding(3)([3]), "from 0 to 2; got values from 3 to 3"),
        (lambda: layers.CategoryEncoding(3)([1], count_weights=[1.0]), "output_mode='count'"),
    ],
)
def test_errors_say_what_to_give(make, said):
    with pytest.raises(HandsonError, match=said):
        make()
