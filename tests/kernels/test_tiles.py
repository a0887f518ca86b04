"""Products of tiles beside NumPy's in double precision."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from products import multiply, multiply_gathered

from handson.kernels import library

LANES = library.lanes()


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 20), depth=st.integers(0, 40), columns=st.integers(1, 9 * LANES), gaps=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_product_is_added(rows, depth, columns, gaps, seed):
    rng = np.random.default_rng(seed)
    blocks = -(-columns // LANES)
    left, right, sums = (
        rng.normal(size=shape).astype(np.float32) for shape in ((rows, depth), (depth, blocks * LANES), (rows, columns))
    )
    expected, alone = left.astype(float) @ right[:, :columns], np.full_like(sums, np.nan)
    given_right = right.reshape(depth, blocks, LANES)
    if gaps:
        left, given_right = np.asfortranarray(left), given_right.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    before, gathered = sums.copy(), sums.copy()
    multiply(sums, sums, left, given_right)
    multiply(alone, None, left, given_right)
    rows_of, steps = (np.arange(count) * stride // 4 for count, stride in zip(left.shape, left.strides, strict=True))
    multiply_gathered(gathered, left, rows_of, steps, given_right)
    np.testing.assert_allclose(sums, before + expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(gathered, sums)


def test_a_row_is_the_same_in_any_company(rng):
    left, right = rng.normal(size=(13, 30)).astype(np.float32), rng.normal(size=(30, 5, LANES)).astype(np.float32)
    together, alone = np.zeros((2, 13, 5 * LANES), np.float32)
    multiply(together, together, left, right)
    for row in range(13):
        multiply(alone[row : row + 1], alone[row : row + 1], left[row : row + 1], right)
    assert np.array_equal(together, alone)
