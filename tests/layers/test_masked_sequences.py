"""Recurrent layers with masks, states and flags against Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_peers import assert_same, filled, mask_of

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers.calling import MASK
from handson.state.hidden import hidden_tensors

KINDS = ["SimpleRNN", "LSTM", "GRU"]
STATES = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}
FLAGS = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "use_bias")
every_kind = pytest.mark.parametrize("kind", KINDS)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pair(keras, kind, shape, **arguments):
    """Our layer and Keras's, with the same weights."""
    ours, theirs = getattr(layers, kind)(**arguments), getattr(keras.layers, kind)(**arguments)
    ours.ensure_built((None, *shape))
    theirs.build((None, *shape))
    filled(ours, theirs)
    return ours, theirs


def masks(steps, rows):
    """Masks that are padded on the right, on the left, or have holes; rows may have no step at all."""
    lengths = st.lists(st.integers(0, steps), min_size=rows, max_size=rows).map(np.array)
    right = lengths.map(lambda found: np.arange(steps) < found[:, None])
    left = right.map(lambda found: found[:, ::-1].copy())
    holes = st.lists(st.lists(st.booleans(), min_size=steps, max_size=steps), min_size=rows, max_size=rows).map(
        lambda found: np.array(found, dtype=bool)
    )
    return st.one_of(st.none(), right, left, holes)


@st.composite
def cases(draw):
    rows, steps, features, units = (draw(st.integers(1, most)) for most in (4, 6, 3, 4))
    kind = draw(st.sampled_from(KINDS))
    arguments = {"units": units} | {flag: draw(st.booleans()) for flag in FLAGS}
    arguments["activation"] = draw(st.sampled_from(["tanh", "relu", "linear"]))
    call = {}
    mask = draw(masks(steps, rows))
    if mask is not None:
        call["mask"] = mask
    if draw(st.booleans()):
        call["initial_state"] = [numbers((rows, units), seed) for seed in range(STATES[kind])]
    if kind == "GRU":
        arguments["reset_after"] = draw(st.booleans())
    return kind, (rows, steps, features), arguments, call


@settings(max_examples=120, deadline=None)
@given(case=cases())
def test_outputs_states_and_gradients_are_those_of_keras(keras, case):
    kind, shape, arguments, call = case
    ours, theirs = pair(keras, kind, shape[1:], **arguments)
    # Keras does not turn the mask of the outputs around; its own is tested below.
    assert_same(ours, theirs, torch.tensor(numbers(shape, 7)), masks=not arguments["go_backwards"], **call)


@every_kind
def test_the_mask_of_outputs_read_from_the_back_is_in_their_order(kind):
    layer = getattr(layers, kind)(3, return_sequences=True, go_backwards=True)
    mask = np.array([[True, True, False]])
    assert mask_of(layer(numbers((1, 3, 2)), mask=mask)).tolist() == [[False, True, True]]


@every_kind
@pytest.mark.parametrize("activation", ["tanh", "linear"])
def test_what_is_masked_does_not_matter(kind, activation):
    layer = getattr(layers, kind)(3, return_sequences=True, return_state=True, activation=activation)
    x, mask = numbers((2, 4, 2)), np.array([[True, False, True, False], [False, True, True, True]])
    other = np.where(mask[..., None], x, 99.0).astype("float32")
    for one, two in zip(layer(x, mask=mask), layer(other, mask=mask), strict=True):
        torch.testing.assert_close(one, two, atol=0, rtol=0)


@every_kind
def test_a_mask_of_zeros_and_ones_and_one_with_a_last_axis_are_masks(kind):
    layer, x, mask = getattr(layers, kind)(3), numbers((2, 4, 2)), np.array([[1, 1, 0, 0], [1, 0, 1, 1]])
    assert torch.equal(layer(x, mask=mask), layer(x, mask=mask.astype(bool)))
    assert torch.equal(layer(x, mask=mask[..., None]), layer(x, mask=mask.astype(bool)))
    layer = getattr(layers, kind)(3, return_sequences=True)
    assert getattr(layer(x, mask=mask), MASK).dtype == torch.bool


@every_kind
def test_a_mask_of_another_shape_is_an_error(kind):
    with pytest.raises(HandsonError, match=r"the mask of a sequence .* has the shape \(2, 4\).*got \(2, 3\)"):
        getattr(layers, kind)(3)(numbers((2, 4, 2)), mask=np.ones((2, 3), bool))


