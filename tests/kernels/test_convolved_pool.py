"""Convolutions of images with few channels and what follows them in one kernel beside PyTorch's layers."""

import numpy as np
import torch
import torch.nn.functional as F
from convolutions import as_in_layers, check_close, convolution, dropped, with_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels.convolved_pool import ConvolvedPooledRelu, Windows
from handson.kernels.normalized_convolution import NormalizedConvolution
from handson.randomness.stream import active

EPSILON = 1e-3

cases = settings(deadline=None, max_examples=60)
sizes = st.tuples(st.integers(1, 4), st.integers(6, 40), st.integers(6, 40), st.integers(1, 3))
windows = st.tuples(st.integers(1, 3), st.integers(1, 5))
paddings = st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2)
filters = st.sampled_from([1, 5, 16, 20, 32, 40])


@cases
@given(sizes, windows, paddings, filters, st.booleans(), st.sampled_from([0.0, 0.4]), st.integers(0, 999))
def test_outputs_and_gradients_are_those_of_the_layers(size, window, padding, channels, with_bias, rate, seed):
    rng = np.random.default_rng(seed)
    stream, layer, drop = dropped(seed, size[0], rate)
    x, kernel = rng.normal(size=size), rng.normal(size=(*window, size[3], channels))
    weights = [kernel, rng.normal(size=channels)] if with_bias else [kernel]
    found = []
    with active(stream):
        for dtype in (torch.float32, torch.float64):
            images = torch.tensor(x.astype(np.float32), dtype=dtype)
            leaves = [torch.tensor(w.astype(np.float32), dtype=dtype, requires_grad=True) for w in weights]
            leaves[0] = as_in_layers(leaves[0].detach())
            kernel, bias = leaves[0], leaves[1] if with_bias else None
            if dtype == torch.float32:
                y = ConvolvedPooledRelu.apply(kernel, bias, Windows.of(images, window, padding), drop)
            else:
                y = layer(F.max_pool2d(convolution(images, kernel, bias, padding).relu(), 2).movedim(1, 3))
            found.append(with_gradients(y, leaves, seed))
    check_close(*found)


@cases
@given(
    size=sizes, window=windows, padding=paddings, channels=filters,
    learned=st.tuples(st.booleans(), st.booleans(), st.booleans()), rate=st.sampled_from([0.0, 0.4]),
    mean=st.sampled_from([0.0, -3.0, 500.0]), seed=st.integers(0, 999),
)  # fmt: skip
def test_with_normalization_too(size, window, padding, channels, learned, rate, mean, seed):
    rng = np.random.default_rng(seed)
    stream, layer, drop = dropped(seed, size[0], rate)
    x, kernel = rng.normal(mean, 1.0, size), rng.normal(size=(*window, size[3], channels))
    lines = [rng.normal(1, 0.5, channels).astype(np.float32) if wanted else None for wanted in learned]
    found, moments = [], []
    with active(stream):
        for dtype in (torch.float32, torch.float64):
            images = torch.tensor(x.astype(np.float32), dtype=dtype)
            kernel_, bias, gamma, beta = (
                None if w is None else torch.tensor(w.astype(np.float32), dtype=dtype, requires_grad=True)
                for w in (kernel, *lines)
            )
            kernel_ = as_in_layers(kernel_.detach())
            if dtype == torch.float32:
                y, *moments = NormalizedConvolution.apply(kernel_, bias, gamma, beta, images, padding, EPSILON, drop)
            else:
                z = convolution(images, kernel_, bias, padding)
                y = F.batch_norm(z, None, None, gamma, beta, True, 0.1, EPSILON)
                y = layer(F.max_pool2d(y.relu(), 2).movedim(1, 3))
            upper = torch.tensor(np.random.default_rng(seed).normal(size=y.shape), dtype=dtype)
            leaves = [w for w in (kernel_, bias, gamma, beta) if w is not None]
            found.append([y.detach(), *torch.autograd.grad(y, leaves, upper)])
    exact = [z.mean((0, 2, 3)), z.var((0, 2, 3), correction=0)]
    for ours, theirs in zip([*found[0], *moments], [*found[1], *exact], strict=True):
        theirs = theirs.detach().numpy()
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-4 * (1 + np.abs(theirs).max()))


def test_ties_and_what_is_not_positive_go_where_pytorch_sends_them(rng):
    x = torch.tensor(rng.choice([-1.0, 0.0, 1.0], (3, 12, 12, 1)), dtype=torch.float32)
    found = []
    for fused in (True, False):
        kernel = torch.ones(1, 2, 1, 1, requires_grad=True)
        if fused:
            y = ConvolvedPooledRelu.apply(kernel, None, Windows.of(x, (1, 2)), None)
        else:
            y = F.max_pool2d(convolution(x, kernel, None).relu(), 2).movedim(1, 3)
        upper = torch.arange(1.0, y.numel() + 1).view(y.shape)
        found.append([y.detach(), *torch.autograd.grad(y, kernel, upper)])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_the_numbers_do_not_depend_on_the_number_of_threads(rng):
    x = torch.tensor(rng.normal(size=(7, 60, 60, 1)).astype(np.float32))
    kernel = torch.tensor(rng.normal(size=(3, 3, 1, 33)).astype(np.float32), requires_grad=True)
    gamma = torch.ones(33, requires_grad=True)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            plain = ConvolvedPooledRelu.apply(kernel, None, Windows.of(x, (3, 3)), None)
            y, *moments = NormalizedConvolution.apply(kernel, None, gamma, None, x, ((0, 0), (0, 0)), EPSILON, None)
            gradients = torch.autograd.grad(y.square().sum() + plain.square().sum(), [kernel, gamma])
            found.append([plain.detach(), y.detach(), *moments, *gradients])
    finally:
        torch.set_num_threads(before)
    for tensors in zip(*found, strict=True):
        assert all(torch.equal(tensor, tensors[0]) for tensor in tensors)
