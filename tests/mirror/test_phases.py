"""Phases, gradients and steps between symbols, as programs of Keras 1 and 2 ask for them."""

import numpy as np
import pytest
import torch

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.keras import backend as K
from handson.keras.layers import Merge


def test_a_function_takes_the_learning_phase_as_an_input():
    net = handson.Sequential([layers.Dropout(0.5, input_shape=(200,))])
    inside = K.function([net.input, K.learning_phase()], [net.output])
    x = np.ones((3, 200))
    assert (inside([x, 0])[0] == 1).all()
    assert set(np.unique(inside([x, 1])[0])) == {0, 2}
    assert K.learning_phase() == 0


def test_what_is_in_training_only():
    class Shifted(layers.Layer):
        def call(self, inputs):
            return K.in_train_phase(lambda: inputs + 1, inputs)

    class Told(layers.Layer):
        def call(self, inputs, training=None):
            return K.in_test_phase(inputs, inputs + 1, training=training)

    x = np.zeros((4, 1))
    for layer in (Shifted(), Told()):
        net = handson.Sequential([layer, layers.Dense(1, kernel_initializer="ones")])
        net.compile(handson.optimizers.SGD(0.0), "mse")
        assert net.fit(x, x, verbose=0).history["loss"] == [1.0]
        assert net.evaluate(x, x, verbose=0) == 0


def test_gradients_of_a_net_by_inputs_layers_and_weights(rng):
    net = handson.Sequential([layers.Dense(4, activation="tanh", input_dim=3), layers.Dense(2)], seed=0)
    loss = K.sum(K.square(net.output[:, 0]))
    by_input, by_hidden = K.gradients(loss, [net.input, net.layers[0].output])
    by_kernel = K.gradients(loss, net.layers[1].kernel)
    x = rng.normal(size=(5, 3))
    found = K.function([net.input], [loss, by_input, by_hidden, *by_kernel])([x])
    inputs = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    hidden = net.layers[0](inputs)
    total = (net.layers[1](hidden)[:, 0] ** 2).sum()
    expected = torch.autograd.grad(total, [inputs, hidden, net.layers[1].kernel])
    for one, other in zip(found, [total, *expected], strict=True):
        np.testing.assert_allclose(one, other.detach(), rtol=1e-5, atol=1e-6)
    with pytest.raises(HandsonError, match=r"torch.autograd.grad\(loss, variables\)"):
        K.gradients(total, inputs)


@pytest.mark.parametrize("backwards", [False, True])
def test_steps_with_a_mask_keep_what_was_before(rng, backwards):
    x, mask = rng.normal(size=(2, 4, 3)), np.array([[1, 1, 0, 0], [0, 1, 0, 1]], bool)

    def step(now, states):
        state, constant = states
        new = 0.5 * state + now * constant
        return 2 * new, [new]

    start = [torch.zeros(2, 3, dtype=torch.float64)]
    last, outputs, (state,) = K.rnn(step, torch.tensor(x), start, backwards, torch.tensor(mask), [torch.tensor(3.0)])
    for row in range(2):
        expected, seen = np.zeros(3), np.zeros(3)
        for number, at in enumerate(range(3, -1, -1) if backwards else range(4)):
            if mask[row, at]:
                expected = 0.5 * expected + 3 * x[row, at]
                seen = 2 * expected
            np.testing.assert_allclose(outputs[row, number], seen)
        np.testing.assert_allclose(state[row], expected)
        np.testing.assert_allclose(last[row], seen)


def test_a_stack_begins_with_several_nets(rng):
    left = handson.Sequential([layers.Embedding(9, 4, input_length=3), layers.Flatten()])
    right = handson.Sequential([layers.Dense(5, input_dim=2)])
    net = handson.Sequential([Merge([left, right], mode="concat"), layers.Dense(1)], seed=0)
    net.compile("adam", "mse")
    data = [rng.integers(0, 9, (6, 3)), rng.normal(size=(6, 2))]
    net.fit(data, np.ones(6), verbose=0)
    both = np.concatenate([left.predict(data[0], verbose=0), right.predict(data[1], verbose=0)], 1)
    kernel, bias = net.layers[-1].get_weights()
    np.testing.assert_allclose(net.predict(data, verbose=0), both @ kernel + bias, rtol=1e-4, atol=1e-6)
    from handson.keras.layers import merge

    assert merge([layers.Input((2,)), layers.Input((2,))], mode="sum").shape == (None, 2)
    with pytest.raises(HandsonError, match="two or more nets"):
        Merge([left, handson.Sequential([layers.Dense(2)])])
