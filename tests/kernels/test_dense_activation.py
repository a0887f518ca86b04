"""Activations of the dense program, and the backward pass through them, beside PyTorch's in double precision."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.dense_activation import FIRST_OF_INPUTS, activate, deactivate
from handson.training.engines.dense.operations import ACTIVATIONS

KINDS = range(1, len(ACTIVATIONS))


def check(kind, x, gradient, in_place):
    y, found = x.copy() if in_place else np.full_like(x, np.nan), gradient.copy()
    activate(kind, y if in_place else x, y)
    deactivate(kind, y if in_place else x, y, found)
    inputs = torch.from_numpy(x.astype(float)).requires_grad_()
    outputs = ACTIVATIONS[kind](inputs)
    outputs.backward(torch.from_numpy(gradient.astype(float)))
    np.testing.assert_allclose(y, outputs.detach(), rtol=1e-6, atol=1e-7)
    # Slopes are differences from 1, where a value has no more digits.
    np.testing.assert_allclose(found, inputs.grad, rtol=1e-5, atol=5e-7 * max(1, np.abs(gradient).max()))


@settings(deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(KINDS), rows=st.integers(1, 9), columns=st.integers(1, 40), scale=st.sampled_from([0.1, 1, 8]),
    in_place=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_that_of_pytorch_at_any_width(kind, rows, columns, scale, in_place, seed):
    rng = np.random.default_rng(seed)
    x, gradient = rng.normal(0, scale, (2, rows, columns)).astype(np.float32)
    check(kind, x, gradient, in_place and kind < FIRST_OF_INPUTS)


@pytest.mark.parametrize("kind", KINDS, ids=ACTIVATIONS[1:])
def test_far_from_zero_and_at_it(kind):
    x = np.array([[-80, -30, -7, -1e-6, 0, 1e-6, 7, 30, 80]], np.float32)
    check(kind, x, np.ones_like(x), False)


@pytest.mark.parametrize("kind", KINDS, ids=ACTIVATIONS[1:])
def test_nan_stays_nan(kind):
    x = np.full((1, 3), np.nan, np.float32)
    y = np.zeros_like(x)
    activate(kind, x, y)
    assert np.isnan(y).all()
