"""Products of tiles beside NumPy's in double precision."""

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.tiles import make_tiles, set_product
from handson.kernels.vectors import LANES


@numba.njit
def add_product(sums, left, right):
    make_tiles(sums, sums, left, len(left), right)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 20), depth=st.integers(1, 40), blocks=st.integers(1, 9), gaps=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_product_is_added(rows, depth, blocks, gaps, seed):
    rng = np.random.default_rng(seed)
    columns = blocks * LANES
    left, right, sums = (
        rng.normal(size=shape).astype(np.float32) for shape in ((rows, depth), (depth, columns), (rows, columns))
    )
    expected, alone = left.astype(float) @ right, np.full_like(sums, np.nan)
    given_right = right.reshape(depth, blocks, LANES)
    if gaps:
        left, given_right = np.asfortranarray(left), given_right.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    before = sums.copy()
    add_product(sums, left, given_right)
    set_product(alone, left, given_right)
    np.testing.assert_allclose(sums, before + expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-5)


def test_a_row_is_the_same_in_any_company(rng):
    left, right = rng.normal(size=(13, 30)).astype(np.float32), rng.normal(size=(30, 5, LANES)).astype(np.float32)
    together, alone = np.zeros((2, 13, 5 * LANES), np.float32)
    add_product(together, left, right)
    for row in range(13):
        add_product(alone[row : row + 1], left[row : row + 1], right)
    assert np.array_equal(together, alone)
