"""The way back through pooling and convolution that leaves out what is 0, beside PyTorch's in double precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from convolutions import (
    as_in_layers,
    check_close,
    check_groups,
    check_only_wanted,
    check_threads,
    convolution,
    dropped,
    with_gradients,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels import pooled_convolution
from handson.kernels.pooled_convolution import PooledConvolution
from handson.kernels.pooled_relu import PooledRelu
from handson.randomness.stream import active

NONE = (0, 0), (0, 0)


def block(x, kernel, bias, padding=NONE, drop=None):
    """The fused block."""

    def convolve(images):
        return convolution(images, kernel, bias, padding).movedim(1, 3)

    return PooledConvolution.apply(x, kernel, bias, convolve, padding, drop)


@settings(deadline=None, max_examples=100)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(5, 20), st.integers(5, 20), st.sampled_from([1, 3, 16, 20, 70])),
    window=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    padding=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    channels=st.sampled_from([1, 5, 16, 20, 40]),
    with_bias=st.booleans(), rate=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 999),
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_the_layers(size, window, padding, channels, with_bias, rate, seed):
    rng = np.random.default_rng(seed)
    stream, layer, drop = dropped(seed, size[0], rate)
    given = [rng.normal(size=size), rng.normal(size=(*window, size[3], channels)), rng.normal(size=channels)]
    found = []
    with active(stream):
        for dtype in (torch.float32, torch.float64):
            leaves = [torch.tensor(w.astype(np.float32), dtype=dtype) for w in given[: 2 + with_bias]]
            leaves[1] = as_in_layers(leaves[1])
            x, kernel, bias = *(leaf.requires_grad_() for leaf in leaves), *[None] * (not with_bias)
            if dtype == torch.float32:
                y = block(x, kernel, bias, padding, drop)
            else:
                y = layer(F.max_pool2d(convolution(x, kernel, bias, padding).relu(), 2).movedim(1, 3))
            found.append(with_gradients(y, leaves, seed))
    check_close(*found)


@pytest.fixture
def leaves(rng):
    x = torch.tensor(rng.normal(size=(9, 21, 18, 7)).astype(np.float32), requires_grad=True)
    kernel = as_in_layers(torch.tensor(rng.normal(size=(3, 2, 7, 33)).astype(np.float32)))
    return x, kernel, torch.zeros(33, requires_grad=True)


def gradients(leaves, wanted=(0, 1, 2)):
    loss = block(*leaves).square().sum()
    return torch.autograd.grad(loss, [leaves[i] for i in wanted])


def test_only_what_is_asked_for(leaves):
    check_only_wanted(gradients, leaves)


def test_nothing_is_left_where_nothing_is_positive(leaves):
    x, kernel, bias = leaves
    found = gradients((x, kernel, (bias - 1e4).detach().requires_grad_()))
    assert all(torch.equal(one, torch.zeros_like(one)) for one in found)


def test_ties_go_where_pytorch_sends_them(rng):
    x = torch.tensor(rng.choice([-1.0, 0.0, 1.0], (3, 12, 12, 1)), dtype=torch.float32)
    found = []
    for fused in (True, False):
        images, kernel = x.clone().requires_grad_(), torch.ones(1, 2, 1, 1, requires_grad=True)
        if fused:
            y = block(images, kernel, None)
        else:
            y = F.max_pool2d(convolution(images, kernel, None).relu(), 2).movedim(1, 3)
        upper = torch.arange(1.0, y.numel() + 1).view(y.shape)
        found.append([y.detach(), *torch.autograd.grad(y, [images, kernel], upper)])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_nan_goes_on(leaves):
    with torch.no_grad():
        leaves[0][4, 3, 3, 2] = torch.nan
    d_x, d_kernel, d_bias = gradients(leaves)
    assert all(one.isnan().any() for one in (d_x[4], d_kernel, d_bias))
    assert not any(d_x[i].isnan().any() for i in range(9) if i != 4)


def test_the_numbers_do_not_depend_on_the_number_of_threads(leaves, monkeypatch):
    check_threads(lambda: gradients(leaves), monkeypatch)


def test_many_weights_are_summed_in_few_groups(leaves, monkeypatch):
    check_groups(lambda: gradients(leaves, (1,))[0], pooled_convolution.kernel_gradients, [0, 5], monkeypatch)


def test_it_is_the_block_of_two_parts(leaves):
    together = gradients(leaves)
    apart = torch.autograd.grad(PooledRelu.apply(convolution(*leaves).movedim(1, 3), None).square().sum(), leaves)
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
