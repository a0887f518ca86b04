"""Sums of picked rows beside NumPy's in double precision."""

import ctypes

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels import library
from handson.kernels.library import Int, Pointer, Record

LANES = library.lanes()


class Picked(Record):
    """As `picked` in C."""

    sums: "Pointer"
    down: "Int"
    values: "Pointer"
    across: "Int"
    below: "Int"
    factors: "Pointer"
    picks: "Pointer"
    count: "Int"
    strips: "Int"
    blocks: "Int"


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
    record = Picked(
        sums=sums[1:], down=down, values=values[4:], across=across, below=below, factors=factors[2:], picks=picks[2:],
        count=count, strips=strips, blocks=blocks,
    )  # fmt: skip
    library.loaded().add_picked_rows(ctypes.byref(record))
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)
