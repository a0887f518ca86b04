"""Constraints against Keras's, alone and after steps."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import constraints
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import Conv2D, Dense

CASES = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.7, "axis": 1}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": -1}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.8, "rate": 0.3, "axis": 1}),
]


def peers(keras, name, arguments):
    return getattr(constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
@settings(max_examples=10, deadline=None)
@given(shape=st.lists(st.integers(1, 5), min_size=2, max_size=4), seed=st.integers(0, 1000))
def test_values_are_those_of_keras(keras, name, arguments, shape, seed):
    weight = torch.tensor(np.random.default_rng(seed).normal(size=shape).astype("float32"))
    ours, theirs = peers(keras, name, arguments)
    np.testing.assert_allclose(ours(weight), theirs(weight), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"])
def test_a_weight_of_zeros_stays_finite(name):
    assert torch.isfinite(getattr(constraints, name)()(torch.zeros(3, 2))).all()


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_nets_train_as_with_keras(keras, rng, name, arguments):
    x, y = rng.normal(size=(32, 4)).astype("float32"), rng.normal(size=(32, 3)).astype("float32")
    ours, theirs = peers(keras, name, arguments)
    mine = handson.Sequential([handson.Input((4,)), Dense(3, kernel_constraint=ours, bias_constraint="non_neg")])
    other = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, kernel_constraint=theirs, bias_constraint="non_neg")]
    )
    weights = [rng.normal(size=(4, 3)).astype("float32"), np.zeros(3, "float32")]
    for net, module in ((mine, handson), (other, keras)):
        net.compile(module.optimizers.SGD(0.1, momentum=0.5), "mse")
        net.set_weights(weights)
        net.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for got, expected in zip(mine.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def constrained(**arguments):
    net = handson.Sequential([handson.Input((6, 6, 1)), Conv2D(2, 3, **arguments), handson.layers.Flatten(), Dense(1)])
    net.compile(handson.optimizers.SGD(0.5), "mse")
    return net


def trained(net, rng):
    net.fit(rng.normal(size=(16, 6, 6, 1)).astype("float32"), rng.normal(size=16), batch_size=8, verbose=0)
    return net.layers[0].get_weights()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: net])
def test_convolutions_and_copies_of_nets_obey(rng, copied):
    kernel, bias = trained(copied(constrained(kernel_constraint="unit_norm", bias_constraint="non_neg")), rng)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1.0, rtol=1e-5)
    assert (bias >= 0).all()


def test_a_saved_net_obeys(rng, tmp_path):
    constrained(kernel_constraint=constraints.MaxNorm(0.01, axis=(0, 1, 2))).save(tmp_path / "net.handson")
    net = handson.load(tmp_path / "net.handson")
    kernel, _ = trained(net, rng)
    assert np.sqrt(np.square(kernel).sum((0, 1, 2))).max() <= 0.01 + 1e-6


def test_the_dense_program_is_refused_and_chosen_by_nobody(rng):
    net = handson.Sequential([handson.Input((2,)), Dense(1, kernel_constraint="non_neg")])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match=r"does not support the constraint of .*kernel"):
        net.fit(rng.normal(size=(8, 2)), rng.normal(size=8), engine="dense", verbose=0)


def test_an_own_function_is_a_constraint(rng):
    kernel, _ = trained(constrained(kernel_constraint=lambda weight: weight * 0), rng)
    assert not kernel.any()


def test_constraints_are_described():
    layer = Dense(2, kernel_constraint=constraints.MaxNorm(3.0, axis=(0,)))
    again = registry.from_config("layer", registry.to_config("layer", layer))
    again.ensure_built((None, 3))
    made = again.kernel.constraint
    assert (type(made), made.max_value, made.axis) == (constraints.MaxNorm, 3.0, (0,))


def test_get_takes_what_keras_takes():
    made = constraints.MaxNorm(3)
    assert constraints.get(made) is made
    assert constraints.get(None) is None
    assert constraints.get({"MaxNorm": {"max_value": 3}}).max_value == 3
    assert constraints.deserialize(constraints.serialize(made)).max_value == 3
    with pytest.raises(HandsonError, match=r"unknown constraint 'max_norms'\. Did you mean 'max_norm'"):
        constraints.get("max_norms")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("MaxNorm", {"max_value": -1}, r"MaxNorm: max_value is a norm and not negative; got -1"),
        ("MaxNorm", {"axis": "rows"}, r"MaxNorm: axis is a whole number or several of them; got 'rows'"),
        ("MinMaxNorm", {"min_value": 2.0}, r"min_value 2\.0 is larger than max_value 1\.0"),
    ],
)
def test_arguments_out_of_range_are_errors(name, arguments, message):
    with pytest.raises(HandsonError, match=message):
        getattr(constraints, name)(**arguments)
