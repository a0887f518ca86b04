"""Exact metrics against scikit-learn, SciPy, NumPy and closed forms, on ragged batches."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import metrics

cut = st.lists(st.integers(1, 39), max_size=4)
seeds = st.integers(0, 10**6)
fast = settings(max_examples=15, deadline=None)


def over_batches(metric, cuts, *arrays):
    """The metric after seeing the rows in batches that end at the cuts."""
    for parts in zip(*(np.split(array, sorted(cuts)) for array in arrays), strict=True):
        if len(parts[0]):
            metric.update_state(*parts)
    return metric.result()


def scores(rng, rows=40):
    """Targets of both classes, predictions with ties, and weights."""
    y_true = np.r_[0, 1, rng.integers(0, 2, rows - 2)]
    return y_true, rng.integers(0, 12, rows) / 11 - 0.2, rng.uniform(0.1, 3, rows)


EXACT = {
    "roc": (lambda: metrics.AUC(), sk.roc_auc_score),
    "logits": (lambda: metrics.AUC(from_logits=True), sk.roc_auc_score),
    "pr": (lambda: metrics.AUC(curve="PR"), sk.average_precision_score),
    "ap": (lambda: metrics.AveragePrecision(), sk.average_precision_score),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("weighted", [False, True])
@fast
@given(seed=seeds, cuts=cut)
def test_areas_are_those_of_scikit_learn(name, weighted, seed, cuts):
    make, peer = EXACT[name]
    y_true, y_pred, weight = scores(np.random.default_rng(seed))
    given_weight = (weight,) if weighted else ()
    found = over_batches(make(), cuts, y_true, y_pred, *given_weight)
    assert found == pytest.approx(peer(y_true, y_pred, sample_weight=weight if weighted else None), rel=1e-6)


def test_scores_that_lie_close_together_have_their_area(keras, rng):
    y_true = rng.integers(0, 2, 500)
    y_pred = (1 - 1e-4 * rng.random(500) * (2 - y_true)).astype("float32")
    expected = sk.roc_auc_score(y_true, y_pred)
    assert metrics.AUC()(y_true, y_pred) == pytest.approx(expected)
    assert abs(float(keras.metrics.AUC()(y_true, y_pred)) - expected) > 0.1  # what is exact is exact on purpose


def test_an_exact_area_is_what_many_thresholds_come_near_to(rng):
    y_true, y_pred = rng.integers(0, 2, 60), rng.random(60).round(3)
    for arguments in ({"curve": "PRGAIN"}, {"summation_method": "minoring"}, {"summation_method": "majoring"}):
        near = metrics.AUC(num_thresholds=20001, **arguments)(y_true, y_pred)
        assert metrics.AUC(**arguments)(y_true, y_pred) == pytest.approx(float(near), rel=1e-6)


@pytest.mark.parametrize("at", ["PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity"])
def test_an_exact_point_is_what_many_thresholds_come_near_to(rng, at):
    y_true, y_pred = rng.integers(0, 2, 60), rng.random(60).round(3)
    kind = getattr(metrics, at)
    assert kind(0.6, num_thresholds=None)(y_true, y_pred) == kind(0.6, num_thresholds=20001)(y_true, y_pred)


def test_several_labels_have_the_mean_area(rng):
    y_true, y_pred = rng.integers(0, 2, (60, 3)), rng.random((60, 3))
    assert metrics.AUC(multi_label=True)(y_true, y_pred) == pytest.approx(sk.roc_auc_score(y_true, y_pred), rel=1e-6)
    found = metrics.AveragePrecision(multi_label=True)(y_true, y_pred)
    assert found == pytest.approx(sk.average_precision_score(y_true, y_pred), rel=1e-6)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_where_there_is_no_curve_there_is_no_area(curve):
    assert np.isnan(float(metrics.AUC(curve=curve)([0, 0, 0], [0.1, 0.2, 0.3])))


CONFUSION = {
    "precision": (lambda: metrics.Precision(), lambda y, p, **k: sk.precision_score(y, p > 0.5, **k)),
    "recall": (lambda: metrics.Recall(), lambda y, p, **k: sk.recall_score(y, p > 0.5, **k)),
    "f1": (lambda: metrics.F1Score(threshold=0.5), lambda y, p, **k: sk.f1_score(y, p > 0.5, **k)),
    "iou": (
        lambda: metrics.BinaryIoU(target_class_ids=[1]),
        lambda y, p, **k: sk.jaccard_score(y.ravel(), p.ravel() >= 0.5, **k),
    ),
    "r2": (lambda: metrics.R2Score(), sk.r2_score),
    "median": (lambda: metrics.MedianAbsoluteError(), sk.median_absolute_error),
}


@pytest.mark.parametrize("name", CONFUSION)
@fast
@given(seed=seeds, cuts=cut)
def test_scores_are_those_of_scikit_learn(name, seed, cuts):
    rng = np.random.default_rng(seed)
    make, peer = CONFUSION[name]
    y_true, y_pred = np.r_[[[0], [1]], rng.integers(0, 2, (38, 1))], rng.random((40, 1))
    assert over_batches(make(), cuts, y_true, y_pred) == pytest.approx(peer(y_true, y_pred), rel=1e-6)
    weight = rng.integers(1, 4, 40)
    repeated = peer(y_true.repeat(weight, 0), y_pred.repeat(weight, 0))
    assert over_batches(make(), cuts, y_true, y_pred, weight) == pytest.approx(repeated, rel=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_r2_does_not_lose_its_digits(rng, offset):
    y_true = (rng.normal(size=(90, 2)) + offset).astype("float32")
    y_pred = (y_true + rng.normal(size=(90, 2)) / 3).astype("float32")
    assert metrics.R2Score()(y_true, y_pred) == pytest.approx(sk.r2_score(y_true.astype(float), y_pred), rel=1e-5)


def test_r2_of_targets_that_do_not_differ_is_that_of_scikit_learn():
    assert metrics.R2Score()([[0.3], [0.3]], [[0.3], [0.3]]) == 1.0 == sk.r2_score([0.3, 0.3], [0.3, 0.3])
    assert metrics.R2Score()([[0.3], [0.3]], [[0.3], [0.4]]) == 0.0 == sk.r2_score([0.3, 0.3], [0.3, 0.4])


def test_the_adjusted_r2_counts_rows(rng):
    y_true, y_pred = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    plain = sk.r2_score(y_true, y_pred)
    found = metrics.R2Score(num_regressors=4)(y_true, y_pred)
    assert found == pytest.approx(1 - (1 - plain) * 29 / 25, rel=1e-6)
    assert np.isnan(float(metrics.R2Score(num_regressors=29)(y_true, y_pred)))


@fast
@given(seed=seeds, cuts=cut)
def test_correlations_are_those_of_scipy(seed, cuts):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 9, (40, 2)).astype("float32")
    y_pred = y_true + rng.integers(0, 9, (40, 2))
    peers = {metrics.PearsonCorrelation: scipy.stats.pearsonr, metrics.SpearmanCorrelation: scipy.stats.spearmanr}
    for kind, peer in peers.items():
        one = over_batches(kind(), cuts, y_true[:, :1], y_pred[:, :1])
        each = [peer(y_true[:, column], y_pred[:, column])[0] for column in range(2)]
        assert one == pytest.approx(each[0], rel=1e-6)
        whole = kind(axis=0) if kind is metrics.PearsonCorrelation else kind()
        assert over_batches(whole, cuts, y_true, y_pred) == pytest.approx(np.mean(each), rel=1e-6)


def test_the_concordance_over_samples_is_lins(rng):
    x, y = rng.normal(size=50), rng.normal(size=50) + 0.5
    expected = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert metrics.ConcordanceCorrelation()(x[:, None], y[:, None]) == pytest.approx(expected, rel=1e-5)


def test_ranks_have_no_weights():
    with pytest.raises(ValueError, match="ranks have no weights"):
        metrics.SpearmanCorrelation()([[0.0], [1.0]], [[1.0], [2.0]], [1.0, 2.0])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_quantiles_are_those_of_numpy(rng, share, rows):
    errors = rng.normal(size=(rows, 1)).astype("float32")
    found = metrics.MedianAbsoluteError(share)(np.zeros_like(errors), errors)
    assert found == pytest.approx(np.quantile(np.abs(errors), share, method="averaged_inverted_cdf"))


@pytest.mark.parametrize("relative", [True, False])
@fast
@given(seed=seeds, cuts=cut)
def test_redshifts_are_judged_as_numpy_does(relative, seed, cuts):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0, 3, (40, 1)).astype("float32")
    predicted = (z + rng.standard_t(2, (40, 1)) / 9).astype("float32")
    error = (predicted - z) / (1 + z) if relative else predicted - z
    nmad = scipy.stats.median_abs_deviation(error[:, 0]) * 1.4826
    arguments = {"relative": relative}
    assert over_batches(metrics.NMAD(**arguments), cuts, z, predicted) == pytest.approx(nmad, rel=1e-5)
    assert over_batches(metrics.Bias(**arguments), cuts, z, predicted) == pytest.approx(error.mean(), abs=1e-6)
    rate = metrics.OutlierRate(0.1, **arguments)
    assert over_batches(rate, cuts, z, predicted) == pytest.approx((np.abs(error) > 0.1).mean())


@pytest.mark.parametrize(("mean", "spread", "target"), [(0.0, 1.0, 0.0), (1.0, 0.3, 2.0), (-2.0, 5.0, 1.0)])
def test_crps_is_the_integral_that_defines_it(mean, spread, target):
    normal = scipy.stats.norm(mean, spread)
    left = scipy.integrate.quad(lambda x: normal.cdf(x) ** 2, -60, target)[0]
    right = scipy.integrate.quad(lambda x: (1 - normal.cdf(x)) ** 2, target, 60)[0]
    assert metrics.CRPS()([[target]], [[mean, spread]]) == pytest.approx(left + right, rel=1e-5)
    forms = {"variance": spread**2, "log_variance": 2 * np.log(spread)}
    for form, number in forms.items():
        assert metrics.CRPS(form)([[target]], [[mean, number]]) == pytest.approx(left + right, rel=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.6827, 0.95])
def test_a_net_that_knows_how_sure_it_is_covers_the_level(rng, level):
    mean, spread = rng.normal(size=(20000, 2)), rng.uniform(0.1, 3, (20000, 2))
    target = mean + spread * rng.normal(size=mean.shape)
    outputs = np.c_[mean, spread]
    assert metrics.Coverage(level)(target, outputs) == pytest.approx(level, abs=0.01)
    assert metrics.Coverage(level)(target, np.c_[mean, spread / 2]) < level - 0.1


def test_outputs_without_a_spread_are_refused():
    with pytest.raises(ValueError, match="a mean and a spread for each target"):
        metrics.Coverage()([[0.0], [1.0]], [[0.0], [1.0]])


def slow_calibration(sure, right, weight, bins):
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            total += abs((weight * (sure - right))[inside].sum())
    return total / weight.sum()


@fast
@given(seed=seeds, cuts=cut)
def test_the_calibration_error_is_that_of_its_bins(seed, cuts):
    rng = np.random.default_rng(seed)
    y_pred, labels, weight = rng.dirichlet(np.ones(3), 40).astype("float32"), rng.integers(0, 3, 40), rng.random(40)
    right = y_pred.argmax(1) == labels
    expected = slow_calibration(y_pred.max(1), right, weight, 10)
    for y_true in (labels, labels[:, None], np.eye(3)[labels]):
        found = over_batches(metrics.ExpectedCalibrationError(10), cuts, y_true, y_pred, weight)
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_the_calibration_error_of_a_sigmoid_is_of_the_likelier_class(rng, shape):
    y_pred, y_true = rng.random(shape).astype("float32"), rng.integers(0, 2, 40)
    sure = np.maximum(y_pred, 1 - y_pred).ravel()
    expected = slow_calibration(sure, (y_pred.ravel() > 0.5) == y_true, np.ones(40), 15)
    assert metrics.ExpectedCalibrationError()(y_true, y_pred) == pytest.approx(expected, rel=1e-5)


def test_logits_have_no_calibration():
    with pytest.raises(ValueError, match="wants probabilities"):
        metrics.ExpectedCalibrationError()([0, 1], torch.tensor([[2.0, -3.0], [0.0, 5.0]]))
