"""Convolutions as PyTorch does them, and dropout as a kernel does it."""

import sys

import numpy as np
import torch
import torch.nn.functional as F

from handson.kernels import pooled_convolution
from handson.kernels.pooled_relu import Drop
from handson.kernels.threads import over_rows
from handson.layers import Dropout
from handson.layers.dropout import mask_key
from handson.randomness.stream import Stream


def convolution(x, kernel, bias, padding=((0, 0), (0, 0))):
    """The outputs before the activation, channels first."""
    (top, bottom), (left, right) = padding
    return F.conv2d(F.pad(x.movedim(3, 1), (left, right, top, bottom)), kernel.permute(3, 2, 0, 1).contiguous(), bias)


def as_in_layers(kernel):
    """A leaf with the memory order of a layer's kernel."""
    return kernel.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0).requires_grad_()


def dropped(seed, images, rate):
    """What a kernel drops, and the layer that drops the same."""
    layer, stream = Dropout(rate, name="drop").train(), Stream(seed, 0)
    stream.rows = torch.arange(images) * 3
    drop = Drop(mask_key(layer, stream), stream.rows, rate) if rate else None
    stream.rows = stream.rows  # another step, in which the layer is called for the first time
    return stream, layer, drop


def with_gradients(y, leaves, seed):
    """Outputs, and the gradients of the leaves for random gradients of the outputs, the same in every precision."""
    upper = torch.tensor(np.random.default_rng(seed).normal(size=y.shape), dtype=y.dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves, upper)]


def check_close(found, expected):
    """Numbers in single precision are those in double, beside the largest of them."""
    for ours, theirs in zip(found, expected, strict=True):
        scale = 1 + theirs.abs().max().item()
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=2e-5 * scale)


def check_only_wanted(gradients, leaves):
    """The gradients of some leaves are those that come with all; `gradients` gets leaves and the places of some."""
    every = gradients(leaves)
    for wanted in ((0,), (1,), (2,), (0, 2), (1, 2)):
        fixed = [leaf.detach().requires_grad_(i in wanted) for i, leaf in enumerate(leaves)]
        assert all(torch.equal(one, every[i]) for one, i in zip(gradients(fixed, wanted), wanted, strict=True))


def check_threads(gradients, monkeypatch):
    """Gradients are the same bits on any number of threads."""
    monkeypatch.setattr("handson.kernels.threads.WORTH_A_THREAD", 1)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(gradients())
    finally:
        torch.set_num_threads(before)
    for tensors in zip(*found, strict=True):
        assert all(torch.equal(tensor, tensors[0]) for tensor in tensors)


def check_groups(gradient, kernel, expected, monkeypatch):
    """The gradient of a kernel is the same from two groups, which begin where they are expected."""
    every, groups = gradient(), []

    def counted(called, record, *rows, **more):
        groups.extend(record.held["starts"] if called is kernel else [])
        over_rows(called, record, *rows, **more)

    monkeypatch.setattr(pooled_convolution, "_FEWEST_GROUPS", 2)
    monkeypatch.setattr(pooled_convolution, "_MOST_VALUES", 1)
    monkeypatch.setattr(sys.modules[kernel.record.__module__], "over_rows", counted)
    few = gradient()
    assert groups == expected
    np.testing.assert_allclose(few.numpy(), every.numpy(), rtol=1e-4, atol=1e-3)
