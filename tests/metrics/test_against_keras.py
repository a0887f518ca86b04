"""Every metric of Keras: its name, its arguments and its numbers, over ragged batches, with and without weights."""

import inspect

import numpy as np
import pytest
from metric_cases import CASES, ids, labels, one_hot, pixels, yes_or_no

from handson import metrics
from handson.core import registry
from handson.core.errors import HandsonError

BATCHES = (7, 1, 5, 2)
cases = pytest.mark.parametrize(("name", "arguments", "make"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])


def classes_of(module):
    return {name: each for name, each in vars(module).items() if inspect.isclass(each)}


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), theirs.detach().cpu().numpy(), rtol=2e-4, atol=1e-5)


@cases
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_those_of_keras(keras, name, arguments, make, weighted):
    rng = np.random.default_rng(len(name))
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    elements = weighted and (make in (ids, pixels) or name == "BinaryIoU")
    for rows in BATCHES:
        y_true, y_pred = make(rng, rows)
        y_pred = y_pred.astype("float32")
        weight = rng.uniform(0.1, 3.0, y_true.shape if elements else rows).astype("float32") if weighted else None
        ours.update_state(y_true, y_pred, weight)
        theirs.update_state(y_true, y_pred, weight)
        close(ours.result(), theirs.result())
    theirs.reset_state()
    ours.reset_state()
    y_true, y_pred = make(rng, 9)
    theirs.update_state(y_true, y_pred.astype("float32"))
    close(ours(y_true, y_pred), theirs.result())


def test_every_metric_of_keras_is_compared(keras):
    by_hand = {"Metric", "Mean", "Sum", "MeanMetricWrapper"}
    assert classes_of(keras.metrics).keys() - by_hand == {name for name, *_ in CASES}


def test_every_public_name_of_keras_is_here(keras):
    assert {name for name in vars(keras.metrics) if not name.startswith("_")} <= set(metrics.__all__)


def test_arguments_their_order_and_defaults_are_those_of_keras(keras):
    # Exact by default, where Keras counts at 200 thresholds.
    on_purpose = {("AUC", "num_thresholds")}
    for name, theirs in classes_of(keras.metrics).items():
        ours = list(inspect.signature(getattr(metrics, name).__init__).parameters.values())[1:]
        expected = list(inspect.signature(theirs.__init__).parameters.values())[1:]
        if name == "Metric":  # `super().__init__(name)` is what people write
            continue
        assert [each.name for each in ours] == [each.name for each in expected], name
        for one, other in zip(ours, expected, strict=True):
            assert one.default == other.default or (name, one.name) in on_purpose, (name, one.name)


def test_names_are_those_of_keras(keras):
    for name, arguments, _ in CASES:
        theirs = getattr(keras.metrics, name)(**arguments).name.rstrip("0123456789").rstrip("_")
        ours = getattr(metrics, name)(**arguments).name
        assert ours.rstrip("0123456789").rstrip("_") == theirs
        assert metrics.get({"class": name, "config": arguments}).name == ours


@pytest.mark.parametrize(
    "name", ["mse", "MSE", "mae", "MAE", "mape", "MAPE", "msle", "MSLE", "bce", "BCE", "auc", "AUC"]
)
def test_strings_of_keras_are_known(keras, name):
    if name.endswith("io_u"):  # which needs arguments
        assert registry.find("metric", name).__name__ == name.replace("mean_io_u", "MeanIoU").replace("io_u", "IoU")
    else:
        assert type(metrics.get(name)).__name__ == type(keras.metrics.get(name)).__name__


