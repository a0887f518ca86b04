"""Sanity checks: healthy nets pass, broken ones do not, and nothing of the net changes."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from handson import HandsonError, Sequential, layers
from handson.checks import (
    initial_loss_check,
    initialization_comparison,
    lr_range,
    overfit_tiny,
    regularization_check,
)
from handson.checks.initialization import lecture_rules
from handson.checks.rates import _found
from handson.optimizers import SGD, Adam


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    return x, x @ np.array([[1.0], [2.0], [-1.0], [0.5]], np.float32)


def classifier(optimizer="adam", **of_dense):
    parts = [
        layers.Dense(32, activation="relu", **of_dense),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
    net = Sequential(parts, seed=0)
    net.compile(optimizer, "sparse_categorical_crossentropy")
    return net


def regressor(**compiled):
    net = Sequential([layers.Dense(16, activation="tanh"), layers.Dense(1)], seed=0)
    net.compile(**{"optimizer": Adam(0.01), "loss": "mse", **compiled})
    return net


# Learning a few rows by heart.


def test_a_healthy_classifier_learns_sixteen_rows(digits):
    found = overfit_tiny(classifier(), *digits)
    assert found.passed
    assert found.numbers["score"] >= 0.95
    assert str(found).startswith("ok: learn a few rows by heart: ")


def test_dropout_and_penalties_are_left_out(digits):
    assert overfit_tiny(classifier(kernel_regularizer="l2", bias_regularizer="l1"), *digits)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
def test_classes_in_other_forms(digits, loss):
    x, y = digits
    two = loss == "binary_crossentropy"
    net = Sequential(
        [
            layers.Dense(32, activation="relu"),
            layers.Dense(1 if two else 10, activation="sigmoid" if two else "softmax"),
        ]
    )
    net.compile("adam", loss)
    assert overfit_tiny(net, x, (y > 4).astype(np.float32) if two else np.eye(10, dtype=np.float32)[y])


def test_of_several_answers_in_a_row_all_have_to_be_right(digits):
    x, y = digits
    answers = np.stack([y % 2, y > 4, y % 3 == 0], 1).astype(np.float32)
    net = Sequential([layers.Dense(32, activation="relu"), layers.Dense(3, activation="sigmoid")], seed=0)
    net.compile(Adam(0.01), "binary_crossentropy")
    assert overfit_tiny(net, x, answers).passed
    net.compile(SGD(0.0), "binary_crossentropy")
    nothing = overfit_tiny(net, x, np.zeros((len(x), 3), np.float32), steps=2)
    assert nothing.numbers["score"] < 0.95  # the largest of three equal answers would always be the right one


def test_fewer_rows_than_asked_for_are_counted(line):
    x, y = line
    assert "on 5 rows" in overfit_tiny(regressor(), x[:5], y[:5], steps=20).text


def test_a_first_loss_that_no_guess_measures_is_a_note(line):
    x, y = line
    for last, loss in [(layers.GaussianDensity(), "nll"), (layers.Dense(1), "cosine_similarity")]:
        net = Sequential([layers.Dense(8), last], seed=0)
        net.compile("adam", loss)
        found = initial_loss_check(net, x, np.abs(y))
        assert found.passed is None
        assert np.isfinite(found.numbers["loss"])


def test_a_regression_with_missing_targets_is_learned(line):
    x, y = line[0], line[1].copy()
    y[::3] = np.nan
    assert overfit_tiny(regressor(), x, y)


def test_a_frozen_net_a_dead_rate_and_a_wrong_activation_are_found(digits, line):
    assert not overfit_tiny(classifier(SGD(1e-7)), *digits, steps=100)
    assert "lr_range" in overfit_tiny(classifier(SGD(1e-7)), *digits, steps=100).text
    bounded = Sequential([layers.Dense(16, activation="tanh"), layers.Dense(1, activation="sigmoid")])
    bounded.compile(Adam(0.01), "mse")
    assert not overfit_tiny(bounded, *line, steps=300)


# The first loss.


def test_the_first_loss_of_a_classifier_is_that_of_a_guess(digits):
    found = initial_loss_check(classifier(kernel_regularizer="l2"), *digits)
    assert found.passed
    assert found.numbers["expected"] == pytest.approx(math.log(10))
    assert found.numbers["loss"] == pytest.approx(math.log(10), rel=0.3)


def test_inputs_and_targets_that_are_not_scaled_are_found(digits, line):
    x, y = digits
    found = initial_loss_check(classifier(), 1000 * x, y)
    assert not found.passed
    assert "scale_inputs" in found.text
    assert not initial_loss_check(regressor(), line[0], line[1] + 100)
    assert initial_loss_check(regressor(scale_targets="standard"), line[0], line[1] + 100)


def test_the_loss_of_the_mean_is_the_variance(line):
    x, y = line
    assert initial_loss_check(regressor(), x, y).numbers["expected"] == pytest.approx(float(y.var()), rel=1e-4)
    scaled = initial_loss_check(regressor(scale_targets="standard"), x, y)
    assert scaled.numbers["expected"] == pytest.approx(1.0, rel=1e-4)


# Regularization.


def test_more_regularization_is_more_loss(digits):
    found = regularization_check(classifier(kernel_regularizer="l2"), *digits)
    assert found.passed
    assert list(found.numbers) == ["0", "1", "10", "100"]
    penalty = found.numbers["1"] - found.numbers["0"]
    assert found.numbers["100"] - found.numbers["0"] == pytest.approx(100 * penalty, rel=1e-3)


def test_a_penalty_that_does_not_reach_the_loss_is_found(digits):
    def build():
        return classifier(kernel_regularizer=lambda weight: 0.0 * weight.sum())

    found = regularization_check(build, *digits)
    assert found.passed is False
    assert not found


def test_without_regularizers_there_is_nothing_to_check(digits):
    found = regularization_check(classifier(), *digits)
    assert found.passed is None
    assert found
    assert str(found).startswith("note: more regularization")


# Learning rates.


def test_the_suggested_rate_trains_and_a_hundred_times_more_does_not(line):
    net = regressor(optimizer=SGD(1e-9))
    found = lr_range(net, *line, high=100.0)
    assert found.rates[0] == 1e-6
    assert len(found.losses) < 100, "it ends where the loss diverges"
    assert found.suggestion < found.rates[-1]
    losses = {}
    for factor in (1, 300):
        trained = regressor(optimizer=SGD(found.suggestion * factor))
        losses[factor] = trained.fit(*line, epochs=10, verbose=0, terminate_on_nan=False).history["loss"][-1]
    assert losses[1] < 0.2 * float(line[1].var())
    assert not losses[300] < losses[1]


def test_of_a_known_curve_the_steepest_place_and_a_tenth_of_the_lowest_are_given():
    rates = np.geomspace(1e-5, 1.0, 101)
    decades = np.log10(rates)
    losses = 2 - 1 / (1 + np.exp(-6 * (decades + 3))) + np.where(decades > -1, 5 * (decades + 1), 0)
    found = _found(rates, losses)
    assert 3e-4 < found.steepest < 5e-3, "the losses are smoothed, which lags by a few steps"
    assert found.suggestion == pytest.approx(found.rates[np.argmin(found.smooth)] / 10)


def test_a_loss_that_is_nan_at_once_is_said(line):
    with pytest.raises(HandsonError, match="NaN from the first steps"):
        lr_range(regressor(optimizer="sgd"), *line, low=1e25, high=1e30)


def test_rates_are_drawn(line, tmp_path):
    figure = lr_range(regressor(), *line).plot(tmp_path / "a.png")
    assert figure.axes[0].get_xscale() == "log"
    assert "suggestion" in figure.axes[0].texts[0].get_text()
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (1.0, 0.1), (-1.0, 1.0)])
def test_rates_that_do_not_grow_are_refused(line, bounds):
    with pytest.raises(HandsonError, match="from low to high"):
        lr_range(regressor(), *line, *bounds)


# Nothing changes.


def everything(net):
    """All that a training would change, and what a check might."""
    slots = {
        f"{slot}/{name}": tensor.clone() for slot, held in net.optimizer.slots.items() for name, tensor in held.items()
    }
    tensors = {name: value.clone() for name, value in net.state_dict().items()} | slots
    scalings = None if net.target_scalings is None else [scaling.get_config() for scaling in net.target_scalings]
    kept = (
        net.optimizer.get_config(),
        net.optimizer.iterations,
        net.seed,
        net.age,
        net.built,
        scalings,
        net.stop_training,
    )
    regularizers = [str(part.weight_regularizers) for part in net.modules() if isinstance(part, layers.Layer)]
    return tensors, kept, regularizers, net.layers[1].get_config()


def same(first, second):
    assert first[0].keys() == second[0].keys()
    assert all(torch.equal(value, second[0][name]) for name, value in first[0].items())
    assert first[1:] == second[1:]


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("check", [overfit_tiny, initial_loss_check, regularization_check, lr_range])
def test_net_optimizer_seed_and_data_stay_as_they_are(check, trained, digits):
    x, y = digits
    results = []
    for checked in (False, True):
        net = classifier(kernel_regularizer="l2")
        if trained:
            net.fit(x[:200], y[:200], epochs=2, verbose=0)
        before, rows = everything(net), x.copy()
        generators = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
        if checked:
            check(net, x, y, **({"steps": 20} if check in (overfit_tiny, lr_range) else {}))
            same(before, everything(net))
        assert generators == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
        np.testing.assert_array_equal(x, rows)
        net.fit(x[:200], y[:200], epochs=2, verbose=0)
        results.append((net.history.history, everything(net)))
    assert results[0][0] == results[1][0], "and the training that follows is the same"
    same(results[0][1], results[1][1])


def test_batches_would_be_taken_from_the_training(digits):
    with pytest.raises(HandsonError, match="would move the position of the data"):
        lr_range(classifier(), (batch for batch in [digits]), None)


def test_a_function_that_builds_is_as_good_as_a_net(digits):
    assert overfit_tiny(classifier, *digits, steps=400)


# Initial weights.


def test_the_rules_of_the_lecture_are_those_two():
    small, glorot = lecture_rules().values()
    assert float(small((100, 50), key=1).abs().max()) == pytest.approx(0.1, rel=0.01)
    assert float(glorot((100, 50), key=1).abs().max()) == pytest.approx(math.sqrt(6 / 150), rel=0.01)


def test_gradients_vanish_with_one_rule_and_not_with_the_other(digits, tmp_path):
    x, y = digits
    parts = [layers.Dense(32, activation="tanh") for _ in range(8)]
    net = Sequential([*parts, layers.Dense(10, activation="softmax")], seed=0)
    net.compile(SGD(0.01), "sparse_categorical_crossentropy")
    found = initialization_comparison(net, x[:320], y[:320], epochs=1)
    shares = []
    for journal in found.journals.values():
        gradients = [journal.series(name, "gradient_rms")[1][0] for name in journal.layers]
        shares.append(gradients[0] / gradients[-1])
    assert shares[0] < 0.1 * shares[1]
    spreads = [[values.std() for values in outputs.values()] for outputs in found.outputs.values()]
    assert spreads[0][7] < 0.1 * spreads[0][0]
    assert spreads[1][7] > 0.3 * spreads[1][0]
    figure = found.plot(tmp_path / "a.png")
    assert len(figure.axes) == 6
    assert len(figure.axes[0].patches) == 9
    assert not net.built
