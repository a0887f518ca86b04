"""ConvLSTM over signals, images and volumes against Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_peers import assert_same, filled

from handson import layers
from handson.core.errors import HandsonError
from handson.randomness.stream import Stream, active


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@st.composite
def cases(draw):
    axes = draw(st.integers(1, 3))
    most = {1: 7, 2: 5, 3: 4}[axes]
    sides = tuple(draw(st.integers(3, most)) for _ in range(axes))
    flags = ("return_sequences", "return_state", "go_backwards", "use_bias", "unit_forget_bias")
    arguments = {"filters": draw(st.integers(1, 3))} | {flag: draw(st.booleans()) for flag in flags}
    arguments["kernel_size"] = tuple(draw(st.integers(1, 2)) for _ in range(axes))
    arguments["padding"] = draw(st.sampled_from(["valid", "same"]))
    stretch = draw(st.sampled_from(["strides", "dilation_rate"]))
    arguments[stretch] = draw(st.integers(1, 2))
    if arguments["padding"] == "valid" and stretch == "strides":
        arguments["kernel_size"] = 1  # else the states and the inputs have other sides where they do not divide
    arguments["data_format"] = draw(st.sampled_from(["channels_last", "channels_first"]))
    channels = draw(st.integers(1, 2))
    shape = (*sides, channels) if arguments["data_format"] == "channels_last" else (channels, *sides)
    return axes, (2, draw(st.integers(1, 3)), *shape), arguments, draw(st.booleans())


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_outputs_states_and_gradients_are_those_of_keras(keras, case):
    axes, shape, arguments, masked = case
    ours = getattr(layers, f"ConvLSTM{axes}D")(**arguments)
    theirs = getattr(keras.layers, f"ConvLSTM{axes}D")(**arguments)
    ours.ensure_built((None, *shape[1:]))
    theirs.build(shape)
    filled(ours, theirs)
    call = {"mask": np.random.default_rng(1).random(shape[:2]) < 0.6} if masked else {}
    assert_same(ours, theirs, torch.tensor(numbers(shape)), masks=not arguments["go_backwards"], **call)
    declared, expected = ours.compute_output_shape(shape), theirs.compute_output_shape(shape)
    assert [*declared] == [*expected]


def test_initial_states_are_those_of_keras_and_states_go_on(keras):
    arguments = {"filters": 2, "kernel_size": 3, "padding": "same", "return_state": True}
    ours, theirs = layers.ConvLSTM2D(**arguments), keras.layers.ConvLSTM2D(**arguments)
    x = torch.tensor(numbers((2, 3, 4, 4, 1)))
    ours.ensure_built((None, *x.shape[1:]))
    theirs.build(tuple(x.shape))
    filled(ours, theirs)
    states = [numbers((2, 4, 4, 2), seed) for seed in (1, 2)]
    assert_same(ours, theirs, x, initial_state=states)
    going_on = layers.ConvLSTM2D(2, 3, padding="same", stateful=True)
    going_on.ensure_built((None, *x.shape[1:]))
    going_on.set_weights(ours.get_weights())
    first = going_on(x)
    torch.testing.assert_close(going_on(x), ours(x, initial_state=ours(x)[1:])[0])
    going_on.reset_state()
    assert torch.equal(going_on(x), first)


def test_sides_may_vary_from_batch_to_batch():
    layer = layers.ConvLSTM2D(2, 3, return_sequences=True)
    symbol = layer(layers.Input((None, None, None, 1)))
    assert symbol.shape == (None, None, None, None, 2)
    assert [tuple(layer(torch.zeros(1, 2, side, 5, 1)).shape[2:4]) for side in (3, 7)] == [(1, 3), (5, 3)]


@pytest.mark.parametrize("share", ["dropout", "recurrent_dropout"])
def test_dropout_belongs_to_the_sample_and_is_the_same_at_every_step(share):
    layer = layers.ConvLSTM1D(3, 2, padding="same", **{share: 0.5})
    x = torch.tensor(numbers((3, 4, 20, 2)))

    def trained(x, rows):
        with active(Stream(0, 0)) as stream:
            stream.rows = torch.tensor(rows)
            return layer.train()(x)

    both = trained(x, [10, 11, 12])
    assert not torch.allclose(both, layer.eval()(x))
    torch.testing.assert_close(trained(x[1:2], [11])[0], both[1])


def test_the_forget_gate_starts_open():
    layer = layers.ConvLSTM1D(2, 3)
    layer.ensure_built((None, 3, 5, 1))
    assert layer.bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "causal"}, "padding is 'valid' or 'same'; got 'causal'"),
        ({"data_format": "last"}, "data_format is 'channels_last' or 'channels_first'; got 'last'"),
        ({"strides": 2, "dilation_rate": 2}, "strides or dilation_rate may be larger than 1, not both"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size is one whole number or 2 of them; got \(3, 3, 3\)"),
        ({"filters": 0}, "filters must be a positive whole number; got 0"),
    ],
)
def test_arguments_out_of_range_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=f"ConvLSTM2D: {message}"):
        layers.ConvLSTM2D(**{"filters": 2, "kernel_size": 3} | arguments)


def test_inputs_of_another_shape_are_errors():
    with pytest.raises(HandsonError, match=r"takes inputs of shape \(batch, steps, 2 sides and channels\)"):
        layers.ConvLSTM2D(2, 3)(torch.zeros(2, 3, 4, 1))
    with pytest.raises(HandsonError, match="a kernel that reaches over 5 does not fit into a side of 4"):
        layers.ConvLSTM2D(2, 5)(torch.zeros(2, 3, 4, 4, 1))
