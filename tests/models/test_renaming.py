"""Another name of a layer holds at once in every net that the layer is in, and in what belongs to the name."""

import copy
import pickle

import numpy as np
import pytest

import handson
from handson import Input, Model, Sequential
from handson.core.errors import HandsonError
from handson.layers import Dense, Dropout
from handson.optimizers import Adam

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def stack():
    return Sequential([Dense(8, input_dim=4), Dropout(0.1), Dense(1)], seed=0)


def graph():
    x = Input((4,), name="x")
    return Model(x, Dense(1)(Dense(8)(x)), seed=0)


def nested():
    return Sequential([Sequential([Dense(8, input_dim=4)]), Dense(1)], seed=0)


def first(net):
    return next(part for part in net.modules() if isinstance(part, Dense))


@pytest.mark.parametrize("attribute", ["name", "_name"])
@pytest.mark.parametrize("make", [stack, graph, nested])
def test_a_new_name_is_the_name_everywhere(make, attribute, tmp_path, capsys):
    net = make()
    net.compile("adam", "mse")
    net.fit(X, Y, verbose=0)
    before, momentum = net.get_weights(), [slot.clone() for slot in net.optimizer.slots["momentum"].values()]
    setattr(first(net), attribute, "body")
    holder = net.layers[0] if make is nested else net
    assert holder.get_layer("body") is first(net)
    assert any(name.endswith("body.kernel") for name, _ in net.named_parameters())
    assert first(net).kernel.path.endswith("body/kernel")
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), before, strict=True))
    for slot, old in zip(net.optimizer.slots["momentum"].items(), momentum, strict=True):
        assert slot[0] in dict(net.named_parameters())
        assert (slot[1] == old).all()
    net.summary()
    assert "body" in capsys.readouterr().out
    net.save(tmp_path / "a.handson")
    loaded = handson.load(tmp_path / "a.handson")
    assert first(loaded).name == "body"
    assert net.fit(X, Y, verbose=0).history == loaded.fit(X, Y, verbose=0).history


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_names_of_its_own(again):
    net = stack()
    other = again(net)
    other.layers[0].name = "body"
    assert [layer.name for layer in net.layers] == ["dense", "dropout", "dense_1"]
    assert list(other._modules) == ["body", "dropout", "dense_1"]


def test_a_name_that_was_assigned_before_there_was_a_net_stays():
    layer = Dense(1, input_dim=4)
    layer.name = "mine"
    assert list(Sequential([layer])._modules) == ["mine"]


def test_a_layer_of_two_nets_is_renamed_in_both():
    one = stack()
    other = Sequential([Dense(4, input_dim=4), *one.layers[:1], Dense(1)])
    assert list(other._modules) == ["dense", "dense_1", "dense_2"]
    one.layers[0].name = "body"
    assert next(iter(one._modules)) == list(other._modules)[1] == "body"


def test_an_input_is_renamed_with_what_finds_data_by_its_name():
    net = graph()
    net.layers[0].name = "stars"
    assert net.input_names == ["stars"]
    assert net.predict({"stars": X}).shape == (24, 1)


def test_losses_and_rates_by_name_follow_the_new_one():
    net = graph()
    net.layers[-1].name = "age"
    net.compile(Adam(rate_multipliers={"age": 0.5}), {"age": "mse"})
    net.fit(X, {"age": Y}, verbose=0)
    assert net.output_names == ["age"]


@pytest.mark.parametrize(
    ("name", "said"), [("dense_1", "taken by another layer"), ("a\n", "printable"), (3, "printable")]
)
def test_a_name_that_cannot_be_is_refused_and_changes_nothing(name, said):
    net = stack()
    with pytest.raises(HandsonError, match=said):
        net.layers[0].name = name
    assert next(iter(net._modules)) == net.layers[0].name == "dense"
