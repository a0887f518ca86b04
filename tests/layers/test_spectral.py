"""`SpectralNormalization` against Keras and NumPy's singular values."""

import numpy as np
import pytest
import torch

import handson
from handson.core.errors import HandsonError
from handson.layers import Conv2D, Dense, Input, Reshape, SpectralNormalization


def pair(keras, name, arguments, shape, **more):
    ours = SpectralNormalization(getattr(handson.layers, name)(**arguments), **more)
    theirs = keras.layers.SpectralNormalization(getattr(keras.layers, name)(**arguments), **more)
    ours.ensure_built((None, *shape))
    theirs.build((None, *shape))
    rng = np.random.default_rng(0)
    values = [rng.normal(size=weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    return ours, theirs


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [("Dense", {"units": 3}, (4,)), ("Conv2D", {"filters": 3, "kernel_size": 2}, (5, 5, 2))],
)
def test_outputs_weights_and_gradients_are_those_of_keras(keras, name, arguments, shape, iterations):
    ours, theirs = pair(keras, name, arguments, shape, power_iterations=iterations)
    for seed in range(3):
        x = torch.tensor(np.random.default_rng(seed).normal(size=(2, *shape)), dtype=torch.float32)
        mine, peer = x.clone().requires_grad_(), x.clone().requires_grad_()
        found, wanted = ours(mine, training=True), theirs(peer, training=True)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        one = torch.autograd.grad(found.square().sum(), [mine, ours.kernel])
        two = torch.autograd.grad(wanted.square().sum(), [peer, theirs.kernel.value])
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
        for weight, other in zip(ours.get_weights(), theirs.weights, strict=True):
            np.testing.assert_allclose(weight, other.value.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours(x, training=False), theirs(x, training=False), rtol=1e-4, atol=1e-5)


def test_the_largest_singular_value_becomes_one():
    layer = SpectralNormalization(Conv2D(6, 3), power_iterations=200)
    layer(torch.zeros(1, 5, 5, 4), training=True)
    values = np.linalg.svd(layer.kernel.detach().numpy().reshape(-1, 6), compute_uv=False)
    assert values[0] == pytest.approx(1.0, rel=1e-4)


def test_in_evaluation_and_frozen_nothing_changes():
    layer = SpectralNormalization(Dense(3))
    layer(torch.ones(2, 4), training=False)
    before = layer.get_weights()
    layer(torch.ones(2, 4), training=False)
    layer.trainable = False
    layer(torch.ones(2, 4), training=True)
    assert all(map(np.array_equal, layer.get_weights(), before))


def test_a_layer_that_is_called_twice_in_a_step_has_the_gradient_of_both_calls():
    layer, x, y = SpectralNormalization(Dense(3, use_bias=False)), torch.randn(2, 4), torch.randn(2, 4)
    layer(x)
    inputs = [part.clone().requires_grad_() for part in (x, y)]
    kernels, outputs = [], []
    for part in inputs:
        outputs.append(layer(part, training=True))
        kernels.append(layer.kernel.detach().clone())
    sum(output.sum() for output in outputs).backward()
    for part, kernel in zip(inputs, kernels, strict=True):
        torch.testing.assert_close(part.grad, kernel.sum(1).expand(2, 4))
    torch.testing.assert_close(layer.kernel.grad, (x + y).sum(0)[:, None].expand(4, 3))


def test_a_kernel_of_zeros_stays():
    layer = SpectralNormalization(Dense(3, kernel_initializer="zeros"))
    assert (layer(torch.ones(2, 4), training=True) == 0).all()
    assert (layer.kernel == 0).all()


def test_a_net_trains_with_kernels_of_length_one():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    inputs = Input((4,))
    net = handson.Model(inputs, SpectralNormalization(Dense(1), power_iterations=5)(inputs))
    net.compile(handson.optimizers.SGD(0.05), "mse")
    history = net.fit(x, x[:, 0], epochs=20, verbose=0, seed=0)
    assert history.history["loss"][-1] < 0.05
    assert np.linalg.norm(net.layers[-1].kernel.detach()) == pytest.approx(1.0, abs=0.1)


def test_layers_without_a_kernel_are_an_error():
    with pytest.raises(HandsonError, match="'spectral_normalization': Reshape has neither a kernel nor embeddings"):
        SpectralNormalization(Reshape((2,)))(torch.ones(1, 2))
    with pytest.raises(HandsonError, match="SpectralNormalization takes a layer, such as "):
        SpectralNormalization(torch.relu)
