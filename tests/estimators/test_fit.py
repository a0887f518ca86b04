"""What is learned and what is known after it: classes, labels, outputs, going on, early stopping, scores."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.linear_model import LogisticRegression

from handson import HandsonError, NeuralNetClassifier, NeuralNetRegressor, Sequential
from handson.callbacks import Callback
from handson.estimators import inputs
from handson.layers import Dense

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def net(**kwargs):
    given = {"epochs": 30, "optimizer": "adam", "optimizer__learning_rate": 0.01, "random_state": 0} | kwargs
    return NeuralNetClassifier([Dense(16, activation="relu")], **given)


def test_probabilities_are_those_of_the_model_it_is_without_hidden_layers():
    """The minimum of cross-entropy plus a penalty, as scikit-learn finds it."""
    x = (X - X.mean(0)) / X.std(0)
    truth = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(x, Y)
    # C divides the penalty of the whole set; handson's losses are means.
    found = NeuralNetClassifier(
        lambda outputs: Sequential([Dense(outputs, "softmax", kernel_regularizer={"L2": {"l2": 0.5 / len(x)}})]),
        optimizer="sgd", optimizer__learning_rate=1.0, optimizer__momentum=0.9, epochs=600, batch_size=150,
    ).fit(x, Y)  # fmt: skip
    # One row of iris is there twice.
    np.testing.assert_allclose(found.predict_proba(x), truth.predict_proba(x), atol=1e-3)


@pytest.mark.parametrize(
    "labels", [NAMES[Y], NAMES[Y].astype(object), pd.Series(NAMES[Y]), pd.Series(NAMES[Y], dtype="category")]
)
def test_words_are_classes(labels):
    found = net().fit(X, labels)
    assert list(found.classes_) == list(NAMES)
    assert set(found.predict(X)) <= set(NAMES)
    assert found.score(X, labels) > 0.9


def test_pandas_in():
    frame = pd.DataFrame(X, columns=list("abcd"))
    found = net().fit(frame, Y)
    assert list(found.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(found.predict_proba(frame), net().fit(X, Y).predict_proba(X))
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(frame[list("dcba")])


def test_several_labels():
    x, y = make_multilabel_classification(80, 5, n_classes=4, random_state=0)
    found = net(epochs=60).fit(x, y)
    chances = found.predict_proba(x)
    assert chances.shape == y.shape
    np.testing.assert_array_equal(found.predict(x), (chances > 0.5).astype(int))
    assert (found.predict(x) == y).mean() > 0.8
    assert found.predict(x).dtype == y.dtype


def test_several_outputs_of_classes():
    y = np.column_stack([NAMES[Y], np.where(Y > 0, "large", "small")]).astype(object)
    y[0, 1] = "tiny"
    found = net(epochs=60).fit(X, y)
    assert [list(one) for one in found.classes_] == [list(NAMES), ["large", "small", "tiny"]]
    assert [one.shape for one in found.predict_proba(X)] == [(150, 3), (150, 3)]
    assert (found.predict(X) == y).mean(0).min() > 0.9
    assert found.n_outputs_ == 2
    assert len(found.predict_log_proba(X)) == 2


def test_values_in_columns_keep_their_form():
    for y in (X[:, 0], X[:, :1], X[:, :2]):
        found = NeuralNetRegressor(random_state=0, epochs=20).fit(X, y)
        assert found.predict(X).shape == y.shape
        assert found.score(X, y) > 0.8


def test_targets_are_scaled_where_the_loss_means_the_same():
    y = 1e6 + 1e3 * X[:, 0]
    assert NeuralNetRegressor(loss="mae", epochs=60, random_state=0).fit(X, y).score(X, y) > 0.9
    counts = NeuralNetRegressor(
        lambda: Sequential([Dense(1, activation="exponential")]), loss="poisson", epochs=1
    ).fit(X, Y + 1.0)  # fmt: skip
    assert counts.model_.target_scaling is None
    assert counts.predict(X).min() > 0


def test_losses_that_want_one_hot_targets_get_them():
    sparse_loss, dense_loss = net(epochs=3), net(epochs=3, loss="categorical_crossentropy", metrics=["auc"])
    np.testing.assert_allclose(dense_loss.fit(X, Y).predict_proba(X), sparse_loss.fit(X, Y).predict_proba(X), rtol=1e-4)
    smooth = net(loss="categorical_crossentropy", loss__label_smoothing=0.6, epochs=60).fit(X, Y)
    assert np.median(smooth.predict_proba(X).max(1)) < 0.7  # it aims at 0.6
    both = np.column_stack([Y, Y > 0]).astype(int)
    both[0, 1] = 2
    assert (net(loss="mse", epochs=60).fit(X, both).predict(X) == both).mean() > 0.9


def test_class_weights_are_weights_of_rows():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    first = net(class_weight=weights, epochs=3).fit(X, Y)
    second = net(epochs=3).fit(X, Y, sample_weight=[weights[label] for label in Y])
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    words = net(class_weight={"setosa": 1.0, "versicolor": 5.0, "virginica": 0.5}, epochs=3).fit(X, NAMES[Y])
    np.testing.assert_array_equal(first.predict_proba(X), words.predict_proba(X))
    net(class_weight="balanced", epochs=1).fit(X[:120], Y[:120])


def test_sparse_rows_are_dense_ones():
    x = np.where(X > 3, X, 0)
    for form in (sparse.csr_array, sparse.csc_array, sparse.coo_matrix):
        found = net(epochs=2).fit(form(x), Y)
        np.testing.assert_allclose(found.predict_proba(form(x)), net(epochs=2).fit(x, Y).predict_proba(x), rtol=1e-5)


def test_sparse_rows_that_are_too_many_are_dense_batch_by_batch(monkeypatch):
    x = np.where(X > 3, X, 0)
    held = []
    monkeypatch.setattr(inputs, "MOST_DENSE", 64 * 4)
    monkeypatch.setattr(inputs, "dense", lambda part: held.append(part.shape[0]) or part.astype(np.float32).toarray())
    several = np.column_stack([Y, Y > 0]).astype(int)
    for y, more in ((Y, {}), (several, {}), (Y, {"early_stopping": True, "sample_weight": np.arange(150) % 3})):
        weights = more.pop("sample_weight", None)
        found = net(epochs=30, batch_size=32, **more).fit(sparse.csr_array(x), y, weights)
        assert (found.predict(sparse.csr_array(x)) == y).mean() > 0.9
    assert max(held) <= 64
    whole = net(epochs=1).fit(x, Y).model_.input_scaling
    np.testing.assert_allclose(found.model_.input_scaling.shift, whole.shift, atol=0.5)


def test_the_same_seed_gives_the_same_net():
    first, second, other = (
        net(epochs=2).set_params(random_state=seed).fit(X, Y).predict_proba(X) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    state = np.random.RandomState(0)
    found = net(epochs=2, random_state=state)
    assert (found.fit(X, Y).predict_proba(X) != found.fit(X, Y).predict_proba(X)).any()


def test_a_row_has_the_same_prediction_whatever_its_neighbours():
    found = net().fit(X, Y)
    whole = found.predict_proba(X)
    np.testing.assert_array_equal(whole[7:8], found.predict_proba(X[7:8]))
    np.testing.assert_array_equal(whole[::-1], found.predict_proba(X[::-1]))
    assert whole.dtype == np.float64
    wide = NeuralNetRegressor([Dense(96, activation="relu"), Dense(96, activation="relu")], epochs=1, random_state=0)
    wide.fit(X[:, :3], X[:, 3])
    alone = np.concatenate([wide.predict(X[row : row + 1, :3]) for row in range(150)])
    np.testing.assert_array_equal(alone, wide.predict(X[:, :3]))


def test_partial_fit_trains_an_epoch_more():
    found = net()
    for times in range(1, 4):
        found.partial_fit(X[Y < 2], Y[Y < 2], classes=[0, 1, 2])
        assert (found.n_iter_, len(found.loss_curve_)) == (times, times)
    assert list(found.classes_) == [0, 1, 2]
    whole = net(epochs=3).fit(X, Y)
    parts = net()
    for _ in range(3):
        parts.partial_fit(X, Y)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-4)
    with pytest.raises(HandsonError, match="has the class np.int64\\(7\\)|has the class 7"):
        found.partial_fit(X, np.where(Y > 1, 7, Y))


@pytest.mark.parametrize(
    ("classes", "kind"),
    [([0, 1], "labels"), (np.arange(4), "labels"), ([[0, 1]] * 4, "labels"), ([[0, 1, 2]] * 4, "several"),
     ([0, 1, 5], "several")],
)  # fmt: skip
def test_classes_that_are_named_say_whether_columns_of_0_and_1_are_labels(classes, kind):
    x, y = make_multilabel_classification(80, 5, n_classes=4, random_state=0)
    found = net().partial_fit(x, y, classes=classes).partial_fit(x, y, classes=classes)
    shapes = np.shape(found.predict_proba(x))
    assert shapes == ((80, 4) if kind == "labels" else (4, 80, 3))
    with pytest.raises(HandsonError, match="classes has 7, which is new"):
        found.partial_fit(x, y, classes=[0, 7])


def test_classes_are_named_for_each_column():
    x, y = make_multilabel_classification(20, 5, n_classes=4, random_state=0)
    with pytest.raises(HandsonError, match="classes are given for 2 columns; y has 4"):
        net().partial_fit(x, y, classes=[[0, 1, 2]] * 2)


def test_partial_fit_after_fit_still_learns():
    """The default rate has come down to nothing by then."""
    found = NeuralNetClassifier(epochs=3, random_state=0).fit(X, Y)
    first = found.loss_curve_[-1]
    for _ in range(10):
        found.partial_fit(X, Y)
    assert found.n_iter_ == 13
    assert found.loss_curve_[-1] < 0.8 * first
    with pytest.raises(HandsonError, match="early_stopping"):
        found.set_params(early_stopping=True).partial_fit(X, Y)


def test_warm_start_goes_on_from_the_weights():
    found = net(warm_start=True, epochs=5).fit(X, Y)
    first = found.loss_curve_[-1]
    found.fit(X, Y)
    assert len(found.loss_curve_) == 10
    assert found.loss_curve_[5] < first * 1.05
    again = net(epochs=5).fit(X, Y)
    again.fit(X, Y)
    assert len(again.loss_curve_) == 5


def test_early_stopping_keeps_the_best_epoch():
    found = NeuralNetClassifier(
        [Dense(64, activation="relu")], optimizer="adam", optimizer__learning_rate=0.05, early_stopping=True,
        validation_fraction=0.3, n_iter_no_change=3, epochs=200, random_state=0,
    ).fit(X, Y)  # fmt: skip
    curve = found.history_.history["val_loss"]
    assert found.n_iter_ == len(curve) < 200
    best = int(np.argmin(curve))
    assert best >= len(curve) - 5
    np.testing.assert_array_equal(
        clone(found).set_params(epochs=best + 1).fit(X, Y).predict_proba(X), found.predict_proba(X)
    )
    rare = np.where(np.arange(150) == 3, 5, Y)  # a class with one row can be held out by nobody
    net(early_stopping=True, epochs=2).fit(X, rare)


def test_callbacks_are_called():
    class Count(Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    count = Count()
    net(callbacks=[count], epochs=4).fit(X, Y)
    assert count.epochs == 4


def test_verbose_is_that_of_fit(capsys):
    net(epochs=2, verbose=2).fit(X, Y)
    assert "loss" in capsys.readouterr().out
    net(epochs=2).fit(X, Y)
    assert capsys.readouterr().out == ""


def test_new_targets_are_refused_where_training_goes_on():
    found = NeuralNetRegressor(epochs=1).partial_fit(X, X[:, 0])
    with pytest.raises(HandsonError, match="y has 2 columns; it had none"):
        found.partial_fit(X, X[:, :2])
    with pytest.raises(HandsonError, match="one class"):
        net().fit(X, np.zeros(150))
    with pytest.raises(HandsonError, match="column 1 of y has one class"):
        net().fit(X, np.column_stack([Y, np.full(150, 7)]))
    with pytest.raises(HandsonError, match="validation_fraction"):
        net(validation_fraction=2, early_stopping=True).fit(X, Y)
    with pytest.raises(HandsonError, match="y has the class 3, which is new"):
        net(epochs=1, warm_start=True).fit(X, Y).fit(X, Y + 1)
    with pytest.raises(HandsonError, match="y is sparse"):
        net().fit(X, sparse.csr_array(np.eye(3, dtype=int)[Y]))
    with pytest.raises(HandsonError, match="epochs is a whole number, at least 1"):
        net(epochs=0).fit(X, Y)
    with pytest.raises(HandsonError, match="batch_size is a whole number, at least 1"):
        net(batch_size=0).fit(X, Y)
