"""A loss on the probabilities of a softmax or sigmoid layer is computed from its logits: no row loses its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from handson import Sequential
from handson.layers import Dense

FAR = 200.0  # logits so far apart that probabilities are 0 and 1 in float32


def badly_wrong(activation, loss, labels, engine):
    """Train one step on rows that the net is certain about, and wrong: the kernel before and after."""
    net = Sequential([Dense(labels.max() + 1 if activation == "softmax" else 1, activation, input_dim=2)], seed=0)
    net.compile("sgd", loss)
    kernel, bias = net.get_weights()
    net.set_weights([np.zeros_like(kernel), FAR * np.linspace(1, -1, len(bias)).astype(np.float32)])
    x = np.ones((4, 2), np.float32)
    history = net.fit(x, labels, epochs=1, batch_size=4, verbose=0, engine=engine)
    return net.get_weights()[1] - FAR * np.linspace(1, -1, len(bias)), history.history["loss"][0]


@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_a_row_that_is_badly_wrong_has_the_gradient_and_the_loss_of_logits(engine):
    labels = np.full(4, 2)
    moved, loss = badly_wrong("softmax", "sparse_categorical_crossentropy", labels, engine)
    logits = torch.tensor([[FAR, 0.0, -FAR]], requires_grad=True)
    expected = F.cross_entropy(logits, torch.tensor([2]))
    (gradient,) = torch.autograd.grad(expected, logits)
    assert loss == pytest.approx(expected.item())
    np.testing.assert_allclose(moved, -0.01 * gradient[0].numpy(), rtol=1e-3)


@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_a_sigmoid_that_is_certain_and_wrong_still_learns(engine):
    moved, loss = badly_wrong("sigmoid", "binary_crossentropy", np.zeros(4, int), engine)
    assert loss == pytest.approx(FAR)
    np.testing.assert_allclose(moved, -0.01, rtol=1e-3)
