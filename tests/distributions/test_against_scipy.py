"""Densities, quantiles, moments and scores of distributions against SciPy and numerical integration."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from handson import distributions, metrics
from handson.core.errors import HandsonError
from handson.distributions import (
    Empirical,
    Histogram,
    Laplace,
    Mixture,
    Normal,
    NormalInverseGamma,
    Pool,
    Quantiles,
    StudentT,
    pool,
)
from handson.distributions.student import incomplete_beta


class Mixed(scipy.stats.rv_continuous):
    """0.3 N(-1, 0.5) + 0.7 N(2, 1.5), in SciPy's words."""

    shares, parts = (0.3, 0.7), (scipy.stats.norm(-1, 0.5), scipy.stats.norm(2, 1.5))

    def _pdf(self, x):
        return sum(share * part.pdf(x) for share, part in zip(self.shares, self.parts, strict=True))

    def _cdf(self, x):
        return sum(share * part.cdf(x) for share, part in zip(self.shares, self.parts, strict=True))


# A distribution, parameters, and what SciPy has for them.
TRUTHS = {
    "normal": (Normal(), [0.7, 1.3], scipy.stats.norm(0.7, 1.3)),
    "laplace": (Laplace(), [0.7, 1.3], scipy.stats.laplace(0.7, 1.3)),
    "t": (StudentT(), [0.7, 1.3, 3.5], scipy.stats.t(3.5, 0.7, 1.3)),
    "t of many": (StudentT(), [-0.7, 0.3, 80.0], scipy.stats.t(80.0, -0.7, 0.3)),
    "evidential": (NormalInverseGamma(), [0.7, 2.0, 3.0, 1.5], scipy.stats.t(6.0, 0.7, np.sqrt(1.5 * 3 / (2 * 3)))),
    "mixture": (Mixture(2), [np.log(0.3), np.log(0.7), -1.0, 2.0, 0.5, 1.5], Mixed()),
    "histogram": (
        Histogram([-1.0, 0.0, 0.5, 3.0]),
        np.log([0.2, 0.5, 0.3]).tolist(),
        scipy.stats.rv_histogram(([0.2, 1.0, 0.12], [-1.0, 0.0, 0.5, 3.0]), density=True),
    ),
}
PLACES = np.array([-0.9, -0.2, 0.3, 0.7, 1.4, 2.9])
LEVELS = [0.02, 0.25, 0.5, 0.9]
named = pytest.mark.parametrize("name", TRUTHS)


def given(name):
    family, numbers, truth = TRUTHS[name]
    return family.as_read(), torch.tensor(numbers, dtype=torch.float64).expand(len(PLACES), -1), truth


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


@named
def test_density_and_distribution_function(name):
    family, parameters, truth = given(name)
    found = family.log_density(parameters, column(PLACES))[:, 0]
    np.testing.assert_allclose(found.exp(), truth.pdf(PLACES), rtol=1e-9)
    np.testing.assert_allclose(family.cdf(parameters, column(PLACES))[:, 0], truth.cdf(PLACES), rtol=1e-8)


@named
def test_quantiles_and_moments(name):
    family, parameters, truth = given(name)
    for level in LEVELS:
        np.testing.assert_allclose(family.quantile(parameters, level)[0], truth.ppf(level), rtol=1e-6, atol=1e-6)
    found = family.moments(parameters)
    assert found.mean[0].item() == pytest.approx(truth.mean(), rel=1e-7)
    assert found.variance[0].item() == pytest.approx(truth.var(), rel=1e-6)


@named
def test_crps_is_the_integral_that_defines_it(name):
    family, parameters, truth = given(name)
    scores = family.crps(parameters, column(PLACES))[:, 0]
    numerical = distributions.Distribution.crps(family, parameters, column(PLACES))[:, 0]
    for place, score, other in zip(PLACES, scores, numerical, strict=True):
        below = scipy.integrate.quad(lambda x: truth.cdf(x) ** 2, -200, place, limit=500, points=[-1, 0, 0.5])[0]
        above = scipy.integrate.quad(lambda x: (1 - truth.cdf(x)) ** 2, place, 200, limit=500, points=[1, 3, 10])[0]
        assert score.item() == pytest.approx(below + above, rel=1e-5)
        assert other.item() == pytest.approx(below + above, rel=5e-3)


@named
def test_a_change_of_units_is_one_of_the_random_variable(name):
    if name == "histogram":
        pytest.skip("its edges are in the units of the targets")
    family, parameters, truth = given(name)
    factor = torch.tensor(-2.0, dtype=torch.float64)
    turned = family.rescaled(parameters, lambda x: 5 + factor * x, factor)
    np.testing.assert_allclose(family.quantile(turned, 0.2)[0], 5 - 2 * truth.ppf(0.8), rtol=1e-5)


@named
def test_what_a_net_gives_becomes_a_distribution(name, rng):
    family = TRUTHS[name][0]
    raw = torch.tensor(5 * rng.normal(size=(50, 2 * family.size)))
    parameters = family.constrain(raw)
    assert parameters.shape == raw.shape
    shares = [family.cdf(parameters, torch.full((50, 2), x, dtype=torch.float64)) for x in (-1e4, 0.2, 1e4)]
    assert bool((shares[0] <= shares[1]).all() and (shares[1] <= shares[2]).all())
    assert shares[0].max() < 0.1
    assert shares[2].min() > 0.9
    assert bool((family.moments(parameters).variance > 0).all())


