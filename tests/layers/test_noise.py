"""Layers of noise: distributions, and noise that is a function of seed, layer, epoch and sample."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import handson
from handson.core.errors import HandsonError
from handson.layers import (
    AlphaDropout,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from handson.randomness.stream import Stream, active

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5
KINDS = {
    "noise": lambda **kwargs: GaussianNoise(0.5, **kwargs),
    "factor": lambda **kwargs: GaussianDropout(0.3, **kwargs),
    "alpha": lambda **kwargs: AlphaDropout(0.3, **kwargs),
    "spatial": lambda **kwargs: SpatialDropout1D(0.3, **kwargs),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
# With and without a run, which has a stream of random numbers.
either = pytest.mark.parametrize("in_a_run", [True, False])


def noisy(layer, x, rows=None, seed=0, epoch=0):
    """What the layer gives in a step of training on some rows."""
    with active(Stream(seed, epoch)) as stream:
        stream.rows = torch.arange(len(x)) if rows is None else torch.as_tensor(rows)
        return layer.train()(x)


def applied(layer, x, in_a_run):
    torch.manual_seed(0)
    return noisy(layer, x) if in_a_run else layer.train()(x)


@either
@pytest.mark.parametrize("stddev", [0.1, 1.0])
def test_gaussian_noise_is_normal(stddev, in_a_run):
    y = applied(GaussianNoise(stddev), torch.full((100, 300), 2.0), in_a_run)
    assert stats.kstest((y.flatten() - 2.0) / stddev, "norm").pvalue > UNLIKELY


@either
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_gaussian_dropout_is_a_normal_factor_of_the_variance_of_dropout(rate, in_a_run):
    y = applied(GaussianDropout(rate), torch.full((100, 300), 2.0), in_a_run)
    factors = (y.flatten() / 2.0 - 1.0) / math.sqrt(rate / (1.0 - rate))
    assert stats.kstest(factors, "norm").pvalue > UNLIKELY


@either
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate, in_a_run):
    x = torch.tensor(np.random.default_rng(0).normal(size=(300, 400)), dtype=torch.float32)
    y = applied(AlphaDropout(rate), x, in_a_run)
    assert y.mean().item() == pytest.approx(0.0, abs=0.02)
    assert y.var().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_has_the_values_of_keras(keras, rate):
    x = np.linspace(-1, 1, 5000, dtype="float32").reshape(50, 100)
    ours, theirs = (
        noisy(AlphaDropout(rate), torch.tensor(x)).numpy(),
        np.asarray(keras.layers.AlphaDropout(rate)(x, training=True)),
    )
    dropped = ours.min()
    assert dropped == pytest.approx(theirs.min(), rel=1e-5)
    both = (ours > dropped + 1e-4) & (theirs > dropped + 1e-4)
    np.testing.assert_allclose(ours[both], theirs[both], rtol=1e-4, atol=1e-5)
    share = int((ours < dropped + 1e-4).sum())
    assert stats.binomtest(share, ours.size, rate).pvalue > UNLIKELY


@every_kind
def test_outside_of_training_nothing_happens(kind):
    x = torch.randn(3, 4, 5)
    assert KINDS[kind]().eval()(x) is x


@pytest.mark.parametrize("make", [lambda: GaussianNoise(0.0), lambda: GaussianDropout(0.0), lambda: AlphaDropout(0)])
def test_without_noise_nothing_happens(make):
    x = torch.randn(3, 4, 5)
    assert noisy(make(), x) is x


@every_kind
@settings(max_examples=10, deadline=None)
@given(rows=st.lists(st.integers(0, 10**9), min_size=1, max_size=8), seed=st.integers(0, 100))
def test_the_noise_of_a_sample_does_not_depend_on_its_batch(kind, rows, seed):
    layer, x = KINDS[kind](), torch.ones(len(rows), 3, 7)
    together = noisy(layer, x, rows, seed)
    for place, row in enumerate(rows):
        assert torch.equal(together[place], noisy(layer, x[:1], [row], seed)[0])


@every_kind
@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"rows": range(100, 140)}])
def test_other_seeds_epochs_and_rows_have_other_noise(kind, change):
    layer, x = KINDS[kind](), torch.ones(40, 3, 50)
    assert torch.equal(noisy(layer, x), noisy(layer, x))
    assert not torch.equal(noisy(layer, x), noisy(layer, x, **change))


@every_kind
def test_a_seed_of_its_own_wins_over_that_of_the_run(kind):
    x = torch.ones(4, 3, 50)
    own, other = KINDS[kind](seed=5), KINDS[kind](seed=6)
    assert torch.equal(noisy(own, x, seed=1), noisy(own, x, seed=2))
    assert not torch.equal(noisy(own, x), noisy(other, x))


@every_kind
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_the_noise_has_the_type_of_the_layer(kind, dtype):
    assert noisy(KINDS[kind](dtype=dtype), torch.ones(4, 3, 5)).dtype == getattr(torch, dtype)


def test_a_training_with_noise_is_the_same_again():
    def weights():
        net = handson.Sequential(
            [Input((4,)), GaussianNoise(0.3), Dense(5), GaussianDropout(0.2), AlphaDropout(0.2), Dense(1)]
        )
        net.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(20, 4))
        net.fit(x, x[:, 0], batch_size=7, epochs=2, seed=3, verbose=0)
        return net.get_weights()

    assert all(np.array_equal(one, two) for one, two in zip(weights(), weights(), strict=True))


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (SpatialDropout1D(0.4), (50, 6, 30), (1,)),
        (SpatialDropout2D(0.4), (50, 3, 4, 30), (1, 2)),
        (SpatialDropout2D(0.4, "channels_first"), (50, 30, 3, 4), (2, 3)),
        (SpatialDropout3D(0.4), (50, 2, 3, 4, 30), (1, 2, 3)),
        (SpatialDropout3D(0.4, "channels_first"), (50, 30, 2, 3, 4), (2, 3, 4)),
    ],
)
def test_spatial_dropouts_drop_whole_channels(layer, shape, axes):
    y = noisy(layer, torch.ones(shape))
    assert torch.equal(y.amin(axes), y.amax(axes))
    assert stats.binomtest(int((y.amax(axes) == 0).sum()), 50 * 30, 0.4).pvalue > UNLIKELY
    np.testing.assert_allclose(y.unique(), [0.0, 1 / 0.6], rtol=1e-6)


@pytest.mark.parametrize(("kind", "rank"), [(SpatialDropout1D, 3), (SpatialDropout2D, 4), (SpatialDropout3D, 5)])
def test_spatial_dropouts_say_what_they_take(kind, rank):
    with pytest.raises(HandsonError, match=rf"{kind.__name__} .* takes inputs of shape \(batch, .*channels\)"):
        kind(0.5)(torch.ones((2,) * (rank - 1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(-0.1), "GaussianNoise: stddev is a fraction between 0 and 1; got -0.1"),
        (lambda: GaussianNoise(1.5), "GaussianNoise: stddev is a fraction between 0 and 1; got 1.5"),
        (lambda: GaussianDropout(1.0), "GaussianDropout: rate is below 1; got 1.0"),
        (lambda: AlphaDropout(1), "AlphaDropout: rate is below 1; got 1.0"),
        (lambda: AlphaDropout("0.5"), "AlphaDropout: rate is a fraction between 0 and 1; got '0.5'"),
        (lambda: SpatialDropout2D(0.5, "last"), "SpatialDropout2D: data_format is one of"),
        (lambda: Dropout(0.5, "all"), "Dropout: noise_shape is a tuple of sizes"),
        (lambda: Dropout(0.5, (None, 0)), "Dropout: noise_shape is a tuple of sizes"),
        (lambda: AlphaDropout(0.5, (None, 1.5)), "AlphaDropout: noise_shape is a tuple of sizes"),
    ],
)
def test_wrong_arguments_are_errors(make, message):
    with pytest.raises(HandsonError, match=message):
        make()


def test_alpha_dropout_shares_decisions():
    y = noisy(AlphaDropout(0.5, noise_shape=(None, 1, None)), torch.ones(30, 4, 20))
    assert torch.equal(y.amin(1), y.amax(1))
    assert len(y.unique()) == 2
