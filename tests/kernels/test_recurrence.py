"""Compiled recurrent layers beside their own loops over the steps, forwards and backwards."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.layers import GRU, LSTM

KINDS = {"lstm": LSTM, "gru": GRU}


def layer_of(kind, units, features, seed, **arguments):
    """A layer whose biases are no zeros."""
    layer = KINDS[kind](units, **arguments)
    layer.ensure_built((None, None, features), key=seed)
    with torch.no_grad():
        for weight in layer.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    return layer


def outputs_and_gradients(function, layer, x, upper):
    y = function(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], upper)]


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 7), st.integers(1, 20), st.integers(1, 70)),
    use_bias=st.booleans(), return_sequences=st.booleans(), go_backwards=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_the_loop(kind, sizes, use_bias, return_sequences, go_backwards, seed):
    rows, steps, features, units = sizes
    arguments = {"use_bias": use_bias, "return_sequences": return_sequences, "go_backwards": go_backwards}
    layer = layer_of(kind, units, features, seed, **arguments)
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, steps, features, generator=draw).requires_grad_()
    upper = torch.randn((rows, steps, units) if return_sequences else (rows, units), generator=draw)
    ours = outputs_and_gradients(layer.compiled, layer, x, upper)
    layer.double().fused = layer.loop
    theirs = outputs_and_gradients(layer, layer, x.detach().double().requires_grad_(), upper.double())
    for found, expected in zip(ours, theirs, strict=True):
        scale = expected.abs().max().item() + 1e-3
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=3e-6 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_long_sequences_are_those_of_torch(kind, rng):
    layer = layer_of(kind, 24, 3, 5)
    x = torch.tensor(rng.normal(size=(37, 150, 3)), dtype=torch.float32, requires_grad=True)
    upper = torch.tensor(rng.normal(size=(37, 24)), dtype=torch.float32)
    ours, theirs = (outputs_and_gradients(f, layer, x, upper) for f in (layer.compiled, layer))
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 1e-30, 30.0, -30.0, 1e4, -1e30])
def test_extreme_inputs_saturate_as_in_torch(kind, value):
    layer = layer_of(kind, 5, 2, 1, return_sequences=True)
    x = torch.full((3, 4, 2), value, requires_grad=True)
    upper = torch.ones(3, 4, 5)
    for found, expected in zip(
        *(outputs_and_gradients(f, layer, x, upper) for f in (layer.compiled, layer)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * max(expected.abs().max().item(), 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_with_nan_stays_nan_and_harms_no_other(kind, rng):
    layer = layer_of(kind, 9, 2, 1, return_sequences=True)
    x = torch.tensor(rng.normal(size=(7, 6, 2)), dtype=torch.float32)
    clean = layer.compiled(x).detach()
    x[3, 2, 0] = float("nan")
    y = layer.compiled(x).detach()
    assert y[3, 2:].isnan().all()
    assert torch.equal(y[3, :2], clean[3, :2])
    others = [row for row in range(7) if row != 3]
    assert torch.equal(y[others], clean[others])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [5, 64, 150])
def test_the_numbers_do_not_depend_on_the_number_of_threads(kind, rows, rng):
    layer = layer_of(kind, 33, 4, 2)
    x = torch.tensor(rng.normal(size=(rows, 90, 4)), dtype=torch.float32, requires_grad=True)
    upper = torch.tensor(rng.normal(size=(rows, 33)), dtype=torch.float32)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(outputs_and_gradients(layer.compiled, layer, x, upper))
    finally:
        torch.set_num_threads(before)
    for tensors in zip(*found, strict=True):
        assert all(torch.equal(tensor, tensors[0]) for tensor in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients_the_outputs_are_the_same_bits(kind, rng):
    layer = layer_of(kind, 17, 4, 2)
    x = torch.tensor(rng.normal(size=(35, 20, 4)), dtype=torch.float32)
    with torch.no_grad():
        bare = layer.compiled(x)
    assert torch.equal(bare, layer.compiled(x).detach())
    assert torch.equal(bare[20:], layer.compiled(x[20:]).detach())


@pytest.mark.parametrize("kind", KINDS)
def test_the_backward_pass_can_be_repeated(kind, rng):
    layer = layer_of(kind, 6, 4, 2)
    x = torch.tensor(rng.normal(size=(5, 8, 4)), dtype=torch.float32)
    y, weights = layer.compiled(x).square().sum(), list(layer.parameters())
    first = torch.autograd.grad(y, weights, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, torch.autograd.grad(y, weights), strict=True))
