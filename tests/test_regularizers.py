"""Regularizers against Keras's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import regularizers
from handson.core.errors import HandsonError
from handson.layers import Dense

FACTORS = st.floats(0.0, 2.0, width=32)


@settings(max_examples=25, deadline=None)
@given(
    l1=FACTORS,
    l2=FACTORS,
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_penalties_are_those_of_keras(keras, l1, l2, shape, seed):
    weight = np.random.default_rng(seed).normal(size=shape).astype("float32")
    for ours, theirs in [
        (regularizers.L1L2(l1, l2), keras.regularizers.L1L2(l1, l2)),
        (regularizers.L1(l1), keras.regularizers.L1(l1)),
        (regularizers.L2(l2), keras.regularizers.L2(l2)),
    ]:
        actual = ours(torch.tensor(weight))
        assert actual.shape == ()
        np.testing.assert_allclose(actual, theirs(torch.tensor(weight)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["L1", "L2", "L1L2"])
def test_defaults_are_those_of_keras(keras, rng, name):
    weight = torch.tensor(rng.normal(size=(3, 4)), dtype=torch.float32)
    expected = getattr(keras.regularizers, name)()(weight)
    np.testing.assert_allclose(getattr(regularizers, name)()(weight), expected, rtol=1e-6)


def test_the_gradient_is_the_closed_form():
    weight = torch.tensor([1.0, -2.0, 0.0, 4.0], requires_grad=True)
    regularizers.L1L2(0.5, 0.25)(weight).backward()
    assert weight.grad.tolist() == [1.0, -1.5, 0.0, 2.5]


def test_a_penalty_of_nothing_is_zero():
    assert regularizers.L1L2()(torch.ones(3)).item() == 0.0


@pytest.mark.parametrize(("l1", "l2"), [(-0.1, 0.0), (0.0, -0.1)])
def test_a_negative_penalty_is_an_error(l1, l2):
    with pytest.raises(HandsonError, match=rf"a penalty is not negative; got l1={l1}, l2={l2}\."):
        regularizers.L1L2(l1, l2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_penalty_that_is_not_finite_is_an_error(value):
    with pytest.raises(HandsonError, match=f"l2={value}"):
        regularizers.L2(value)


def test_get_takes_a_name_a_configuration_a_function_an_object_or_none():
    made = regularizers.L2(0.5)
    assert regularizers.get(None) is None
    assert regularizers.get(made) is made
    assert isinstance(regularizers.get("l2"), regularizers.L2)
    assert regularizers.get({"L2": {"l2": 0.5}}).l2 == 0.5
    assert regularizers.get(torch.sum) is torch.sum


def test_what_cannot_be_called_is_an_error():
    with pytest.raises(HandsonError, match=r"a regularizer is .*; got 0\.01"):
        regularizers.get(0.01)


def test_an_unknown_name_gets_its_nearest():
    with pytest.raises(HandsonError, match=r"unknown regularizer 'l3'\."):
        regularizers.get("l3")


def test_the_penalty_of_a_layer_is_that_of_its_weights():
    layer = Dense(2, kernel_regularizer="l1", bias_regularizer=lambda bias: bias.sum(), bias_initializer="ones")
    layer.ensure_built((None, 3))
    kernel, bias = layer.penalties()
    assert kernel.item() == pytest.approx(0.01 * np.abs(layer.get_weights()[0]).sum(), rel=1e-6)
    assert bias.item() == 2.0


@settings(max_examples=25, deadline=None)
@given(
    factor=FACTORS,
    mode=st.sampled_from(["rows", "columns"]),
    shape=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    seed=st.integers(0, 1000),
)
def test_the_orthogonal_penalty_is_that_of_keras(keras, factor, mode, shape, seed):
    weight = np.random.default_rng(seed).normal(size=shape).astype("float32")
    ours, theirs = torch.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
    mine = regularizers.OrthogonalRegularizer(factor, mode)(ours)
    other = keras.regularizers.OrthogonalRegularizer(factor, mode)(theirs)
    np.testing.assert_allclose(mine.detach(), other.detach(), rtol=1e-4, atol=1e-6)
    mine.backward()
    other.backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_the_orthogonal_penalty_wants_a_matrix_and_a_known_mode():
    with pytest.raises(HandsonError, match=r"for matrices; got a weight of shape \(3,\)"):
        regularizers.OrthogonalRegularizer()(torch.ones(3))
    with pytest.raises(HandsonError, match=r"mode is 'rows' or 'columns'; got 'both'"):
        regularizers.OrthogonalRegularizer(mode="both")


@pytest.mark.parametrize("name", ["l1", "l2", "l1_l2", "l1l2", "orthogonal_regularizer"])
def test_names_of_keras_are_known(name):
    assert isinstance(regularizers.get(name), regularizers.Regularizer)


def test_none_means_the_default_as_in_keras():
    made = regularizers.l1_l2(l1=None, l2=0.5)
    assert (made.l1, made.l2, regularizers.l1(None).l1) == (0.0, 0.5, 0.01)


@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_weights_that_do_not_train_cost_nothing_as_in_keras(keras, engine):
    x, y, found = np.ones((8, 3), "float32"), np.ones((8, 1), "float32"), []
    for of, how in ((handson, {"engine": engine}), (keras, {})):
        plain = {"kernel_initializer": "ones", "kernel_regularizer": "l2"}
        net = of.Sequential([of.Input((3,)), of.layers.Dense(2, **plain), of.layers.Dense(1, **plain)])
        net.layers[0].trainable = False
        net.compile("sgd", "mse")
        losses = net.fit(x, y, epochs=2, batch_size=8, verbose=0, **how).history["loss"]
        found.append([*losses, net.evaluate(x, y, verbose=0), float(sum(net.losses).detach())])
    np.testing.assert_allclose(*found, rtol=1e-5)