@every_kind
def test_initial_states_of_other_shapes_are_an_error(kind):
    with pytest.raises(HandsonError, match=r"initial_state is a list of states of the shapes .*\(2, 3\)"):
        getattr(layers, kind)(3)(numbers((2, 4, 2)), initial_state=[numbers((2, 4))] * STATES[kind])


@every_kind
def test_one_initial_state_may_stand_alone(kind):
    layer, state = getattr(layers, kind)(3), numbers((2, 3))
    x = numbers((2, 4, 2))
    if STATES[kind] == 1:
        assert torch.equal(layer(x, initial_state=state), layer(x, initial_state=[state]))
    else:
        with pytest.raises(HandsonError, match=r"got \[\(2, 3\)\]"):
            layer(x, initial_state=state)


@every_kind
def test_sequences_without_steps_are_an_error(kind):
    with pytest.raises(HandsonError, match="the sequences have no steps"):
        getattr(layers, kind)(3)(numbers((2, 0, 2)))


@every_kind
@pytest.mark.parametrize("sequences", [False, True])
def test_declared_shapes_are_those_of_keras(keras, kind, sequences):
    arguments = {"units": 3, "return_sequences": sequences, "return_state": True}
    ours, theirs = pair(keras, kind, (5, 2), **arguments)
    assert [*ours.compute_output_shape((None, 5, 2))] == [*theirs.compute_output_shape((None, 5, 2))]
    symbols = ours(handson.layers.Input((5, 2)))
    assert [symbol.shape for symbol in symbols] == [*theirs.compute_output_shape((None, 5, 2))]


@every_kind
@pytest.mark.parametrize("masked", [False, True])
def test_a_stateful_layer_goes_on_where_it_stopped(keras, kind, masked):
    arguments = {"units": 3, "stateful": True, "return_sequences": True}
    ours, theirs = getattr(layers, kind)(**arguments), getattr(keras.layers, kind)(**arguments)
    ours.ensure_built((None, 4, 2))
    theirs.build((2, 4, 2))
    filled(ours, theirs)
    call = {"mask": np.array([[True, True, False, False], [True, True, True, False]])} if masked else {}
    for batch in range(3):
        x = torch.tensor(numbers((2, 4, 2), batch))
        mask = None if not masked else torch.tensor(call["mask"])
        with torch.no_grad():  # Keras on torch cannot train a stateful LSTM: it writes to what the backward pass reads
            np.testing.assert_allclose(ours(x, **call), theirs(x, mask=mask), atol=1e-5, rtol=1e-4)
    whole = type(ours)(3, return_sequences=True)
    whole.ensure_built((None, 4, 2))
    whole.set_weights(ours.get_weights())
    if not masked:
        x = np.concatenate([numbers((2, 4, 2), batch) for batch in range(3)], 1)
        ours.reset_state()
        parts = [ours(numbers((2, 4, 2), batch)) for batch in range(3)]
        torch.testing.assert_close(torch.cat(parts, 1), whole(x), atol=1e-5, rtol=1e-4)


@every_kind
def test_states_are_kept_and_reset_and_belong_to_no_file(kind):
    layer = getattr(layers, kind)(3, stateful=True)
    x = numbers((2, 4, 2))
    assert layer.states is None
    first, second = layer(x), layer(x)
    assert not torch.allclose(first, second)
    assert torch.equal(layer.states[0], second)
    assert not any("state_" in name for name in layer.state_dict())
    assert torch.equal(hidden_tensors(layer)["hidden/state_0"], second)  # which a checkpoint holds
    assert len(layer.get_weights()) == 3
    layer.reset_states()
    assert torch.equal(layer(x), first)


@every_kind
def test_another_number_of_sequences_is_an_error_while_there_are_states(kind):
    layer = getattr(layers, kind)(3, stateful=True)
    layer(numbers((2, 4, 2)))
    with pytest.raises(HandsonError, match="has the states of 2 sequences; got 3.*reset_state"):
        layer(numbers((3, 4, 2)))


def test_a_stateful_layer_between_symbols_needs_the_batch_size():
    with pytest.raises(HandsonError, match=r"is stateful.*Input\(shape, batch_size=...\)"):
        layers.LSTM(3, stateful=True)(layers.Input((4, 2)))
    layer = layers.LSTM(3, stateful=True)
    layer(layers.Input((4, 2), batch_size=5))
    assert [tuple(state.shape) for state in layer.states] == [(5, 3), (5, 3)]
    assert float(sum(state.abs().sum() for state in layer.states)) == 0.0


