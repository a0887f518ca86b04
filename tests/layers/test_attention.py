"""`Attention` and `AdditiveAttention` against Keras, with masks, dropout and causal masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.layers import AdditiveAttention, Attention, Input
from handson.layers.calling import MASK
from handson.randomness.stream import Stream, active


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def three():
    return numbers((3, 4, 6)), numbers((3, 5, 2), 1), numbers((3, 5, 6), 2)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["Attention", "AdditiveAttention"]),
    scaled=st.booleans(),
    mode=st.sampled_from(["dot", "concat"]),
    causal=st.booleans(),
    masks=st.tuples(st.booleans(), st.booleans()),
    with_key=st.booleans(),
)
def test_outputs_scores_and_gradients_are_those_of_keras(keras, name, scaled, mode, causal, masks, with_key):
    arguments = {"use_scale": scaled} | ({"score_mode": mode} if name == "Attention" else {})
    query, value, key = three()
    inputs = [query, value, key] if with_key else [query, key]
    mask = [torch.tensor(np.random.default_rng(3).random(x.shape[:2]) < 0.6) if there else None
            for x, there in zip((query, key), masks, strict=True)]  # fmt: skip
    ours, theirs = {"Attention": Attention, "AdditiveAttention": AdditiveAttention}[name](**arguments), None
    theirs = getattr(keras.layers, name)(**arguments)
    shapes = [(None, *x.shape[1:]) for x in inputs]
    ours.ensure_built(shapes)
    theirs.build(shapes)
    values = [np.full(weight.shape, 0.7, "float32") for weight in ours.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    more = {"use_causal_mask": causal, "mask": mask if any(masks) else None}
    mine, peers = ([x.clone().requires_grad_() for x in inputs] for _ in range(2))
    (found, scores), (wanted, expected) = (
        layer(xs, return_attention_scores=True, **more) for layer, xs in ((ours, mine), (theirs, peers))
    )
    close(found, wanted)
    close(scores, expected)
    fused = ours(mine, **more)
    close(fused, wanted)
    factors = numbers(found.shape, 4)
    for output in (found, fused):
        gradients = torch.autograd.grad((output * factors).sum(), mine)
        for one, two in zip(
            gradients, torch.autograd.grad((wanted * factors).sum(), peers, retain_graph=True), strict=True
        ):
            close(one, two)


def test_dot_products_are_computed_by_the_fused_kernel_only_where_scores_are_not_asked_for(monkeypatch):
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(a) or fused(*a, **k)
    )
    query, value, key = three()
    layer = Attention()
    layer([query, value, key], use_causal_mask=True)
    assert len(calls) == 1
    assert calls[0][3] is None  # no mask was made
    assert calls[0][5] is True
    layer([query, value, key], return_attention_scores=True)
    AdditiveAttention()([query, value, key])
    assert len(calls) == 1


def test_masks_travel_on_values_and_that_of_the_query_travels_on():
    query, value, _ = three()
    value = numbers((3, 5, 6), 1)
    masks = [torch.tensor(np.random.default_rng(3).random(x.shape[:2]) < 0.6) for x in (query, value)]
    given = Attention()([query, value], mask=masks)
    for x, mask in zip((query, value), masks, strict=True):
        setattr(x, MASK, mask)
    travelling = Attention()([query, value])
    assert torch.equal(given, travelling)
    for output in (given, travelling):
        assert torch.equal(getattr(output, MASK), masks[0])
    assert (travelling[~masks[0]] == 0).all()


def test_steps_that_the_mask_of_the_key_leaves_out_are_not_looked_at():
    query, value, key = three()
    mask = torch.tensor([[True, True, False, False, True]] * 3)
    setattr(key, MASK, mask)
    _, scores = Attention()([query, value, key], return_attention_scores=True)
    assert (scores[..., ~mask[0]] == 0).all()


@pytest.mark.parametrize("kind", [Attention, AdditiveAttention])
def test_dropout_is_a_function_of_seed_epoch_and_row(kind):
    query, value, key = three()
    layer = kind(dropout=0.5)
    layer([query, value, key])
    layer.train()

    def run(rows, seed=0, epoch=0):
        with active(Stream(seed, epoch)) as stream:
            stream.rows = torch.tensor(rows)
            return layer([x[rows] for x in (query, value, key)], return_attention_scores=True)[1]

    whole = run([0, 1, 2])
    assert torch.equal(whole, run([0, 1, 2]))
    close(whole[[2, 0]], run([2, 0]))
    assert not torch.equal(whole, run([0, 1, 2], epoch=1))
    assert not torch.equal(whole, run([0, 1, 2], seed=1))
    _, plain = layer.eval()([query, value, key], return_attention_scores=True)
    close(whole, torch.where(whole == 0, 0.0, 2 * plain))
    assert 0 < int((whole == 0).sum()) < whole.numel()


def test_symbols_have_the_shapes_of_outputs_and_scores():
    query, value, key = Input((None, 6)), Input((5, 2)), Input((5, 6))
    assert Attention()([query, value, key]).shape == (None, None, 2)
    output, scores = AdditiveAttention()([query, value, key], return_attention_scores=True)
    assert (output.shape, scores.shape) == ((None, None, 2), (None, None, 5))


def test_queries_that_may_look_nowhere_look_everywhere_alike():
    query, value, key = three()
    nowhere = torch.zeros(3, 5, dtype=torch.bool)
    expected = value.mean(1, keepdim=True).expand(3, 4, 2)
    close(Attention()([query, value, key], mask=[None, nowhere]), expected)
    close(Attention()([query, value, key], mask=[None, nowhere], return_attention_scores=True)[0], expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (numbers((2, 3, 4)), r"takes a list \[query, value\] or \[query, value, key\]; got one"),
        ([numbers((2, 3, 4))], r"takes a list .*; got 1 inputs"),
        ([numbers((2, 3, 4))] * 4, r"takes a list .*; got 4 inputs"),
        ([numbers((2, 3, 4)), numbers((2, 3, 5))], r"got the shapes \(None, 3, 4\), \(None, 3, 5\), \(None, 3, 5\)"),
        ([numbers((2, 3)), numbers((2, 3))], r"takes a query \(n, places, features\)"),
        ([numbers((2, 3, 4)), numbers((2, 5, 4)), numbers((2, 6, 4))], r"and a key \(n, steps, features\)"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(inputs, message):
    with pytest.raises(HandsonError, match=message):
        Attention()(inputs)


def test_arguments_that_make_no_sense_are_an_error():
    with pytest.raises(HandsonError, match="Attention: score_mode is 'dot' or 'concat'; got 'cosine'"):
        Attention(score_mode="cosine")
    with pytest.raises(HandsonError, match="AdditiveAttention: dropout is a fraction between 0 and 1; got 2"):
        AdditiveAttention(dropout=2)
    with pytest.raises(TypeError, match="AdditiveAttention has no argument 'score_mode'"):
        AdditiveAttention(score_mode="dot")
    query, value, key = three()
    with pytest.raises(HandsonError, match=r"takes a list of masks, \[query_mask, value_mask\]; got one mask"):
        Attention()([query, value, key], mask=torch.ones(3, 4))
