"""A net as a list of steps: there and back gives the same net, and what is wrong is said by the name of the step."""

import numpy as np
import pytest

from handson import HandsonError, Model, Sequential, ops
from handson.layers import LSTM, Add, Concatenate, Dense, Dropout, Input, MultiHeadAttention, Reshape
from handson.models import steps

X = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")


def branches():
    x = Input((4,), name="x")
    return Model(x, Add()([x, Dense(4, "tanh")(x)])), X


def siamese():
    one, other = Input((4,)), Input((4,))
    tower = Sequential([Dense(3, "relu"), Dense(2)], name="tower")
    return Model([one, other], ops.abs(tower(one) - tower(other))), [X, X[::-1].copy()]


def several_outputs():
    x = Input((4,))
    output, hidden, cell = LSTM(3, return_state=True)(Reshape((4, 1))(x))
    return Model(x, {"all": Concatenate()([output, hidden]), "cell": Dense(1, name="last")(cell)}), X


def arguments():
    x = Input((4, 1))
    looked = MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    return Model(x, ops.mean(looked[:, 1:], axis=(1, 2)) * 2.0 + np.float32(1)), X[..., None]


def out_of_order():
    last, first = Dense(1), Dense(3)  # automatic names are numbered in the order in which layers are made
    x = Input((4,))
    return Model(x, last(Dropout(0.1)(first(x)))), X


def stack():
    return Sequential([Dense(3, "relu", input_dim=4), Dense(1)]), X


def nested():
    x = Input((4,))
    inner = Model(x, Add()([x, Dense(4)(x)]), name="inner")
    y = Input((4,))
    return Model(y, Dense(1)(inner(y))), X


NETS = [branches, siamese, several_outputs, arguments, out_of_order, stack, nested]


@pytest.mark.parametrize("make", NETS)
def test_there_and_back_it_is_the_same_net(make):
    net, x = make()
    entries = steps.steps_of(net)
    again = steps.build(entries)
    again.ready_for(net.input_shape)
    weights, others = dict(net.named_parameters()), dict(again.named_parameters())
    assert weights.keys() == others.keys()
    again.load_state_dict(net.state_dict())
    for a, b in zip(_leaves(net.predict(x)), _leaves(again.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert steps.steps_of(again) == entries


def _leaves(value):
    return list(value.values()) if isinstance(value, dict) else [value]


INPUT = {"InputLayer": {"shape": [3]}}


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ([INPUT, {"Dense": {"units": 1}, "inputs": "inptu_layer"}],
         r"dense: no step before it is called 'inptu_layer'\. Did you mean 'input_layer'\?"),
        ([{"Dense": {"units": 1}, "inputs": "a"}], "begins with its inputs"),
        ([{"op": "add"}], "begins with its inputs"),
        ([INPUT, {"Dense": {"units": 1}, "op": "add"}], "a step is one layer, or 'call', or 'op'.*; got Dense, op"),
        ([INPUT, {"inputs": "input_layer"}], "a step is one layer, .*; got inputs"),
        ([INPUT, {"call": "dense"}], "call: no step before it is called 'dense'"),
        ([INPUT, "Flatten", {"outputs": "flat"}], r"outputs: no step before it is called 'flat'\. Did you mean 'flat"),
        ([INPUT, {"outputs": "input_layer"}, "Flatten"], "'outputs' is the last entry"),
        ([INPUT, {"Dense": {"units": 1, "name": "a"}}, {"Dense": {"units": 1, "name": "a"}, "inputs": "a"}],
         "two steps of the net are called 'a'"),
        ([INPUT, {"Dense": {"units": 1}, "inputs": "input_layer.1"}], "the step 'input_layer.1' has no such output"),
        ([INPUT, {"op": "reshape"}], "the step 'reshape': reshape needs the argument 'newshape'"),
        ([INPUT, {"op": "relu", "args": [{"symbol": "input_layer"}], "kwargs": {"foo": 1}}],
         "the step 'relu': relu has no argument 'foo'"),
        ([INPUT, {"op": "add", "kwargs": [1]}], r"kwargs of a step is a mapping; got \[1\]"),
        ([INPUT, {"call": [1]}], r"call of a step is a name; got \[1\]"),
        ([INPUT, {"Add": {}, "inputs": {"a": "input_layer"}}], "inputs of a step is a name or a list"),
        ([INPUT, {"op": "add", "args": "ab"}], "args of a step is a list; got 'ab'"),
        ([INPUT, {"op": "sbutract", "inputs": "input_layer"}], "unknown op 'sbutract'.*Did you mean 'subtract'"),
    ],
)  # fmt: skip
def test_a_wrong_step_is_named(entries, match):
    with pytest.raises(HandsonError, match=match):
        steps.build(entries)


def test_a_net_that_is_code_is_refused():
    class Own(Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(HandsonError, match="Own 'own' is code, which no list of steps describes"):
        steps.steps_of(Own())
