"""Losses of the dense program, and their gradients, beside handson's own in double precision."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.kernels import dense_loss as kernel
from handson.losses import BinaryCrossentropy, CategoricalCrossentropy, Huber, MeanAbsoluteError, MeanSquaredError

LOSSES = {
    kernel.MSE: MeanSquaredError(),
    kernel.MAE: MeanAbsoluteError(),
    kernel.HUBER: Huber(0.7),
    kernel.BINARY: BinaryCrossentropy(),
    kernel.BINARY_LOGITS: BinaryCrossentropy(from_logits=True),
    kernel.CATEGORICAL: CategoricalCrossentropy(),
    kernel.CATEGORICAL_LOGITS: CategoricalCrossentropy(from_logits=True),
}
IDS = [type(loss).__name__ + getattr(loss, "from_logits", False) * "-logits" for loss in LOSSES.values()]


def computed(kind, output, targets, weights=None, rows=None):
    """What the kernel gives: sum, count and gradient."""
    rows = np.arange(len(output)) if rows is None else rows
    given = kernel.targets_of(targets, np.zeros(0, np.float32) if weights is None else weights)
    loss = kernel.Loss(kind=kind, delta=0.7, weight=1.0, columns=output.shape[1])
    return kernel.batch_loss(loss, given, rows, output)


def expected(kind, output, targets, weights=None, rows=None, precision=torch.float64):
    """The same from the loss itself."""
    rows = np.arange(len(output)) if rows is None else rows
    outputs = torch.from_numpy(output).to(precision).requires_grad_()
    weights = None if weights is None else torch.from_numpy(weights[rows]).to(precision)
    total, count = LOSSES[kind].sums(torch.from_numpy(targets[rows]).to(precision), outputs, weights, True)
    (gradient,) = torch.autograd.grad(total / max(float(count), 1), outputs)
    return float(total.detach()), int(count), gradient.numpy()


def example(kind, size, columns, soft, rng):
    """Outputs and targets that a loss may get."""
    logits, others = rng.normal(0, 2, (2, size, columns)).astype(np.float32)
    if kind < kernel.BINARY:
        return logits, others
    if kind in (kernel.BINARY, kernel.BINARY_LOGITS):
        targets = 1 / (1 + np.exp(-others)) if soft else others > 0
        return logits if kind == kernel.BINARY_LOGITS else 1 / (1 + np.exp(-logits)), targets.astype(np.float32)
    hard = np.eye(columns, dtype=np.float32)[rng.integers(0, columns, size)]
    targets = np.exp(others) / np.exp(others).sum(1, keepdims=True) if soft else hard
    return logits if kind == kernel.CATEGORICAL_LOGITS else np.exp(logits), targets


@settings(deadline=None, max_examples=300)
@given(
    kind=st.sampled_from(list(LOSSES)), size=st.integers(1, 9), columns=st.integers(1, 40), missing=st.booleans(),
    weighted=st.booleans(), soft=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_that_of_the_loss_at_any_width(kind, size, columns, missing, weighted, soft, seed):
    rng = np.random.default_rng(seed)
    output, targets = example(kind, size, columns, soft, rng)
    if missing:
        targets[rng.random(targets.shape) < 0.2] = np.nan
    rows, weights = rng.permutation(size), rng.uniform(0, 3, size).astype(np.float32) if weighted else None
    found, wanted = (each(kind, output, targets, weights, rows) for each in (computed, expected))
    np.testing.assert_allclose(found[:2], wanted[:2], rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(found[2], wanted[2], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES, ids=IDS)
def test_far_from_the_targets_and_at_them(kind):
    sums_to_one = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], np.float32)
    if kind in (kernel.BINARY, kernel.CATEGORICAL):
        output = np.array([[1, 0, 0], [1, 0, 0], [1e-30, 1 - 1e-7, 1e-7], [0.5, 0.5, 0]], np.float32)
    else:
        output = np.array([[1, 0, 0], [80, -80, 0], [-30, 1e-30, 1], [0.7, 1.7, -80]], np.float32)
    # In single precision: how far 1 - 1e-7 is from 1 depends on it.
    reference = expected(kind, output, sums_to_one, precision=torch.float32)
    for found, wanted in zip(computed(kind, output, sums_to_one), reference, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES, ids=IDS)
def test_nan_of_the_net_stays_nan(kind):
    output, targets = example(kind, 3, 2, False, np.random.default_rng(0))
    output[1, 1] = np.nan
    total, count, gradient = computed(kind, output, targets)
    assert np.isnan(total)
    assert np.isnan(gradient[1, 1])
    assert np.isfinite(gradient[[0, 2]]).all()
    assert count == (3 if kind >= kernel.CATEGORICAL else 6)


@pytest.mark.parametrize("kind", LOSSES, ids=IDS)
def test_without_any_target(kind):
    output, targets = example(kind, 3, 2, False, np.random.default_rng(0))
    output[0, 0] = np.nan  # of a value without target it does not matter
    total, count, gradient = computed(kind, output, np.full_like(targets, np.nan))
    assert (total, count) == (0.0, 0)
    assert not gradient.any()
