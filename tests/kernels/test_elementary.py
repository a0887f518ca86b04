"""Elementary functions of vectors beside NumPy's and SciPy's in double precision."""

import numba
import numpy as np
import pytest
from scipy.special import ndtr

from handson.kernels.elementary import (
    divided,
    exponential,
    exponential_less_one,
    logarithm,
    logarithm_of_one_more,
    normal_probability,
    sigmoid,
    sigmoid_fraction,
    tanh,
    tanh_fraction,
)
from handson.kernels.vectors import LANES, load, store


def over(function):
    """The function of all values of an array."""

    @numba.njit
    def apply(x, y):
        for i in range(0, len(x), LANES):
            store(y, (i,), function(load(x, (i,))))

    return apply


FUNCTIONS = {"sigmoid": (over(sigmoid), lambda x: 1 / (1 + np.exp(-x))), "tanh": (over(tanh), np.tanh)}


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


@numba.njit
def pairs(x, y, sigmoids, others, of_tanh):
    for i in range(0, len(x), LANES):
        second = tanh_fraction(load(y, (i,))) if of_tanh else sigmoid_fraction(load(y, (i,)))
        first, second = divided(sigmoid_fraction(load(x, (i,))), second)
        store(sigmoids, (i,), first)
        store(others, (i,), second)


@pytest.mark.parametrize("of_tanh", [False, True])
def test_two_values_with_one_division(rng, of_tanh):
    size = np.geomspace(1e-37, 1e30, 1 << 16)
    x = np.concatenate([size, -size, np.linspace(-43, 43, 1 << 16)]).astype(np.float32)
    y = rng.permutation(x)
    found = np.empty_like(x), np.empty_like(x)
    pairs(x, y, *found, of_tanh)
    with np.errstate(over="ignore"):
        expected = [1 / (1 + np.exp(-values.astype(float))) for values in (x, y)]
    if of_tanh:
        expected[1] = np.tanh(y.astype(float))
    for ours, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=3.6e-7, atol=2.2e-19)


@pytest.mark.parametrize(
    ("function", "exact", "least", "tolerance"),
    [
        (exponential, np.exp, -87, 2e-7),
        (exponential_less_one, np.expm1, -87, 2e-7),
        (normal_probability, ndtr, -5, 3e-6),
    ],
)
def test_more_functions(function, exact, least, tolerance):
    size = np.geomspace(1e-37, 80, 1 << 17)
    x = np.concatenate([size, np.clip(-size, least, 0), np.linspace(max(least, -20), 20, 1 << 17)]).astype(np.float32)
    y = np.empty_like(x)
    apply = over(function)
    apply(x, y)
    np.testing.assert_allclose(y, exact(x.astype(float)), rtol=tolerance)
    x[:4] = np.nan, -np.inf, -1e30, 0
    apply(x, y)
    np.testing.assert_allclose(y[:4], exact(x[:4].astype(float)), atol=1e-37)


def test_logarithm_of_one_more():
    x = np.concatenate([np.geomspace(1e-37, 1, 1 << 16), np.linspace(0, 1, 1 << 16)]).astype(np.float32)
    y = np.empty_like(x)
    over(logarithm_of_one_more)(x, y)
    np.testing.assert_allclose(y, np.log1p(x.astype(float)), rtol=2e-7)


def test_logarithm():
    x = np.concatenate([np.geomspace(1.2e-38, 3e38, 1 << 17), np.linspace(0.5, 2, 1 << 17)]).astype(np.float32)
    y = np.empty_like(x)
    over(logarithm)(x, y)
    np.testing.assert_allclose(y, np.log(x.astype(float)), rtol=2e-7, atol=1e-9)
    x[0] = np.nan
    over(logarithm)(x, y)
    assert np.isnan(y[0])
