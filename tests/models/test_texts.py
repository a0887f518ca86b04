"""Nets whose inputs are texts: they are trained, measured and saved as nets of the numbers that texts become."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import handson
from handson import Input, Model, Sequential, layers
from handson.core.errors import HandsonError
from handson.data import Dataflow
from handson.models import clone_model

TEXTS = np.array(["a good film", "bad, bad film", "so good", "bad", "good plot", "a plot"])
LABELS = np.array([1.0, 0, 1, 0, 1, 0])


def words(**kwargs):
    layer = layers.TextVectorization(**kwargs)
    layer.adapt(TEXTS)
    return layer


def tail():
    return [layers.Embedding(20, 4, mask_zero=True), layers.GlobalAveragePooling1D(), layers.Dense(1)]


def stack(*first):
    net = Sequential([*first, *tail()], seed=0)
    net.compile("adam", "mse")
    return net


def behind_an_input():
    return stack(Input((1,), dtype="string"), words(output_sequence_length=4))


def first_of_all():
    return stack(words())


def between_symbols():
    x = y = Input((1,), dtype="string", name="text")
    for layer in [words(output_sequence_length=4), *tail()]:
        y = layer(y)
    net = Model(x, y, seed=0)
    net.compile("adam", "mse")
    return net


def around_a_net():
    x = Input((), dtype="string")
    inner = Sequential(tail(), seed=0)
    net = Model(x, inner(words(output_sequence_length=4)(x)), seed=0)
    net.compile("adam", "mse")
    return net


def of_a_net():
    net = Sequential([between_symbols(), layers.Activation("linear")], seed=0)
    net.compile("adam", "mse")
    return net


NETS = [behind_an_input, first_of_all, between_symbols, around_a_net, of_a_net]


@pytest.mark.parametrize("make", NETS)
def test_texts_are_what_their_numbers_are(make):
    """As the net of numbers, trained on what the layer gives."""
    numbers, net = words(output_sequence_length=4)(TEXTS), make()
    plain = Sequential(tail(), seed=0)
    plain.compile("adam", "mse")
    plain.build((None, 4))
    net.predict(TEXTS, verbose=0)  # builds it
    plain.set_weights(net.get_weights())
    given = {"batch_size": 2, "epochs": 2, "verbose": 0, "shuffle": False}
    histories = [one.fit(x, LABELS, **given).history["loss"] for one, x in ((net, TEXTS), (plain, numbers))]
    np.testing.assert_allclose(*histories, rtol=1e-6)
    expected = plain.predict(numbers, verbose=0)
    forms = (TEXTS, TEXTS[:, None], TEXTS.tolist(), pd.Series(TEXTS), TEXTS.astype(object), np.char.encode(TEXTS))
    for form in forms:
        np.testing.assert_allclose(net.predict(form, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(net(TEXTS).detach(), expected, atol=1e-6)
    assert net.evaluate(TEXTS, LABELS, verbose=0) == pytest.approx(plain.evaluate(numbers, LABELS, verbose=0))
    assert net.test_on_batch(TEXTS, LABELS) == pytest.approx(plain.test_on_batch(numbers, LABELS))


@pytest.mark.parametrize(
    ("make", "endings"),
    [
        (behind_an_input, ["h5"]), (first_of_all, ["keras", "handson"]), (between_symbols, ["keras", "handson"]),
        (around_a_net, ["handson"]), (of_a_net, ["handson"]),
    ],
)  # fmt: skip
def test_a_net_of_texts_is_saved_and_copied_with_its_words(make, endings, tmp_path):
    net = make()
    net.fit(TEXTS, LABELS, verbose=0)
    expected = net.predict(TEXTS, verbose=0)
    for ending in endings:
        net.save(tmp_path / f"net.{ending}")
        again = handson.load(tmp_path / f"net.{ending}")
        np.testing.assert_allclose(again.predict(TEXTS, verbose=0), expected, atol=1e-6)
        assert again.input_shape == net.input_shape
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), clone_model(net)):
        again.set_weights(net.get_weights())
        np.testing.assert_allclose(again.predict(TEXTS, verbose=0), expected, atol=1e-6)


def test_data_that_come_in_batches():
    net, flow = first_of_all(), Dataflow.from_tensor_slices((TEXTS, LABELS)).batch(2)
    net.fit(flow, epochs=2, verbose=0, validation_data=flow)
    expected = net.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(net.predict(flow, verbose=0), expected, atol=1e-6)
    assert net.evaluate(flow, verbose=0) == pytest.approx(net.evaluate(TEXTS, LABELS, verbose=0))

    def generator():
        for text, label in zip(TEXTS, LABELS, strict=True):
            yield [text], [label]

    assert len(net.fit(generator, epochs=2, verbose=0).history["loss"]) == 2
    assert net.predict(["a much longer text than all of those"], verbose=0).shape == (1, 1)


def table():
    """A net of a table with texts, whole numbers and floats, and its columns."""
    kind, age = Input((1,), dtype="string", name="kind"), Input((1,), name="age")
    ident = Input((1,), dtype="int64", name="id")
    codes = layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")(kind)
    crossed = layers.HashedCrossing(5, output_mode="one_hot")((kind, ident))
    hashed = layers.Embedding(4, 2)(layers.Hashing(4)(kind))
    found = layers.Concatenate()([codes, crossed, layers.Flatten()(hashed), age])
    net = Model({"kind": kind, "age": age, "id": ident}, layers.Dense(1)(found), seed=0)
    net.compile("sgd", "mse")
    return net, {"kind": ["x", "z", "y", "x"], "age": np.arange(4.0), "id": np.array([3, 1, 3, 1])}


def test_texts_beside_numbers(tmp_path):
    net, data = table()
    assert net.input_names == ["kind", "age", "id"]
    assert [symbol.shape for symbol in net.inputs] == [(None, 1)] * 3
    net.fit(data, np.ones(4), verbose=0, validation_split=0.25)
    expected = net.predict(data, verbose=0)
    kernel, bias = net.layers[-1].get_weights()
    vectors = net.get_layer("embedding").get_weights()[0]
    parts = [
        layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")(data["kind"]).numpy(),
        layers.HashedCrossing(5, output_mode="one_hot")((data["kind"], data["id"])).numpy(),
        vectors[layers.Hashing(4)(data["kind"]).numpy()],
        data["age"][:, None],
    ]
    np.testing.assert_allclose(expected, np.concatenate(parts, 1) @ kernel + bias, atol=1e-5)
    listed = [data[name] for name in net.input_names]
    np.testing.assert_array_equal(Model(net.inputs, net.output).predict(listed, verbose=0), expected)
    net.save(tmp_path / "net.keras")
    np.testing.assert_allclose(handson.load(tmp_path / "net.keras").predict(data, verbose=0), expected, atol=1e-6)


def test_the_table_of_layers_begins_with_the_texts(capsys):
    behind_an_input().summary()
    between_symbols().summary()
    out = capsys.readouterr().out
    assert out.count("text_vectorization (TextVectorization)") == 2
    assert "text (InputLayer)" in out


def test_a_recorded_training_of_texts_goes_on(tmp_path):
    whole, parts = between_symbols(), between_symbols()
    whole.fit(TEXTS, LABELS, epochs=4, verbose=0)
    parts.fit(TEXTS, LABELS, epochs=2, verbose=0, run=tmp_path / "run")
    again = between_symbols()
    again.fit(TEXTS, LABELS, epochs=4, verbose=0, run=tmp_path / "run", resume="force")
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), again.get_weights(), strict=True))


def test_what_cannot_be_is_refused_with_the_way_out():
    text = Input((1,), dtype="string", name="text")
    with pytest.raises(HandsonError, match="dense takes numbers, and 'text' is an input of texts"):
        layers.Dense(2)(text)
    with pytest.raises(HandsonError, match="add takes numbers"):
        text + 1
    with pytest.raises(HandsonError, match="TextVectorization, StringLookup or Hashing come next"):
        Sequential([Input((1,), dtype=str), layers.Dense(2)])
    with pytest.raises(HandsonError, match="gives texts, and what a net gives are numbers"):
        Sequential([layers.Dense(2, input_dim=3), layers.StringLookup(vocabulary=["a"], invert=True)])
    with pytest.raises(HandsonError, match=r"behind Input\(\(1,\), dtype='string'\)"):
        words()(Input((1,)))
    with pytest.raises(HandsonError, match="no vocabulary: call adapt"):
        layers.TextVectorization(output_mode="multi_hot")(text)
    with pytest.raises(HandsonError, match=r"takes texts \('text'\), as lists or arrays of them"):
        between_symbols().predict(np.ones((2, 1)), verbose=0)
    with pytest.raises(HandsonError, match="the net takes the inputs 'kind', 'age', 'id'; 'id' missing"):
        table()[0].predict({"kind": ["x"], "age": [1.0]}, verbose=0)
    with pytest.raises(HandsonError, match="the net takes 3 inputs"):
        table()[0].predict([["x"]], verbose=0)

    class Own(Model):
        def __init__(self):
            super().__init__()
            self.words = words()

        def call(self, inputs):
            return self.words(inputs)

    with pytest.raises(HandsonError, match=r"apply the layer to the data first, or write the net as Model"):
        Own().predict(TEXTS, verbose=0)
    with pytest.raises(HandsonError, match="make another net"):
        Sequential([words()]).pop()


def test_onnx_of_texts_is_refused(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    with pytest.raises(HandsonError, match=r"Model\(net.graph.inputs, net.graph.outputs\)"):
        between_symbols().export(tmp_path / "net.onnx")
