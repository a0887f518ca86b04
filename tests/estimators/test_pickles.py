"""Pickles: plain data in files, whole estimators on the way to workers."""

import copy
import multiprocessing
import pickle
import pickletools
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_validate

from handson import HandsonError, NeuralNetClassifier, NeuralNetRegressor
from handson.callbacks import EarlyStopping
from handson.estimators import plain
from handson.layers import Dense, Layer
from handson.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.array(["no", "yes"], object)[(X[:, 0] > 0).astype(int)]


def own_layers(units=3):
    return [Dense(units)]


class Doubled(Layer):
    """A layer that files do not know."""

    def call(self, inputs):
        return 2 * inputs


def net(layers=None, **kwargs):
    return NeuralNetClassifier(layers, **({"epochs": 2, "random_state": 0} | kwargs))


def again(estimator):
    return pickle.loads(pickle.dumps(estimator))


def test_what_was_learned_comes_back():
    given = net(
        [Dense(4, activation="relu", name="h")], optimizer=SGD(0.5), callbacks=[EarlyStopping("loss", patience=9)],
        class_weight={"yes": 2.0}, layers__h__units=5, random_state=np.random.RandomState(3),
    ).fit(X, Y)  # fmt: skip
    found = again(given)
    np.testing.assert_array_equal(found.predict_proba(X), given.predict_proba(X))
    np.testing.assert_array_equal(found.predict(X), given.predict(X))
    assert found.loss_curve_ == given.loss_curve_
    assert found.history_.history == given.history_.history
    assert found.classes_.dtype == object
    assert found.optimizer.learning_rate == 0.5
    assert found.callbacks[0].patience == 9
    found.fit(X, Y)
    np.testing.assert_array_equal(found.predict_proba(X), given.fit(X, Y).predict_proba(X))


def test_training_goes_on_after_a_pickle():
    given = net(optimizer="adam").partial_fit(X, Y)
    found = again(given)
    np.testing.assert_array_equal(found.partial_fit(X, Y).predict_proba(X), given.partial_fit(X, Y).predict_proba(X))


def test_a_pickle_names_nothing_of_the_user():
    given = net(own_layers, callbacks=[EarlyStopping("loss")], layers__units=4)
    given.fit(X, Y)
    written = {each for _, each, _ in pickletools.genops(pickle.dumps(given, 4)) if isinstance(each, str)}
    assert not {__name__, "own_layers"} & written
    assert "handson.estimators.pickled" in written
    with pytest.raises(HandsonError, match="layers was own_layers"):
        clone(again(given)).fit(X, Y)
    again(given).partial_fit(X, Y)


def test_regressors_and_outputs_come_back():
    given = NeuralNetRegressor(epochs=2, random_state=0).fit(X, X[:, :2])
    np.testing.assert_array_equal(again(given).predict(X), given.predict(X))
    several = net().fit(X, np.column_stack([Y, np.arange(40) % 3]).astype(str))
    np.testing.assert_array_equal(again(several).predict(X), several.predict(X))
    assert not hasattr(again(net()), "model_")


def test_what_a_file_cannot_hold_is_refused():
    with pytest.raises(HandsonError, match="Doubled is not registered"):
        pickle.dumps(net([Doubled()]).fit(X, Y))

    class Own(NeuralNetClassifier):
        pass

    with pytest.raises(HandsonError, match="a class of your own"):
        pickle.dumps(Own())
    data = net().__reduce__()[1][1]
    from handson.estimators.pickled import restored

    with pytest.raises(HandsonError, match="'Popen'"):
        restored("Popen", data)
    with pytest.raises(HandsonError, match="'code', which this version"):
        plain.decode({plain.MARK: "code"})


def test_copies_are_whole_and_apart():
    given = net(own_layers).fit(X, Y)
    found = copy.deepcopy(given)
    assert found.layers is own_layers
    np.testing.assert_array_equal(found.predict_proba(X), given.predict_proba(X))
    assert found.model_ is not given.model_


def test_joblib_files(tmp_path):
    given = net().fit(X, Y)
    joblib.dump(given, tmp_path / "net.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "net.joblib").predict_proba(X), given.predict_proba(X))


def score(estimator):
    return estimator.fit(X, Y).predict_proba(X)


def test_a_forked_worker_trains_what_its_parent_would():
    """With functions of one's own; also when the parent has computed with threads that a fork does not copy."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        truth = net(own_layers, layers__units=4).fit(X, Y)
        torch.ones(300, 300) @ torch.ones(300, 300)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            found = pool.submit(score, net(own_layers, layers__units=4)).result(timeout=120)
            predicted = pool.submit(truth.predict_proba, X).result(timeout=120)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found, truth.predict_proba(X), rtol=1e-5)
    np.testing.assert_allclose(predicted, found, rtol=1e-5)


@pytest.mark.slow
def test_workers_of_joblib_get_functions_and_give_nets_back():
    def local(units=2):
        return [Dense(units), Doubled()]

    found = cross_validate(net(local, layers__units=3), X, Y, cv=2, n_jobs=2, return_estimator=True)
    alone = cross_validate(net(local, layers__units=3), X, Y, cv=2, return_estimator=True)
    for one, other in zip(found["estimator"], alone["estimator"], strict=True):
        np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-5)
