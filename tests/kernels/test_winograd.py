"""Convolutions in fewer multiplications beside PyTorch's in double precision."""

import numpy as np
import pytest
import torch
from convolutions import (
    as_in_layers,
    check_close,
    check_groups,
    check_only_wanted,
    check_threads,
    convolution,
    with_gradients,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels import library, winograd
from handson.kernels.convolved_pool import outputs_of
from handson.kernels.winograd import Winograd, WinogradConvolution, pays

LANES = library.lanes()
PADDING = st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2)


@settings(deadline=None, max_examples=100)
@given(
    images=st.integers(1, 5), sizes=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    vectors=st.tuples(st.integers(1, 5), st.integers(1, 7)), padding=PADDING, with_bias=st.booleans(),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_pytorch(images, sizes, vectors, padding, with_bias, seed):
    rng, (inputs, channels) = np.random.default_rng(seed), (LANES * many for many in vectors)
    given = [rng.normal(size=s) for s in ((images, *sizes, inputs), (3, 3, inputs, channels), channels)]
    found = []
    for dtype in (torch.float32, torch.float64):
        leaves = [torch.tensor(w.astype(np.float32), dtype=dtype) for w in given[: 2 + with_bias]]
        leaves[1] = as_in_layers(leaves[1])
        x, kernel, bias = *(leaf.requires_grad_() for leaf in leaves), *[None] * (not with_bias)
        if dtype == torch.float32:
            y = WinogradConvolution.apply(x, kernel, bias, padding)
        else:
            y = convolution(x, kernel, bias, padding).movedim(1, 3)
        found.append(with_gradients(y, leaves, seed))
    assert found[0][0].shape == outputs_of(x.shape, kernel.shape, padding)
    check_close(*found)


def test_rounding_is_not_worse_than_a_few_units_of_the_plain_sum(rng):
    x, kernel = rng.normal(size=(2, 16, 16, 64)), rng.normal(size=(3, 3, 64, 32))
    x, kernel = (torch.tensor(values, dtype=torch.float32) for values in (x, kernel))
    exact = convolution(x.double(), kernel.double(), None).movedim(1, 3)
    errors = [
        (y - exact).square().mean().sqrt().item()
        for y in (Winograd(kernel, None, ((0, 0), (0, 0)))(x), convolution(x, kernel, None).movedim(1, 3))
    ]
    assert errors[0] < 4 * errors[1]


@pytest.fixture
def leaves(rng):
    x = torch.tensor(rng.normal(size=(7, 9, 10, 2 * LANES)).astype(np.float32), requires_grad=True)
    kernel = torch.tensor(rng.normal(size=(3, 3, 2 * LANES, LANES)).astype(np.float32))
    return x, as_in_layers(kernel), torch.zeros(LANES, requires_grad=True)


def gradients(leaves, wanted=(0, 1, 2)):
    loss = WinogradConvolution.apply(*leaves, ((1, 1), (0, 1))).square().sum()
    return torch.autograd.grad(loss, [leaves[i] for i in wanted])


def test_only_what_is_asked_for(leaves):
    check_only_wanted(gradients, leaves)


def test_an_image_does_not_see_the_others(leaves):
    with torch.no_grad():
        leaves[0][4, 3, 3, 2] = torch.nan
    y = WinogradConvolution.apply(*leaves, ((1, 1), (0, 1)))
    assert [bool(image.isnan().any()) for image in y] == [n == 4 for n in range(7)]


def test_the_numbers_do_not_depend_on_the_number_of_threads(leaves, monkeypatch):
    check_threads(lambda: gradients(leaves), monkeypatch)


def test_many_weights_are_summed_in_few_groups(leaves, monkeypatch):
    check_groups(lambda: gradients(leaves, (1,))[0], winograd.sum_gradients, [0, 88], monkeypatch)


NONE, SAME = ((0, 0), (0, 0)), ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("x", "kernel", "padding", "expected"),
    [
        ((64, 14, 14, 32), (3, 3, 32, 64), SAME, True),
        ((64, 47, 47, 32), (2, 2, 32, 64), NONE, False),
        ((64, 14, 14, 32), (3, 2, 32, 64), NONE, False),
        ((64, 14, 14, 32), (5, 5, 32, 64), NONE, False),
        ((64, 28, 28, 1), (3, 3, 1, 64), SAME, False),
        ((64, 28, 28, 64), (3, 3, 64, 10), SAME, False),
        ((64, 28, 28, 33), (3, 3, 33, 64), SAME, False),
        ((64, 5, 5, 32), (3, 3, 32, 32), NONE, False),  # of 4x4 outputs made, 3x3 are wanted
        ((4, 8, 8, 256), (3, 3, 256, 256), SAME, False),
    ],
)
def test_where_it_pays(x, kernel, padding, expected):
    assert pays(x, kernel, padding) is (expected and LANES == 16)
