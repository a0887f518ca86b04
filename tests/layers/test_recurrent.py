"""Recurrent layers: fused kernels against the loop, and both against Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.layers import GRU, LSTM
from handson.randomness.stream import Stream, active

both = pytest.mark.parametrize("kind", [LSTM, GRU])
FLAGS = st.fixed_dictionaries(
    {},
    optional={"use_bias": st.booleans(), "return_sequences": st.booleans(), "go_backwards": st.booleans()},
)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def filled(layer, shape):
    rng = np.random.default_rng(1)
    layer.ensure_built((None, *shape))
    layer.set_weights([rng.normal(size=weight.shape).astype("float32") for weight in layer.get_weights()])
    return layer


def step_of_training(layer, x, rows=None, seed=0):
    with active(Stream(seed, 0)) as stream:
        stream.rows = torch.arange(len(x)) if rows is None else torch.as_tensor(rows)
        return layer.train()(x)


@both
@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 4),
    steps=st.integers(1, 6),
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    flags=FLAGS,
    functions=st.sampled_from([("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "sigmoid")]),
    reset_after=st.booleans(),
)
def test_outputs_are_those_of_keras(keras, kind, rows, steps, features, units, flags, functions, reset_after):
    arguments = {"units": units, "activation": functions[0], "recurrent_activation": functions[1], **flags}
    if kind is GRU:
        arguments["reset_after"] = reset_after
    ours, theirs = filled(kind(**arguments), (steps, features)), getattr(keras.layers, kind.__name__)(**arguments)
    theirs.build((None, steps, features))
    theirs.set_weights(ours.get_weights())
    x = numbers((rows, steps, features))
    np.testing.assert_allclose(ours(torch.tensor(x)).detach(), theirs(x).detach(), rtol=1e-3, atol=1e-4)


@both
@settings(max_examples=20, deadline=None)
@given(flags=FLAGS, steps=st.integers(1, 6), seed=st.integers(0, 100))
def test_the_fused_kernel_is_the_loop(kind, flags, steps, seed):
    layer = filled(kind(4, **flags), (steps, 3))
    assert layer.fusable
    x = torch.tensor(numbers((2, steps, 3), seed))
    fused, loop = layer.fused(x), layer.loop(x)
    torch.testing.assert_close(fused[0][:, -loop[0].shape[1] :], loop[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fused[1], loop[1], rtol=1e-4, atol=1e-5)


@both
def test_gradients_of_the_fused_kernel_are_those_of_the_loop(kind):
    layer, x = filled(kind(4, return_sequences=True), (6, 3)), torch.tensor(numbers((2, 6, 3)), requires_grad=True)
    parts = [x, *layer.parameters()]
    fused = torch.autograd.grad(layer.fused(x)[0].square().sum(), parts)
    loop = torch.autograd.grad(layer.loop(x)[0].square().sum(), parts)
    for one, two in zip(fused, loop, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


@both
def test_the_last_output_is_that_of_the_sequence(kind):
    x = torch.tensor(numbers((3, 5, 2)))
    all_steps, last = filled(kind(4, return_sequences=True), (5, 2)), filled(kind(4), (5, 2))
    assert torch.equal(all_steps(x)[:, -1], last(x))


@both
def test_backwards_is_the_reversed_sequence(kind):
    x = torch.tensor(numbers((3, 5, 2)))
    forwards, backwards = filled(kind(4), (5, 2)), filled(kind(4, go_backwards=True), (5, 2))
    assert torch.equal(backwards(x), forwards(x.flip(1)))


@both
def test_an_output_does_not_depend_on_later_steps(kind):
    layer, x = filled(kind(4, return_sequences=True), (5, 2)), torch.tensor(numbers((3, 5, 2)))
    torch.testing.assert_close(layer(x)[:, :3], layer(x[:, :3]))


@both
def test_sequences_of_unknown_length_are_taken(kind):
    layer = kind(4, return_sequences=True)
    layer.ensure_built((None, None, 2))
    assert layer.output_shape((None, None, 2)) == (None, None, 4)
    assert [layer(torch.zeros(1, steps, 2)).shape[1] for steps in (1, 7)] == [1, 7]


@pytest.mark.parametrize(("forget", "expected"), [(True, [0, 0, 1, 1, 0, 0, 0, 0]), (False, [0] * 8)])
def test_the_forget_gate_starts_open(forget, expected):
    layer = LSTM(2, unit_forget_bias=forget)
    layer.ensure_built((None, 3, 2))
    assert layer.bias.tolist() == expected


@pytest.mark.parametrize("initializer", ["random_normal", lambda shape: torch.full(shape, 0.5)])
def test_the_other_gates_start_as_the_bias_initializer_says(initializer):
    layer = LSTM(50, bias_initializer=initializer)
    layer.ensure_built((None, 3, 2))
    bias = layer.bias.detach()
    assert bool((bias[50:100] == 1).all())
    assert bool((bias[:50] != 0).all())
    assert bool((bias[100:] != 0).all())


def test_random_biases_of_the_gates_differ():
    layer = LSTM(50, bias_initializer="random_normal")
    layer.ensure_built((None, 3, 2))
    assert not torch.isclose(layer.bias[:50], layer.bias[100:150]).any()


@both
def test_dropout_of_inputs_is_the_same_at_every_step(kind):
    layer, x = filled(kind(4, dropout=0.5, return_sequences=True), (6, 5)), torch.ones(3, 6, 5)
    seen = []
    layer.fused = layer.loop = lambda x, states: seen.append(x) or (x, states)
    step_of_training(layer, x)
    (masked,) = seen
    assert set(masked.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(masked.amin(1), masked.amax(1))


@both
def test_every_gate_has_a_mask_of_its_own_for_the_state(kind):
    layer = filled(kind(200, recurrent_dropout=0.5), (2, 1))
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.arange(5)
        masks = layer.train().recurrent_masks(torch.ones(5, 1))
    assert len(masks) == layer.gates
    for place, mask in enumerate(masks):
        assert mask.shape == (5, 200)
        assert (mask == 0).float().mean().item() == pytest.approx(0.5, abs=0.08)
        assert not any(torch.equal(mask, other) for other in masks[:place])


@both
@pytest.mark.parametrize("arguments", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_dropout_happens_in_training_only_and_belongs_to_the_sample(kind, arguments):
    layer, x = filled(kind(6, **arguments), (4, 5)), torch.tensor(numbers((3, 4, 5)))
    trained = step_of_training(layer, x, [10, 11, 12])
    assert not torch.allclose(trained, layer.eval()(x))
    torch.testing.assert_close(step_of_training(layer, x[1:2], [11])[0], trained[1])
    assert not torch.allclose(step_of_training(layer, x, [10, 11, 12], seed=1), trained)
    plain = filled(kind(6), (4, 5))
    torch.testing.assert_close(layer.eval()(x), plain.eval()(x))


@both
@pytest.mark.parametrize("share", ["dropout", "recurrent_dropout"])
def test_everything_may_be_dropped(kind, share):
    layer, x = filled(kind(4, **{share: 1.0}), (1, 5)), torch.tensor(numbers((3, 1, 5)))
    zeroed = torch.zeros_like(x) if share == "dropout" else x
    torch.testing.assert_close(step_of_training(layer, x), filled(kind(4), (1, 5))(zeroed))


@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be a positive whole number; got 0"),
        ({"dropout": 1.5}, r"dropout is a fraction between 0 and 1; got 1\.5"),
        ({"recurrent_dropout": -0.5}, r"recurrent_dropout is a fraction between 0 and 1; got -0\.5"),
    ],
)
def test_arguments_out_of_range_are_errors(kind, arguments, message):
    with pytest.raises(HandsonError, match=f"{kind.__name__}: {message}"):
        kind(**{"units": 3} | arguments)


@both
def test_what_is_no_sequence_is_an_error(kind):
    with pytest.raises(
        HandsonError, match=rf"{kind.__name__} .* takes inputs of shape \(batch, steps, features\); got \(None, 3\)"
    ):
        kind(3)(torch.zeros(2, 3))


@both
def test_the_number_of_features_must_be_known(kind):
    with pytest.raises(HandsonError, match=rf"{kind.__name__} .* needs the number of features: \(None, 5, None\)"):
        kind(3).ensure_built((None, 5, None))


@both
def test_the_arguments_of_the_other_layer_are_errors(kind):
    other = "reset_after" if kind is LSTM else "unit_forget_bias"
    with pytest.raises(TypeError, match=f"{kind.__name__} has no argument '{other}'"):
        kind(3, **{other: True})
