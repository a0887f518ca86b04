"""Metrics against scikit-learn on ragged batches, and against Keras."""

import inspect
import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import losses, metrics
from handson.core import registry
from handson.core.errors import HandsonError

CLASSES = 4


def regression(rng, rows):
    return rng.normal(size=(rows, 3)), rng.normal(size=(rows, 3))


def binary(rng, rows):
    return rng.integers(0, 2, (rows, 1)), rng.random((rows, 1))


def labelled(rng, rows):
    return rng.integers(0, CLASSES, rows), rng.dirichlet(np.ones(CLASSES), rows)


def one_hot(rng, rows):
    labels, probabilities = labelled(rng, rows)
    return np.eye(CLASSES)[labels], probabilities


# For each metric: random data, and scikit-learn's number for them.
PEERS = {
    "rmse": (regression, lambda y, p, **k: sklearn.metrics.mean_squared_error(y, p, **k) ** 0.5),
    "mse": (regression, sklearn.metrics.mean_squared_error),
    "mae": (regression, sklearn.metrics.mean_absolute_error),
    "binary_accuracy": (binary, lambda y, p, **k: sklearn.metrics.accuracy_score(y, p > 0.5, **k)),
    "binary_crossentropy": (binary, lambda y, p, **k: sklearn.metrics.log_loss(y, p, labels=[0, 1], **k)),
    "categorical_accuracy": (one_hot, lambda y, p, **k: sklearn.metrics.accuracy_score(y.argmax(1), p.argmax(1), **k)),
    "sparse_categorical_accuracy": (labelled, lambda y, p, **k: sklearn.metrics.accuracy_score(y, p.argmax(1), **k)),
    "categorical_crossentropy": (
        one_hot, lambda y, p, **k: sklearn.metrics.log_loss(y.argmax(1), p, labels=range(CLASSES), **k)
    ),
    "sparse_categorical_crossentropy": (
        labelled, lambda y, p, **k: sklearn.metrics.log_loss(y, p, labels=range(CLASSES), **k)
    ),
}  # fmt: skip
all_metrics = pytest.mark.parametrize("name", PEERS)


def over_batches(metric, cuts, *arrays):
    """The metric after seeing the rows in batches that end at the cuts."""
    metric.reset_state()
    for parts in zip(*(np.split(array, cuts) for array in arrays), strict=True):
        if len(parts[0]):
            metric.update_state(*parts)
    return metric.result()


@all_metrics
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 22), max_size=4))
def test_numbers_over_ragged_batches_are_those_of_scikit_learn(name, seed, cuts):
    make, peer = PEERS[name]
    y_true, y_pred = make(np.random.default_rng(seed), 23)
    actual = over_batches(metrics.get(name), sorted(cuts), y_true, y_pred)
    assert actual == pytest.approx(peer(y_true, y_pred), rel=1e-4, abs=1e-6)


@all_metrics
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 22), max_size=4))
def test_weighted_numbers_over_ragged_batches_are_those_of_scikit_learn(name, seed, cuts):
    make, peer = PEERS[name]
    rng = np.random.default_rng(seed)
    y_true, y_pred = make(rng, 23)
    weight = rng.uniform(0.1, 3.0, 23)
    actual = over_batches(metrics.get(name), sorted(cuts), y_true, y_pred, weight)
    assert actual == pytest.approx(peer(y_true, y_pred, sample_weight=weight), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["RootMeanSquaredError", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"]
)
def test_numbers_are_those_of_keras(keras, rng, name, weighted):
    make = PEERS.get(registry.snake_case(name), PEERS["rmse"])[0]
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for rows in (7, 2, 5):
        y_true, y_pred = (array.astype("float32") for array in make(rng, rows))
        weight = rng.uniform(0.1, 3.0, rows).astype("float32") if weighted else None
        ours.update_state(y_true, y_pred, weight)
        theirs.update_state(y_true, y_pred, weight)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-5)


@all_metrics
def test_missing_targets_are_left_out(rng, name):
    make, peer = PEERS[name]
    y_true, y_pred = make(rng, 30)
    missing = rng.random(30) < 0.4
    holes = y_true.astype("float64")
    holes[missing] = np.nan
    actual = over_batches(metrics.get(name), [4, 9, 21], holes, y_pred)
    assert actual == pytest.approx(peer(y_true[~missing], y_pred[~missing]), rel=1e-4)


