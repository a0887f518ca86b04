"""Temperatures against SciPy's minimizer, calibration errors, and the share of targets that intervals hold."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import handson
from handson.calibration import Conformal, calibrate
from handson.core.errors import HandsonError
from handson.layers import Activation, Dense, Dropout, GaussianDensity, Rescaling, Softmax
from handson.losses import SparseCategoricalCrossentropy


@pytest.fixture
def classes(rng):
    x = rng.normal(size=(400, 3)).astype("float32")
    return x, (x + 1.5 * rng.gumbel(size=x.shape)).argmax(1)


def classifier(*last, loss="sparse_categorical_crossentropy", outputs=3):
    net = handson.Sequential([Dense(outputs, use_bias=True, input_dim=3), *last], seed=0)
    net.compile("adam", loss, metrics=["ece"] if last else [])
    net.set_weights([5 * np.eye(3, outputs, dtype="float32"), np.full(outputs, 0.1, "float32")])
    return net


def likelihood(logits, y):
    return lambda t: -np.mean(scipy.special.log_softmax(logits / t, -1)[np.arange(len(y)), y])


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ([Softmax()], "sparse_categorical_crossentropy"),
        ([Activation("softmax"), Dropout(0.1)], "sparse_categorical_crossentropy"),
        ([], SparseCategoricalCrossentropy(from_logits=True)),
        ([Softmax()], "categorical_crossentropy"),
    ],
)
def test_the_temperature_has_the_least_crossentropy(classes, last, loss, tmp_path):
    x, y = classes
    net = classifier(*last, loss=loss)
    targets = np.eye(3)[y] if loss == "categorical_crossentropy" else y
    before, expected = net.predict(x), scipy.optimize.minimize_scalar(likelihood(5 * x + 0.1, y), (0.1, 10))
    first = net.evaluate(x, targets, return_dict=True)
    found = calibrate(net, x, targets)
    assert found == pytest.approx(expected.x, rel=1e-3)
    assert found > 3
    after = net.evaluate(x, targets, return_dict=True)
    assert after["loss"] == pytest.approx(expected.fun, rel=1e-4)
    if last:
        assert after["ece"] < first["ece"] / 2
    np.testing.assert_array_equal(net.predict(x).argmax(1), before.argmax(1))
    net.save(tmp_path / "net.handson")
    np.testing.assert_array_equal(handson.load(tmp_path / "net.handson").predict(x), net.predict(x))
    assert calibrate(net, x, targets) == pytest.approx(1, rel=1e-3)


def test_two_classes_and_missing_ones(rng):
    x = rng.normal(size=(500, 3)).astype("float32")
    y = (x[:, 0] + rng.logistic(size=500) > 0).astype(float)
    net = classifier(Activation("sigmoid"), loss="binary_crossentropy", outputs=1)
    holes = np.where(rng.random(500) < 0.3, np.nan, y)
    known = ~np.isnan(holes)
    logits = 5 * x[known, 0] + 0.1
    truth = scipy.optimize.minimize_scalar(
        lambda t: -np.mean(scipy.special.log_expit((2 * y[known] - 1) * logits / t)), (0.1, 10)
    )
    assert calibrate(net, x, holes) == pytest.approx(truth.x, rel=1e-3)


def test_focal_losses_are_of_one_probability_for_each_output(rng):
    x = rng.normal(size=(500, 3)).astype("float32")
    y = (x[:, 0] + rng.logistic(size=500) > 0).astype(float)
    found = [
        calibrate(classifier(Activation("sigmoid"), loss=loss, outputs=1), x, y)
        for loss in ("binary_crossentropy", "binary_focal_crossentropy")
    ]
    assert found[0] == found[1] > 1


def test_what_has_no_temperature_is_refused_and_left_as_it_was(classes, rng):
    x, y = classes
    net = classifier(Softmax(), Rescaling(0.5))
    with pytest.raises(HandsonError, match="ends with 'rescaling'"):
        calibrate(net, x, y)
    odd = classifier(Activation("tanh"), loss=SparseCategoricalCrossentropy(from_logits=True))
    weights = [weight.copy() for weight in odd.get_weights()]
    with pytest.raises(HandsonError, match="no softmax or sigmoid"):
        calibrate(odd, x, y)
    np.testing.assert_array_equal(odd.get_weights()[0], weights[0])
    with pytest.raises(HandsonError, match="takes one trained net"):
        calibrate([net], x, y)
    values = handson.Sequential([Dense(1, input_dim=3)])
    values.compile("adam", "mse")
    with pytest.raises(HandsonError, match="is for classifiers"):
        calibrate(values, x, y)


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_what_they_say(rng, spread, level):
    x = rng.normal(size=(3000, 2)).astype("float32")
    y = x[:, :1] + np.exp(x[:, 1:]) * rng.standard_t(3, size=(3000, 1))
    y[::7] = np.nan
    net = handson.Sequential([Dense(8, activation="tanh"), GaussianDensity()], seed=0)
    net.compile("adam", "nll", scale_targets="standard")
    net.fit(x[:500], y[:500], epochs=5, verbose=0)
    low, high = Conformal(net, x[500:1500], y[500:1500], spread).predict(x[1500:], level)
    known = ~np.isnan(y[1500:])
    held = ((y[1500:] > low) & (y[1500:] < high))[known].mean()
    assert held == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) * (1 / known.sum() + 1 / 857)))
    assert ((high - low).std() > 0.01) == spread


def test_intervals_have_a_width_where_members_agree(rng):
    x = rng.normal(size=(300, 2)).astype("float32")
    y = x[:, :1] + rng.normal(size=(300, 1))
    net = handson.Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile("adam", "mse")
    low, high = Conformal(handson.Ensemble([net]), x[:200], y[:200]).predict(x[200:], 0.9)
    plain = Conformal(net, x[:200], y[:200], spread=False).predict(x[200:], 0.9)
    np.testing.assert_allclose((low, high), plain, rtol=1e-6)


def test_too_few_rows_and_wrong_levels_are_refused(rng):
    x = rng.normal(size=(8, 2)).astype("float32")
    net = handson.Sequential([GaussianDensity(input_dim=2)], seed=0)
    found = Conformal(net, x, x[:, :1])
    assert len(found.predict(x, 0.5)) == 2
    with pytest.raises(HandsonError, match="need 9 rows to calibrate on; got 8"):
        found.predict(x, 0.9)
    with pytest.raises(HandsonError, match="between 0 and 1"):
        found.predict(x, 90)
    with pytest.raises(HandsonError, match=r"shape \(8, 2\); the net predicts \(8, 1\)"):
        Conformal(net, x, x)
