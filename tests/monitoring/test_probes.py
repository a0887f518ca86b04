"""Probes, against the same numbers by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from handson import Model, Sequential, layers
from handson.monitoring.probes import DEAD_LOOKS, MEASURED, Probes, probed_layers


def seen(net, *inputs):
    """What the probes of a net see in some calls, as floats."""
    with Probes(net) as probes:
        for x in inputs:
            net(x)
    found = probes.read()
    rows = zip(found.names, found.values.tolist(), strict=True)
    return {name: dict(zip(MEASURED, values, strict=True)) for name, values in rows}


def test_mean_and_spread_are_those_of_all_outputs(rng):
    net = Sequential([layers.Dense(4, activation="tanh", input_dim=3), layers.Dense(2)], seed=0)
    x = torch.tensor(rng.normal(size=(50, 3)), dtype=torch.float32)
    first = torch.tanh(x @ net.layers[0].kernel + net.layers[0].bias).detach().numpy()
    found = seen(net, x)
    assert list(found) == ["dense", "dense_1"]
    np.testing.assert_allclose(
        [found["dense"]["mean"], found["dense"]["spread"]], [first.mean(), first.std()], rtol=1e-5
    )
    assert np.isfinite(found["dense"]["saturated"])
    assert np.isnan(found["dense_1"]["saturated"])


def test_several_calls_of_a_layer_are_one(rng):
    layer = layers.Dense(3)
    x = layers.Input((3,))
    net = Model(x, layer(layer(x)))
    values = torch.tensor(rng.normal(size=(20, 3)), dtype=torch.float32)
    once = layer(values)
    both = torch.cat([once, layer(once)]).detach().numpy()
    np.testing.assert_allclose(seen(net, values)["dense"]["spread"], both.std(), rtol=1e-5)


def test_silent_units_are_those_without_an_output_for_any_row():
    net = Sequential([layers.Dense(4, activation="relu", input_dim=1)])
    net.layers[0].set_weights([np.array([[1.0, -1.0, 1.0, 0.0]]), np.array([0.0, 0.0, -5.0, -1.0])])
    x = torch.tensor([[1.0], [2.0]])
    assert seen(net, x)["dense"]["silent"] == 0.75
    assert seen(net, x, -x)["dense"]["silent"] == 0.5, "the second unit fires in the second call"


def test_a_unit_is_dead_when_it_stays_silent():
    net = Sequential([layers.Dense(2, activation="relu", input_dim=1)])
    net.layers[0].set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    probes, dead = Probes(net), []
    for sign in [*[1.0] * DEAD_LOOKS, -1.0, 1.0]:
        with probes:
            net(torch.full((3, 1), sign))
        dead.append(float(probes.read().values[0, MEASURED.index("dead")]))
    assert dead == [0.0] * (DEAD_LOOKS - 1) + [0.5, 0.0, 0.0]


@pytest.mark.parametrize(("activation", "center"), [("sigmoid", 0.0), ("tanh", 0.0), ("hard_sigmoid", 0.0)])
def test_saturated_units_are_at_a_bound_for_most_rows(activation, center):
    net = Sequential([layers.Dense(4, activation=activation, input_dim=1)])
    net.layers[0].set_weights([np.array([[0.0, 0.0, 0.0, 1000.0]]), np.array([center, 100.0, -100.0, 0.0])])
    x = torch.linspace(-1, 1, 200)[:, None]
    assert seen(net, x)["dense"]["saturated"] == 0.75


def test_units_of_images_are_channels_in_both_layouts(rng):
    last = Sequential([layers.Conv2D(3, 1, activation="relu", input_shape=(4, 4, 1))])
    last.layers[0].set_weights([np.array([1.0, -1.0, -1.0]).reshape(1, 1, 1, 3), np.zeros(3)])
    first = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    with torch.no_grad():
        first[0].weight.copy_(torch.tensor([1.0, -1.0, -1.0]).reshape(3, 1, 1, 1))
        first[0].bias.zero_()
    x = torch.tensor(rng.uniform(0.1, 1, (5, 4, 4, 1)), dtype=torch.float32)
    assert seen(last, x)["conv2d"]["silent"] == pytest.approx(2 / 3)
    assert seen(first, x.permute(0, 3, 1, 2))["1"]["silent"] == pytest.approx(2 / 3)


def test_layers_of_nets_inside_are_probed_and_cells_are_not():
    inner = Sequential([layers.Dense(2, input_dim=4)], name="inner")
    net = Sequential([layers.LSTM(4, input_shape=(3, 2)), layers.Dropout(0.5), inner])
    assert list(probed_layers(net)) == ["lstm", "dropout", "inner.dense"]
    assert list(probed_layers(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Tanh())))) == ["0", "1.0"]


def test_layers_without_numbers_are_left_out():
    net = Sequential([layers.Embedding(5, 2, input_shape=(3,)), layers.Flatten()])
    found = seen(net, torch.tensor([[1, 2, 3]]))
    assert found["embedding"]["mean"] == pytest.approx(float(net(torch.tensor([[1, 2, 3]])).mean().detach()), abs=1e-6)
    assert Probes(nn.Identity()).read().names == []


def test_nothing_stays_at_a_net_after_a_look():
    net = Sequential([layers.Dense(2, input_dim=1)])
    seen(net, torch.ones(2, 1))
    assert not any(module._forward_hooks for module in net.modules())
