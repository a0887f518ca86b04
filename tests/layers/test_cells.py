"""Cells, and `RNN` with cells of all kinds, against Keras."""

import json

import numpy as np
import pytest
import torch
from keras_peers import assert_same, filled

import handson
from handson import layers
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import RNN, Dropout, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from handson.randomness.stream import Stream, active

CELLS = ["SimpleRNNCell", "LSTMCell", "GRUCell"]
every_cell = pytest.mark.parametrize("kind", CELLS)
MASK = np.array([[True, True, False, False], [False, True, False, True], [False] * 4])


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Leaky(handson.layers.Layer):
    """A cell of one's own, as programs for Keras write it."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )

    def call(self, inputs, states):
        previous = states[0]
        output = 0.5 * previous + handson.ops.matmul(inputs, self.kernel)
        output = output + handson.ops.matmul(previous, self.recurrent_kernel)
        return output, [output]


def leaky_of_keras(keras, units):
    class Leaky(keras.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent_kernel = self.add_weight(
                shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
            )

        def call(self, inputs, states):
            previous = states[0]
            output = 0.5 * previous + keras.ops.matmul(inputs, self.kernel)
            output = output + keras.ops.matmul(previous, self.recurrent_kernel)
            return output, [output]

    return Leaky(units)


class Plain:
    """A cell that is no layer: two states of other sizes, an output of another one, a start of its own."""

    state_size = (3, 2)
    output_size = 5

    def __init__(self, of):
        self.of = of

    def call(self, inputs, states):
        first, second = states
        total = self.of.sum(inputs, axis=-1, keepdims=True)
        return self.of.concatenate([first, second + total], axis=-1), [first * 0.5 + total, second - total]

    def get_initial_state(self, batch_size=None):
        return [self.of.ones((batch_size, 3)), self.of.zeros((batch_size, 2))]


@every_cell
@pytest.mark.parametrize("reset_after", [True, False])
def test_one_step_is_that_of_keras(keras, kind, reset_after):
    if kind != "GRUCell" and not reset_after:
        pytest.skip("only a GRU has two formulas")
    arguments = {"reset_after": reset_after} if kind == "GRUCell" else {}
    ours, theirs = getattr(layers, kind)(3, **arguments), getattr(keras.layers, kind)(3, **arguments)
    ours.ensure_built((None, 2))
    theirs.build((None, 2))
    filled(ours, theirs)
    count = 2 if kind == "LSTMCell" else 1
    states = [torch.tensor(numbers((4, 3), seed)) for seed in range(count)]
    x = torch.tensor(numbers((4, 2), 9))
    assert_same(ours, theirs, x, states=states)
    assert ours.state_size == theirs.state_size
    assert ours.output_size == theirs.output_size
    zeros = ours.get_initial_state(4)
    assert [tuple(state.shape) for state in zeros] == [(4, 3)] * count
    assert not any(bool(state.any()) for state in zeros)


@pytest.mark.parametrize("kind", ["SimpleRNNCell", "GRUCell"])
def test_a_state_that_stands_alone_stays_alone(kind):
    cell = getattr(layers, kind)(3)
    output, state = cell(numbers((4, 2)), numbers((4, 3)))
    assert torch.equal(output, state)


@every_cell
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_a_layer_with_a_cell_is_that_of_keras_and_the_layer_of_that_kind(keras, kind, masked, sequences):
    flags = {"return_sequences": sequences, "return_state": True}
    ours, theirs = RNN(getattr(layers, kind)(3), **flags), keras.layers.RNN(getattr(keras.layers, kind)(3), **flags)
    ours.ensure_built((None, 4, 2))
    theirs.build((None, 4, 2))
    filled(ours, theirs)
    x, call = torch.tensor(numbers((3, 4, 2))), {"mask": MASK} if masked else {}
    assert_same(ours, theirs, x, **call)
    layer = getattr(layers, kind.removesuffix("Cell"))(3, **flags)
    layer.ensure_built((None, 4, 2))
    layer.set_weights(ours.get_weights())
    for one, two in zip(ours(x, **call), layer(x, **call), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def stack(kind):
    names = kind.layers
    return [names.GRUCell(3), names.LSTMCell(4), names.SimpleRNNCell(2)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_stacked_cells_are_those_of_keras(keras, masked, backwards):
    flags = {"return_state": True, "return_sequences": True, "go_backwards": backwards}
    ours, theirs = RNN(stack(handson), **flags), keras.layers.RNN(stack(keras), **flags)
    ours.ensure_built((None, 4, 2))
    theirs.build((None, 4, 2))
    filled(ours, theirs)
    call = {"mask": MASK} if masked else {}
    assert_same(ours, theirs, torch.tensor(numbers((3, 4, 2))), masks=not backwards, **call)
    assert ours.cell.state_size == theirs.cell.state_size
    assert ours.cell.output_size == theirs.cell.output_size == 2


def test_stacked_cells_take_initial_states_and_keep_them():
    layer = RNN(stack(handson), return_state=True, stateful=True)
    x = numbers((3, 4, 2))
    _, *states = layer(x)
    again = RNN(stack(handson), return_state=True)
    again(x)
    again.set_weights(layer.get_weights())
    torch.testing.assert_close(layer(x)[0], again(x, initial_state=states)[0])
    layer.reset_state()
    torch.testing.assert_close(layer(x)[0], again(x)[0])


@pytest.mark.parametrize("masked", [False, True])
def test_a_cell_of_ones_own_is_that_of_keras(keras, masked):
    ours, theirs = (
        RNN(Leaky(3), return_sequences=True),
        keras.layers.RNN(leaky_of_keras(keras, 3), return_sequences=True),
    )
    ours.ensure_built((None, 4, 2))
    theirs.build((None, 4, 2))
    filled(ours, theirs)
    assert_same(ours, theirs, torch.tensor(numbers((3, 4, 2))), **({"mask": MASK} if masked else {}))


def test_a_cell_that_is_no_layer_has_states_and_outputs_of_its_own_sizes(keras):
    class Called(Plain):  # which Keras wants
        compute_dtype = "float32"
        __call__ = Plain.call

    ours, theirs = RNN(Plain(handson.ops), return_state=True), keras.layers.RNN(Called(keras.ops), return_state=True)
    x = torch.tensor(numbers((3, 4, 2)))
    assert_same(ours, theirs, x)
    assert [*ours.compute_output_shape((None, 4, 2))] == [*theirs.compute_output_shape((None, 4, 2))]


def test_a_cell_sees_whether_it_trains():
    class Seeing:
        state_size = 2

        def call(self, inputs, states, training=None):
            seen.append(training)
            return states[0], states

    seen = []
    layer = RNN(Seeing())
    layer.train()(numbers((1, 1, 2)))
    layer(numbers((1, 1, 2)), training=False)
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (3, r"RNN takes a cell, such as LSTMCell\(4\), with call\(inputs, states\); got 3"),
        (LSTMCell, "RNN takes a cell"),
        (layers.Dense(3), "the cell Dense needs the attribute state_size"),
        ([], r"StackedRNNCells takes a list of cells; got \[\]"),
    ],
)
def test_what_is_no_cell_is_an_error(cell, message):
    with pytest.raises(HandsonError, match=message):
        RNN(cell)


def test_a_layer_with_cells_comes_back_from_its_configuration():
    layer = RNN([GRUCell(3, reset_after=False), LSTMCell(4, unit_forget_bias=False)], return_sequences=True)
    x = numbers((3, 4, 2))
    expected = layer(x)
    again = registry.from_config("layer", json.loads(json.dumps(registry.to_config("layer", layer))))
    again.ensure_built((None, 4, 2))
    again.set_weights(layer.get_weights())
    assert torch.equal(again(x), expected)


def dropped(layer, x, rows):
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.as_tensor(rows)
        return layer.train()(x)


@every_cell
@pytest.mark.parametrize("arguments", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_dropout_in_a_cell_is_that_of_the_layer_and_belongs_to_the_sample(kind, arguments):
    layer = RNN(getattr(layers, kind)(40, **arguments))
    x = torch.tensor(numbers((3, 4, 5)))
    layer(x)
    both = dropped(layer, x, [10, 11, 12])
    assert not torch.allclose(both, layer.eval()(x))
    torch.testing.assert_close(dropped(layer, x[1:2], [11])[0], both[1])


@every_cell
def test_without_a_run_too_the_same_values_are_dropped_at_every_step(kind):
    cell = getattr(layers, kind)(4, dropout=0.5)
    seen, project = [], cell.project
    cell.project = lambda x: seen.append(x) or project(x)
    layer = RNN(cell)
    for _ in range(2):
        layer.train()(torch.ones(2, 6, 50))
    first, second = (torch.stack(seen[start : start + 6]) for start in (0, 6))
    assert torch.equal(first.amin(0), first.amax(0))
    assert not torch.equal(first[0], second[0])


def test_a_dropout_layer_in_a_cell_drops_the_same_at_every_step_of_a_sample():
    class Dropping(handson.layers.Layer):
        state_size = 50

        def __init__(self):
            super().__init__()
            self.drop = Dropout(0.5)

        def call(self, inputs, states):
            output = self.drop(inputs)
            return output, [output]

    found = dropped(RNN(Dropping(), return_sequences=True), torch.ones(2, 3, 50), [0, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    assert not torch.equal(found[0], found[1])


def test_a_net_with_a_cell_of_ones_own_trains():
    net = handson.Sequential([layers.Input((4, 2)), RNN([Leaky(3), SimpleRNNCell(2)]), layers.Dense(1)], seed=0)
    net.compile("adam", "mse")
    before = net.get_weights()
    net.fit(numbers((16, 4, 2)), numbers((16, 1)), epochs=1, batch_size=8, verbose=0)
    assert not any(np.array_equal(one, two) for one, two in zip(before, net.get_weights(), strict=True))


def test_a_stack_in_a_stack_is_a_cell():
    layer = RNN(StackedRNNCells([StackedRNNCells([GRUCell(2), GRUCell(3)]), LSTMCell(4)]))
    assert layer(numbers((2, 3, 1))).shape == (2, 4)