def test_elements_are_masked_one_by_one(rng):
    y_true, y_pred = regression(rng, 20)
    missing = rng.random(y_true.shape) < 0.4
    holes = np.where(missing, np.nan, y_true)
    expected = sklearn.metrics.root_mean_squared_error(y_true[~missing], y_pred[~missing])
    assert over_batches(metrics.get("rmse"), [3, 11], holes, y_pred) == pytest.approx(expected, rel=1e-5)


@all_metrics
def test_before_any_target_a_metric_is_not_a_number(rng, name):
    make, _ = PEERS[name]
    metric = metrics.get(name)
    assert math.isnan(metric.result())
    y_true, y_pred = make(rng, 3)
    metric.update_state(np.full(y_true.shape, np.nan), y_pred)
    assert math.isnan(metric.result())


@all_metrics
def test_reset_state_forgets(rng, name):
    make, peer = PEERS[name]
    metric = metrics.get(name)
    metric.update_state(*make(rng, 9))
    metric.reset_state()
    y_true, y_pred = make(rng, 9)
    metric.update_state(y_true, y_pred)
    assert metric.result() == pytest.approx(peer(y_true, y_pred), rel=1e-4)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9])
def test_an_output_above_the_threshold_means_one(keras, rng, threshold):
    y_true, y_pred = binary(rng, 50)
    metric = metrics.BinaryAccuracy(threshold=threshold)
    metric.update_state(y_true, y_pred)
    assert metric.result() == pytest.approx(((y_pred > threshold) == y_true).mean())


def test_an_output_on_the_threshold_means_zero_as_in_keras(keras):
    ours, theirs = metrics.BinaryAccuracy(), keras.metrics.BinaryAccuracy()
    for metric in (ours, theirs):
        metric.update_state([[0.0], [0.0], [0.0]], [[0.5], [0.5], [0.6]])
    assert ours.result() == pytest.approx(float(theirs.result())) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"])
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters
    for argument, parameter in inspect.signature(getattr(metrics, name).__init__).parameters.items():
        if argument not in ("self", "name"):
            assert parameter.default == theirs[argument].default


@pytest.mark.parametrize(
    ("loss", "outputs", "expected"),
    [
        ("sparse_categorical_crossentropy", 5, "SparseCategoricalAccuracy"),
        ("categorical_crossentropy", 5, "CategoricalAccuracy"),
        ("categorical_crossentropy", None, "CategoricalAccuracy"),
        ("binary_crossentropy", 1, "BinaryAccuracy"),
        ("binary_crossentropy", 5, "BinaryAccuracy"),
        ("mse", 1, "BinaryAccuracy"),
        ("mse", 5, "CategoricalAccuracy"),
    ],
)
@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_accuracy_is_the_one_that_belongs_to_the_loss(name, loss, outputs, expected):
    metric = metrics.get(name, losses.get(loss), outputs)
    assert type(metric).__name__ == expected
    assert metric.name == name


@pytest.mark.parametrize(("from_logits", "threshold"), [(False, 0.5), (True, 0.0)])
def test_the_accuracy_of_logits_has_the_threshold_zero(from_logits, threshold):
    assert metrics.get("accuracy", losses.BinaryCrossentropy(from_logits), 1).threshold == threshold


def test_accuracy_without_a_loss_is_an_error():
    with pytest.raises(HandsonError, match=r"'accuracy' depends on the loss.*'sparse_categorical_accuracy'"):
        metrics.get("accuracy")


@pytest.mark.parametrize("name", ["mse", "MAE", "rmse", "huber", "BinaryAccuracy", "root_mean_squared_error"])
def test_a_metric_is_called_what_the_user_called_it(name):
    assert metrics.get(name).name == name


def test_a_name_can_be_given():
    assert metrics.BinaryAccuracy(name="own").name == "own"
    assert metrics.LossMetric("mse", name="own").name == "own"
    assert metrics.LossMetric("mse").name == "mean_squared_error"


@pytest.mark.parametrize("name", ["mse", "rmse", "binary_crossentropy"])
def test_smaller_errors_are_better(name):
    assert metrics.get(name).direction == "min"


