"""Products of any width beside NumPy's in double precision, and the dense program on both sides of their limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from products import make_product, normal, transpose

from handson import Sequential
from handson.kernels import library
from handson.layers import Dense

LANES = library.lanes()

SIZES = st.one_of(st.integers(1, 4), st.integers(1, 3 * LANES + 2), st.sampled_from([LANES, 2 * LANES, 4 * LANES]))


@settings(deadline=None, max_examples=80)
@given(rows=SIZES, depth=SIZES, columns=SIZES, across=st.booleans(), begun=st.booleans(), seed=st.integers(0, 99))
def test_the_product_at_any_width(rows, depth, columns, across, begun, seed):
    left = normal(seed, depth, rows).T if across else normal(seed, rows, depth)
    right, begin = normal(seed + 1, depth, columns), normal(seed + 2, columns) if begun else None
    around = np.full((rows + 2, columns), np.nan, np.float32)
    expected = left.astype(float) @ right + (begin if begun else 0.0)
    make_product(around[1:-1], begin, left, right)
    np.testing.assert_allclose(around[1:-1], expected, rtol=1e-5, atol=1e-5)
    assert np.isnan(around[[0, -1]]).all()


def test_a_row_and_a_column_are_the_same_in_any_company():
    left, right = normal(0, 13, 30), normal(1, 30, 4 * LANES + 5)
    together, alone, narrow = (np.zeros((13, right.shape[1]), np.float32) for _ in range(3))
    make_product(together, None, left, right)
    for row in range(13):
        make_product(alone[row : row + 1], None, left[row : row + 1], right)
    for column in range(right.shape[1]):
        part = np.zeros((13, 1), np.float32)
        make_product(part, None, left, right[:, column : column + 1].copy())
        narrow[:, column] = part[:, 0]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, narrow)


@settings(deadline=None, max_examples=60)
@given(rows=SIZES, columns=SIZES, seed=st.integers(0, 99))
def test_transposed(rows, columns, seed):
    matrix, turned = normal(seed, rows, columns), np.full((columns + 1, rows), np.nan, np.float32)
    transpose(matrix, turned[:columns])
    assert np.array_equal(turned[:columns], matrix.T)
    assert np.isnan(turned[columns]).all()


@pytest.mark.parametrize("widths", [(70, 3), (300, 280), (1, 17, 900)])
@pytest.mark.parametrize("batch_size", [1, 32, 45])
def test_a_net_with_products_of_both_kinds_trains_as_the_reference(widths, batch_size):
    """The products in one net are on one side of the limit, on the other, or on both."""
    x, y = normal(3, 90, 21), normal(4, 90, 2)

    def trained(engine):
        net = Sequential([*(Dense(width, activation="tanh") for width in widths), Dense(2)], seed=5)
        net.compile("sgd", "mse")
        history = net.fit(x, y, epochs=2, batch_size=batch_size, verbose=0, engine=engine)
        return [*net.get_weights(), np.array(history.history["loss"])]

    for ours, theirs in zip(trained("dense"), trained("eager"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
