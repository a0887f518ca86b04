"""The argument `dtype` of layers: what they compute in, keep their weights in, and give."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch

import handson
from handson import Sequential
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LayerNormalization,
    ReLU,
    Rescaling,
)
from handson.layers.policies import DTypePolicy

POLICIES = ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
INPUTS = ["float32", "float64", "float16", "int32"]
KINDS = {
    "Dense": ({"units": 3, "activation": "tanh"}, (4,)),
    "Conv2D": ({"filters": 2, "kernel_size": 2}, (4, 4, 3)),
    "ReLU": ({}, (4,)),
    "Flatten": ({}, (4, 2)),
    "LayerNormalization": ({}, (6,)),
    "BatchNormalization": ({}, (6,)),
    "PReLU": ({"alpha_initializer": "ones"}, (4,)),
}
TOLERANCES = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-4, "float64": 1e-4}  # Keras rounds to float32 on the way


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def built(kind, policy):
    arguments, shape = KINDS[kind]
    layer = registry.find("layer", kind)(**arguments, dtype=policy)
    layer.ensure_built((None, *shape), 1)
    return layer


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", INPUTS)
def test_types_and_numbers_are_those_of_keras(keras, kind, policy, given):
    ours, (arguments, shape) = built(kind, policy).eval(), KINDS[kind]
    theirs = getattr(keras.layers, kind)(**arguments, dtype=policy)
    theirs.build((None, *shape))
    assert [str(weight.dtype) for weight in ours.weights] == [f"torch.{weight.dtype}" for weight in theirs.weights]
    assert (ours.dtype, ours.compute_dtype, ours.variable_dtype, ours.input_dtype) == (
        theirs.dtype, theirs.compute_dtype, theirs.variable_dtype, theirs.input_dtype,
    )  # fmt: skip
    theirs.set_weights(ours.get_weights())
    x = torch.tensor(3 * numbers((5, *shape))).to(getattr(torch, given))
    mine = ours(x)
    if given == "int32":  # which Keras's torch backend leaves to torch
        assert str(mine.dtype) == ("torch.int32" if kind == "Flatten" else f"torch.{ours.compute_dtype}")
        return
    other = theirs(x, training=False)
    assert mine.dtype == other.dtype
    limit = max(TOLERANCES[ours.compute_dtype], TOLERANCES[given])
    np.testing.assert_allclose(mine.detach().double(), other.detach().double(), rtol=limit, atol=limit)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_declared_type_is_the_real_one(kind, policy):
    arguments, shape = KINDS[kind]
    for given in ("float32", "float64", "int32"):
        layer = registry.find("layer", kind)(**arguments, dtype=policy)
        x = Input(shape, dtype=given)
        assert layer(x).dtype == layer(torch.zeros(2, *shape, dtype=getattr(torch, given))).dtype


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_gradients_of_mixed_layers_reach_the_weights_in_float32(policy):
    layer = built("Dense", policy)
    x = torch.tensor(numbers((5, 4)), dtype=torch.float32)
    exact = built("Dense", "float32")
    gradients = [torch.autograd.grad(one(x).float().square().sum(), list(one.parameters())) for one in (layer, exact)]
    for got, expected in zip(*gradients, strict=True):
        assert got.dtype == torch.float32
        np.testing.assert_allclose(got, expected, rtol=0.1, atol=0.1)
    assert isinstance(layer.kernel, torch.nn.Parameter)
    assert layer.kernel.dtype == torch.float32


def test_a_mixed_layer_has_its_weights_back_after_an_error():
    layer = built("Dense", "mixed_bfloat16")
    with pytest.raises(RuntimeError):
        layer(torch.zeros(2, 7))
    assert layer.kernel.dtype == torch.float32
    assert layer(torch.zeros(2, 4)).dtype == torch.bfloat16


def test_weights_may_keep_their_type_in_a_mixed_layer():
    class Pair(Layer):
        def build(self, input_shape):
            self.low = self.add_weight((1,), "ones")
            self.high = self.add_weight((1,), "ones", autocast=False)

        def call(self, inputs):
            self.types = self.low.dtype, self.high.dtype, inputs.dtype
            return inputs * self.low

    layer = Pair(dtype="mixed_float16")
    layer(torch.zeros(2, 1))
    assert layer.types == (torch.float16, torch.float32, torch.float16)


def test_another_attribute_of_a_weight_is_lowered_too():
    class Own(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((input_shape[-1], 2), "ones", name="kernel")

        def call(self, inputs):
            return inputs @ self.w

    layer = Own(dtype="mixed_bfloat16")
    assert layer(torch.ones(1, 3)).dtype == torch.bfloat16
    assert layer.w is layer.kernel


def test_normalization_in_mixed_precision_computes_in_float32():
    x = torch.full((64, 3), 300.0) + torch.arange(64)[:, None]
    layer = BatchNormalization(dtype="mixed_float16")
    y = layer.train()(x)
    assert y.dtype == torch.float16
    exact = BatchNormalization().train()(x)
    np.testing.assert_allclose(y.detach().float(), exact.detach(), atol=2e-3)
    assert layer.moving_mean.dtype == torch.float32
    assert LayerNormalization(dtype="mixed_bfloat16")(x).dtype == torch.bfloat16


def test_inputs_stay_where_autocast_is_off():
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert ReLU(autocast=False)(x).dtype == torch.float64
    assert ReLU()(x).dtype == torch.float32


def test_masks_stay_when_types_change():
    from handson.layers.calling import MASK

    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    setattr(x, MASK, torch.tensor([[True, True, False]] * 2))
    assert getattr(Dropout(0.5).eval()(x), MASK).tolist() == [[True, True, False]] * 2


def test_a_layer_follows_its_weights_to_another_type():
    net = Sequential([Input((4,)), Dense(3), ReLU(), Dense(1)]).double()
    y = net(torch.zeros(2, 4, dtype=torch.float64))
    assert y.dtype == torch.float64
    assert net.layers[0].dtype == "float64"
    assert net.float()(torch.zeros(2, 4)).dtype == torch.float32


def test_torch_autocast_is_left_alone():
    net = Sequential([Input((4,)), Dense(3), ReLU(), Dense(1)])
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.zeros(2, 4)).dtype == torch.bfloat16
        assert ReLU()(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert ReLU()(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32


# In nets.


@pytest.mark.parametrize("policy", POLICIES)
def test_a_net_with_a_layer_of_another_type_trains(policy):
    x = numbers((64, 4)).astype("float32")
    y = x @ np.array([[1.0], [2.0], [-1.0], [0.5]])
    net = Sequential([Input((4,)), Dense(8, "tanh"), Dense(8, "relu", dtype=policy), Dense(1)], seed=0)
    net.compile(handson.optimizers.SGD(0.05), "mse")
    history = net.fit(x, y, epochs=20, batch_size=16, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert net.predict(x).dtype == np.float32


def test_a_net_of_float64_computes_in_float64():
    net = Sequential([Input((4,)), Dense(3, dtype="float64"), Dense(1, dtype="float64")], seed=0)
    x = numbers((5, 4)).astype("float32")
    kernel, bias, second, shift = net.get_weights()
    assert net.predict(x).dtype == np.float64
    np.testing.assert_allclose(net.predict(x), (x.astype(float) @ kernel + bias) @ second + shift, rtol=1e-12)


def test_outputs_of_16_bits_are_predicted_and_scored_in_float32():
    net = Sequential([Input((4,)), Dense(3, "softmax", dtype="bfloat16")], seed=0)
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = numbers((16, 4)).astype("float32")
    assert net.predict(x).dtype == np.float32
    assert np.isfinite(net.evaluate(x, np.arange(16) % 3)).all()


# Its descriptions.


@pytest.mark.parametrize(
    "given", ["float64", torch.float64, np.float64, np.dtype("float64"), DTypePolicy("float64"), {"name": "float64"}]
)
def test_a_type_may_be_written_in_many_ways(given):
    layer = Dense(2, dtype=given)
    assert layer.dtype == "float64"
    config = json.loads(json.dumps(registry.to_config("layer", layer)))
    assert config["config"]["dtype"] == "float64"
    assert registry.from_config("layer", config).dtype_policy == DTypePolicy("float64")


def test_a_policy_of_keras_will_do(keras):
    assert Dense(2, dtype=keras.DTypePolicy("mixed_bfloat16")).compute_dtype == "bfloat16"


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_mixed_layers_are_mixed(again):
    layer = again(built("Dense", "mixed_bfloat16"))
    assert layer(torch.zeros(2, 4)).dtype == torch.bfloat16
    assert layer.kernel.dtype == torch.float32


def test_the_policy_may_be_set_before_there_are_weights():
    layer = Dense(2)
    layer.dtype_policy = "float64"
    assert layer(torch.zeros(1, 3)).dtype == torch.float64
    with pytest.raises(HandsonError, match="has weights of float64; for float32 make it with dtype='mixed_float16'"):
        layer.dtype_policy = "mixed_float16"
    assert layer.get_config()["dtype"] == "float64"


@pytest.mark.parametrize("wrong", ["float23", "mixed_float64", "int3", "string"])
def test_an_unknown_type_is_an_error(wrong):
    with pytest.raises(HandsonError, match=rf"unknown dtype '{wrong}'.*A layer computes in 'float32', 'float64'"):
        Flatten(dtype=wrong)


def test_constants_of_a_layer_do_not_lower_its_type():
    assert Rescaling(0.1, dtype="float64")(torch.ones(1, 1)).item() == pytest.approx(0.1, abs=1e-8)
