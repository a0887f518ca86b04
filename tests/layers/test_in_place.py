"""Augmented assignments in a user's functions and layers, as programs for Keras are full of: tensors are values."""

import numpy as np
import pytest
import torch

from handson import Input, Model, Sequential
from handson.layers import Dense, Lambda, Layer
from handson.losses import Loss


def normalized(y_true, y_pred):
    y_pred /= y_pred.sum(-1, keepdim=True)
    return -(y_true * y_pred.clamp(1e-7, 1).log()).sum(-1)


def normalized_anew(y_true, y_pred):
    y_pred = y_pred / y_pred.sum(-1, keepdim=True)
    return -(y_true * y_pred.clamp(1e-7, 1).log()).sum(-1)


class Weighing(Layer):
    """Attention of one's own, as it is copied from page to page."""

    def call(self, inputs, mask=None):
        scores = torch.exp(inputs.sum(-1))
        scores *= 0.5
        scores /= scores.sum(1, keepdim=True) + 1e-7
        return (inputs * scores[..., None]).sum(1)


class Normalized(Loss):
    def call(self, y_true, y_pred):
        return normalized(y_true, y_pred)


def trained(loss, x, y):
    net = Sequential([Dense(4, activation="softmax", input_dim=3)], seed=1)
    net.compile("sgd", loss, metrics=[normalized])
    return net.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]


@pytest.mark.parametrize("loss", [normalized, Normalized()])
def test_a_loss_that_changes_its_outputs_is_the_same_as_one_that_does_not(loss):
    x, y = np.random.default_rng(0).normal(size=(16, 3)), np.eye(4)[np.arange(16) % 4]
    assert trained(loss, x, y) == trained(normalized_anew, x, y)


def test_a_layer_that_changes_the_result_of_exp_trains():
    x = Input((5, 3))
    net = Model(x, Dense(1)(Weighing()(Dense(3)(x))), seed=0)
    net.compile("adam", "mse")
    history = net.fit(np.ones((8, 5, 3)), np.ones(8), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_what_came_in_stays_as_it_was():
    def shifted(x):
        x += 1
        return x

    x = torch.zeros(2, 3)
    np.testing.assert_array_equal(Lambda(shifted)(x), np.ones((2, 3)))
    assert x.sum() == 0


def test_methods_of_torch_and_variables_change_in_place():
    class Counting(Layer):
        def build(self, input_shape):
            self.total = self.add_weight((3,), "zeros", name="total", trainable=False)

        def call(self, inputs):
            with torch.no_grad():
                self.total += inputs.sum(0)
            return inputs.clone().mul_(2)

    layer, x = Counting(), torch.ones(4, 3)
    assert layer(x).sum() == 24
    layer(x)
    np.testing.assert_array_equal(layer.total.numpy(), [8, 8, 8])
