"""Parts of vectors, and choices between vectors, beside NumPy."""

import numpy as np
import pytest

from handson.kernels.vectors import (
    LANES,
    choose_equal,
    choose_smaller,
    choose_winner,
    compiled,
    load,
    load_part,
    store,
    store_part,
)


@compiled
def copied(x, y, start, count):
    store_part(y, (1, start), load_part(x, (1, start), count) + np.float32(1), count)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
@pytest.mark.parametrize("count", [1, 3, LANES - 1, LANES, LANES + 5])
def test_only_a_part_is_read_and_written(kind, count, rng):
    x, y = rng.integers(0, 200, (2, 3, 3 * LANES)).astype(kind)
    expected, there = y.copy(), min(count, LANES)
    expected[1, 5 : 5 + there] = x[1, 5 : 5 + there] + 1
    copied(x, y, 5, count)
    assert np.array_equal(y, expected)


@compiled
def read(x, y, count):
    store(y, (0,), load_part(x, (0,), count))


def test_what_is_not_read_is_zero():
    y = np.full(LANES, 7, np.float32)
    read(np.ones(2, np.float32), y, 2)
    assert y.tolist() == [1, 1] + [0] * (LANES - 2)


@compiled
def chosen(a, b, y):
    for which in range(3):
        left, right = load(a, (0,)), load(b, (0,))
        found = choose_smaller(left, right, left, right)
        if which == 1:
            found = choose_equal(left, right, left + left, right)
        if which == 2:
            found = choose_winner(left, right, left, right)
        store(y, (which, 0), found)


def test_choices_treat_nan_as_they_say():
    a, b = np.zeros((2, LANES), np.float32)
    a[:5], b[:5] = [1, 2, 3, np.nan, 4], [2, 2, 1, 5, np.nan]
    y = np.empty((3, LANES), np.float32)
    chosen(a, b, y)
    assert np.array_equal(y[0, :5], [1, 2, 1, 5, np.nan], equal_nan=True)
    assert np.array_equal(y[1, :5], [2, 4, 1, 5, np.nan], equal_nan=True)
    assert np.array_equal(y[2, :5], [2, 2, 3, np.nan, np.nan], equal_nan=True)
