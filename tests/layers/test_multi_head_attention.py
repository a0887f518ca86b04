"""`MultiHeadAttention` and `GroupQueryAttention` against Keras and against attention written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.core.errors import HandsonError
from handson.layers import Dense, GlobalAveragePooling2D, GroupQueryAttention, Input, MultiHeadAttention, Reshape
from handson.layers.calling import MASK
from handson.randomness.stream import Stream, active


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def pair(keras, name, arguments, *shapes):
    """Our layer and Keras's with the same weights."""
    ours = getattr(handson.layers, name)(**arguments)
    theirs = getattr(keras.layers, name)(**arguments)
    names = ("query_shape", "value_shape", "key_shape")
    ours.ensure_built(dict(zip(names, [(None, *shape) for shape in shapes], strict=False)))
    theirs.build(*((None, *shape) for shape in shapes))
    rng = np.random.default_rng(5)
    values = [rng.uniform(-1, 1, weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    return ours, theirs


def seen(shape, seed=0):
    """A mask by which each query sees something."""
    mask = torch.tensor(np.random.default_rng(seed).random(shape) < 0.6)
    mask[..., 0] = True
    return mask


MULTI = st.fixed_dictionaries(
    {"num_heads": st.sampled_from([1, 3]), "key_dim": st.sampled_from([1, 4])},
    optional={
        "value_dim": st.just(5),
        "use_bias": st.just(False),
        "output_shape": st.sampled_from([7, (2, 3)]),
        "use_gate": st.just(True),
        "sliding_window": st.integers(1, 3),
    },
)
GROUPED = st.fixed_dictionaries(
    {
        "head_dim": st.sampled_from([1, 4]),
        "num_query_heads": st.just(4),
        "num_key_value_heads": st.sampled_from([1, 2, 4]),
    },
    optional={"use_bias": st.just(False), "use_gate": st.just(True), "sliding_window": st.integers(1, 3)},
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), grouped=st.booleans(), causal=st.booleans(), masked=st.sets(st.sampled_from("akv")))
def test_outputs_scores_and_gradients_are_those_of_keras(keras, data, grouped, causal, masked):
    name = "GroupQueryAttention" if grouped else "MultiHeadAttention"
    with_key = data.draw(st.booleans())
    shapes = [(4, 6), (5, 6), (5, 6)][: 2 + with_key]
    arguments = data.draw(GROUPED if grouped else MULTI)
    ours, theirs = pair(keras, name, arguments, *shapes)
    # With a window, masks could leave a query with nothing to see; there Keras's two ways of computing differ.
    masked = set() if "sliding_window" in arguments else masked
    masks = {"a": ("attention_mask", (3, 4, 5)), "k": ("key_mask", (3, 5)), "v": ("value_mask", (3, 5))}
    more = {masks[letter][0]: seen(masks[letter][1], ord(letter)) for letter in masked if letter != "k" or with_key}
    more["use_causal_mask"] = causal
    mine, peers = ([numbers((3, *shape), seed).requires_grad_() for seed, shape in enumerate(shapes)] for _ in range(2))
    wanted, expected = theirs(*peers, return_attention_scores=True, **more)
    factors = numbers(wanted.shape, 4)
    gradients = torch.autograd.grad((wanted * factors).sum(), [*peers, *(w.value for w in theirs.trainable_weights)])
    found, scores = ours(*mine, return_attention_scores=True, **more)
    close(scores, expected)
    for output in (found, ours(*mine, **more)):
        close(output, wanted)
        for one, two in zip(
            torch.autograd.grad((output * factors).sum(), [*mine, *ours.weights]), gradients, strict=True
        ):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("axes", "query", "value"),
    [
        (None, (4, 3, 8), (4, 2, 8)),
        ((1, 2), (4, 3, 8), (2, 2, 8)),
        ((2, 1), (4, 3, 8), (2, 2, 8)),
        (2, (4, 3, 8), (4, 2, 8)),
        (-2, (4, 3, 8), (4, 2, 8)),
        ([1], (4, 3, 8), (2, 3, 8)),
        ((1, 3), (2, 3, 2, 8), (4, 3, 2, 8)),
    ],
)
def test_attention_over_chosen_axes_is_that_of_keras(keras, axes, query, value):
    ours, theirs = pair(
        keras, "MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": axes}, query, value
    )
    q, v = numbers((3, *query)), numbers((3, *value), 1)
    found, scores = ours(q, v, return_attention_scores=True)
    wanted, expected = theirs(q, v, return_attention_scores=True)
    close(found, wanted)
    close(scores, expected)
    close(ours(q, v), wanted)
    mask = seen(expected.shape[:1] + expected.shape[-2 * len(ours._axes(q.dim())) :])
    close(ours(q, v, attention_mask=mask), theirs(q, v, attention_mask=mask))
    output, weights = ours(Input(query), Input(value), return_attention_scores=True)
    assert (output.shape[1:], weights.shape[1:]) == (found.shape[1:], scores.shape[1:])


