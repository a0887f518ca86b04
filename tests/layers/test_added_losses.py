"""What layers add to the loss while they run: `add_loss` and `activity_regularizer`."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import Model, Sequential
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import ActivityRegularization, Dense, Dropout, Input, Layer
from handson.regularizers import L1L2

KINDS = {
    "Dense": ({"units": 3}, (4,)),
    "Conv2D": ({"filters": 2, "kernel_size": 2}, (4, 4, 3)),
    "LSTM": ({"units": 3}, (5, 2)),
    "GRU": ({"units": 3, "return_sequences": True}, (5, 2)),
    "ReLU": ({}, (4,)),
    "Flatten": ({}, (4, 2)),
    "BatchNormalization": ({}, (6,)),
}


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def values(layer):
    return [loss.item() for loss in layer.losses]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, deadline=None)
@given(rows=st.integers(1, 9), l1=st.sampled_from([0.0, 0.3]), l2=st.sampled_from([0.0, 0.01]))
def test_penalties_on_outputs_are_those_of_keras(keras, kind, rows, l1, l2):
    arguments, shape = KINDS[kind]
    ours = registry.find("layer", kind)(**arguments, activity_regularizer=L1L2(l1, l2)).eval()
    theirs = getattr(keras.layers, kind)(**arguments, activity_regularizer=keras.regularizers.L1L2(l1, l2))
    x = numbers((rows, *shape))
    for _ in range(2):
        ours(x)
        theirs(x)
        theirs.set_weights(ours.get_weights())
    ours(x)
    theirs(x)
    np.testing.assert_allclose(values(ours), [loss.item() for loss in theirs.losses], rtol=1e-4, atol=1e-6)


def test_a_net_with_penalties_on_outputs_trains_as_that_of_keras(keras):
    def net(base, **kwargs):
        layers = base.layers
        return base.Sequential(
            [
                layers.Input((4,)),
                layers.Dense(8, "relu", activity_regularizer="l2", kernel_regularizer="l1"),
                layers.ActivityRegularization(l1=0.02),
                layers.Dense(1),
            ],
            **kwargs,
        )

    ours, theirs = net(handson, seed=0), net(keras)
    theirs.set_weights(ours.get_weights())
    x, y = numbers((22, 4)), numbers((22, 1), 1)
    ours.compile(handson.optimizers.SGD(0.05), "mse")
    theirs.compile(keras.optimizers.SGD(0.05), "mse")
    mine = ours.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    theirs.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    for one, two in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-4, atol=1e-6)
    assert ours.evaluate(x, y, batch_size=22) == pytest.approx(
        theirs.evaluate(x, y, batch_size=22, verbose=0), rel=1e-4
    )
    assert mine.history["loss"][-1] < mine.history["loss"][0]


def test_a_shared_layer_adds_a_penalty_for_each_of_its_places_in_a_net():
    layer = Dense(3, activity_regularizer="l2")
    x = Input((4,))
    net = Model(x, layer(layer.__class__(4)(x)) + layer(x))
    data = numbers((5, 4))
    for _ in range(2):  # the second run begins anew
        net(data)
        assert len(net.losses) == 2
    layer(data)
    assert len(net.losses) == 1


def test_losses_of_the_latest_call_are_kept():
    class Adds(Layer):
        def call(self, inputs):
            self.add_loss(inputs.sum())
            self.add_loss([inputs.mean(), inputs.min()])
            return inputs

    layer = Adds()
    for scale in (1.0, 2.0):
        layer(torch.full((2, 2), scale))
        assert values(layer) == [4 * scale, scale, scale]


def test_working_out_shapes_adds_no_losses():
    layer = Dense(3, activity_regularizer="l2")
    x = Input((4,))
    net = Model(x, layer(x))
    assert net.losses == []


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_have_penalties_of_their_own(again):
    layer = Dense(3, activity_regularizer="l2")
    layer(torch.ones(2, 4))
    copied = again(layer)
    assert copied.losses == []
    copied(2 * torch.ones(2, 4))
    assert values(copied) == pytest.approx([4 * values(layer)[0]])


def test_the_penalty_may_be_given_later_and_taken_away():
    layer = Dense(3)
    layer(torch.ones(2, 4))
    assert layer.losses == []
    layer.activity_regularizer = "l1"
    layer(torch.ones(2, 4))
    assert len(layer.losses) == 1
    assert layer.get_config()["activity_regularizer"]["class"] == "L1"
    layer.activity_regularizer = None
    layer(torch.ones(2, 4))
    assert layer.losses == []


def test_a_penalty_may_be_a_function():
    layer = Dropout(0.5, activity_regularizer=lambda outputs: 3 * outputs.mean()).eval()
    layer(torch.ones(4, 5))
    assert values(layer) == pytest.approx([3 / 4])


def test_a_batch_without_rows_has_no_penalty():
    layer = ActivityRegularization(l1=1.0)
    layer(torch.ones(0, 3))
    assert values(layer) == [0.0]


def test_activity_regularization_has_its_own_two_factors():
    with pytest.raises(HandsonError, match="ActivityRegularization takes l1 and l2"):
        ActivityRegularization(activity_regularizer="l2")
    with pytest.raises(HandsonError, match="a penalty is not negative"):
        ActivityRegularization(l1=-1.0)


def test_the_penalty_is_in_the_loss_of_fit_and_of_evaluate():
    net = Sequential([Input((3,)), Dense(2, kernel_initializer="ones", activity_regularizer=L1L2(l1=0.5))])
    net.compile(handson.optimizers.SGD(0.0), "mse")
    x = np.ones((6, 3), "float32")
    y = np.full((6, 2), 3.0)
    assert net.evaluate(x, y) == pytest.approx(0.5 * 2 * 3.0)
    assert net.fit(x, y, batch_size=6, verbose=0).history["loss"] == pytest.approx([0.5 * 2 * 3.0])
