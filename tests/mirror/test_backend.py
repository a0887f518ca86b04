"""The functions of `keras.backend` against NumPy and the formulas of Keras 2."""

import numpy as np
import pytest
import torch

from handson import keras as mirrored
from handson import utils
from handson.core.errors import HandsonError
from handson.keras import backend as K


@pytest.fixture
def x(rng):
    return rng.normal(size=(4, 3, 5)).astype("float32")


def values(tensor):
    return np.asarray(K.eval(tensor))


CASES = {
    "argmax": (lambda x: K.argmax(x), lambda x: x.argmax(-1)),
    "concatenate": (lambda x: K.concatenate([x, x]), lambda x: np.concatenate([x, x], -1)),
    "expand_dims": (lambda x: K.expand_dims(x), lambda x: x[..., None]),
    "batch_flatten": (lambda x: K.batch_flatten(x), lambda x: x.reshape(4, -1)),
    "flatten": (lambda x: K.flatten(x), lambda x: x.ravel()),
    "l2_normalize": (lambda x: K.l2_normalize(x, 1), lambda x: x / np.sqrt((x**2).sum(1, keepdims=True))),
    "hard_sigmoid": (lambda x: K.hard_sigmoid(x), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "pow": (lambda x: K.pow(x, 2), lambda x: x**2),
    "reverse": (lambda x: K.reverse(x, 1), lambda x: x[:, ::-1]),
    "permute": (lambda x: K.permute_dimensions(x, (0, 2, 1)), lambda x: x.transpose(0, 2, 1)),
    "repeat": (lambda x: K.repeat(x[:, 0], 2), lambda x: np.stack([x[:, 0]] * 2, 1)),
    "repeat_elements": (lambda x: K.repeat_elements(x, 2, 1), lambda x: np.repeat(x, 2, 1)),
    "relu": (lambda x: K.relu(x, 0.1, 1.0), lambda x: np.where(x > 0, np.minimum(x, 1), 0.1 * x)),
    "clip": (lambda x: K.clip(x, -0.5, 0.5), lambda x: x.clip(-0.5, 0.5)),
    "mean": (lambda x: K.mean(x, axis=(0, 1)), lambda x: x.mean((0, 1))),
    "std": (lambda x: K.std(x, axis=-1), lambda x: x.std(-1)),
    "gather": (lambda x: K.gather(x[0], [1, 0]), lambda x: x[0][[1, 0]]),
    "foldl": (lambda x: K.foldl(lambda a, b: a + b, x), lambda x: x.sum(0)),
    "map_fn": (lambda x: K.map_fn(lambda row: row.sum(), x), lambda x: x.sum((1, 2))),
    "temporal_padding": (lambda x: K.temporal_padding(x, (1, 2)), lambda x: np.pad(x, ((0, 0), (1, 2), (0, 0)))),
    "bias_add": (lambda x: K.bias_add(x, np.arange(5.0)), lambda x: x + np.arange(5)),
    "switch": (lambda x: K.switch(x[:, 0, 0] > 0, x, -x), lambda x: np.where(x[:, :1, :1] > 0, x, -x)),
    "batch_normalization": (
        lambda x: K.batch_normalization(x, x.mean((0, 1)), x.var((0, 1)), np.ones(5), 2 * np.ones(5)),
        lambda x: 2 * (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + 1e-3) + 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_functions_give_what_numpy_gives(x, name):
    ours, theirs = CASES[name]
    np.testing.assert_allclose(values(ours(torch.as_tensor(x.copy()) if "switch" in name else x)), theirs(x), atol=2e-6)


@pytest.mark.parametrize(
    ("left", "right", "axes", "formula"),
    [
        ((4, 3), (4, 3), None, "bi,bi->b"),
        ((4, 3, 5), (4, 5, 2), None, "bij,bjk->bik"),
        ((4, 3, 5), (4, 2, 5), 2, "bij,bkj->bik"),
        ((4, 3, 5), (4, 3), (1, 1), "bij,bi->bj"),
        ((4, 3, 5, 2), (4, 5, 6), (2, 1), "bijk,bjl->bikl"),
    ],
)
def test_products_of_rows_are_those_of_einsum(rng, left, right, axes, formula):
    x, y = rng.normal(size=left), rng.normal(size=right)
    expected = np.einsum(formula, x, y)
    found = values(K.batch_dot(x, y, axes))
    np.testing.assert_allclose(found, expected[:, None] if expected.ndim == 1 else expected, rtol=1e-12)


def test_products_of_rows_cannot_sum_over_rows():
    with pytest.raises(HandsonError, match="axis 0"):
        K.batch_dot(np.ones((3, 3)), np.ones((3, 3)), axes=0)


def test_focal_losses_are_those_of_keras(keras, rng):
    target, output = rng.integers(0, 2, (6, 3)).astype("float32"), rng.uniform(0.1, 0.9, (6, 3)).astype("float32")
    balanced = {"alpha": 0.3, "gamma": 1.5}
    expected = keras.losses.binary_focal_crossentropy(target, output, True, **balanced)
    found = values(K.binary_focal_crossentropy(target, output, True, **balanced)).mean(-1)
    np.testing.assert_allclose(found, values(expected), rtol=1e-5)
    classes = np.eye(3, dtype="float32")[rng.integers(0, 3, 6)]
    found = values(K.categorical_focal_crossentropy(classes, output, **balanced))
    np.testing.assert_allclose(
        found, values(keras.losses.categorical_focal_crossentropy(classes, output, **balanced)), rtol=1e-5
    )


def test_an_ignored_class_costs_nothing():
    output = np.full((3, 2), 0.5, dtype="float32")
    found = values(K.sparse_categorical_crossentropy(np.array([0, -1, 1]), output, ignore_class=-1))
    np.testing.assert_allclose(found, [np.log(2), 0, np.log(2)], rtol=1e-6)


def test_the_connectionist_loss_is_that_of_torch(rng):
    scores = rng.uniform(0.1, 1, (2, 6, 4))
    scores = (scores / scores.sum(-1, keepdims=True)).astype("float32")
    labels, steps, lengths = np.array([[0, 1, 2], [2, 0, 0]]), np.array([[6], [5]]), np.array([[3], [1]])
    expected = torch.nn.functional.ctc_loss(
        torch.log(torch.as_tensor(scores)).transpose(0, 1), torch.as_tensor(labels), torch.tensor([6, 5]),
        torch.tensor([3, 1]), blank=3, reduction="none",
    )  # fmt: skip
    np.testing.assert_allclose(values(K.ctc_batch_cost(labels, scores, steps, lengths))[:, 0], expected, rtol=1e-4)


def test_convolutions_of_sequences_may_look_back_only(rng):
    x, kernel = rng.normal(size=(2, 6, 3)).astype("float32"), rng.normal(size=(3, 3, 4)).astype("float32")
    padded = np.pad(x, ((0, 0), (2, 0), (0, 0)))
    expected = np.stack([np.einsum("bkc,kcf->bf", padded[:, step : step + 3], kernel) for step in range(6)], 1)
    np.testing.assert_allclose(values(K.conv1d(x, kernel, padding="causal")), expected, rtol=1e-4, atol=1e-5)


def test_images_grow_and_are_pooled(rng):
    x = rng.normal(size=(1, 2, 3, 1)).astype("float32")
    assert values(K.resize_images(x, 2, 3, "channels_last")).tolist() == x.repeat(2, 1).repeat(3, 2).tolist()
    assert values(K.pool2d(x, (2, 2), pool_mode="avg")).shape == (1, 1, 2, 1)
    assert K.spatial_2d_padding(x).shape == (1, 4, 5, 1)
    with pytest.raises(HandsonError, match="'max' or 'avg'"):
        K.pool2d(x, (2, 2), pool_mode="min")


def test_variables_keep_what_is_assigned():
    kept = K.variable([1.0, 2.0])
    K.update_add(kept, 1.0)
    K.moving_average_update(kept, torch.tensor([0.0, 0.0]), 0.5)
    assert K.get_value(kept).tolist() == [1.0, 1.5]
    K.batch_set_value([(kept, [3, 4])])
    assert K.batch_get_value([kept])[0].tolist() == [3.0, 4.0]
    assert isinstance(kept, mirrored.Variable)
    assert isinstance(mirrored.layers.Dense(2).add_weight, object)


def test_a_learning_rate_is_read_and_set_as_a_variable():
    optimizer = mirrored.optimizers.Adam(0.1)
    assert K.get_value(optimizer.learning_rate) == 0.1
    K.set_value(optimizer.lr, 0.5)
    optimizer.learning_rate.assign(optimizer.learning_rate * 0.5)
    assert float(optimizer.learning_rate.numpy()) == optimizer.get_config()["learning_rate"] == 0.25
    with pytest.raises(HandsonError, match="is a plain number"):
        K.set_value(0.1, 0.5)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_variable_is_made_from_values_or_an_initializer(trainable):
    made = mirrored.Variable("ones", shape=(2,), trainable=trainable, name="kept")
    assert made.trainable == trainable
    assert (made.name, made.numpy().tolist()) == ("kept", [1.0, 1.0])
    assert mirrored.Variable(mirrored.initializers.Constant(3), shape=()).item() == 3
    with pytest.raises(HandsonError, match="needs a shape"):
        mirrored.Variable("zeros")
    with pytest.raises(HandsonError, match=r"shape \(3,\)"):
        mirrored.Variable([1.0, 2.0], shape=(3,))


def test_a_function_of_symbols_gives_what_a_layer_puts_out(rng):
    net = mirrored.Sequential([mirrored.layers.Dense(4, input_dim=3, name="inner"), mirrored.layers.Dense(2)])
    x = rng.normal(size=(5, 3)).astype("float32")
    inner = net.get_layer("inner")
    found = K.function([net.input], [inner.output, net.output])([x])
    np.testing.assert_allclose(found[0], x @ inner.get_weights()[0] + inner.get_weights()[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], net.predict(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(HandsonError, match="without updates"):
        K.function([net.input], [net.output], updates=[1])


def test_inputs_of_a_function_go_by_their_keys_and_have_its_shapes():
    a, b = mirrored.Input((3,)), mirrored.Input((3,))
    function = mirrored.Function({"a": a, "b": b}, {"difference": a - b})
    ones, zeros = np.ones((1, 3)), np.zeros((1, 3))
    assert function({"b": ones, "a": zeros})["difference"].tolist() == [[-1.0] * 3]
    with pytest.raises(HandsonError, match=r"takes the keys 'a', 'b'; got the keys 'c', 'a'"):
        function({"c": ones, "a": zeros})
    for given in ([zeros, ones], ones):
        with pytest.raises(
            HandsonError, match=f"takes a dictionary with the keys 'a', 'b'; got {type(given).__name__}"
        ):
            function(given)
    with pytest.raises(HandsonError, match="takes a list; got the keys 'a', 'b'"):
        mirrored.Function([a, b], a - b)({"a": ones, "b": zeros})
    with pytest.raises(HandsonError, match="takes 2 inputs; got 1"):
        mirrored.Function([a, b], a - b)([ones])
    with pytest.raises(HandsonError, match=r"of shape \(None, 3\); got \(1, 4\)"):
        mirrored.Function([a], a * 2)([np.ones((1, 4))])


def test_symbols_and_types_are_known():
    symbol = K.placeholder((None, 3))
    assert K.is_keras_tensor(symbol)
    assert K.int_shape(symbol) == (None, 3)
    assert not K.is_keras_tensor(torch.ones(1))
    assert (K.dtype(torch.ones(1)), K.is_float_dtype("float16"), K.is_int_dtype("float16")) == ("float32", True, False)
    assert K.result_type("int32", "float32") == "float32"
    K.reset_uids()
    assert [K.get_uid("a"), K.get_uid("a"), K.get_uid("b")] == [1, 2, 1]
    K.clear_session()
    assert K.get_uid("a") == 1


def test_helpers_are_those_of_handson():
    names = "set_random_seed", "is_keras_tensor", "standardize_dtype", "unpack_x_y_sample_weight"
    assert all(getattr(mirrored.utils, name) is getattr(utils, name) for name in names)
    assert (K.standardize_dtype(None), K.is_keras_tensor) == ("float32", utils.is_keras_tensor)


def test_random_numbers_of_the_backend_are_drawn():
    assert K.random_normal((3, 2), seed=1).tolist() == mirrored.random.normal((3, 2), seed=1).tolist()
    assert set(values(K.random_bernoulli((200,), p=0.5)).tolist()) == {0.0, 1.0}
    assert K.random_uniform_variable((2,), 1, 2).numpy().min() >= 1


@pytest.mark.parametrize("name", ["foreach", "get_session", "set_learning_phase"])
def test_what_needs_a_graph_is_refused(name):
    with pytest.raises(AttributeError, match=r"has no .*: .+\."):
        getattr(K, name)