def written_out(layer, query, value, visible):
    """Attention over axis 2 of (n, a, t, d), head by head and place by place."""
    q, k, v = layer.query_dense(query), layer.key_dense(value), layer.value_dense(value)
    outputs = torch.zeros(*q.shape[:-1], v.shape[-1])
    for n, a, t, h in np.ndindex(*q.shape[:-1]):
        steps = [s for s in range(k.shape[2]) if visible(n, a, t, s)]
        scores = torch.stack([q[n, a, t, h] @ k[n, a, s, h] for s in steps]) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores, 0)
        outputs[n, a, t, h] = sum(weight * v[n, a, s, h] for weight, s in zip(weights, steps, strict=True))
    return layer.output_dense(outputs)


def test_causal_masks_windows_and_masks_of_inputs_go_by_the_attended_axis():
    query, value = numbers((2, 3, 4, 6)), numbers((2, 3, 5, 6), 1)
    by_row, by_place = seen((2, 5)), seen((2, 3, 5), 1)
    layer = MultiHeadAttention(2, 3, attention_axes=2)
    close(layer(query, value, use_causal_mask=True), written_out(layer, query, value, lambda n, a, t, s: s <= t))
    close(layer(query, value, value_mask=by_row), written_out(layer, query, value, lambda n, a, t, s: by_row[n, s]))
    close(
        layer(query, value, value_mask=by_place), written_out(layer, query, value, lambda n, a, t, s: by_place[n, a, s])
    )
    layer.sliding_window = 2
    close(layer(query, value), written_out(layer, query, value, lambda n, a, t, s: abs(t - s) < 2))


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 2, 4, 5), (3, 1, 4, 5), (1, 2, 4, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_an_attention_mask_is_broadcast_over_rows_and_heads(shape, masked):
    layer, query, value = MultiHeadAttention(2, 3), numbers((3, 4, 6)), numbers((3, 5, 6), 1)
    mask, steps = seen(shape), seen((3, 5), 1) if masked else torch.ones(3, 5, dtype=torch.bool)
    whole = torch.broadcast_to(mask if mask.dim() == 4 else mask[(None,) * (3 - mask.dim())][:, None], (3, 2, 4, 5))
    _, scores = layer(
        query, value, attention_mask=mask, value_mask=steps if masked else None, return_attention_scores=True
    )
    assert torch.equal(scores != 0, whole & steps[:, None, None])
    close(
        layer(query, value, attention_mask=mask, value_mask=steps),
        layer(query, value, attention_mask=(whole & steps[:, None, None]).numpy()),
    )


@pytest.mark.parametrize("kind", [MultiHeadAttention, GroupQueryAttention])
def test_masks_that_travel_are_those_that_are_given(kind):
    layer = kind(2, 4) if kind is MultiHeadAttention else kind(2, 4, 2)
    x = [numbers((3, length, 6), length) for length in (4, 5, 5)]
    masks = [seen((3, length), length) for length in (4, 5)] + [seen((3, 5), 9)]
    names = ("query_mask", "value_mask", "key_mask")
    given = layer(*x, **dict(zip(names, masks, strict=True)))
    assert torch.equal(getattr(given, MASK), masks[0])
    for one, mask in zip(x, masks, strict=True):
        setattr(one, MASK, mask)
    travelling = layer(*x)
    assert torch.equal(getattr(travelling, MASK), masks[0])
    assert torch.equal(given, travelling)
    named = layer(query=x[0], value=x[1], key=x[2])
    assert torch.equal(named, travelling)
    assert torch.equal(getattr(named, MASK), masks[0])
    other = layer(*x, query_mask=~masks[0])
    assert torch.equal(getattr(other, MASK), ~masks[0])  # what is given counts


def test_travelling_masks_give_what_they_give_in_keras(keras):
    ours, theirs = pair(keras, "MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, (4, 6), (5, 6))
    query, value, masks = numbers((3, 4, 6)), numbers((3, 5, 6), 1), [seen((3, 4)), seen((3, 5), 1)]
    expected = theirs(query, value, value_mask=masks[1])
    for x, mask in zip((query, value), masks, strict=True):
        setattr(x, MASK, mask)
    found = ours(query, value, use_causal_mask=False)
    close(found[masks[0]], expected[masks[0]])


def test_a_causal_mask_alone_makes_no_mask(monkeypatch):
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(a) or fused(*a, **k)
    )
    x = numbers((3, 4, 6))
    layer = MultiHeadAttention(2, 3, dropout=0.1).eval()
    layer(x, x, use_causal_mask=True)
    assert (calls[0][3], calls[0][5]) == (None, True)
    layer(x, x, use_causal_mask=True, value_mask=seen((3, 4)))
    assert calls[1][3] is not None
    assert calls[1][5] is False
    layer(x, x, return_attention_scores=True)
    layer.train()(x, x)
    assert len(calls) == 2


@pytest.mark.parametrize("kind", [MultiHeadAttention, GroupQueryAttention])
def test_dropout_is_a_function_of_seed_epoch_and_row(kind):
    layer = kind(2, 3, dropout=0.5) if kind is MultiHeadAttention else kind(3, 4, 2, dropout=0.5)
    x = numbers((4, 5, 6))
    layer(x, x)
    layer.train()

    def run(rows, seed=0, epoch=0):
        with active(Stream(seed, epoch)) as stream:
            stream.rows = torch.tensor(rows)
            return layer(x[rows], x[rows])

    whole = run([0, 1, 2, 3])
    close(whole[[2, 0]], run([2, 0]))
    assert torch.equal(whole, run([0, 1, 2, 3]))
    assert not torch.equal(whole, run([0, 1, 2, 3], epoch=1))
    assert not torch.equal(whole, run([0, 1, 2, 3], seed=1))
    assert not torch.equal(whole, layer.eval()(x, x))


def test_dropout_keeps_the_mean_of_what_heads_give():
    layer, x = MultiHeadAttention(1, 3, dropout=0.3), numbers((1, 8, 6)).expand(4000, 8, 6)
    layer(x[:1], x[:1])
    torch.manual_seed(0)
    torch.testing.assert_close(layer.train()(x, x).mean(0), layer.eval()(x[:1], x[:1])[0], rtol=0, atol=0.03)


def test_flash_attention_on_request_gives_the_same_or_says_why_not():
    x = numbers((2, 8, 16))
    plain, flash, other = (MultiHeadAttention(2, 8, flash_attention=flash) for flash in (None, True, False))
    for layer in (plain, flash, other):
        layer.ensure_built({"query_shape": (None, 8, 16), "value_shape": (None, 8, 16)}, key=1)
        close(layer(x, x, use_causal_mask=True), plain(x, x, use_causal_mask=True))
    with pytest.raises(HandsonError, match="flash_attention=True gives no attention scores"):
        flash(x, x, return_attention_scores=True)
    with pytest.raises(
        HandsonError, match=r"MultiHeadAttention: flash_attention=True takes no dropout; got dropout=0\.1"
    ):
        MultiHeadAttention(2, 8, flash_attention=True, dropout=0.1)
    with pytest.raises(HandsonError, match="torch has no flash attention for this: .* to have the same last dimension"):
        MultiHeadAttention(2, 8, value_dim=5, flash_attention=True)(x, x)


def test_a_net_with_attention_learns_to_find_what_a_query_asks_for():
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(256, 6, 4)).astype("float32")
    place = rng.integers(0, 6, 256)
    keys[np.arange(256), place, 0] += 5
    query, steps = Input((1, 4)), Input((6, 4))
    x = MultiHeadAttention(2, 4)(query, steps)
    net = handson.Model([query, steps], Dense(1)(Reshape((4,))(x)))
    net.compile(handson.optimizers.Adam(0.03), "mse")
    y = keys[np.arange(256), place, 1]
    history = net.fit([np.ones((256, 1, 4), "float32"), keys], y, epochs=40, verbose=0, seed=1)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]


