"""Numbers on the screen that Keras gets wrong without a word: each test shows that it cannot happen here.

The list of faults, with the issues they were reported in, is the table at the end of docs/keras.md.
"""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, mean_squared_error, roc_auc_score

import handson
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Dense, Dropout, Input


@pytest.fixture
def x(rng):
    return rng.normal(size=(40, 3)).astype("float32")


def net(outputs=1, activation=None, seed=0):
    return handson.Sequential([Input((3,)), Dense(4, "tanh"), Dense(outputs, activation)], seed=seed)


def test_targets_of_shape_n_are_not_compared_with_each_other(x):
    y = x @ np.array([1.0, -2.0, 0.5], "float32")
    fits = []
    for targets in (y, y[:, None]):
        model = handson.Sequential([Input((3,)), Dense(1)], seed=0)
        model.compile(handson.optimizers.SGD(0.1), "mse")
        model.fit(x, targets, epochs=40, verbose=0, seed=0)
        fits.append(model.predict(x))
    np.testing.assert_array_equal(*fits)
    np.testing.assert_allclose(fits[0][:, 0], LinearRegression().fit(x, y).predict(x), atol=1e-2)


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_a_metric_of_ones_own_sees_targets_in_the_shape_of_outputs(x, rng, shape):
    def squares(y_true, y_pred):
        return (y_true - y_pred) ** 2

    y = rng.normal(size=shape).astype("float32")
    model = net()
    model.compile("sgd", "mse", metrics=[squares])
    found = model.evaluate(x, y, return_dict=True, verbose=0)
    expected = mean_squared_error(y.ravel(), model.predict(x).ravel())
    assert found == {"loss": pytest.approx(expected, rel=1e-5), "squares": pytest.approx(expected, rel=1e-5)}


def test_targets_that_fit_the_outputs_by_broadcasting_alone_are_refused(x, rng):
    model = net()
    model.compile("sgd", "mse")
    with pytest.raises(HandsonError, match=r"needs targets of shape \(40, 1\).*got \(40, 5\)"):
        model.fit(x, rng.normal(size=(40, 5)), verbose=0)


def test_metrics_are_those_of_all_rows_also_where_the_last_batch_is_smaller(x, rng):
    def scalar(y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean()

    y = (10 * rng.normal(size=40) + 3).astype("float32")
    model = net()
    model.compile("sgd", "mse", metrics=["mae", "rmse", "pearson_correlation", "r2_score"])
    found = model.evaluate(x, y, batch_size=32, return_dict=True, verbose=0)
    outputs = model.predict(x)[:, 0]
    assert found["loss"] == pytest.approx(mean_squared_error(y, outputs), rel=1e-5)
    assert found["mae"] == pytest.approx(mean_absolute_error(y, outputs), rel=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt(mean_squared_error(y, outputs)), rel=1e-5)
    assert found["pearson_correlation"] == pytest.approx(pearsonr(y, outputs)[0], rel=1e-4)
    # Of a function that gives one number a batch, the mean over rows.
    model.compile("sgd", "mse", metrics=[scalar])
    found = model.evaluate(x, y, batch_size=32, return_dict=True, verbose=0)
    assert found["scalar"] == pytest.approx(found["loss"], rel=1e-5)


def test_the_area_under_a_curve_is_exact_where_scores_are_close_together(rng):
    labels = rng.integers(0, 2, 300)
    scores = (1 - 1e-4 * rng.uniform(size=300) * (2 - labels)).astype("float32")
    metric = handson.metrics.AUC()
    metric.update_state(labels, scores)
    assert float(metric.result()) == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)


def test_logits_are_not_taken_for_probabilities(x):
    for outputs, loss in ((3, "sparse_categorical_crossentropy"), (1, "binary_crossentropy")):
        model = net(outputs)
        model.compile("sgd", loss)
        with pytest.raises(HandsonError, match=r"wants probabilities.*from_logits=True"):
            model.fit(x, np.arange(40) % (outputs + 1 if outputs == 1 else 3), verbose=0)


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_a_nan_is_named_and_does_not_become_the_weights(x, where):
    y, model = x.sum(1), net()
    model.compile(handson.optimizers.SGD(0.1 if where == "inputs" else 1e30), "mse")
    if where == "inputs":
        x = x.copy()
        x[7, 2] = np.nan
    with pytest.raises(HandsonError, match="row 7" if where == "inputs" else r"(NaN|not a number|infinite).*"):
        model.fit(x, y, epochs=20, verbose=0)
    if where == "inputs":
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_accuracy_says_what_it_compares(x, rng):
    model = net()
    model.compile("sgd", "mse", metrics=["accuracy"])
    with pytest.raises(HandsonError, match=r"compares classes.*metrics=\['mae'\]"):
        model.fit(x, rng.normal(size=40), verbose=0)


def test_a_weight_for_each_class_needs_one_class_a_row(x):
    model = handson.Sequential([Input((5, 3)), Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(HandsonError, match=r"one class for each row.*sample_weight"):
        model.fit(np.zeros((8, 5, 3)), np.zeros((8, 5), int), class_weight={0: 1, 1: 2, 2: 1}, verbose=0)


def test_weights_for_the_classes_of_several_outputs_are_taken(x):
    both = Input((3,))
    model = handson.Model(both, [Dense(2, "softmax", name="a")(both), Dense(1, name="b")(both)], seed=0)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    targets = [np.arange(40) % 2, x.sum(1)]
    weighted = model.fit(x, targets, class_weight={"a": {0: 0.0, 1: 0.0}}, verbose=0).history
    assert weighted["a_loss"][0] == 0 or np.isnan(weighted["a_loss"][0])
    with pytest.raises(HandsonError, match="class_weight"):
        model.fit(x, targets, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_the_loss_of_a_training_can_be_that_of_evaluate(x):
    model = handson.Sequential([Input((3,)), Dense(8, "relu"), Dropout(0.5), BatchNormalization(), Dense(1)], seed=0)
    model.compile("adam", "mse")
    history = model.fit(x, x.sum(1), epochs=2, evaluate_training=True, verbose=0).history
    assert history["train_loss"][-1] == pytest.approx(model.evaluate(x, x.sum(1), verbose=0), rel=1e-5)
    assert history["train_loss"][-1] != history["loss"][-1]
