"""Metrics and losses of distributions against scikit-learn and by hand; pictures of calibration."""

import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
import torch

from handson import distributions, losses, metrics
from handson.plots import plot_levels, plot_reliability, plot_spread

LEVELS = [0.1, 0.5, 0.8]


@pytest.mark.parametrize("columns", [1, 2])
def test_pinball_is_that_of_scikit_learn(rng, columns):
    y, quantiles = rng.normal(size=(50, columns)), rng.normal(size=(50, 3, columns))
    weights = rng.uniform(size=50)
    expected = [sklearn.metrics.mean_pinball_loss(y, quantiles[:, n], alpha=q) for n, q in enumerate(LEVELS)]
    assert losses.Pinball(LEVELS)(y, quantiles.reshape(50, -1)) == pytest.approx(np.mean(expected), rel=1e-5)
    weighted = [
        sklearn.metrics.mean_pinball_loss(y, quantiles[:, n], alpha=q, sample_weight=weights)
        for n, q in enumerate(LEVELS)
    ]
    found = losses.Pinball(LEVELS, reduction="mean_with_sample_weight")(y, quantiles.reshape(50, -1), weights)
    assert found == pytest.approx(np.mean(weighted), rel=1e-5)
    assert losses.pinball(y, quantiles.reshape(50, -1), LEVELS).shape == (50,)


@pytest.mark.parametrize("spread", ["std", "variance", "log_variance"])
def test_the_likelihood_is_that_of_torch(rng, spread):
    y, mean, std = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), rng.uniform(0.5, 2, (40, 2))
    form = {"std": std, "variance": std**2, "log_variance": 2 * np.log(std)}[spread]
    truth = torch.nn.GaussianNLLLoss(full=True)(*map(torch.tensor, (mean, y, std**2))).item()
    assert losses.GaussianNLL(spread)(y, np.c_[mean, form]) == pytest.approx(truth, rel=1e-5)


def test_beta_weighs_values_and_not_the_gradients_of_their_weights():
    raw = torch.tensor([[0.3, 0.8]], requires_grad=True)
    (plain,) = torch.autograd.grad(losses.GaussianNLL()([[1.0]], raw), raw)
    (found,) = torch.autograd.grad(losses.GaussianNLL(beta=0.5)([[1.0]], raw), raw)
    torch.testing.assert_close(found, plain * torch.exp(torch.tensor(0.4)))


def test_evidential_regression_is_equation_8_to_10(rng):
    gamma, nu, alpha, beta, y = rng.uniform(0.5, 2, (5, 20, 1)).astype("float32")
    alpha = alpha + 1
    omega = 2 * beta * (1 + nu)
    lgamma = np.vectorize(__import__("math").lgamma)
    expected = (
        0.5 * np.log(np.pi / nu) - alpha * np.log(omega)
        + (alpha + 0.5) * np.log((y - gamma) ** 2 * nu + omega) + lgamma(alpha) - lgamma(alpha + 0.5)
        + 0.3 * np.abs(y - gamma) * (2 * nu + alpha)
    )  # fmt: skip
    loss = losses.Evidential(0.3).for_pool(distributions.NormalInverseGamma())
    assert type(loss) is losses.NegativeLogLikelihood
    loss = losses.Evidential(0.3).for_head(distributions.NormalInverseGamma().as_read())
    assert loss(y, np.c_[gamma, nu, alpha, beta]) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("cut", [300, 100])
def test_calibration_errors_of_quantiles_are_counted(rng, cut):
    mean, std = rng.normal(size=(300, 2)), rng.uniform(0.5, 2, (300, 2))
    y = mean + 0.5 * std * rng.normal(size=mean.shape)
    y[::5, 0] = np.nan
    weights = rng.uniform(size=300)
    metric = metrics.QuantileCalibrationError(9)
    for first in range(0, 300, cut):
        part = slice(first, first + cut)
        metric.update_state(y[part], np.c_[mean, std][part], weights[part])
    family, parameters = distributions.Normal("std"), torch.tensor(np.c_[mean, std])
    each = np.where(np.isnan(y), 0, weights[:, None])
    shares = [
        (each * (y <= family.quantile(parameters, level).numpy())).sum() / each.sum() for level in np.arange(1, 10) / 10
    ]
    assert metric.result() == pytest.approx(np.abs(shares - np.arange(1, 10) / 10).mean(), abs=1e-6)
    assert metric.result() > 0.05


def test_samples_are_a_distribution(rng):
    samples, y = rng.normal(size=(500, 400)), rng.normal(size=(500, 1))
    assert metrics.Coverage(0.9, "samples")(y, samples) == pytest.approx(0.9, abs=0.05)
    assert metrics.CRPS("samples")(y, samples) == pytest.approx(
        float(metrics.CRPS()(y, np.tile([0.0, 1.0], (500, 1)))), rel=0.02
    )


def test_the_picture_of_probabilities_has_the_points_of_scikit_learn(rng, tmp_path):
    p = rng.uniform(0.5, 1, 1000)
    labels = (rng.random(1000) > p).astype(int)
    figure = plot_reliability({"net": np.c_[p, 1 - p]}, labels, tmp_path / "a.png")
    right, sure = sklearn.calibration.calibration_curve(labels == 0, p, n_bins=10, strategy="quantile")
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(x, sure, atol=5e-3)
    np.testing.assert_allclose(y, right, atol=5e-3)
    assert (tmp_path / "a.png").stat().st_size > 1000
    binary = plot_reliability({"net": 1 - p[:, None]}, labels).axes[0].lines[0].get_data()
    np.testing.assert_allclose(binary[1], y)


def test_the_pictures_of_a_calibrated_net_are_the_diagonal(rng):
    std = rng.uniform(0.5, 2, (20000, 1))
    y = std * rng.normal(size=std.shape)
    y[:100] = np.nan
    line = plot_spread({"net": (np.zeros_like(std), std)}, y).axes[0].lines[0]
    np.testing.assert_allclose(*line.get_data(), rtol=0.06)
    family, parameters = distributions.Normal("std"), torch.tensor(np.c_[np.zeros_like(std), std])
    quantiles = np.stack([family.quantile(parameters, level) for level in LEVELS])
    shares = plot_levels(LEVELS, {"net": quantiles}, y).axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(shares, LEVELS, atol=0.02)