@named
def test_two_columns_are_two_distributions(name):
    family, numbers, _ = TRUTHS[name]
    family = family.as_read()
    first, second = torch.tensor([numbers]), torch.tensor([numbers]) * 1.01
    both = torch.stack([first, second], -1).flatten(-2)
    for ask in (lambda p: family.moments(p).mean, lambda p: family.quantile(p, 0.3)):
        torch.testing.assert_close(ask(both), torch.cat([ask(first), ask(second)], -1))
    y = torch.tensor([[0.2, 0.2]])
    torch.testing.assert_close(
        family.log_density(both, y), torch.cat([family.log_density(each, y[:, :1]) for each in (first, second)], -1)
    )


@pytest.mark.parametrize("a", [0.3, 1.0, 7.0, 60.0])
def test_the_incomplete_beta_function_and_the_gradient_of_t(a):
    x = torch.linspace(0.001, 0.999, 41, dtype=torch.float64)
    found = incomplete_beta(torch.full_like(x, a), torch.full_like(x, 0.5), x)
    np.testing.assert_allclose(found, scipy.special.betainc(a, 0.5, x.numpy()), rtol=1e-9, atol=1e-12)
    parameters = torch.tensor([[0.2, 0.8, 2.1 + a]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, y: StudentT().crps(p, y), (parameters, y), atol=1e-4)


def test_quantiles_between_levels_are_exact_for_normal_distributions():
    levels = [0.05, 0.2, 0.5, 0.7, 0.95]
    normal = scipy.stats.norm(3, 2)
    parameters = torch.tensor(normal.ppf(levels))[None]
    family = Quantiles(levels)
    for level in (0.06, 0.3, 0.5, 0.9):
        assert family.quantile(parameters, level).item() == pytest.approx(normal.ppf(level))
    for place in (-3.0, 1.0, 3.5, 9.0):  # also outside of the levels
        assert family.cdf(parameters, torch.tensor([[place]])).item() == pytest.approx(normal.cdf(place))
    assert family.moments(parameters).variance.item() == pytest.approx(4)


def test_quantiles_of_a_head_never_cross(rng):
    family = Quantiles([0.1, 0.2, 0.5, 0.9], ordered=True)
    found = family.parts(family.constrain(torch.tensor(20 * rng.normal(size=(100, 8)))))
    assert bool((found.diff(dim=-2) >= 0).all())


def test_samples_are_judged_as_in_the_definition(rng):
    samples, y = rng.normal(size=(20, 7)), rng.normal(size=(20, 1))
    between = np.abs(samples[:, :, None] - samples[:, None]).mean((1, 2))
    expected = np.abs(samples - y).mean(1) - between / 2
    found = Empirical(7).crps(torch.tensor(samples), torch.tensor(y))[:, 0]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", ["normal", "laplace", "mixture", "histogram", "evidential"])
def test_a_pool_is_the_equal_mixture(name, rng):
    family = TRUTHS[name][0]
    parameters = [family.constrain(torch.tensor(rng.normal(size=(1, family.size)))) for _ in range(3)]
    family = family.as_read()
    found, together = pool([family] * 3, parameters)
    y = column([0.4])
    mean = torch.stack([family.log_density(each, y).exp() for each in parameters]).mean(0)
    torch.testing.assert_close(found.log_density(together, y).exp(), mean)
    plain = Pool([family] * 3)
    torch.testing.assert_close(plain.log_density(torch.cat(parameters, -1), y).exp(), mean)
    moments, same = found.moments(together), plain.moments(torch.cat(parameters, -1))
    torch.testing.assert_close(moments.variance, same.variance)
    assert found.cdf(together, found.quantile(together, 0.3)).item() == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal("sd"), "'log_variance', 'softplus'; got 'sd'. Did you mean 'std'"),
        (lambda: Mixture(0), "components"),
        (lambda: Histogram([0.0, 0.0, 1.0]), "increasing numbers"),
        (lambda: Histogram("ab"), "list of finite numbers"),
        (lambda: Quantiles([0.5, 0.1]), "increasing numbers between 0 and 1"),
        (lambda: Quantiles([0.1, 0.9]).quantile(torch.zeros(1, 2), 0.95), r"from 0.1 to 0.9; got the level 0.95"),
        (lambda: Normal().columns(3), "takes 2 outputs for each column of the targets; the net gives 3"),
        (lambda: Normal().check_level(1.0), "between 0 and 1; got 1.0"),
        (lambda: Quantiles().crps(torch.zeros(1, 5), torch.zeros(1, 1)), "measure 'pinball'"),
        (lambda: distributions.get("Gauss"), "distribution"),
        (
            lambda: Empirical(1).log_density(torch.zeros(1, 1), torch.zeros(1, 1)),
            "no density: train it with the loss 'crps'",
        ),
        (lambda: Quantiles().log_density(torch.zeros(1, 5), torch.zeros(1, 1)), "train it with the loss 'pinball'"),
        (lambda: Histogram([0, 1]).rescaled(torch.zeros(1, 1), abs, torch.ones(1)), "leave scale_targets out"),
        (lambda: metrics.CRPS().check_family(Quantiles()), "measure 'pinball'"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(HandsonError, match=message):
        make()
