"""A dense layer in kernels beside NumPy in double precision, one output among the widths, on one thread and on two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.dense_layer import dense_layer

SIZES = st.integers(1, 50)


def example(rows, before, after, biased, seed):
    rng = np.random.default_rng(seed)
    x, kernel, gradient = (
        rng.normal(size=shape).astype(np.float32) for shape in ((rows, before), (before, after), (rows, after))
    )
    return x, kernel, rng.normal(size=after).astype(np.float32) if biased else None, gradient


def check(x, kernel, bias, gradient, threads=1):
    found = dense_layer(x, kernel, bias, gradient, threads)
    x, kernel, gradient = (values.astype(float) for values in (x, kernel, gradient))
    d_bias = gradient.sum(0)[: 0 if bias is None else None]
    expected = [x @ kernel + (0 if bias is None else bias), x.T @ gradient, d_bias, gradient @ kernel.T]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=80)
@given(rows=SIZES, before=SIZES, after=st.one_of(st.just(1), SIZES), biased=st.booleans(), seed=st.integers(0, 99))
def test_outputs_and_gradients_at_any_width(rows, before, after, biased, seed):
    check(*example(rows, before, after, biased, seed))


@pytest.mark.parametrize(("rows", "before", "after"), [(130, 2100, 1), (33, 170, 301), (1, 1500, 900), (700, 41, 67)])
@pytest.mark.parametrize("biased", [True, False])
def test_large_products_are_the_same_on_any_number_of_threads(rows, before, after, biased):
    given = example(rows, before, after, biased, 0)
    check(*given, threads=2)
    alone = dense_layer(*given)
    for threads in (2, 3):
        for ours, theirs in zip(dense_layer(*given, threads), alone, strict=True):
            np.testing.assert_array_equal(ours, theirs)
