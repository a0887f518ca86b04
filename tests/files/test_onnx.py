"""Nets as ONNX: the file gives what `predict` gives at any batch size, or there is no file."""

import numpy as np
import pytest

import handson
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Embedding, Flatten, Input, Layer

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.filterwarnings("ignore")


def run(path, *arrays):
    session = onnxruntime.InferenceSession(str(path))
    names = [entry.name for entry in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True))), names


def test_a_file_gives_the_predictions_of_the_net_and_its_scalings(rng, tmp_path, capfd):
    x = rng.normal(3, 2, size=(30, 3)).astype("float32")
    net = handson.Sequential([Input((3,)), Dense(4, "relu"), BatchNormalization(), Dropout(0.3), Dense(1)], seed=0)
    net.compile("adam", "mse", scale_inputs="standard", scale_targets="standard")
    net.fit(x, 100 * x.sum(1), epochs=2, verbose=0)
    net.export(tmp_path / "net.onnx")
    assert capfd.readouterr().out == ""
    for rows in (1, 7, 30):
        found, names = run(tmp_path / "net.onnx", x[:rows])
        np.testing.assert_allclose(found[0], net.predict(x[:rows]), rtol=1e-3, atol=1e-2)
    assert names == net.input_names
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_several_inputs_ids_and_images_keep_their_names(rng, tmp_path):
    words, image = Input((4,), name="words"), Input((6, 6, 2), name="image")
    seen = Flatten()(Conv2D(2, 3, padding="same", strides=2)(image))
    both = Concatenate()([Flatten()(Embedding(5, 2)(words)), seen])
    net = handson.Model([words, image], {"a": Dense(2, "softmax")(both), "b": Dense(1)(seen)}, seed=0)
    net.export(tmp_path / "net.onnx")
    arrays = rng.integers(0, 5, (5, 4)), rng.normal(size=(5, 6, 6, 2)).astype("float32")
    found, names = run(tmp_path / "net.onnx", *arrays)
    assert names == ["words", "image"]
    expected = net.predict(list(arrays))
    for one, two in zip(found, (expected["a"], expected["b"]), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_net_that_depends_on_the_number_of_rows_is_refused(tmp_path):
    class Rows(Layer):
        def call(self, inputs):
            return inputs * len(inputs)  # a number, once and for all

    with pytest.raises(HandsonError, match="net.onnx is not written|cannot write this net"):
        handson.Sequential([Input((3,)), Rows(), Dense(1)]).export(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_where_the_net_is_refused(tmp_path, monkeypatch):
    from handson.files import onnx_file

    (tmp_path / "net.onnx").write_text("older")
    monkeypatch.setattr(onnx_file.Predicting, "forward", lambda self, x: (self.model(x) * x.mean().item(),))
    with pytest.raises(HandsonError, match="not written|cannot write"):
        handson.Sequential([Input((3,)), Dense(1)]).export(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_text() == "older"


def test_what_cannot_be_written_says_what_to_do(tmp_path):
    with pytest.raises(HandsonError, match="input_shape"):
        handson.Sequential([Dense(1)]).export(tmp_path / "net.onnx")
    with pytest.raises(HandsonError, match="format='onnx'"):
        handson.Sequential([Input((3,)), Dense(1)]).export(tmp_path / "net", format="tf_saved_model")
