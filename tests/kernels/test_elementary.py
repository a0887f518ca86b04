"""Elementary functions of vectors beside NumPy's and SciPy's in double precision."""

import numpy as np
import pytest
from elementary import both, one
from scipy.special import ndtr

EXACT = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_right_to_two_units_in_the_last_place(name):
    size = np.geomspace(1e-37, 87, 1 << 17)
    x = np.concatenate([size, -size, np.linspace(-20, 20, 1 << 17)]).astype(np.float32)
    y = one(name, x)
    np.testing.assert_allclose(y, EXACT[name](x.astype(float)), rtol=1.9e-7)
    assert np.abs(y).max() <= 1


@pytest.mark.parametrize(
    ("name", "expected"), [("sigmoid", [np.nan, 1, 0, 0.5, 1, 0]), ("tanh", [np.nan, 1, -1, 0, 1, -1])]
)
def test_limits_and_nan(name, expected):
    x = np.array([np.nan, np.inf, -np.inf, 0, 3e38, -3e38], np.float32)
    np.testing.assert_allclose(one(name, x), expected, atol=1e-37)


@pytest.mark.parametrize("name", ["two_sigmoids", "sigmoid_and_tanh"])
def test_two_values_with_one_division(rng, name):
    size = np.geomspace(1e-37, 1e30, 1 << 16)
    x = np.concatenate([size, -size, np.linspace(-43, 43, 1 << 16)]).astype(np.float32)
    y = rng.permutation(x)
    with np.errstate(over="ignore"):
        expected = [1 / (1 + np.exp(-values.astype(float))) for values in (x, y)]
    if name == "sigmoid_and_tanh":
        expected[1] = np.tanh(y.astype(float))
    for ours, exact in zip(both(name, x, y), expected, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=3.6e-7, atol=2.2e-19)


@pytest.mark.parametrize(
    ("name", "exact", "least", "tolerance"),
    [
        ("exponential", np.exp, -87, 2e-7),
        ("exponential_less_one", np.expm1, -87, 2e-7),
        ("normal_probability", ndtr, -5, 3e-6),
    ],
)
def test_more_functions(name, exact, least, tolerance):
    size = np.geomspace(1e-37, 80, 1 << 17)
    x = np.concatenate([size, np.clip(-size, least, 0), np.linspace(max(least, -20), 20, 1 << 17)]).astype(np.float32)
    np.testing.assert_allclose(one(name, x), exact(x.astype(float)), rtol=tolerance)
    x = np.array([np.nan, -np.inf, -1e30, 0], np.float32)
    np.testing.assert_allclose(one(name, x), exact(x.astype(float)), atol=1e-37)


def test_logarithm_of_one_more():
    x = np.concatenate([np.geomspace(1e-37, 1, 1 << 16), np.linspace(0, 1, 1 << 16)]).astype(np.float32)
    np.testing.assert_allclose(one("logarithm_of_one_more", x), np.log1p(x.astype(float)), rtol=2e-7)


def test_logarithm():
    x = np.concatenate([np.geomspace(1.2e-38, 3e38, 1 << 17), np.linspace(0.5, 2, 1 << 17)]).astype(np.float32)
    np.testing.assert_allclose(one("logarithm", x), np.log(x.astype(float)), rtol=2e-7, atol=1e-9)
    assert np.isnan(one("logarithm", np.array([np.nan], np.float32)))
