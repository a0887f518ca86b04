"""ReLU, max-pooling and dropout in one kernel beside the three layers, forwards and backwards."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.pooled_relu import Drop, PooledRelu
from handson.layers import Dropout
from handson.layers.dropout import mask_key
from handson.randomness.stream import Stream, active

shapes = st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7), st.integers(1, 5))


def plain(x):
    return torch.nn.functional.max_pool2d(x.relu().movedim(3, 1), 2).movedim(1, 3)


def check_equal(values, first, second):
    """Outputs and gradients of two functions."""
    results = []
    for function in (first, second):
        x = torch.tensor(values, dtype=torch.float32, requires_grad=True)
        y = function(x)
        (gradient,) = torch.autograd.grad(y, x, torch.arange(1.0, y.numel() + 1).view(y.shape))
        results.append((y.detach().numpy(), gradient.numpy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(0, 99))
def test_it_is_max_pooling_of_relu_with_ties_and_nan(shape, seed):
    chances = [0.3, 0.1, 0.1, 0.2, 0.2, 0.05, 0.05]
    values = np.random.default_rng(seed).choice([-1.0, -0.0, 0.0, 1.0, 2.0, np.inf, np.nan], size=shape, p=chances)
    check_equal(values, lambda x: PooledRelu.apply(x, None), plain)


@settings(deadline=None, max_examples=40)
@given(shapes, st.floats(0.01, 0.99), st.integers(0, 99))
def test_what_is_dropped_is_what_the_layer_drops(shape, rate, seed):
    layer, rows = Dropout(rate, name="drop").train(), torch.arange(shape[0]) * 7 + seed
    with active(Stream(seed, 2)) as stream:
        stream.rows = rows
        drop = Drop(mask_key(layer, stream), rows, rate)
        stream.rows = rows  # another step, in which the layer is called for the first time
        values = np.random.default_rng(seed).normal(size=shape)
        check_equal(values, lambda x: PooledRelu.apply(x, drop), lambda x: layer(plain(x)))


def test_large_batches_are_dealt_to_threads_with_the_same_result(rng):
    values = rng.normal(size=(5, 100, 100, 32))
    drop = Drop(123456789, torch.tensor([5, 3, 8, 1, 0]), 0.3)
    fused = lambda x: PooledRelu.apply(x, drop)  # noqa: E731
    check_equal(
        values,
        fused,
        lambda x: torch.cat([PooledRelu.apply(x[[n]], Drop(drop.key, drop.rows[[n]], 0.3)) for n in range(5)]),
    )
