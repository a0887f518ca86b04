"""The compiled order of rows is that of the reference."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.shuffle import NEAR, permutation
from handson.randomness import keys


@settings(deadline=None, max_examples=200)
@given(
    key=st.integers(0, 2**64 - 1),
    count=st.one_of(
        st.integers(0, 40),
        st.integers(41, 3000),
        st.integers(2**NEAR - 2, 2**NEAR + 2),
        st.integers(2 ** (NEAR + 1), 2 ** (NEAR + 3)),
    ),
)
def test_it_is_the_order_of_the_reference(key, count):
    ours = permutation(key, count)
    assert ours.dtype == np.int64
    assert np.array_equal(ours, keys.permutation(key, count))
