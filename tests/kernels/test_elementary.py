"""Elementary functions of vectors beside NumPy's and SciPy's in double precision."""

import numpy as np
import pytest
from scipy.special import ndtr

from handson.kernels.elementary import (
    exponential,
    exponential_less_one,
    logarithm_of_one_more,
    normal_probability,
    sigmoid,
    tanh,
)
from handson.kernels.vectors import LANES, compiled, load, store


@compiled
def sigmoids(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), sigmoid(load(x, (i,))))


@compiled
def tanhs(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), tanh(load(x, (i,))))


@compiled
def exponentials(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), exponential(load(x, (i,))))


@compiled
def exponentials_less_one(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), exponential_less_one(load(x, (i,))))


@compiled
def logarithms(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), logarithm_of_one_more(load(x, (i,))))


@compiled
def probabilities(x, y):
    for i in range(0, len(x), LANES):
        store(y, (i,), normal_probability(load(x, (i,))))


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


@pytest.mark.parametrize(
    ("function", "exact", "least", "tolerance"),
    [(exponentials, np.exp, -87, 2e-7), (exponentials_less_one, np.expm1, -87, 2e-7), (probabilities, ndtr, -5, 3e-6)],
)
def test_more_functions(function, exact, least, tolerance):
    size = np.geomspace(1e-37, 80, 1 << 17)
    x = np.concatenate([size, np.clip(-size, least, 0), np.linspace(max(least, -20), 20, 1 << 17)]).astype(np.float32)
    y = np.empty_like(x)
    function(x, y)
    np.testing.assert_allclose(y, exact(x.astype(float)), rtol=tolerance)
    x[:4] = np.nan, -np.inf, -1e30, 0
    function(x, y)
    np.testing.assert_allclose(y[:4], exact(x[:4].astype(float)), atol=1e-37)


def test_logarithm_of_one_more():
    x = np.concatenate([np.geomspace(1e-37, 1, 1 << 16), np.linspace(0, 1, 1 << 16)]).astype(np.float32)
    y = np.empty_like(x)
    logarithms(x, y)
    np.testing.assert_allclose(y, np.log1p(x.astype(float)), rtol=2e-7)
