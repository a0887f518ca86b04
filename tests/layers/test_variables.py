"""Weights and states: how they are made, named, assigned to, and what a net does with them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import ops
from handson.core.errors import HandsonError, NotBuiltError
from handson.graph.variable import State, Weight
from handson.layers import Dense, Input, Layer

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


class Seen(Layer):
    """Counts its calls and adds up what it sees, as programs of Keras do; weights without names."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.total = self.add_weight(shape=(size,), initializer="zeros", trainable=False)
        self.calls = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="random_normal")
        self.built = True

    def call(self, inputs):
        self.total.assign_add(ops.sum(inputs, axis=0))
        self.calls.assign_add(1)
        return inputs * self.scale


def net_of(*layers, seed=0):
    net = handson.Sequential([Input((3,)), *layers, Dense(1)], seed=seed)
    net.compile("sgd", "mse")
    return net


# Assigning.


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, kind=st.sampled_from(["float32", "float64", "int32", "float16"]), seed=st.integers(0, 99))
def test_assigning_is_that_of_keras(keras, shape, kind, seed):
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(-5, 5, shape) for _ in range(2))
    theirs = keras.Variable(np.zeros(shape), dtype=kind, trainable=False)
    ours = Layer().add_weight(shape, "zeros", dtype=kind, trainable=False)
    for method, value in (("assign", first), ("assign_add", second), ("assign_sub", 2), ("assign_add", 1)):
        expected = getattr(theirs, method)(value)
        got = getattr(ours, method)(value)
        np.testing.assert_array_equal(got.numpy(), expected.detach().numpy())
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert str(ours.dtype) == f"torch.{theirs.dtype}"


@pytest.mark.parametrize("value", [1, [1.0, 2.0], np.zeros((3, 1)), torch.zeros(1, 3)])
def test_another_shape_is_an_error_that_names_both(value):
    state = Layer().add_weight((3,), "ones", name="seen", trainable=False)
    with pytest.raises(HandsonError, match=r"the variable 'seen' has shape \(3,\); it cannot take values of shape"):
        state.assign(value)
    assert state.numpy().tolist() == [1.0, 1.0, 1.0]


def test_assigning_to_a_symbol_is_an_error():
    with pytest.raises(HandsonError, match="where there are values; got <Symbol"):
        Layer().add_weight((3,), "ones", trainable=False).assign(Input((3,)))


def test_a_number_taken_out_does_not_follow_the_variable():
    weight = Layer().add_weight((2,), "ones")
    before = weight.numpy()
    weight.assign([5, 6])
    assert before.tolist() == [1.0, 1.0]
    assert weight.value is weight
    assert np.asarray(weight).tolist() == [5.0, 6.0]


def test_what_is_computed_from_a_variable_is_a_plain_tensor():
    layer = Layer()
    for variable in (layer.add_weight((2,), "ones"), layer.add_weight((2,), "ones", trainable=False)):
        assert {type(found) for found in (variable + 1, variable.detach(), variable.clone(), variable[0])} == {
            torch.Tensor
        }


def test_a_weight_is_trained_and_a_state_is_not():
    layer = Layer()
    weight, state = layer.add_weight((2,), "ones"), layer.add_weight((2,), "ones", trainable=False)
    assert (type(weight), type(state)) == (Weight, State)
    assert (weight.trainable, state.trainable) == (True, False)
    assert isinstance(weight, torch.nn.Parameter)
    assert not isinstance(state, torch.nn.Parameter)
    assert [id(one) for one in layer.trainable_variables] == [id(weight)]
    assert [id(one) for one in layer.non_trainable_variables] == [id(state)]
    assert [id(one) for one in layer.variables] == [id(weight), id(state)]


def test_integers_are_states():
    assert type(Layer().add_weight((2,), dtype="int64")) is State


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_are_variables_that_go_their_own_ways(again):
    layer = Seen(3)
    layer(torch.ones(2, 3))
    copied = again(layer)
    copied(torch.ones(2, 3))
    assert (layer.calls.item(), copied.calls.item()) == (1, 2)
    assert copied.total.numpy().tolist() == [4.0] * 3
    assert [(type(one), one.name) for one in copied.weights] == [(type(one), one.name) for one in layer.weights]