@cases
def test_a_metric_is_made_again_from_its_configuration(name, arguments, make):
    made = getattr(metrics, name)(**arguments)
    again = metrics.deserialize(metrics.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    y_true, y_pred = make(np.random.default_rng(0), 9)
    np.testing.assert_array_equal(again(y_true, y_pred), made(y_true, y_pred))


@cases
@pytest.mark.parametrize("weighted", [False, True])
def test_missing_targets_count_nowhere(name, arguments, make, weighted):
    rng = np.random.default_rng(3)
    y_true, y_pred = make(rng, 12)
    weight = rng.uniform(0.1, 3.0, 12) if weighted else None
    missing = np.arange(12) % 3 == 1
    holes = y_true.astype("float64")
    holes[missing] = np.nan
    kept = ~missing
    metric = getattr(metrics, name)(**arguments)
    expected = metric(y_true[kept], y_pred[kept], None if weight is None else weight[kept])
    metric.reset_state()
    for part in (slice(0, 5), slice(5, 12)):
        metric.update_state(holes[part], y_pred[part], None if weight is None else weight[part])
    found = metric.result()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Precision(thresholds=1.5), r"thresholds lie in \[0, 1\]"),
        (lambda: metrics.AUC(curve="ROK"), "curve is one of 'ROC'"),
        (lambda: metrics.AUC(num_labels=3), "multi_label=True"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds is a whole number, at least 2"),
        (lambda: metrics.RecallAtPrecision(1.5), r"precision lies in \[0, 1\]"),
        (lambda: metrics.F1Score(average="makro"), "average is one of"),
        (lambda: metrics.FBetaScore(threshold=0.0), r"threshold lies in \(0, 1\]"),
        (lambda: metrics.FBetaScore(beta=-1.0), "beta is positive"),
        (lambda: metrics.IoU(2, [2]), "numbers of classes, below 2"),
        (lambda: metrics.MeanIoU(3, axis=1), "axis=-1"),
        (lambda: metrics.R2Score("mean"), "class_aggregation is one of"),
        (lambda: metrics.PearsonCorrelation(axis=2), "axis is -1"),
        (lambda: metrics.TopKCategoricalAccuracy(0), "k is a whole number, at least 1"),
        (lambda: metrics.BinaryAccuracy(0.3), "name is text; got 0.3"),
        (lambda: metrics.MeanSquaredError(dtype="int8"), "dtype is 'float32' or 'float64'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(make, message):
    with pytest.raises(HandsonError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "y_true", "y_pred", "message"),
    [
        (lambda: metrics.F1Score(), [[1.0], [0.0]], [[0.2], [0.7]], r"F1Score\(threshold=0.5\)"),
        (lambda: metrics.MeanIoU(2), [[0, 255]], [[0, 1]], "ignore_class"),
        (lambda: metrics.AUC(num_thresholds=9), [[0.0], [1.0]], [[-2.0], [3.0]], "2 predictions lie outside"),
        (lambda: metrics.Precision(class_id=3), [[0.0, 1.0]], [[0.2, 0.7]], "class_id=3 .*; got 2"),
        (lambda: metrics.AUC(multi_label=True), [0.0, 1.0], [0.2, 0.7], "multi_label wants outputs of shape"),
    ],
)
def test_data_that_would_give_a_number_without_a_meaning_are_refused(make, y_true, y_pred, message):
    with pytest.raises(HandsonError, match=message):
        make()(y_true, y_pred)


def test_weights_that_belong_to_nothing_are_refused():
    with pytest.raises(HandsonError, match="sample_weight has 3 entries for 2 samples"):
        metrics.AUC().update_state([0, 1], [0.1, 0.2], [1, 2, 3])


def test_functions_have_the_values_of_keras(keras, rng):
    for name, make in {
        "binary_accuracy": yes_or_no, "categorical_accuracy": one_hot, "sparse_categorical_accuracy": labels,
        "top_k_categorical_accuracy": one_hot, "sparse_top_k_categorical_accuracy": labels,
    }.items():  # fmt: skip
        y_true, y_pred = make(rng, 9)
        arguments = {"k": 2} if "top_k" in name else {}
        y_pred = y_pred.astype("float32")
        theirs = getattr(keras.metrics, name)(y_true, y_pred, **arguments)
        np.testing.assert_array_equal(getattr(metrics, name)(y_true, y_pred, **arguments), theirs.numpy())
        found = metrics.get(getattr(metrics, name))
        assert (registry.snake_case(type(found).__name__), found.name) == (name, name)
