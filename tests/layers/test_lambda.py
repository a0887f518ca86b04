"""`Lambda`: any function of tensors as a layer, and what of it a file can hold."""

import json

import numpy as np
import pytest
import torch

import handson
from handson import Sequential, ops
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import Dense, Input, Lambda, Masking
from handson.layers.calling import MASK


@handson.register(kind="function")
def distance(pair):
    return ops.sqrt(ops.sum(ops.square(pair[0] - pair[1]), axis=-1, keepdims=True))


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_a_function_of_several_inputs_in_a_net_as_in_keras(keras):
    def net(base, function):
        one, two = base.layers.Input((3,)), base.layers.Input((3,))
        dense = base.layers.Dense(4)
        return base.Model([one, two], base.layers.Lambda(function, output_shape=(1,))([dense(one), dense(two)]))

    ours = net(handson, distance)
    theirs = net(keras, lambda pair: keras.ops.sqrt(keras.ops.sum((pair[0] - pair[1]) ** 2, axis=-1, keepdims=True)))
    theirs.set_weights(ours.get_weights())
    data = [numbers((5, 3)), numbers((5, 3), 1)]
    np.testing.assert_allclose(ours.predict(data), theirs.predict(data, verbose=0), rtol=1e-5)
    ours.compile("sgd", "mse")
    assert len(ours.fit(data, np.ones(5), epochs=2, verbose=0).history["loss"]) == 2


def test_arguments_are_passed_on():
    layer = Lambda(lambda x, power, shift: x**power + shift, arguments={"power": 2, "shift": 1})
    assert layer(torch.tensor([3.0])).item() == 10.0


def test_a_function_may_ask_whether_it_trains():
    layer = Lambda(lambda x, training: x * 2 if training else x)
    x = torch.ones(1)
    assert layer(x, training=True).item() == 2.0
    assert layer(x, training=False).item() == 1.0
    assert (layer.train()(x).item(), layer.eval()(x).item()) == (2.0, 1.0)


def test_a_function_may_ask_for_the_mask():
    x = torch.ones(1, 3, 2)
    x[0, 1] = 0.0
    layer = Lambda(lambda x, mask: x.sum(-1) * mask)
    assert layer(Masking()(x)).tolist() == [[2.0, 0.0, 2.0]]
    assert Lambda(lambda x, mask: x if mask is None else -x)(torch.ones(1)).item() == 1.0


def test_masks_stop_at_a_function_unless_it_has_one():
    x = Masking()(torch.tensor([[[1.0], [0.0]]]))
    assert not hasattr(Lambda(lambda x: x + 1)(x), MASK)
    assert getattr(Lambda(lambda x: x + 1, mask=lambda inputs, mask: ~mask)(x), MASK).tolist() == [[False, True]]
    made = Lambda(lambda x: x + 1, mask=torch.tensor([[True, True]]))
    assert getattr(made(torch.zeros(1, 2, 1)), MASK).tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("output_shape", "expected"),
    [(None, (None, 7, 6)), ((7, 6), (None, 7, 6)), (lambda shape: (shape[0], shape[1], 2 * shape[2]), (None, 7, 6))],
)
def test_the_shape_is_given_or_found(output_shape, expected):
    layer = Lambda(lambda x: torch.cat([x, x], -1), output_shape)
    assert layer(Input((7, 3))).shape == expected
    assert layer.compute_output_shape((None, 7, 3)) == expected


def test_the_shape_of_a_function_of_several_inputs_is_found():
    assert Lambda(lambda pair: pair[0] * pair[1])([Input((None, 3)), Input((1, 3))]).shape == (None, None, 3)


def test_a_function_of_numpy_says_what_to_use():
    with pytest.raises(HandsonError, match="Lambda 'lambda' does not take inputs of shape"):
        Lambda(lambda x: x @ np.ones((5, 2)))(Input((3,)))


@pytest.mark.parametrize("function", [ops.square, distance, handson.activations.tanh])
def test_a_function_with_a_name_comes_back(function):
    layer = Lambda(function, arguments={})
    config = json.loads(json.dumps(registry.to_config("layer", layer)))
    assert registry.from_config("layer", config).function is function


def test_shapes_and_masks_with_a_name_come_back():
    @handson.register(kind="function")
    def doubled(shape):
        return (shape[0], 2 * shape[1])

    @handson.register(kind="function")
    def passed_on(inputs, mask):
        return mask

    layer = Lambda(ops.tile, doubled, passed_on, {"repeats": [1, 2]})
    again = registry.from_config("layer", json.loads(json.dumps(registry.to_config("layer", layer))))
    assert again.compute_output_shape((None, 3)) == (None, 6)
    assert again.mask is passed_on
    assert again(torch.ones(1, 3)).shape == (1, 6)


def test_a_function_without_a_name_is_refused_by_files():
    net = Sequential([Input((3,)), Lambda(lambda x: x**2), Dense(1)])
    assert net.predict(np.ones((2, 3))).shape == (2, 1)
    with pytest.raises(
        HandsonError, match=r"Lambda 'lambda': the function '.*<lambda>' has no name .*@handson.register"
    ):
        registry.to_config("layer", net.layers[0])
    with pytest.raises(HandsonError, match="the mask .* has no name"):
        Lambda(ops.square, mask=lambda inputs, mask: mask).get_config()


def test_what_is_no_function_is_an_error():
    with pytest.raises(HandsonError, match=r"Lambda takes a function of tensors, such as lambda x: x \*\* 2; got 3"):
        Lambda(3)
    with pytest.raises(HandsonError, match="unknown function 'distanse'. Did you mean 'distance'"):
        Lambda("distanse")
