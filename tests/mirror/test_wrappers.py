"""Keras's estimators, of Keras 3 and of Keras 2, in what scikit-learn does with estimators."""

import numpy as np
import pytest
from handson.keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handson import keras
from handson.core.errors import HandsonError
from handson.keras.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

x, y = load_iris(return_X_y=True)
names = np.array(["setosa", "versicolor", "virginica"])[y]


def of_data(X, y, units=4, last="softmax", loss="categorical_crossentropy"):
    net = keras.Sequential([keras.layers.Dense(units, "tanh"), keras.layers.Dense(y.shape[1], last)], seed=0)
    net.compile(keras.optimizers.Adam(0.05), loss)
    return net


def of_arguments(units=4, loss="categorical_crossentropy", outputs=3):
    last = "sigmoid" if outputs == 1 else "softmax"
    net = keras.Sequential([keras.layers.Dense(units, "tanh", input_dim=4), keras.layers.Dense(outputs, last)], seed=0)
    net.compile(keras.optimizers.Adam(0.05), loss)
    return net


def test_a_classifier_of_keras_3_is_the_net_trained_on_one_hot_targets():
    estimator = SKLearnClassifier(of_data, model_kwargs={"units": 6}, fit_kwargs={"epochs": 15, "verbose": 0})
    copied = clone(estimator)  # Keras's forgets fit_kwargs
    copied.fit(x, names)
    net = of_data(x, np.eye(3)[y], 6)
    net.fit(x, np.eye(3)[y], epochs=15, verbose=0)
    np.testing.assert_array_equal(copied.decision_function(x), net.predict(x, verbose=0))
    assert copied.score(x, names) > 0.8
    assert copied.predict(x[:2]).tolist() == ["setosa", "setosa"]
    assert len(copied.history_.epoch) == 15
    assert len(copied.fit(x, names, epochs=2).history_.epoch) == 2
    assert cross_val_score(make_pipeline(StandardScaler(), estimator), x, names, cv=2).mean() > 0.8


def test_a_net_given_as_it_is_is_not_trained_itself():
    net = of_data(x, np.eye(3)[y])
    net.build((None, 4))
    before = net.get_weights()
    estimator = SKLearnClassifier(net, fit_kwargs={"epochs": 1, "verbose": 0}).fit(x, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))
    SKLearnClassifier(net, warm_start=True, fit_kwargs={"epochs": 1, "verbose": 0}).fit(x, y)
    assert not np.array_equal(before[0], net.get_weights()[0])
    assert type(estimator.model_.optimizer) is type(net.optimizer)


def test_regressors_and_transformers_of_keras_3():
    kwargs = {"model_kwargs": {"last": None, "loss": "mse"}, "fit_kwargs": {"epochs": 60, "verbose": 0}}
    one = SKLearnRegressor(of_data, **kwargs).fit(x[:, :3], x[:, 3])
    assert one.predict(x[:5, :3]).shape == (5,)
    assert one.score(x[:, :3], x[:, 3]) > 0.8
    assert SKLearnRegressor(of_data, **kwargs).fit(x[:, :2], x[:, 2:]).predict(x[:5, :2]).shape == (5, 2)
    chain = make_pipeline(SKLearnTransformer(of_data, **kwargs), SKLearnRegressor(of_data, **kwargs))
    assert chain.fit(x[:, :3], x[:, 3]).predict(x[:5, :3]).shape == (5,)


def test_what_is_no_compiled_net_or_no_classes_is_refused():
    with pytest.raises(HandsonError, match=r"not compiled: call net.compile"):
        SKLearnRegressor(lambda X, y: keras.Sequential([keras.layers.Dense(1)])).fit(x, y)
    with pytest.raises(HandsonError, match="gives a compiled net; this one gave NoneType"):
        SKLearnRegressor(lambda X, y: None).fit(x, y)
    with pytest.raises(HandsonError, match="one class only"):
        SKLearnClassifier(of_data).fit(x, np.zeros(150, int))
    with pytest.raises(HandsonError, match="targets of continuous form"):
        SKLearnClassifier(of_data).fit(x, x[:, 0])


@pytest.mark.parametrize(
    ("targets", "loss"),
    [
        (names, "categorical_crossentropy"),
        (names, "sparse_categorical_crossentropy"),
        (np.eye(3)[y], "categorical_crossentropy"),
    ],
)
def test_a_classifier_of_keras_2_is_the_net_that_its_function_makes(targets, loss):
    estimator = KerasClassifier(build_fn=of_arguments, units=6, loss=loss, nb_epoch=10, batch_size=50, verbose=0)
    history = clone(estimator).fit(x, targets)
    net = of_arguments(6, loss)
    expected = net.fit(x, y if loss[0] == "s" else np.eye(3)[y], epochs=10, batch_size=50, verbose=0)
    assert history.history["loss"] == expected.history["loss"]
    estimator.fit(x, targets, epochs=20)
    np.testing.assert_allclose(estimator.predict_proba(x).sum(1), 1, atol=1e-6)
    assert estimator.score(x, targets) > 0.8


def test_two_classes_of_one_output_and_a_search_over_arguments():
    estimator = KerasClassifier(of_arguments, outputs=1, loss="binary_crossentropy", epochs=10, verbose=0)
    search = GridSearchCV(estimator, {"units": [2, 3], "epochs": [1, 8]}, cv=2).fit(x[:100], names[:100])
    assert search.best_params_.keys() == {"units", "epochs"}
    assert search.best_estimator_.predict_proba(x[:3]).shape == (3, 2)
    assert set(search.predict(x[:100])) <= {"setosa", "versicolor"}


def test_a_regressor_of_keras_2_and_a_subclass_that_is_called():
    class Linear(KerasRegressor):
        def __call__(self, units=1):
            net = keras.Sequential([keras.layers.Dense(units, input_dim=3)], seed=0)
            net.compile(keras.optimizers.Adam(0.1), "mse")
            return net

    estimator = Linear(epochs=60, verbose=0)
    estimator.fit(x[:, :3], x[:, 3])
    assert estimator.predict(x[:4, :3]).shape == (4,)
    assert estimator.score(x[:, :3], x[:, 3]) > 0.8


def test_parameters_that_nothing_takes_are_refused():
    with pytest.raises(HandsonError, match=r"no parameter 'epoch'. Did you mean 'epochs'"):
        KerasClassifier(of_arguments, epoch=3)
    with pytest.raises(HandsonError, match="no parameter 'unit'"):
        KerasClassifier(of_arguments).set_params(unit=3)
    with pytest.raises(HandsonError, match="not fitted yet"):
        KerasRegressor(of_arguments).predict(x)
