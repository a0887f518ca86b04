"""Every layer of Keras with random arguments and shapes: outputs, gradients, ten steps of training, files both ways."""

import numpy as np
import pytest
import torch
from keras_files import Ours, assert_same_outputs, theirs
from random_layers import CASES, Case

# Keras says that a mask ends at a layer that knows none.
pytestmark = pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask attached")
every_layer = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def both(keras):
    return Ours, theirs(keras)


def pair(case, both, dtype=None):
    """The same net in both libraries, with the same weights."""
    nets = [case.net(of, dtype) for of in both]
    rng = np.random.default_rng(3)
    weights = [rng.uniform(0.1, 0.6, weight.shape) for weight in nets[0].get_weights()]
    for net in nets:
        net.set_weights(weights)
    return nets


def arranged(arrays):
    return arrays if len(arrays) > 1 else arrays[0]


def gradients(net, arrays, weights):
    """The outputs and the gradients of their sum with random factors, for inputs and weights."""
    leaves = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    y = net(arranged(leaves), training=True)
    factors = torch.tensor(np.random.default_rng(4).normal(size=tuple(y.shape)), dtype=y.dtype)
    asked = [leaf for leaf in leaves if leaf.requires_grad] + weights
    found = torch.autograd.grad((y * factors).sum(), asked, allow_unused=True, materialize_grads=True)
    return [y.detach(), *found]


@every_layer
@pytest.mark.parametrize("seed", range(3))
def test_outputs_and_gradients_are_those_of_keras(both, name, seed):
    case = Case(name, seed)
    mine, other = pair(case, both, case.dtype)
    arrays = [array.astype(case.dtype or array.dtype) for array in case.inputs()]
    found = gradients(mine, arrays, list(mine.trainable_weights))
    expected = gradients(other, arrays, [weight.value for weight in other.trainable_weights])
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=2e-4, atol=2e-4)
    for one, two in zip(mine.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-5)


@every_layer
def test_ten_steps_and_files_are_those_of_keras(both, tmp_path, name):
    case = Case(name, 5)
    nets, x = pair(case, both), case.inputs(20)
    y = case.rng.normal(size=(20, 2)).astype("float32")
    for number, (net, of) in enumerate(zip(nets, both, strict=True)):
        net.compile(of.optimizers.SGD(1e-3), "mse")
        net.fit(arranged(x), y, batch_size=2, epochs=1, shuffle=False, verbose=0)
        net.save(tmp_path / f"{number}.keras")
    for one, two in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)
    for number, net in enumerate(nets):
        assert_same_outputs(both[1 - number].load(tmp_path / f"{number}.keras"), net, arranged(x))