@pytest.mark.parametrize("name", ["binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"])
def test_larger_accuracies_are_better(name):
    assert metrics.get(name).direction == "max"


def test_a_loss_becomes_a_metric_with_its_arguments():
    metric = metrics.get(losses.Huber(2.0))
    assert metric.loss.delta == 2.0
    assert metric.name == "huber"


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy", "mse"])
def test_the_metric_of_a_loss_wants_what_the_loss_wants(loss):
    metric, loss = metrics.get(loss), losses.get(loss)
    assert (metric.targets, metric.probabilities) == (loss.targets, loss.probabilities)


def test_a_function_is_a_metric_with_its_name():
    def worst(y_true, y_pred):
        return (y_true - y_pred).abs().amax(-1)

    metric = metrics.get(worst)
    metric.update_state([[0.0, 0.0]], [[1.0, 3.0]])
    metric.update_state([[0.0, 0.0]], [[5.0, 3.0]])
    assert (metric.name, metric.result()) == ("worst", 4.0)


def test_an_object_and_a_configuration_are_taken_as_they_are():
    made = metrics.BinaryAccuracy(threshold=0.3)
    assert metrics.get(made) is made
    assert metrics.get({"BinaryAccuracy": {"threshold": 0.3}}).threshold == 0.3


def test_an_own_metric_may_finish_in_its_own_way():
    class Bits(metrics.Metric):
        def values(self, y_true, y_pred):
            return (y_true - y_pred).abs()

        def finish(self, mean):
            return mean / np.log(2)

    metric = Bits()
    metric.update_state(torch.zeros(2, 1), torch.ones(2, 1))
    assert metric.result() == pytest.approx(1 / np.log(2))


def test_an_unknown_name_gets_its_nearest_among_metrics_and_losses():
    with pytest.raises(HandsonError) as error:
        metrics.get("mean_absolut_error")
    text = str(error.value)
    assert text.startswith("unknown metric 'mean_absolut_error'.")
    assert "MeanAbsoluteError" in text
    assert "'accuracy'" in text
    assert "LossMetric" not in text


def test_what_is_no_metric_is_an_error():
    with pytest.raises(HandsonError, match=r"a metric is a name.*; got 3\."):
        metrics.get(3)


def test_metrics_of_one_name_are_numbered_as_keras_does(keras):
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    y, given = x.sum(1, keepdims=True), ["mae", "mse", "mae", "mae"]
    net = handson.Sequential([handson.layers.Dense(1, input_dim=3)], seed=0)
    net.compile("sgd", "mse", metrics=given)
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    theirs.compile("sgd", "mse", metrics=given)
    expected = theirs.evaluate(x, y, verbose=0, return_dict=True)
    found = net.evaluate(x, y, return_dict=True)
    assert sorted(found) == sorted(expected)
    assert list(found) == ["loss", "mae", "mse", "mae_1", "mae_2"]
    history = net.fit(x, y, verbose=0, validation_data=(x, y)).history
    assert list(history) == [*found, *(f"val_{name}" for name in found)]


def test_numbering_leaves_the_users_metric_as_it_was():
    mine = metrics.RootMeanSquaredError(name="mae")
    found = metrics.several(["mae", mine, mine, metrics.RootMeanSquaredError(name="mae_1")], losses.get("mse"))
    assert [metric.name for metric in found] == ["mae", "mae_1", "mae_2", "mae_1_1"]
    assert mine.name == "mae"
    assert [type(metric).__name__ for metric in found[1:3]] == ["RootMeanSquaredError"] * 2


@pytest.mark.parametrize("name", ["loss", "epoch", "learning_rate", "val_loss", "train_mae"])
def test_a_metric_does_not_take_the_place_of_something_else(name):
    def mine(y_true, y_pred):
        return (y_true - y_pred).abs()

    mine.__name__ = name
    net = handson.Sequential([handson.layers.Dense(1, input_dim=3)])
    for metric in (mine, metrics.RootMeanSquaredError(name=name)):
        with pytest.raises(HandsonError, match=f"a metric cannot be called '{name}'"):
            net.compile("sgd", "mse", metrics=[metric])
