"""Sigmoid and tanh of vectors beside NumPy's in double precision."""

import numpy as np
import pytest

from handson.kernels.gates import sigmoid, tanh
from handson.kernels.vectors import LANES, compiled, load, store


@compiled
def sigmoids(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), sigmoid(load(x, (i,))))


@compiled
def tanhs(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), tanh(load(x, (i,))))


FUNCTIONS = {"sigmoid": (sigmoids, lambda x: 1 / (1 + np.exp(-x))), "tanh": (tanhs, np.tanh)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_right_to_two_units_in_the_last_place(name):
    size = np.geomspace(1e-37, 87, 1 << 17)
    x = np.concatenate([size, -size, np.linspace(-20, 20, 1 << 17)]).astype(np.float32)
    y = np.empty_like(x)
    compiled_function, exact = FUNCTIONS[name]
    compiled_function(x, y)
    np.testing.assert_allclose(y, exact(x.astype(float)), rtol=1.9e-7)
    assert np.abs(y).max() <= 1


@pytest.mark.parametrize(
    ("name", "expected"), [("sigmoid", [np.nan, 1, 0, 0.5, 1, 0]), ("tanh", [np.nan, 1, -1, 0, 1, -1])]
)
def test_limits_and_nan(name, expected):
    x = np.zeros(LANES, np.float32)
    x[:6] = np.nan, np.inf, -np.inf, 0, 3e38, -3e38
    y = np.empty_like(x)
    FUNCTIONS[name][0](x, y)
    np.testing.assert_allclose(y[:6], expected, atol=1e-37)
