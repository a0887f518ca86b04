"""What scikit-learn is made of: pipelines, searches, ensembles, calibration, metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_predict, cross_validate
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from handson import NeuralNetClassifier, NeuralNetRegressor
from handson.layers import Dense

X, Y = load_iris(return_X_y=True)


def net(**kwargs):
    given = {"optimizer": "adam", "optimizer__learning_rate": 0.02, "epochs": 10, "random_state": 0} | kwargs
    return NeuralNetClassifier([Dense(8, activation="relu")], **given)


def test_a_table_of_words_and_numbers_goes_through_a_pipeline():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(word=np.where(X[:, 0] > 6, "long", "short"))
    columns = make_column_transformer(
        (StandardScaler(), list("abcd")),
        (OneHotEncoder(sparse_output=False), ["word"]),
        verbose_feature_names_out=False,
    )
    pipe = make_pipeline(columns.set_output(transform="pandas"), net())
    assert pipe.fit(frame, Y).score(frame, Y) > 0.8
    assert list(pipe[-1].feature_names_in_) == ["a", "b", "c", "d", "word_long", "word_short"]


def test_searches_find_the_rate_that_learns():
    rates = {"optimizer__learning_rate": [1e-6, 0.02]}
    assert GridSearchCV(net(), rates, cv=2).fit(X, Y).best_params_ == {"optimizer__learning_rate": 0.02}
    halving = HalvingGridSearchCV(net(), rates, resource="epochs", min_resources=4, max_resources=8, factor=2, cv=2)
    assert halving.fit(X, Y).best_params_ == {"optimizer__learning_rate": 0.02, "epochs": 8}


@pytest.mark.parametrize(
    "ensemble",
    [
        BaggingClassifier(net(), 3, random_state=0),
        StackingClassifier([("net", net()), ("linear", LogisticRegression(max_iter=1000))], cv=2),
        CalibratedClassifierCV(net(), cv=2),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_ensembles_of_nets(ensemble):
    ensemble.fit(X, Y)
    assert ensemble.score(X, Y) > 0.8
    assert log_loss(Y, ensemble.predict_proba(X)) < 0.8


def test_other_wrappers():
    vote = VotingRegressor([("net", NeuralNetRegressor(epochs=5)), ("linear", LinearRegression())]).fit(X, X[:, 0])
    assert vote.score(X, X[:, 0]) > 0.8
    chain = ClassifierChain(net(epochs=2)).fit(X, np.column_stack([Y > 0, Y > 1]).astype(int))
    assert chain.predict(X).shape == (150, 2)
    out_of_fold = cross_val_predict(net(), X, Y, cv=3, method="predict_proba")
    assert log_loss(Y, out_of_fold) < 0.8
    importance = permutation_importance(net().fit(X[:, [2, 1]], Y), X[:, [2, 1]], Y, n_repeats=2, random_state=0)
    assert importance.importances_mean[0] > importance.importances_mean[1]


def test_weights_are_routed():
    weights = np.where(Y == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = net().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(asked, X, Y, params={"sample_weight": weights}, cv=3, return_estimator=True)
    for estimator in found["estimator"]:
        assert list(estimator.classes_) == [1, 2]
    assert found["test_score"].min() > 0.6
