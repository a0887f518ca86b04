"""Batch normalization, ReLU, max-pooling and dropout in one kernel beside PyTorch's, forwards and backwards."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.normalized_pool import NormalizedPooledRelu
from handson.kernels.pooled_relu import Drop
from handson.layers import Dropout
from handson.layers.dropout import mask_key
from handson.randomness.stream import Stream, active

EPSILON = 1e-3


def plain(x, gamma, beta, layer):
    """The layers one after another, in double precision."""
    y = torch.nn.functional.batch_norm(x.movedim(3, 1), None, None, gamma, beta, True, 0.1, EPSILON)
    return layer(torch.nn.functional.max_pool2d(y.relu(), 2).movedim(1, 3))


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(2, 7), st.integers(2, 7), st.integers(1, 5)),
    learned=st.tuples(st.booleans(), st.booleans()),
    rate=st.sampled_from([0.0, 0.3, 0.8]),
    mean=st.sampled_from([0.0, 3.0, -50.0]),
    seed=st.integers(0, 999),
)
def test_outputs_moments_and_gradients_are_those_of_the_layers(shape, learned, rate, mean, seed):
    rng = np.random.default_rng(seed)
    layer, rows = Dropout(rate, name="drop").train(), torch.arange(shape[0]) * 3
    values = rng.normal(mean, 2.0, shape).astype(np.float32)
    weights = [rng.normal(1, 0.5, shape[3]).astype(np.float32) if wanted else None for wanted in learned]
    weight = rng.normal(size=(shape[0], shape[1] // 2, shape[2] // 2, shape[3]))
    found = []
    with active(Stream(seed, 0)) as stream:
        stream.rows = rows
        drop = Drop(mask_key(layer, stream), rows, rate) if rate else None
        stream.rows = rows  # another step, in which the layer is called for the first time
        for dtype in (torch.float32, torch.float64):
            x, gamma, beta = (
                None if array is None else torch.tensor(array, dtype=dtype, requires_grad=True)
                for array in (values, *weights)
            )
            if dtype == torch.float32:
                y, *moments = NormalizedPooledRelu.apply(x, gamma, beta, EPSILON, drop)
            else:
                y = plain(x, gamma, beta, layer)
            asked = [tensor for tensor in (x, gamma, beta) if tensor is not None]
            gradients = torch.autograd.grad(y, asked, torch.tensor(weight, dtype=dtype))
            found.append([y.detach(), *gradients])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-3, atol=2e-4 * (1 + abs(mean)))
    exact = values.astype(float).reshape(-1, shape[3])
    np.testing.assert_allclose(moments[0].numpy(), exact.mean(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(moments[1].numpy(), exact.var(0), rtol=1e-5)


def test_a_variance_far_from_the_mean_is_exact(rng):
    values = rng.normal(1000.0, 0.1, (3, 20, 20, 2)).astype(np.float32)
    _, _, variance = NormalizedPooledRelu.apply(torch.tensor(values), None, None, EPSILON, None)
    np.testing.assert_allclose(variance.numpy(), values.astype(float).var((0, 1, 2)), rtol=1e-4)


def test_the_numbers_do_not_depend_on_the_number_of_threads(rng):
    values = torch.tensor(rng.normal(size=(6, 64, 64, 64)).astype(np.float32))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            x, gamma = values.clone().requires_grad_(), torch.ones(64, requires_grad=True)
            y, *moments = NormalizedPooledRelu.apply(x, gamma, None, EPSILON, None)
            found.append([y.detach(), *moments, *torch.autograd.grad(y.square().sum(), [x, gamma])])
    finally:
        torch.set_num_threads(before)
    for tensors in zip(*found, strict=True):
        assert all(torch.equal(tensor, tensors[0]) for tensor in tensors)
