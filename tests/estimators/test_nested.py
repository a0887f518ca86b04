"""Arguments of arguments, and what `layers` may be."""

import numpy as np
import pytest
from sklearn.base import clone

from handson import HandsonError, Model, NeuralNetClassifier, NeuralNetRegressor, Sequential
from handson.callbacks import EarlyStopping
from handson.estimators.nested import changed
from handson.layers import Conv2D, Dense, Dropout, Embedding, GlobalAveragePooling1D, Input
from handson.optimizers import SGD, Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = RNG.integers(0, 3, 40)


def fitted(layers=None, **kwargs):
    return NeuralNetClassifier(layers, epochs=1, random_state=0, **kwargs).fit(X, Y)


def units(estimator):
    return [layer.units for layer in estimator.model_.layers if isinstance(layer, Dense)]


def test_a_list_gets_the_output_that_fits():
    layers = [Dense(5, activation="relu"), Dropout(0.5)]
    assert units(fitted(layers)) == [5, 3]
    assert not layers[0].built
    assert units(NeuralNetRegressor(layers, epochs=1).fit(X, X)) == [5, 3]
    assert units(NeuralNetRegressor([], epochs=1).fit(X, Y)) == [1]


def test_a_function_gets_its_arguments():
    def two(size, outputs, rate=0.5):
        return [Dense(size), Dropout(rate), Dense(10 * outputs)]

    assert units(fitted(two, layers__size=4)) == [4, 30, 3]

    def whole(input_shape, outputs):
        x = Input(input_shape)
        return Model(x, Dense(outputs, activation="softmax")(Dense(7)(x)))

    assert units(fitted(whole)) == [7, 3]


def test_a_whole_net_is_copied_and_what_it_learned_stays():
    net = Sequential([Dense(4, input_dim=3), Dense(3, activation="softmax")])
    drawn = net.get_weights()
    first, second = fitted(net), fitted(net)
    for now, then in zip(net.get_weights(), drawn, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(fitted(net).model_.get_weights()[0].shape, (3, 4))
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(X, Y, epochs=1, verbose=0)
    before = net.get_weights()
    frozen = NeuralNetClassifier(net, epochs=1, optimizer="sgd", optimizer__learning_rate=0.0, scale_inputs=None).fit(
        X, Y
    )
    np.testing.assert_array_equal(frozen.model_.get_weights()[0], before[0])
    for now, then in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_weights_that_are_given_see_the_inputs_that_they_know():
    net = Sequential([Dense(4, input_dim=3), Dense(2)])
    net.compile("adam", "mse", scale_inputs="standard", scale_targets="standard")
    net.fit(5 + X, 9 * X[:, :2], epochs=3, verbose=0)
    still = {"optimizer": "sgd", "optimizer__learning_rate": 0.0, "epochs": 1}
    same = NeuralNetRegressor(net, **still).fit(X, X[:, :2])
    np.testing.assert_allclose(same.predict(X), net.predict(X), rtol=1e-5, atol=1e-5)
    body = Sequential([Dense(4, input_dim=3)])
    assert NeuralNetRegressor([body], **still).fit(X, Y).model_.input_scaling is None
    assert NeuralNetRegressor([Dense(4)], **still).fit(X, Y).model_.input_scaling is not None


def test_two_classes_may_have_one_output():
    net = Sequential([Dense(1, activation="sigmoid", input_dim=3)])
    found = NeuralNetClassifier(net, epochs=1).fit(X, Y > 0)
    assert found.predict_proba(X).shape == (40, 2)
    assert found.predict(X).dtype == bool


def test_a_net_that_does_not_fit_is_refused():
    with pytest.raises(HandsonError, match=r"\[2\] columns, and the targets need \[3\]"):
        fitted(Sequential([Dense(2, activation="softmax", input_dim=3)]))
    with pytest.raises(HandsonError, match="layers is a list"):
        fitted(64)
    with pytest.raises(HandsonError, match="layers holds layers"):
        fitted([64, 32])


def test_images_and_ids_are_taken_as_they_are():
    images, ids = RNG.integers(0, 255, (30, 8, 8, 1)).astype("uint8"), RNG.integers(0, 9, (30, 5))
    found = NeuralNetClassifier([Conv2D(4, 3)], epochs=1).fit(images, Y[:30])
    assert found.model_.layers[1].name == "flatten"
    assert found.predict(images).shape == (30,)
    assert any(isinstance(layer, Conv2D) for layer in NeuralNetClassifier(epochs=1).fit(images, Y[:30]).model_.layers)
    words = NeuralNetClassifier([Embedding(9, 4), GlobalAveragePooling1D()], epochs=1).fit(ids, Y[:30])
    assert words.model_.input_scaling is None
    assert words.predict_proba(ids).shape == (30, 3)


@pytest.mark.parametrize("optimizer", ["sgd", SGD, SGD(momentum=0.9), {"SGD": {"momentum": 0.9}}])
def test_arguments_of_the_optimizer(optimizer):
    found = fitted(optimizer=optimizer, optimizer__learning_rate=0.25).model_.optimizer
    assert (type(found), found.learning_rate) == (SGD, 0.25)
    if not isinstance(optimizer, (str, type)):
        assert found.momentum == 0.9


def test_an_optimizer_can_train_several_estimators():
    rule = Adam(0.01)
    first, second = fitted(optimizer=rule), fitted(optimizer=rule)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_arguments_of_layers_losses_callbacks_and_methods():
    stop = EarlyStopping("loss", patience=7)
    found = fitted(
        [Dense(4), Dense(5, name="top")], layers__0__units=6, layers__top__activation="tanh",
        callbacks=[stop], callbacks__0__patience=3, loss="sparse_categorical_crossentropy", metrics=["accuracy"],
        compile__precision="float32", fit__engine="eager",
    )  # fmt: skip
    assert units(found) == [6, 5, 3]
    assert stop.patience == 7
    assert "accuracy" in found.history_.history
    assert changed("loss", "huber", {"delta": 2.0}).delta == 2.0


def test_they_are_parameters_and_are_cloned():
    given = NeuralNetClassifier(optimizer="sgd", optimizer__momentum=0.9)
    given.set_params(optimizer__learning_rate=0.5, layers__0__units=3)
    copy = clone(given)
    assert copy.get_params() == given.get_params()
    assert copy.get_params()["optimizer__learning_rate"] == 0.5
    assert "optimizer__momentum=0.9" in repr(copy)


def test_what_is_misspelt_is_named():
    with pytest.raises(TypeError, match=r"no argument 'epoch'\. Did you mean 'epochs'"):
        NeuralNetClassifier(epoch=3)
    with pytest.raises(ValueError, match=r"no parameter 'optimiser__learning_rate'\. Did you mean 'optimizer'"):
        NeuralNetClassifier().set_params(optimiser__learning_rate=3)
    with pytest.raises(TypeError, match="no argument 'learning_rat'. Did you mean 'learning_rate'"):
        fitted(optimizer__learning_rat=3)
    with pytest.raises(HandsonError, match=r"'9__units': .*place or name.* Known: '0', 'dense'"):
        fitted([Dense(3)], layers__9__units=3)
    with pytest.raises(HandsonError, match="takes no arguments"):
        fitted(loss=lambda y, p: (p - p).sum(-1), loss__delta=3)
