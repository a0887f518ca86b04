"""A dense layer in kernels beside NumPy in double precision, one output among the widths, on both sides of BLAS."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.dense_layer import dense_gradients, dense_outputs, input_gradients
from handson.kernels.products import MOST_MULTIPLICATIONS, is_small
from handson.kernels.vectors import LANES

SIZES = st.integers(1, 3 * LANES + 2)


def check(rows, before, after, biased, seed):
    rng = np.random.default_rng(seed)
    x, kernel, gradient = (
        rng.normal(size=shape).astype(np.float32) for shape in ((rows, before), (before, after), (rows, after))
    )
    bias = rng.normal(size=after if biased else 0).astype(np.float32)
    room = np.full((2, max(rows, before, after), LANES), np.nan, np.float32)
    y, d_kernel, d_bias, below = (np.full_like(like, np.nan) for like in (gradient, kernel, bias, x))
    dense_outputs(x, kernel, bias, y, room)
    dense_gradients(x, gradient, d_kernel, d_bias, room)
    input_gradients(kernel, gradient, below, room, np.full(kernel.size, np.nan, np.float32))
    x, kernel, gradient = (values.astype(float) for values in (x, kernel, gradient))
    expected = [x @ kernel + (bias if biased else 0), x.T @ gradient, gradient.sum(0)[: len(bias)], gradient @ kernel.T]
    for ours, theirs in zip((y, d_kernel, d_bias, below), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=80)
@given(rows=SIZES, before=SIZES, after=st.one_of(st.just(1), SIZES), biased=st.booleans(), seed=st.integers(0, 99))
def test_outputs_and_gradients_at_any_width(rows, before, after, biased, seed):
    check(rows, before, after, biased, seed)


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("biased", [True, False])
def test_large_products(after, biased):
    rows = 130
    before = MOST_MULTIPLICATIONS // rows + 1
    assert not is_small(rows, before, 1)
    check(rows, before, after, biased, 0)
