"""`TimeDistributed` and `Bidirectional` against Keras."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_peers import assert_same, filled, mask_of

import handson
from handson import layers
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import LSTM, BatchNormalization, Bidirectional, Dense, Dropout, TimeDistributed
from handson.randomness.stream import Stream, active

MASK = np.array([[True, True, False, False], [False, True, False, True], [False] * 4])


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


INSIDE = {
    "dense": (lambda of: of.layers.Dense(4, activation="tanh"), (2,)),
    "convolution": (lambda of: of.layers.Conv2D(2, 3), (5, 5, 2)),
    "flatten": (lambda of: of.layers.Flatten(), (2, 3)),
    "recurrent": (lambda of: of.layers.LSTM(3), (4, 2)),
    "normalization": (lambda of: of.layers.BatchNormalization(), (5,)),
    "nested": (lambda of: of.layers.TimeDistributed(of.layers.Dense(3)), (4, 2)),
    "net": (lambda of: of.Sequential([of.layers.Dense(3), of.layers.BatchNormalization(), of.layers.Dense(2)]), (2,)),
}


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("training", [False, True])
def test_a_layer_at_every_step_is_that_of_keras(keras, name, training):
    make, sample = INSIDE[name]
    ours, theirs = TimeDistributed(make(handson)), keras.layers.TimeDistributed(make(keras))
    x = torch.tensor(numbers((3, 4, *sample)))
    ours(x)
    theirs.build(tuple(x.shape))
    filled(ours, theirs)
    rng = np.random.default_rng(5)
    weights = [rng.uniform(0.5, 1.5, weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    assert_same(ours.train(training), theirs, x, training=training)
    assert ours.compute_output_shape((None, 4, *sample)) == theirs.compute_output_shape((None, 4, *sample))
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5, rtol=1e-4)


def test_a_mask_holds_for_the_outputs(keras):
    ours, theirs = TimeDistributed(Dense(3)), keras.layers.TimeDistributed(keras.layers.Dense(3))
    x = torch.tensor(numbers((3, 4, 2)))
    ours(x)
    theirs.build((3, 4, 2))
    filled(ours, theirs)
    assert_same(ours, theirs, x, mask=MASK)


def test_a_mask_of_another_shape_is_an_error():
    with pytest.raises(HandsonError, match=r"the mask of sequences .* begins with \(3, 4\); got \(3, 3\)"):
        TimeDistributed(Dense(3))(numbers((3, 4, 2)), mask=MASK[:, :3])


def test_words_of_sentences_are_masked_inside(keras):
    """A text of sentences of words: the mask of the words goes through the layers inside, sentence by sentence."""
    ids = np.array([[[1, 2, 0], [3, 0, 0]], [[4, 4, 4], [0, 0, 0]]])
    words = TimeDistributed(layers.Embedding(5, 3, mask_zero=True))
    sentences = TimeDistributed(LSTM(4))
    embedded = words(ids)
    assert np.array_equal(mask_of(embedded), ids != 0)
    outputs = sentences(embedded)
    assert mask_of(outputs).tolist() == [[True, True], [True, False]]
    torch.testing.assert_close(outputs[0, 1], sentences.layer(embedded[0, 1:, :1])[0])


def test_the_mask_that_a_layer_inside_makes_goes_before_that_of_the_steps():
    ids = np.array([[[1, 2, 0], [3, 0, 0]]])
    outputs = TimeDistributed(layers.Embedding(5, 3, mask_zero=True))(ids, mask=np.array([[True, False]]))
    assert np.array_equal(mask_of(outputs), ids != 0)


def test_several_inputs_and_outputs_are_folded_together():
    first, second = layers.Input((2,)), layers.Input((3,))
    net = handson.Model([first, second], [Dense(4)(first), Dense(5)(second)])
    layer = TimeDistributed(net)
    outputs = layer([numbers((2, 6, 2)), numbers((2, 6, 3))])
    assert [tuple(output.shape) for output in outputs] == [(2, 6, 4), (2, 6, 5)]
    assert layer.compute_output_shape([(None, 6, 2), (None, 6, 3)]) == [(None, 6, 4), (None, 6, 5)]


def test_dropout_differs_from_step_to_step_and_belongs_to_the_sample():
    layer = TimeDistributed(Dropout(0.5))

    def trained(x, rows):
        with active(Stream(0, 0)) as stream:
            stream.rows = torch.tensor(rows)
            outputs = layer.train()(x)
            assert stream.rows.tolist() == rows
            return outputs

    both = trained(torch.ones(2, 3, 50), [4, 9])
    assert not torch.equal(both[:, 0], both[:, 1])
    assert torch.equal(trained(torch.ones(1, 3, 50), [9])[0], both[1])


def test_step_by_step_the_same_values_are_dropped():
    plain = TimeDistributed(Dropout(0.5))
    mixing = TimeDistributed(handson.Sequential([Dropout(0.5), BatchNormalization(momentum=0.0)]))
    plain.layer.path = mixing.layer.path = "drop"
    mixing(torch.ones(2, 3, 20))
    mixing.layer.layers[0].path = "drop"
    found = []
    for layer in (plain, mixing):
        with active(Stream(0, 0)) as stream:
            stream.rows = torch.arange(2)
            found.append(layer.train()(torch.ones(2, 3, 20)))
    dropped, normalized = found
    # Where one of the two rows was dropped and the other was not, they come out on two sides of the mean.
    apart = dropped[0] != dropped[1]
    assert torch.equal((dropped[0] > dropped[1])[apart], (normalized[0] > normalized[1])[apart])
    assert bool(apart.any())


def test_a_module_of_torch_is_a_layer_too():
    layer = TimeDistributed(torch.nn.Linear(2, 3))
    assert layer(numbers((2, 4, 2))).shape == (2, 4, 3)


def test_steps_of_unknown_number_are_taken():
    layer = TimeDistributed(Dense(3))
    assert layer(layers.Input((None, 2))).shape == (None, None, 3)
    assert [layer(torch.zeros(1, steps, 2)).shape[1] for steps in (1, 7)] == [1, 7]


@pytest.mark.parametrize("wrapper", [TimeDistributed, Bidirectional])
def test_what_is_no_layer_is_an_error(wrapper):
    with pytest.raises(HandsonError, match=f"{wrapper.__name__} takes a layer, such as"):
        wrapper(3)
    with pytest.raises(HandsonError, match=rf"takes a layer, not its class: write {wrapper.__name__}\(LSTM"):
        wrapper(LSTM)


def test_what_is_no_sequence_is_an_error():
    with pytest.raises(HandsonError, match=r"takes inputs of shape \(batch, steps, ...\); got \(None,\)"):
        TimeDistributed(Dense(3)).ensure_built((None,))


# Both directions.


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(["SimpleRNN", "LSTM", "GRU"]))
    arguments = {"units": draw(st.integers(1, 4))}
    arguments |= {flag: draw(st.booleans()) for flag in ("return_sequences", "return_state")}
    merge_mode = draw(st.sampled_from(["concat", "sum", "mul", "ave", None]))
    return kind, arguments, merge_mode, draw(st.booleans()), draw(st.booleans())


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_both_directions_are_those_of_keras(keras, case):
    kind, arguments, merge_mode, masked, given_states = case
    ours = Bidirectional(getattr(layers, kind)(**arguments), merge_mode)
    theirs = keras.layers.Bidirectional(getattr(keras.layers, kind)(**arguments), merge_mode)
    ours.ensure_built((None, 4, 2))
    theirs.build((None, 4, 2))
    filled(ours, theirs)
    count = 4 if kind == "LSTM" else 2
    states = [numbers((3, arguments["units"]), seed) for seed in range(count)]
    call = ({"mask": MASK} if masked else {}) | ({"initial_state": states} if given_states else {})
    assert_same(ours, theirs, torch.tensor(numbers((3, 4, 2))), **call)
    declared, expected = ours.compute_output_shape((None, 4, 2)), theirs.compute_output_shape((None, 4, 2))
    assert declared == ([*expected] if isinstance(declared, list) else expected)


def test_convolutional_layers_have_two_directions_too(keras):
    def make(of):
        return of.layers.Bidirectional(of.layers.ConvLSTM1D(2, 3, padding="same", return_sequences=True))

    ours, theirs = make(handson), make(keras)
    ours.ensure_built((None, 3, 5, 1))
    theirs.build((2, 3, 5, 1))
    filled(ours, theirs)
    assert_same(ours, theirs, torch.tensor(numbers((2, 3, 5, 1))))


def test_a_layer_of_its_own_for_the_way_back(keras):
    def make(of):
        back = of.layers.GRU(3, return_sequences=True, go_backwards=True, activation="relu")
        return of.layers.Bidirectional(of.layers.LSTM(4, return_sequences=True), backward_layer=back)

    ours, theirs = make(handson), make(keras)
    ours.ensure_built((None, 4, 2))
    theirs.build((None, 4, 2))
    filled(ours, theirs)
    assert_same(ours, theirs, torch.tensor(numbers((3, 4, 2))))
    assert ours.compute_output_shape((None, 4, 2)) == (None, 4, 7)  # of Keras (None, 4, 8), which is wrong


def test_the_layers_have_the_names_of_keras_and_weights_of_their_own():
    layer = Bidirectional(LSTM(3, name="memory"))
    layer(numbers((2, 4, 2)))
    assert (layer.forward_layer.name, layer.backward_layer.name) == ("forward_memory", "backward_memory")
    first, second = layer.get_weights()[0], layer.get_weights()[3]
    assert not np.isclose(first, second).any()


def test_both_layers_keep_their_states_and_forget_them():
    layer = Bidirectional(LSTM(3, stateful=True))
    symbol = layer(layers.Input((4, 2), batch_size=2))
    assert symbol.shape == (2, 6)
    x = numbers((2, 4, 2))
    first, second = layer(x), layer(x)
    assert not torch.allclose(first, second)
    assert len(layer.states) == 4
    layer.reset_states()
    assert torch.equal(layer(x), first)


def test_given_weights_are_where_it_starts():
    weights = [numbers((2, 12)), numbers((3, 12)), numbers((12,))] * 2
    layer = Bidirectional(LSTM(3), weights=weights)
    layer.ensure_built((None, 4, 2))
    assert all(np.array_equal(one, two) for one, two in zip(layer.get_weights(), weights, strict=True))
    assert layer.get_config()["weights"] is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bidirectional(LSTM(3), merge_mode="sums"), "merge_mode is None or one of .* Did you mean 'sum'"),
        (lambda: Bidirectional(Dense(3)), "takes a recurrent layer, .* Dense has no go_backwards"),
        (lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3)), "one of the layers has go_backwards=True"),
        (
            lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3, go_backwards=True, return_state=True)),
            "both layers have the same return_state; got False for the forward layer and True",
        ),
        (
            lambda: Bidirectional(LSTM(3))(numbers((2, 4, 2)), initial_state=[numbers((2, 3))]),
            "initial_state is a list with the states of the forward layer, .* got 1 states",
        ),
    ],
)
def test_what_does_not_belong_together_is_an_error(make, message):
    with pytest.raises(HandsonError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bidirectional(LSTM(3, return_sequences=True), merge_mode="sum", name="both"),
        lambda: Bidirectional(LSTM(3), backward_layer=layers.GRU(2, go_backwards=True, name="back")),
        lambda: Bidirectional(layers.RNN([layers.GRUCell(2), layers.LSTMCell(3)])),
        lambda: TimeDistributed(handson.Sequential([Dense(3), Dense(2)]), name="all"),
        lambda: TimeDistributed(Bidirectional(layers.GRU(2)), name="all"),
    ],
)
def test_layers_with_layers_come_back_from_their_configuration(make):
    layer = make()
    x = numbers((2, 4, 5, 2) if layer.name == "all" else (2, 4, 2))
    expected = layer(x)
    described = json.loads(json.dumps(registry.to_config("layer", layer)))
    again = registry.from_config("layer", described)
    again(x)
    again.set_weights(layer.get_weights())
    assert torch.equal(again(x), expected)
    assert registry.to_config("layer", again) == described


def test_a_net_that_reads_in_both_directions_trains_and_its_seed_decides():
    def fitted(seed):
        stack = [layers.Input((4, 2)), Bidirectional(LSTM(3, return_sequences=True, dropout=0.2))]
        net = handson.Sequential([*stack, TimeDistributed(Dense(2)), layers.Flatten(), Dense(1)], seed=seed)
        net.compile("adam", "mse")
        net.fit(numbers((16, 4, 2)), numbers((16, 1)), epochs=2, batch_size=8, verbose=0)
        return net.get_weights()

    first, again, other = fitted(0), fitted(0), fitted(1)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