def test_running_on_zeros_for_the_sake_of_shapes_leaves_no_states():
    class Around(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inside = layers.LSTM(3, stateful=True)

        def call(self, inputs):
            return self.inside(inputs)

    layer = Around()
    assert layer(layers.Input((4, 2))).shape == (None, 3)
    assert layer.inside.states is None
    layer(numbers((5, 4, 2)))
    assert len(layer.inside.states[0]) == 5


def test_the_gradient_does_not_go_into_the_batch_before():
    layer = layers.GRU(3, stateful=True)
    first = torch.tensor(numbers((2, 4, 2)), requires_grad=True)
    layer(first)
    second = torch.tensor(numbers((2, 4, 2)), requires_grad=True)
    layer(second).sum().backward()
    assert first.grad is None
    assert bool((second.grad != 0).any())


@every_kind
@pytest.mark.parametrize(("wanted", "fused"), [("auto", True), (True, True), (False, False)])
def test_a_fused_kernel_is_used_where_it_is_wanted(kind, wanted, fused, monkeypatch):
    layer, called = getattr(layers, kind)(3, use_cudnn=wanted), []
    layer(numbers((2, 4, 2)))
    monkeypatch.setattr(layer, "loop", lambda *args: called.append("loop") or type(layer).loop(layer, *args))
    layer(numbers((2, 4, 2)))
    assert called == ([] if fused else ["loop"])


@every_kind
def test_a_fused_kernel_that_there_is_not_is_an_error(kind):
    with pytest.raises(HandsonError, match="use_cudnn=True, but there is no fused kernel"):
        getattr(layers, kind)(3, use_cudnn=True, activation="elu")(numbers((2, 4, 2)))


@every_kind
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_cudnn": "yes"}, "use_cudnn is 'auto', True or False; got 'yes'"),
        ({"implementation": 3}, "implementation is 0, 1 or 2; got 3"),
        ({"return_sequences": "all"}, "return_sequences is True or False; got 'all'"),
    ],
)
def test_arguments_that_mean_nothing_are_errors(kind, arguments, message):
    with pytest.raises(HandsonError, match=message):
        getattr(layers, kind)(3, **arguments)


@every_kind
def test_what_only_older_programs_name_is_refused(kind):
    with pytest.raises(TypeError, match="has no argument 'time_major'"):
        getattr(layers, kind)(3, time_major=True)


@every_kind
def test_the_cell_has_the_weights(kind):
    layer = getattr(layers, kind)(3)
    layer(numbers((2, 4, 2)))
    assert layer.cell.kernel is layer.kernel
    assert (layer.cell.units, layer.cell.state_size) == (3, [3, 3] if kind == "LSTM" else 3)


@every_kind
def test_unrolling_makes_no_difference(kind):
    plain, unrolled = getattr(layers, kind)(3), getattr(layers, kind)(3, unroll=True)
    x = numbers((2, 4, 2))
    plain(x), unrolled(x)
    unrolled.set_weights(plain.get_weights())
    assert torch.equal(plain(x), unrolled(x))


@pytest.mark.parametrize("masked", [False, True])
def test_an_encoder_hands_its_states_to_a_decoder(keras, masked):
    """Sequence to sequence, with symbols as initial states."""

    def net(kind):
        Input = kind.layers.Input
        first, second = Input((None,), dtype="int32"), Input((None,), dtype="int32")
        embed = kind.layers.Embedding(7, 3, mask_zero=masked, name="words")
        _, *states = kind.layers.LSTM(4, return_state=True, name="encoder")(embed(first))
        decoder = kind.layers.LSTM(4, return_sequences=True, return_state=True, name="decoder")
        others = kind.layers.Embedding(7, 3, mask_zero=masked, name="others")
        # Keras forgets the mask that the sequences carry as soon as initial states are passed too.
        more = {"mask": others.compute_mask(second)} if masked and kind is keras else {}
        outputs, _, _ = decoder(others(second), initial_state=states, **more)
        outputs = kind.layers.Dense(7, activation="softmax", name="top")(outputs)
        return (kind.Model if hasattr(kind, "Model") else kind.models.Model)([first, second], outputs)

    ours, theirs = net(handson), net(keras)
    for name in ("words", "encoder", "decoder", "others", "top"):
        filled(ours.get_layer(name), theirs.get_layer(name), len(name))
    ids = [np.array([[1, 2, 0], [3, 4, 5]]), np.array([[1, 1, 2, 0], [6, 0, 0, 0]])]
    np.testing.assert_allclose(ours.predict(ids, verbose=0), theirs.predict(ids, verbose=0), atol=1e-5, rtol=1e-4)
