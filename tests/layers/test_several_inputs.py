"""Layers of one's own that are called on several inputs: shapes by name, masks beside their inputs."""

import numpy as np
import pytest
import torch

import handson
from handson.core.errors import HandsonError
from handson.layers import Dense, Input, Layer
from handson.layers.calling import MASK


class Bilinear(Layer):
    """left' kernel right, with a sublayer that sees its shape when it runs."""

    supports_masking = True

    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.dense = Dense(units)
        self.seen = None

    def build(self, left_shape, right_shape=None):
        right_shape = left_shape if right_shape is None else right_shape
        self.kernel = self.add_weight((left_shape[-1], right_shape[-1]), name="kernel")

    def call(self, left, right=None, left_mask=None, right_mask=None):
        self.seen = (left_mask, right_mask)
        right = left if right is None else right
        return self.dense(left @ self.kernel * right)


class Stated(Bilinear):
    def compute_output_shape(self, left_shape, right_shape=None):
        return (*left_shape[:-1], 2)


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


@pytest.mark.parametrize("kind", [Bilinear, Stated])
def test_shapes_reach_build_by_name(kind):
    left, right = numbers((4, 3)), numbers((4, 5), 1)
    for call in (lambda layer: layer(left, right), lambda layer: layer(right=right, left=left)):
        layer = kind()
        assert call(layer).shape == (4, 2)
        assert layer.kernel.shape == (3, 5)
    alone = kind()
    assert alone(left).shape == (4, 2)
    assert alone.kernel.shape == (3, 3)


@pytest.mark.parametrize("kind", [Bilinear, Stated])
def test_symbols_make_a_net_that_computes_and_trains(kind):
    left, right = Input((3,)), Input((5,))
    layer = kind()
    output = layer(left, right=right)
    assert output.shape == (None, 2)
    assert kind()(left=left, right=right).shape == (None, 2)
    net = handson.Model([left, right], output)
    rows = [numbers((8, 3)), numbers((8, 5), 1)]
    before = net.predict(rows)
    np.testing.assert_allclose(before, layer(*rows).detach(), rtol=1e-5, atol=1e-6)
    net.compile("sgd", "mse")
    net.fit(rows, np.ones((8, 2), "float32"), epochs=1, verbose=0)
    assert not np.allclose(net.predict(rows), before)


def test_masks_stand_beside_the_inputs_that_bring_them():
    layer, left, right = Bilinear(), numbers((4, 6, 3)), numbers((4, 6, 3), 1)
    masks = [torch.tensor(np.random.default_rng(seed).random((4, 6)) < 0.5) for seed in range(3)]
    layer(left, right)
    assert layer.seen == (None, None)
    for x, mask in zip((left, right), masks, strict=False):
        setattr(x, MASK, mask)
    output = layer(left, right=right)
    assert layer.seen == (masks[0], masks[1])
    assert getattr(output, MASK) is masks[0]
    output = layer(left, right, masks[2])
    assert layer.seen == (masks[2], masks[1])
    assert getattr(output, MASK) is masks[2]


def test_one_argument_may_be_given_by_name():
    layer, x = Dense(2), numbers((4, 3))

    class Named(Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(input_shape[-1:], "ones", name="factor")

        def call(self, inputs):
            return inputs * self.factor

    assert torch.equal(Named()(inputs=x), x)
    assert Named()(inputs=Input((3,))).shape == (None, 3)
    assert layer(x).shape == (4, 2)


def test_other_shapes_are_an_error_that_shows_them():
    layer = Bilinear()
    layer(Input((3,)), Input((5,)))
    with pytest.raises(HandsonError, match="'right_shape': .None, 5.* and cannot take .*'right_shape': .None, 6"):
        layer(Input((3,)), Input((6,)))
    with pytest.raises(HandsonError, match="is built from left_shape and right_shape: call it on several inputs"):
        Bilinear().ensure_built((None, 3))