@pytest.mark.parametrize("move", [lambda layer: layer.double(), lambda layer: layer.to("cpu", torch.float64)])
def test_a_state_stays_the_same_object_when_its_layer_moves(move):
    layer = Seen(3)
    layer(torch.ones(2, 3))
    held = layer.total
    move(layer)
    assert layer.total is held
    assert held.dtype == torch.float64
    layer(torch.ones(2, 3))
    assert layer.total.numpy().tolist() == [4.0] * 3


# Making.


def test_a_weight_without_a_name_has_that_of_its_attribute():
    layer = Seen(3)
    layer.build((None, 3))
    assert [weight.name for weight in layer.weights] == ["scale", "total", "calls"]
    assert set(layer.state_dict()) == {"scale", "total", "calls"}


def test_weights_of_one_name_are_two_weights():
    class Twice(Layer):
        def build(self, input_shape):
            self.first = self.add_weight((2,), "random_normal", name="weight")
            self.second = self.add_weight((2,), "random_normal", name="weight")
            self.rest = [self.add_weight((1,)) for _ in range(2)]

        def call(self, inputs):
            return inputs + self.first.sum() + self.second.sum() + self.rest[0] + self.rest[1]

    layer = Twice()
    y = layer(torch.zeros(1, 1))
    assert layer.count_params() == 6
    assert len(layer.state_dict()) == 6 - 2
    assert not torch.equal(layer.first, layer.second)
    expected = sum(weight.sum() for weight in layer.weights)
    assert y.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["a/b", "call", "2nd", "built"])
def test_any_name_will_do(name):
    layer = Layer()
    weight = layer.add_weight((2,), "ones", name=name)
    assert weight.name == name
    assert [id(one) for one in layer.weights] == [id(weight)]
    assert len(layer.state_dict()) == 1


def test_a_weight_takes_the_place_of_an_attribute_that_was_none():
    class Later(Layer):
        def __init__(self):
            super().__init__()
            self.bias = self.state = None

        def build(self, input_shape):
            self.bias = self.add_weight((1,), "ones", name="bias")
            self.state = self.add_weight((1,), "ones", name="state", trainable=False)

        def call(self, inputs):
            return inputs + self.bias + self.state

    layer = Later()
    assert layer(torch.zeros(1, 1)).item() == 2.0
    assert len(layer.weights) == 2


