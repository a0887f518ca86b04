"""`set_floatx` and `set_dtype_policy`: what layers, data and files are in afterwards, against Keras."""

import contextvars

import numpy as np
import pytest
import torch

import handson
from handson import keras as mirrored
from handson.core.errors import HandsonError
from handson.graph import conversion
from handson.layers import policies


@pytest.fixture(autouse=True)
def settings(keras):
    yield
    for config in (mirrored.config, keras.config):
        config.set_floatx("float32")
        config.set_dtype_policy("float32")
    assert (conversion._chosen, policies._usual) == ([], [])


def data(rng):
    # Digits that float32 does not have.
    x = rng.normal(size=(40, 3)) + 1e-9 * rng.normal(size=(40, 3))
    return x, np.tanh(x @ [[1.0], [-2.0], [0.5]])


def net(of):
    layers = of.layers
    return of.Sequential([layers.Input((3,)), layers.Dense(5, "tanh"), layers.LayerNormalization(), layers.Dense(1)])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_ten_steps_in_float64_are_those_of_keras(keras, rng, optimizer):
    x, y = data(rng)
    pair = []
    for of in (mirrored, keras):
        of.config.set_floatx("float64")
        pair.append(net(of))
    mine, other = pair
    other.set_weights(mine.get_weights())
    for one in pair:
        one.compile(optimizer, "mse")
        one.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    for found, expected in zip(mine.get_weights(), other.get_weights(), strict=True):
        assert found.dtype == np.float64
        # Keras rounds to float32 on its way, in the mean of the loss for one.
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert mine.predict(x).dtype == np.float64


def test_data_of_a_net_of_float64_keep_their_digits(rng):
    x, _ = data(rng)
    mirrored.backend.set_floatx("float64")
    one = mirrored.Sequential([mirrored.layers.Dense(1, kernel_initializer="ones")])
    one.compile("sgd", "mae")
    y = x.sum(1, keepdims=True)
    assert one.evaluate(x, y, verbose=0) < 1e-14
    assert one.evaluate(iter([(x[:20], y[:20]), (x[20:], y[20:])]), verbose=0) < 1e-14
    np.testing.assert_allclose(one.predict(x), y, rtol=1e-13)
    one.fit(x, y, validation_split=0.2, verbose=0)
    assert one.weights[0].dtype == torch.float64


def test_what_is_made_afterwards_has_the_type():
    mirrored.config.set_floatx("float64")
    assert mirrored.config.floatx() == mirrored.config.dtype_policy().name == "float64"
    made = mirrored.ops.zeros(2), mirrored.random.normal((2,)), mirrored.ops.convert_to_tensor(0.5)
    assert {tensor.dtype for tensor in made} == {torch.float64}
    assert mirrored.Input((2,)).dtype == torch.float64
    assert mirrored.layers.Dense(2, dtype="float32").dtype == "float32"


def test_mixed_precision_is_that_of_keras(keras):
    shown = []
    for of in (mirrored, keras):
        of.mixed_precision.set_global_policy("mixed_bfloat16")
        made = net(of)
        made.build((None, 3))
        shown.append([(layer.compute_dtype, layer.variable_dtype) for layer in made.layers])
        assert of.mixed_precision.dtype_policy().name == "mixed_bfloat16"
    assert shown[0] == shown[1][-3:]


def test_float16_is_bfloat16_and_said(capsys):
    mirrored.mixed_precision.set_global_policy("mixed_float16")
    assert "mixed_bfloat16" in capsys.readouterr().out
    assert mirrored.layers.Dense(2).compute_dtype == "bfloat16"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_a_net_trains_and_is_what_it_was_in_a_file(rng, tmp_path, policy):
    x, y = data(rng)
    mirrored.config.set_dtype_policy(policy)
    one = net(mirrored)
    one.compile("adam", "mse")
    losses = one.fit(x, y, epochs=15, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for name in ("net.handson", "net.keras"):
        one.save(tmp_path / name)
    mirrored.config.set_dtype_policy("float32")
    for name in ("net.handson", "net.keras"):
        again = handson.load(tmp_path / name)
        assert [layer.dtype_policy.name for layer in again.layers] == [policy] * 3
        np.testing.assert_array_equal(again.predict(x), one.predict(x))


def test_a_policy_does_not_reach_into_nets_that_are_described(tmp_path):
    one = net(mirrored)
    one.save(tmp_path / "net.handson")
    mirrored.config.set_dtype_policy("mixed_bfloat16")
    again = handson.load(tmp_path / "net.handson"), handson.models.clone_model(one)
    assert {layer.dtype_policy.name for made in again for layer in made.layers} == {"float32"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mirrored.config.set_floatx("float23"), "Did you mean 'float32'"),
        (lambda: mirrored.config.set_floatx("int32"), "takes one of"),
        (lambda: mirrored.config.set_dtype_policy("mixed_bfloat"), "Did you mean 'mixed_bfloat16'"),
    ],
)
def test_what_is_no_type_is_refused(call, message):
    with pytest.raises(HandsonError, match=message):
        call()


def test_a_net_that_is_read_in_another_thread_changes_no_policy_here():
    mirrored.config.set_dtype_policy("float64")
    there = contextvars.copy_context()
    here, other = policies.as_described(), policies.as_described()
    here.__enter__()
    there.run(other.__enter__)
    assert mirrored.layers.Dense(1).dtype == "float32"
    here.__exit__(None, None, None)
    assert mirrored.layers.Dense(1).dtype == "float64"
    there.run(other.__exit__, None, None, None)
    assert mirrored.layers.Dense(1).dtype == "float64"
