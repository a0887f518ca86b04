"""Whole models in Keras's files: handson reads what Keras wrote, and Keras what handson wrote."""

import numpy as np
import pytest
from keras_files import Ours, alike, assert_same_outputs, inputs_for, theirs

import handson

pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture
def both(keras):
    """The words of handson and of Keras."""
    return Ours, theirs(keras)


def stack(of):
    inner = of.Sequential([of.layers.Dense(4, activation="tanh"), of.layers.BatchNormalization()], name="inner")
    return of.Sequential([of.Input((3,)), inner, of.layers.Dropout(0.3), of.layers.Dense(2, name="out")], name="stack")


def images(of):
    return of.Sequential(
        [
            of.Input((6, 6, 2)), of.layers.Conv2D(4, 3, activation="relu", padding="same"), of.layers.MaxPooling2D(),
            of.layers.SeparableConv2D(3, 2), of.layers.BatchNormalization(), of.layers.Flatten(),
            of.layers.Dense(3, activation="softmax", kernel_regularizer="l2"),
        ]
    )  # fmt: skip


def texts(of):
    x = of.Input((5,), dtype="int32")
    y = of.layers.Embedding(9, 4, mask_zero=True)(x)
    y = of.layers.Bidirectional(of.layers.GRU(3, return_sequences=True))(y)
    y = of.layers.LSTM(4)(y)
    return of.Model(x, of.layers.Dense(1, activation="sigmoid")(y), name="texts")


def attention(of):
    x = of.Input((5, 4))
    y = of.layers.MultiHeadAttention(2, 3, name="heads")(x, x, use_causal_mask=True)
    y = of.layers.LayerNormalization()(of.layers.Add()([x, y]))
    return of.Model(x, of.layers.GlobalAveragePooling1D()(y))


def states(of):
    x = of.Input((5, 3))
    y, hidden, cell = of.layers.LSTM(4, return_state=True, return_sequences=True)(x)
    z = of.layers.LSTM(4)(y, initial_state=[hidden, cell])
    return of.Model(x, [z, hidden])


def several(of):
    a, b = of.Input((3,), name="a"), of.Input((3,), name="b")
    shared = of.layers.Dense(4, name="shared")
    inner_in = of.Input((4,))
    inner = of.Model(inner_in, of.layers.Dense(4)(inner_in) * 2.0 - 0.5, name="inner")
    first, second = inner(shared(a)), inner(shared(b))
    y = of.ops.concatenate([first, second[:, 1:3]], axis=-1)
    return of.Model({"a": a, "b": b}, {"one": of.layers.Dense(1, name="one")(y), "two": of.ops.mean(first, axis=-1)})


def operations(of):
    x = of.Input((4, 3))
    y = of.ops.transpose(x, (0, 2, 1)) / (1.0 + of.ops.square(of.ops.max(x, axis=1, keepdims=True)))[:, :, :1]
    y = of.ops.einsum("bij,bjk->bik", y, x) + of.ops.where(x[:, :3] > 0, x[:, :3], -1.0)
    y = of.ops.clip(of.ops.reshape(y, (-1, 9)), -2.0, 2.0)
    return of.Model(x, of.ops.softmax(y[..., ::2]))


def distributed(of):
    inner = of.Sequential([of.layers.Dense(4, activation="relu"), of.layers.Dense(2)])
    cells = [of.layers.LSTMCell(3), of.layers.GRUCell(4)]
    return of.Sequential([of.Input((5, 3)), of.layers.TimeDistributed(inner), of.layers.RNN(cells)])


def nested(of):
    """What a net inside gives is an output, where Keras counts applications in another way."""
    x, inner_in = of.Input((3,)), of.Input((3,))
    inner = of.Model(inner_in, of.layers.Dense(3)(inner_in), name="inner")
    low = of.Sequential([of.layers.Dense(3)], name="low")
    return of.Model(x, [inner(x), inner(inner(x)), low(x)])


NETS = {
    "stack": stack, "images": images, "texts": texts, "attention": attention, "states": states, "several": several,
    "operations": operations, "distributed": distributed, "nested": nested,
}  # fmt: skip


@pytest.fixture(params=NETS)
def pair(request, both):
    """The same net in handson and in Keras, with the same weights, and inputs."""
    ours, keras_net = (NETS[request.param](of) for of in both)
    alike(ours, keras_net)
    return ours, keras_net, inputs_for(ours)


def test_keras_reads_archives(pair, both, tmp_path):
    ours, _, x = pair
    ours.save(tmp_path / "net.keras")
    assert_same_outputs(both[1].load(tmp_path / "net.keras"), ours, x)


def test_archives_of_keras_are_read(pair, tmp_path):
    _, keras_net, x = pair
    keras_net.save(tmp_path / "net.keras")
    loaded = handson.load(tmp_path / "net.keras")
    assert_same_outputs(loaded, keras_net, x)
    loaded.save(tmp_path / "again.keras")
    assert_same_outputs(handson.load(tmp_path / "again.keras"), keras_net, x)


@pytest.mark.filterwarnings("ignore")
def test_keras_reads_hdf5(pair, both, tmp_path):
    ours, _, x = pair
    ours.save(tmp_path / "net.h5")
    assert_same_outputs(both[1].load(tmp_path / "net.h5"), ours, x)
    assert_same_outputs(handson.load(tmp_path / "net.h5"), ours, x, atol=0)


@pytest.mark.filterwarnings("ignore")
def test_hdf5_of_keras_is_read(pair, tmp_path):
    _, keras_net, x = pair
    keras_net.save(tmp_path / "net.h5")
    assert_same_outputs(handson.load(tmp_path / "net.h5"), keras_net, x)


def test_weights_are_taken_from_whole_models(pair, tmp_path):
    ours, keras_net, _x = pair
    keras_net.save(tmp_path / "net.keras")
    before = keras_net.get_weights()
    alike(ours, keras_net, seed=2)
    ours.load_weights(tmp_path / "net.keras")
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), before, strict=True))


def test_weight_files_go_both_ways(pair, tmp_path):
    ours, keras_net, x = pair
    ours.save_weights(tmp_path / "ours.weights.h5")
    keras_net.save_weights(tmp_path / "theirs.weights.h5")
    expected = ours.get_weights()
    alike(ours, keras_net, seed=2)
    keras_net.load_weights(tmp_path / "ours.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), expected, strict=True))
    assert_same_outputs(ours, keras_net, x)