def test_another_attribute_of_a_weight_is_the_same_weight():
    class Other(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((1,), "ones", name="kernel")
            self.seen = self.add_weight((1,), "ones", name="moving", trainable=False)

    layer = Other()
    layer.build((None, 1))
    layer.double()
    assert set(layer.state_dict()) == {"kernel", "moving"}
    assert layer.w is layer.kernel
    assert layer.seen is layer.moving
    assert layer.seen.dtype == torch.float64


def test_arguments_may_stand_in_the_order_of_keras():
    layer = Layer()
    assert layer.add_weight((2,), "ones", "float64").dtype == torch.float64
    assert layer.add_variable((2,), "ones", "float64").dtype == torch.float64
    assert layer.add_weight().shape == ()


@pytest.mark.parametrize("shape", ["kernel", 3, (None, 3), (2.5,)])
def test_what_is_no_shape_is_an_error(shape):
    with pytest.raises(HandsonError, match="layer 'layer': add_weight takes a shape, a tuple of whole numbers, first"):
        Layer().add_weight(shape)


@pytest.mark.parametrize("wrong", [{"overwrite_with_gradient": True}, {"aggregation": "most"}])
def test_what_there_is_not_is_refused(wrong):
    with pytest.raises(HandsonError, match="add_weight: aggregation is one of"):
        Layer().add_weight((1,), **wrong)


def test_constants_of_float64_are_exact():
    weight = Layer().add_weight((1,), handson.initializers.Constant(0.1), dtype="float64")
    assert weight.item() == 0.1


# Drawing.


def test_weights_made_in_init_are_drawn_from_the_seed_of_the_net():
    class Early(Layer):
        def __init__(self):
            super().__init__()
            self.factor = self.add_weight((3,), "random_normal")

        def call(self, inputs):
            return inputs * self.factor

    one, same, other = (net_of(Early(), seed=seed).get_weights()[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_weights_made_in_init_that_were_set_stay():
    layer = Seen(3)
    layer.total.assign([1, 2, 3])
    assert net_of(layer).layers[0].total.numpy().tolist() == [1.0, 2.0, 3.0]


class Block(Layer):
    """Makes and builds its parts in `build`, as layers of Keras do."""

    def build(self, input_shape):
        self.first, self.others = Dense(4), [Dense(3)]
        self.first.build(input_shape)
        self.others[0].build((None, 4))
        super().build(input_shape)
        self.built = True

    def call(self, inputs):
        return self.others[0](self.first(inputs))


def test_parts_that_are_built_by_hand_follow_the_seed():
    one, same, other = (net_of(Block(), seed=seed).get_weights() for seed in (1, 1, 2))
    assert len(one) == 6
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    layers = [Block() for _ in range(2)]
    for layer in layers:
        layer.ensure_built((None, 3), key=7)
    assert all(np.array_equal(a, b) for a, b in zip(*(layer.get_weights() for layer in layers), strict=True))


def test_build_makes_weights_once():
    layer = Dense(2)
    layer.build((None, 3))
    before = layer.get_weights()
    layer.build((7, 3))
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before, strict=True))
    with pytest.raises(HandsonError, match=r"was built for inputs of shape \(None, 3\) and cannot take \(None, 4\)"):
        layer.build((None, 4))
    with pytest.raises(HandsonError, match="its weights stay"):
        layer.built = False


def test_a_net_of_ones_own_may_define_build():
    class Own(handson.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = Dense(2)
            self.scale = self.add_weight((1,), "ones")

        def build(self, input_shape):
            self.dense.build(input_shape)
            super().build(input_shape)

        def call(self, inputs):
            return self.dense(inputs) * self.scale

    net = Own(seed=1)
    net.build((None, 3))
    assert net.count_params() == 9
    assert np.array_equal(net.predict(np.ones((1, 3))), net(np.ones((1, 3))).detach().numpy())


def test_the_shape_that_a_layer_was_built_for_builds_another():
    layer, other = Dense(2), Dense(2)
    assert layer.get_build_config() is None
    other.build_from_config(None)
    assert not other.built
    layer.build((None, 3))
    other.build_from_config(layer.get_build_config())
    assert [weight.shape for weight in other.weights] == [weight.shape for weight in layer.weights]


def test_weights_are_set_from_tensors_too():
    layer, other = Dense(2), Dense(2)
    layer.build((None, 3))
    other.build((None, 3))
    other.set_weights(layer.weights)
    assert np.array_equal(other.get_weights()[0], layer.get_weights()[0])


def test_an_unbuilt_layer_has_no_number_of_values():
    with pytest.raises(NotBuiltError):
        Seen(3).count_params()


# In nets.


def test_a_state_that_is_assigned_to_in_call_counts_the_steps_of_a_training():
    layer = Seen(3)
    net = net_of(layer)
    x = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
    net.fit(x, x[:, 0], batch_size=5, epochs=3, verbose=0)
    assert layer.calls.numpy() == 6
    np.testing.assert_allclose(layer.total.numpy(), 3 * x.sum(0), rtol=1e-4, atol=1e-4)
    net.predict(x, batch_size=2)
    assert layer.calls.numpy() == 11


def test_a_net_with_states_trains_as_that_of_keras(keras):
    def seen(base, sums):
        class Normed(base.Layer):
            def build(self, input_shape):
                self.mean = self.add_weight(shape=(3,), initializer="zeros", trainable=False, name="mean")
                self.gain = self.add_weight(shape=(3,), initializer="ones", name="gain")

            def call(self, inputs):
                self.mean.assign(0.9 * self.mean + 0.1 * sums.mean(inputs, axis=0))
                return (inputs - sums.mean(inputs, axis=0)) * self.gain

            def compute_output_shape(self, input_shape):
                return input_shape

        return Normed()

    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    y = x[:, :1] * 2
    ours, theirs = (
        net_of(seen(handson.layers, ops)),
        keras.Sequential([seen(keras.layers, keras.ops), keras.layers.Dense(1)]),
    )
    theirs.build((None, 3))
    theirs.compile(keras.optimizers.SGD(0.01), "mse")
    theirs.layers[0].mean.assign(np.zeros(3))
    for mine, other in zip(theirs.weights, ours.get_weights(), strict=True):
        mine.assign(other)
    ours.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    theirs.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for mine, other in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-4, atol=1e-5)


def test_shapes_are_worked_out_without_a_change_of_states():
    layer = Seen(3)
    x = Input((3,))
    handson.Model(x, layer(layer(x)))
    assert layer.calls.numpy() == 0
    assert layer.total.numpy().tolist() == [0.0] * 3
