"""Parts of vectors, and choices between vectors, beside NumPy."""

import numpy as np
import pytest
from elementary import one, some_more

from handson.kernels import library

LANES = library.lanes()


@pytest.mark.parametrize("count", [1, 3, LANES - 1, LANES, LANES + 5])
def test_only_a_part_is_read_and_written(count, rng):
    found = [rng.integers(0, 200, (2, 3 * LANES)).astype(kind) for kind in (np.float32, np.uint8)]
    expected, there = [y.copy() for _, y in found], min(count, LANES)
    for (x, _), y in zip(found, expected, strict=True):
        y[5 : 5 + there] = x[5 : 5 + there] + 1
    some_more(*(array[5:] for pair in found for array in pair), count)
    for (_, y), right in zip(found, expected, strict=True):
        assert np.array_equal(y, right)


def test_choices_treat_nan_as_they_say():
    a, b = np.array([[1, 2, 3, np.nan, 4], [2, 2, 1, 5, np.nan]], np.float32)
    assert np.array_equal(one("smaller", a, b), [1, 2, 1, 5, np.nan], equal_nan=True)
    assert np.array_equal(one("equal", a, b), [2, 4, 1, 5, np.nan], equal_nan=True)
    assert np.array_equal(one("winner", a, b), [2, 2, 3, np.nan, np.nan], equal_nan=True)
