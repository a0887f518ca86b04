"""Activations against Keras's."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import activations
from handson.core import registry
from handson.core.errors import HandsonError

# Keras's sparsemax is wrong (see there).
NAMES = [name for name in registry.known("activation") if name != "sparsemax"]
EDGES = [0.0, -0.0, 1e-8, -1e-8, 3.0, -3.0, 6.0, -6.0, 20.0, -20.0, 80.0, -80.0]


@pytest.fixture
def numbers(rng):
    """Numbers of every size up to where exp overflows in float32, five to a row."""
    values = np.concatenate([rng.normal(size=98) * 4, EDGES])
    return values.astype("float32").reshape(-1, 5)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_keras(keras, numbers, name):
    expected = keras.activations.get(name)(torch.tensor(numbers))
    actual = activations.get(name)(torch.tensor(numbers))
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_keras(keras, rng, name):
    x = torch.tensor(rng.normal(size=(20, 5)) * 2, dtype=torch.float32)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.tensor(rng.normal(size=(20, 5)), dtype=torch.float32)
    (activations.get(name)(ours) * weight).sum().backward()
    (keras.activations.get(name)(theirs) * weight).sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    ours = inspect.signature(registry.find("activation", name)).parameters
    theirs = inspect.signature(keras.activations.get(name)).parameters
    for argument, parameter in ours.items():
        assert argument in theirs
        assert parameter.default == theirs[argument].default


@pytest.mark.parametrize("name", NAMES)
def test_the_input_stays_and_shape_and_type_are_kept(name):
    x = torch.linspace(-2, 2, 24).reshape(2, 3, 4)
    before = x.clone()
    y = activations.get(name)(x)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("leaky_relu", {"negative_slope": 0.05}),
        ("elu", {"alpha": 0.3}),
        ("gelu", {"approximate": True}),
        ("relu", {"negative_slope": 0.3}),
        ("relu", {"max_value": 0.7}),
        ("relu", {"threshold": 0.4}),
        ("relu", {"negative_slope": 0.3, "max_value": 0.7, "threshold": 0.4}),
        ("relu", {"negative_slope": 0.3, "max_value": 6, "threshold": -0.4}),
        ("celu", {"alpha": 0.3}),
        ("hard_shrink", {"threshold": 0.9}),
        ("soft_shrink", {"threshold": 0.9}),
        ("squareplus", {"b": 1.5}),
        ("softmax", {"axis": 0}),
        ("log_softmax", {"axis": 1}),
    ],
)
def test_arguments_mean_what_they_mean_in_keras(keras, rng, name, arguments):
    x = torch.tensor(rng.normal(size=(4, 5, 6)), dtype=torch.float32)
    expected = keras.activations.get(name)(x, **arguments)
    actual = registry.find("activation", name)(x, **arguments)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=8))
def test_softmax_gives_probabilities_that_keep_the_order(values):
    probabilities = activations.softmax(torch.tensor(values))
    assert probabilities.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert bool((probabilities >= 0).all())
    assert probabilities[int(np.argmax(values))] == probabilities.max()


def test_log_softmax_stays_finite_where_the_logarithm_of_softmax_does_not():
    assert activations.log_softmax(torch.tensor([0.0, 200.0])).tolist() == [-200.0, 0.0]


@pytest.mark.parametrize(("name", "arguments"), [("glu", {"axis": 1}), ("glu", {}), ("threshold", (0.3, -2.0))])
def test_functions_without_a_name_are_those_of_keras(keras, rng, name, arguments):
    x = torch.tensor(rng.normal(size=(3, 4, 6)), dtype=torch.float32)
    args, kwargs = (arguments, {}) if isinstance(arguments, tuple) else ((), arguments)
    expected = getattr(keras.activations, name)(x, *args, **kwargs)
    np.testing.assert_allclose(getattr(activations, name)(x, *args, **kwargs), expected, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=7), st.sampled_from([0, 1]))
def test_sparsemax_is_the_nearest_point_of_the_simplex(values, axis):
    x = torch.tensor([values, values[::-1]])
    x = x.T if axis == 0 else x
    p = activations.sparsemax(x, axis=axis).movedim(axis, -1)
    assert torch.allclose(p.sum(-1), torch.ones(2), atol=1e-4)
    # Where p > 0, x - p is one number, and nowhere else it is larger.
    level = (x.movedim(axis, -1) - p).masked_fill(p == 0, -torch.inf).amax(-1, keepdim=True)
    assert torch.allclose(p, (x.movedim(axis, -1) - level).clamp(min=0), atol=1e-4)


def test_swish_is_silu():
    assert activations.get("swish") is activations.silu


def test_none_is_the_identity():
    x = torch.randn(3)
    assert activations.get(None) is activations.linear
    assert activations.linear(x) is x


def test_an_own_function_is_taken_as_it_is():
    assert activations.get(torch.sin) is torch.sin


def test_an_unknown_name_gets_its_nearest():
    with pytest.raises(HandsonError, match=r"unknown activation 'rellu'\. Did you mean 'relu'"):
        activations.get("rellu")


def test_what_cannot_be_called_is_an_error():
    with pytest.raises(HandsonError, match=r"an activation is a name.*; got 3\."):
        activations.get(3)
