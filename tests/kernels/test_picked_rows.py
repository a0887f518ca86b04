"""Sums of picked rows beside NumPy's in double precision."""

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.picked_rows import add_picked_rows
from handson.kernels.vectors import LANES


@numba.njit
def add(sums, place, down, values, base, across, below, factors, picks, first, count, strips, blocks):
    add_picked_rows(sums, place, down, values, base, across, below, factors, picks, first, count, strips, blocks)


@settings(deadline=None, max_examples=60)
@given(
    strips=st.integers(1, 7), blocks=st.integers(1, 19), count=st.integers(1, 9), gaps=st.integers(0, 5),
    overlapping=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_rows_are_added(strips, blocks, count, gaps, overlapping, seed):
    rng = np.random.default_rng(seed)
    strip = blocks * LANES
    down, below = strip + gaps, strip + 2 * gaps
    across, rows = (3 if overlapping else strips * below), 6
    values, sums = (rng.normal(size=20 + 7 * strips * (strip + 10)).astype(np.float32) for _ in range(2))
    factors, picks = rng.normal(size=count + 2).astype(np.float32), rng.integers(0, rows, count + 2).astype(np.int32)
    expected = sums.astype(float)
    for k in range(2, count + 2):
        for s in range(strips):
            source = 4 + picks[k] * across + s * below
            expected[1 + s * down : 1 + s * down + strip] += factors[k] * values[source : source + strip].astype(float)
    add(sums, 1, down, values, 4, across, below, factors, picks, 2, count, strips, blocks)
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)
