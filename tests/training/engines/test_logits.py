"""A loss on the probabilities of a softmax or sigmoid layer is computed from its logits: no row loses its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from handson import Input, Model, Sequential, activations, losses, ops
from handson.graph.logits import logits_of
from handson.layers import Conv1D, Dense, Dropout, Flatten, Lambda, Reshape, TimeDistributed, TorchModuleWrapper
from handson.optimizers import SGD

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


def outputs_of(activation, changed=None):
    """Probabilities of a softmax or sigmoid, written to or not, and the same without their origin."""
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    probabilities = getattr(activations, activation)(logits)
    if changed is not None:
        changed(probabilities)
    return probabilities, probabilities.clone()


@pytest.mark.parametrize("changed", [None, lambda p: p.mul_(0.5), lambda p: p[:, 0].zero_()])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
def test_only_the_logits_that_belong_to_the_loss_are_taken(activation, loss, changed):
    """A sigmoid into a loss over classes, a softmax into yes or no, and outputs that were written to since."""
    given, plain = outputs_of(activation, changed)
    targets = torch.eye(3).repeat(2, 1)
    torch.testing.assert_close(losses.get(loss)(targets, given), losses.get(loss)(targets, plain))


def test_a_metric_of_training_is_that_of_an_evaluation_also_where_probabilities_are_0():
    net = Sequential([Dense(3, "softmax", input_dim=2)], seed=0)
    net.compile("sgd", "categorical_crossentropy", metrics=["categorical_crossentropy"])
    net.set_weights([np.zeros((2, 3), np.float32), np.array([FAR, 0, -FAR], np.float32)])
    x, y = np.ones((4, 2), np.float32), np.tile([0.0, 0.0, 1.0], (4, 1))
    measured = net.evaluate(x, y, return_dict=True)
    history = net.fit(x, y, epochs=1, verbose=0, engine="eager").history
    assert measured["categorical_crossentropy"] == measured["loss"] == pytest.approx(2 * FAR)
    assert history["categorical_crossentropy"] == history["loss"] == [pytest.approx(2 * FAR)]


# Other losses, and other places of the activation

CROSSENTROPIES = {
    "categorical_focal_crossentropy": (
        "softmax",
        lambda z, y: -0.25 * (1 - z.softmax(-1)) ** 2 * y * z.log_softmax(-1),
    ),
    "kl_divergence": ("softmax", lambda z, y: -y * z.log_softmax(-1)),
    "binary_focal_crossentropy": (
        "sigmoid",
        lambda z, y: (y - z.sigmoid()).abs() ** 2 * F.binary_cross_entropy_with_logits(z, y, reduction="none"),
    ),
}


def certain_and_wrong(net, loss, engine="eager"):
    """The gradient of the last kernel of a net that is certain of the wrong classes, its logits and the targets."""
    net.compile(SGD(1.0), loss)
    x, targets = np.eye(3, dtype=np.float32), np.roll(np.eye(3, dtype=np.float32), 1, 1)
    x = x.reshape(3, *net.input_shape[1:]) if net.input_shape else x
    shape = net.predict(x).shape
    before = net.get_weights()
    kernel = (FAR * (2 * np.eye(3) - 1)).astype(np.float32)
    net.set_weights([kernel.reshape(before[0].shape), before[1]])
    net.fit(x, targets.reshape(shape), batch_size=3, verbose=0, engine=engine)
    moved = kernel - net.get_weights()[0].reshape(3, 3)
    return moved, torch.tensor(kernel, requires_grad=True), torch.tensor(targets)


@pytest.mark.parametrize("engine", ["eager", "dense"])
@pytest.mark.parametrize("loss", CROSSENTROPIES)
def test_every_crossentropy_takes_the_logits(loss, engine):
    activation, formula = CROSSENTROPIES[loss]
    net = Sequential([Dense(3, activation, input_dim=3), Dropout(0.0)])
    moved, logits, targets = certain_and_wrong(net, loss, engine)
    values = formula(logits, targets)
    total = values.mean() if activation == "sigmoid" else values.sum(-1).mean()
    (gradient,) = torch.autograd.grad(total, logits)
    assert np.abs(moved).max() > 0.05
    np.testing.assert_allclose(moved, gradient, rtol=1e-4, atol=1e-6)


def between_symbols(activation):
    symbol = Input((3,))
    return Model(symbol, getattr(ops, activation)(Dense(3)(symbol)))


def picked(activation):
    """The last of two steps."""
    symbol = Input((3,))
    return Model(symbol, Dense(3, activation)(ops.stack([symbol, symbol], 1))[:, -1])


def of_torch(activation):
    last = nn.Softmax(-1) if activation == "softmax" else nn.Sigmoid()
    return nn.Sequential(nn.Linear(3, 3), nn.Sequential(last))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    "make",
    [
        between_symbols,
        lambda activation: Sequential([Dense(3, activation, input_dim=3), Reshape((1, 3))]),
        lambda activation: Sequential([Input((1, 3)), Dense(3, activation), Flatten()]),
        lambda activation: Sequential([Input((1, 3)), TimeDistributed(Dense(3, activation))]),
        lambda activation: Sequential([Input((1, 3)), Conv1D(3, 1, activation=activation)]),
        lambda activation: Sequential([Input((3,)), TorchModuleWrapper(of_torch(activation))]),
        picked,
    ],
)
def test_the_logits_are_found_wherever_the_activation_is(make, activation):
    loss = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy"}[activation]
    moved, *_ = certain_and_wrong(make(activation), loss)
    assert np.abs(moved).max() > 0.05


def test_classes_that_a_reshape_mixes_have_no_logits():
    probabilities = Reshape((3, 2))(activations.softmax(torch.randn(2, 2, 3)))
    assert logits_of(probabilities, "softmax") is None


ONE_HOT, YES = np.eye(3, dtype=np.float32)[np.arange(12) % 3], np.arange(12) % 2
LOSING = {
    "a slice of the classes": (Dense(4, "softmax"), lambda p: p[:, :3], "categorical_crossentropy", ONE_HOT),
    "a Lambda": (Dense(3, "softmax"), Lambda(lambda p: p * 1), "kl_divergence", ONE_HOT),
    "a softmax for yes or no": (Dense(3, "softmax"), lambda p: p, "binary_crossentropy", ONE_HOT),
    "a Dropout": (Dense(3, "softmax"), Dropout(0.1), "categorical_crossentropy", ONE_HOT),
    "a clipped sigmoid": (Dense(1, "sigmoid"), lambda p: ops.clip(p, 0.1, 0.9), "binary_focal_crossentropy", YES),
}


@pytest.mark.parametrize("losing", LOSING)
def test_a_loss_that_clips_probabilities_says_so(losing, capsys):
    dense, change, loss, targets = LOSING[losing]
    symbol = Input((2,))
    net = Model(symbol, change(type(dense).from_config(dense.get_config())(symbol)))
    net.compile("sgd", loss)
    net.fit(np.ones((12, 2)), targets, verbose=2)
    wanted = "sigmoid" if loss.startswith("binary") else "softmax"
    assert f"do not come straight from a {wanted}, so probabilities are kept 1e-07 from 0" in capsys.readouterr().out


@pytest.mark.parametrize("last", [Dense(3, "softmax"), Flatten()])
def test_a_loss_that_has_the_logits_says_nothing(last, capsys):
    net = Sequential([Dense(3, "softmax", input_dim=2), last] if isinstance(last, Flatten) else [last])
    net.compile("sgd", "categorical_crossentropy")
    net.fit(np.ones((12, 2)), ONE_HOT, verbose=2)
    assert "straight" not in capsys.readouterr().out