def test_weights_follow_the_seed_of_the_net():
    def weights(seed):
        x = Input((3, 4))
        net = handson.Model(x, MultiHeadAttention(2, 3)(x, x))
        net.compile("sgd", "mse")
        net.fit(np.ones((2, 3, 4), "float32"), np.ones((2, 3, 4), "float32"), epochs=1, verbose=0, seed=seed)
        return net.get_weights()

    assert all(map(np.array_equal, weights(1), weights(1)))
    assert not np.array_equal(weights(1)[0], weights(2)[0])


def test_a_layer_takes_other_numbers_of_places_the_next_time():
    layer = MultiHeadAttention(2, 3)
    for places, steps in ((4, 5), (6, 2), (None, 3)):
        query, value = Input((places, 6)), Input((steps, 6))
        assert layer(query, value).shape == (None, places, 6)
    assert layer(numbers((2, 9, 6)), numbers((2, 1, 6)), numbers((2, 1, 6))).shape == (2, 9, 6)
    with pytest.raises(HandsonError, match="cannot take"):
        layer(Input((4, 5)), Input((4, 6)))


def test_properties_are_those_of_keras(keras):
    ours, theirs = pair(keras, "MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "dropout": 0.1}, (4, 6), (5, 6))
    for name in ("num_heads", "key_dim", "value_dim", "dropout", "use_bias"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        assert tuple(getattr(ours, name).kernel.shape) == tuple(getattr(theirs, name).kernel.shape)


def test_arguments_of_projections_reach_each_of_them():
    layer = MultiHeadAttention(2, 3, kernel_regularizer="l2", bias_initializer="ones", kernel_constraint="non_neg")
    layer(numbers((1, 2, 4)), numbers((1, 2, 4)))
    assert len(layer.losses) == 4
    for dense in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        assert (dense.bias == 1).all()
        assert dense.weight_constraints


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (MultiHeadAttention, (0, 3), "MultiHeadAttention: num_heads must be a positive whole number; got 0"),
        (MultiHeadAttention, (2, 1.5), "MultiHeadAttention: key_dim must be a positive whole number; got 1.5"),
        (MultiHeadAttention, (2, 3, 0), "MultiHeadAttention: value_dim must be a positive whole number; got 0"),
        (MultiHeadAttention, (2, 3, 4, 2.0), "MultiHeadAttention: dropout is a fraction between 0 and 1; got 2.0"),
        (MultiHeadAttention, (2, 3, 4, 0.0, True, "x"), "output_shape is a whole number or several; got 'x'"),
        (MultiHeadAttention, (2, 3, 4, 0.0, True, None, 1.5), "attention_axes is a whole number or several; got 1.5"),
        (GroupQueryAttention, (3, 4, 3), "num_key_value_heads divides num_query_heads; got 3 and 4"),
        (GroupQueryAttention, (3, 4, 2, 0.0, True, 0), "GroupQueryAttention: sliding_window must be a positive"),
    ],
)
def test_arguments_that_make_no_sense_are_an_error(kind, arguments, message):
    with pytest.raises(HandsonError, match=message):
        kind(*arguments)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (MultiHeadAttention(2, 3, name="mha"), [(4,), (4,)], r"'mha' takes a query \(n, places, features\), a value"),
        (MultiHeadAttention(2, 3), [(4, 6), (5, 6), (4, 6)], r"and a key like the value, or all with more axes; got"),
        (MultiHeadAttention(2, 3), [(4, None), (5, 6)], r"needs known numbers of features; got the shapes"),
        (MultiHeadAttention(2, 3, attention_axes=1), [(4, 2, 6), (5, 3, 6)], r"have the same sizes in query and value"),
        (
            MultiHeadAttention(2, 3, attention_axes=2),
            [(4, 6), (5, 6)],
            r"attention_axes=\(2,\) are axes between the rows",
        ),
        (
            MultiHeadAttention(2, 3, attention_axes=0),
            [(4, 6), (5, 6)],
            r"attention_axes=\(0,\) are axes between the rows",
        ),
        (GroupQueryAttention(2, 4, 2), [(4, 3, 6), (4, 3, 6)], r"takes inputs \(n, places, features\); got 4 axes"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(layer, shapes, message):
    with pytest.raises(HandsonError, match=message):
        layer(*map(Input, shapes))


def test_one_input_is_an_error_that_names_the_missing_one():
    with pytest.raises(
        HandsonError, match="is built from query_shape and value_shape and key_shape: call it on several inputs"
    ):
        handson.Sequential([Input((4, 6)), MultiHeadAttention(2, 3), GlobalAveragePooling2D()])
    x = numbers((2, 3, 4))
    with pytest.raises(HandsonError, match=r"attention_mask has the shape \(n, places, steps\)"):
        MultiHeadAttention(2, 3)(x, x, attention_mask=torch.ones(3))
    with pytest.raises(HandsonError, match="a mask has an axis for the rows and for each of the 1 axes"):
        MultiHeadAttention(2, 3)(x, x, value_mask=torch.ones(2, 3, 4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_give_the_same_within_their_rounding(dtype):
    layer, x, mask = MultiHeadAttention(2, 3), numbers((3, 5, 6)), seen((3, 5))
    expected = layer(x, x, value_mask=mask)
    found = layer.to(dtype)(x.to(dtype), x.to(dtype), value_mask=mask)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    if dtype == torch.float64:
        close(found.float(), expected)


def test_a_transformer_block_trains_in_bfloat16():
    x = Input((5, 8))
    h = handson.layers.add([x, MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)])
    h = handson.layers.RMSNormalization()(handson.layers.LayerNormalization()(h))
    h = handson.layers.GroupNormalization(2)(handson.layers.Attention()([h, h]))
    net = handson.Model(x, handson.layers.EinsumDense("abc,cd->ad", 3, bias_axes="d")(h))
    net.compile("adam", "mse", precision="bfloat16")
    rows = np.random.default_rng(0).normal(size=(32, 5, 8)).astype("float32")
    history = net.fit(rows, rows[:, 0, :3], epochs=5, verbose=0, seed=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
