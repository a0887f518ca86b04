"""Losses and the small nouns of Keras with random arguments: the numbers of Keras, in float32 and float64."""

import numpy as np
import pytest
import random_nouns as nouns
import scipy.stats
import torch
from random_layers import Draw

from handson import activations, constraints, initializers, losses, regularizers, schedules
from handson.core import registry

SEEDS = range(8)
SHAPES = [(6, 4), (3, 3, 4, 8), (5, 6, 7)]


def each(names):
    return pytest.mark.parametrize("name", names)


@pytest.mark.parametrize("seed", SEEDS)
@each(nouns.LOSSES)
def test_losses(keras, name, seed):
    case, found = nouns.LossCase(name, seed), []
    for of in (losses, keras.losses):
        y_pred = torch.tensor(case.y_pred, requires_grad=True)
        value = case.of(of)(torch.tensor(case.y_true), y_pred, case.weights)
        (value * torch.linspace(0.5, 1.5, value.numel()).reshape(value.shape)).sum().backward()
        found.append((value.detach(), y_pred.grad))
    for mine, other in zip(*found, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@each(nouns.LOSSES)
def test_functions_of_losses(keras, name, seed):
    case = nouns.LossCase(name, seed)
    short = registry.snake_case(name).replace("kldivergence", "kl_divergence")
    given = torch.tensor(case.y_true), torch.tensor(case.y_pred)
    needed = {"q": 0.5} if "q" in nouns.LOSSES[name][1] else {}
    mine, other = (getattr(of, short)(*given, **needed | case.arguments) for of in (losses, keras.losses))
    assert mine.shape == other.shape
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@each(nouns.INITIALIZERS)
def test_initializers(keras, name, seed):
    d = Draw(seed)
    given = nouns.arguments(nouns.INITIALIZERS[name], d)
    shape = (d.number(3, 9), d.number(3, 9)) if name == "Identity" else d.one(*SHAPES)
    mine = torch.as_tensor(getattr(initializers, name)(**given)(shape)).numpy()
    other = getattr(keras.initializers, name)(**given)(shape).detach().numpy()
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
    if name in nouns.EXACT:
        assert np.array_equal(mine, other)
    elif name == "Orthogonal":
        a, b = (one.reshape(-1, shape[-1]).astype("float64") for one in (mine, other))
        wide = a.shape[0] < a.shape[1]
        np.testing.assert_allclose(*((m @ m.T if wide else m.T @ m) for m in (a, b)), atol=1e-5)
    else:
        many = (*shape[:-2], shape[-2] * 20, shape[-1] * 20) if name.startswith(("Random", "Trunc")) else shape
        draws = [
            np.concatenate([np.ravel(of(**given, seed=k)(many).detach().numpy()) for k in range(8)])
            for of in (getattr(initializers, name), getattr(keras.initializers, name))
        ]
        assert scipy.stats.ks_2samp(*draws).pvalue > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
@each([*nouns.REGULARIZERS, *nouns.CONSTRAINTS])
def test_regularizers_and_constraints(keras, name, seed):
    d = Draw(seed)
    ours, theirs = (
        (regularizers, keras.regularizers) if name in nouns.REGULARIZERS else (constraints, keras.constraints)
    )
    given = nouns.arguments((nouns.REGULARIZERS | nouns.CONSTRAINTS)[name], d)
    shape = (d.number(2, 6), d.number(2, 6)) if name.startswith("Orth") else d.one(*SHAPES)
    weight = d.rng.normal(size=shape).astype("float32")
    mine, other = (getattr(of, name)(**given)(torch.tensor(weight)) for of in (ours, theirs))
    np.testing.assert_allclose(mine.detach(), other.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@each(nouns.SCHEDULES)
def test_schedules(keras, name, seed):
    d = Draw(seed)
    rate = [] if name.startswith("Piecewise") else [d.one(0.5, 0.01)]
    given = nouns.arguments(nouns.SCHEDULES[name], d, needed=nouns.NEEDED)
    mine, other = (getattr(of, name)(*rate, **given) for of in (schedules, keras.optimizers.schedules))
    np.testing.assert_allclose(
        [mine(step) for step in range(30)], [float(other(step)) for step in range(30)], rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("seed", SEEDS)
@each(nouns.ACTIVATIONS)
def test_activations(keras, name, seed):
    d, found = Draw(seed), []
    given = nouns.arguments(nouns.ACTIVATIONS[name], d)
    if name == "threshold":
        given = {"threshold": 0.1, "default_value": 0.5} | given
    values = d.rng.normal(size=(4, 6)) * d.one(0.5, 3.0)
    for of in (activations, keras.activations):
        x = torch.tensor(values, dtype=torch.float32, requires_grad=True)
        y = getattr(of, name)(x, **given)
        (y * torch.linspace(0.5, 1.5, y.numel()).reshape(y.shape)).sum().backward()
        found.append((y.detach(), x.grad))
    for mine, other in zip(*found, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
