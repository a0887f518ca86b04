"""NeuralNet: arguments, history, handlers, copies and files, objectives and updates of one's own."""

import copy
import pickle
import pickletools

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import handson.theano.tensor as T
from handson import HandsonError, lasagne, theano
from handson.lasagne import layers as L
from handson.nolearn import (
    BatchIterator,
    NeuralNet,
    RememberBestWeights,
    RestoreBestWeights,
    SaveWeights,
    TrainSplit,
    WeightLog,
)  # fmt: skip
from handson.nolearn.objective import objective

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]])).astype("float32")
LAYERS = [("input", L.InputLayer), ("hidden", L.DenseLayer), ("output", L.DenseLayer)]


@pytest.fixture(autouse=True)
def _seeded():
    lasagne.random.set_rng(np.random.RandomState(0))


def net(**kwargs):
    given = {
        "layers": LAYERS, "input_shape": (None, 3), "hidden_num_units": 5, "output_num_units": 1,
        "output_nonlinearity": None, "regression": True, "update_learning_rate": 0.01, "max_epochs": 3,
        "batch_iterator_train": BatchIterator(16),
    } | kwargs  # fmt: skip
    return NeuralNet(**given)


def classifier(**kwargs):
    return NeuralNet(
        layers=LAYERS, input_shape=(None, 4), hidden_num_units=8, output_num_units=3,
        output_nonlinearity=lasagne.nonlinearities.softmax, update=lasagne.updates.adam, update_learning_rate=0.02,
        batch_iterator_train=BatchIterator(30), max_epochs=40, **kwargs,
    )  # fmt: skip


def test_history_is_that_of_the_net():
    found = net(on_epoch_finished=[lambda nn, history: seen.append(history[-1]["epoch"])])
    seen = []
    found.fit(X, Y)
    assert seen == [1, 2, 3]
    info = found.train_history_[-1]
    assert {"epoch", "train_loss", "valid_loss", "train_loss_best", "valid_loss_best", "valid_accuracy", "dur"} == set(
        info
    )
    # The first fold of KFold(5) is held out.
    np.testing.assert_allclose(info["valid_loss"], ((found.predict(X[:12]) - Y[:12]) ** 2).mean(), rtol=1e-4)
    found.fit(X, Y, epochs=2)
    assert [one["epoch"] for one in found.train_history_] == [1, 2, 3, 4, 5]


def test_training_is_the_update_rule():
    """Two epochs against the formula, in NumPy: whole batches, no nonlinearity."""
    found = NeuralNet(
        layers=[("input", L.InputLayer), ("output", L.DenseLayer)], input_shape=(None, 3), output_num_units=1,
        output_nonlinearity=None, regression=True, update_learning_rate=0.1, update_momentum=0.8, max_epochs=3,
        batch_iterator_train=BatchIterator(60), train_split=TrainSplit(0),
    )  # fmt: skip
    found.initialize()
    w, b = found.get_all_params_values()["output"]
    vw, vb = 0.0, 0.0
    for _ in range(3):
        error = 2 * (X @ w + b - Y) / len(X)
        gw, gb = X.T @ error, error.sum(0)
        vw, vb = 0.8 * vw - 0.1 * gw, 0.8 * vb - 0.1 * gb
        w, b = w + 0.8 * vw - 0.1 * gw, b + 0.8 * vb - 0.1 * gb
    found.fit(X, Y)
    for value, expected in zip(found.get_all_params_values()["output"], (w, b), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov_momentum", "adam", "adamax"])
def test_known_rules_are_their_expressions(rule):
    known = getattr(lasagne.updates, rule)

    def written(loss_or_grads, params, learning_rate):
        return known(loss_or_grads, params, learning_rate)

    weights = []
    for update in (known, written):
        lasagne.random.set_rng(np.random.RandomState(0))
        weights.append(net(update=update).fit(X, Y).get_all_params_values())
    for name in weights[0]:
        for one, two in zip(weights[0][name], weights[1][name], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_rules_update_convolutions_in_their_layout():
    def without_bias(loss_or_grads, params, learning_rate):
        return {p: p - learning_rate * g for p, g in zip(params, loss_or_grads, strict=True)}

    images, targets = RNG.normal(size=(8, 1, 5, 5)).astype("float32"), np.zeros((8, 1), "float32")
    weights = []
    for update in (lasagne.updates.sgd, without_bias):
        lasagne.random.set_rng(np.random.RandomState(0))
        found = NeuralNet(
            layers=[("input", L.InputLayer), ("conv", L.Conv2DLayer), ("output", L.DenseLayer)],
            input_shape=(None, 1, 5, 5), conv_num_filters=2, conv_filter_size=2, output_num_units=1, regression=True,
            output_nonlinearity=None, update=update, update_learning_rate=0.1, max_epochs=2, train_split=TrainSplit(0),
        ).fit(images, targets)  # fmt: skip
        weights.append(found.get_all_params_values()["conv"][0])
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-6)


def test_classes():
    x, y = load_iris(return_X_y=True)
    order = RNG.permutation(len(y))
    x, y = ((x - x.mean(0)) / x.std(0))[order].astype("float32"), y[order].astype("int32")
    found = classifier().fit(x, y)
    assert found.score(x, y) > 0.9
    np.testing.assert_allclose(found.predict_proba(x).sum(1), 1, rtol=1e-5)
    assert 0 < found.train_history_[-1]["valid_accuracy"] <= 1
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    assert set(classifier(use_label_encoder=True).fit(x, names).predict(x)) <= set(names)
    with pytest.raises(HandsonError, match="use_label_encoder=True"):
        classifier().fit(x, names)


def test_any_way_of_writing_layers():
    sizes = {"input_shape": (None, 3), "hidden_num_units": 5}
    written = [
        [(L.InputLayer, {"shape": (None, 3)}), (L.DenseLayer, {"num_units": 5, "name": "hidden"}),
         ("DenseLayer", {"num_units": 1, "nonlinearity": None, "incoming": "hidden"})],
        L.DenseLayer(L.DenseLayer(L.InputLayer((None, 3)), 5, name="hidden"), 1, nonlinearity=None),
    ]  # fmt: skip
    for layers in written:
        found = NeuralNet(layers=layers, regression=True, update_learning_rate=0.01, max_epochs=1).fit(X, Y)
        assert list(found.layers_) == ["input0", "hidden", "dense2"]
        assert found.predict(X).shape == (60, 1)
    merged = NeuralNet(
        layers=[("input", L.InputLayer), ("hidden", L.DenseLayer), ("both", L.ConcatLayer), ("output", L.DenseLayer)],
        **sizes, both_incomings=["input", "hidden"], output_num_units=1, regression=True, update_learning_rate=0.01,
        max_epochs=1,
    ).fit(X, Y)  # fmt: skip
    assert merged.layers_["both"].output_shape == (None, 8)


def test_transforms_get_copies_of_batches():
    class Spoiling(BatchIterator):
        def transform(self, Xb, yb):
            sizes.append(len(Xb))
            Xb *= 0
            return Xb, yb

    sizes, before = [], X.copy()
    net(batch_iterator_train=Spoiling(16), train_split=TrainSplit(0), max_epochs=1).fit(X, Y)
    assert sorted(sizes) == [12, 16, 16, 16]
    np.testing.assert_array_equal(X, before)


def test_an_iterator_of_ones_own():
    class Twice:
        def __call__(self, X, y):
            return [(X, y), (X, y)]

    found = net(batch_iterator_train=Twice(), max_epochs=2).fit(X, Y)
    assert found.model_.optimizer.iterations == 4


def test_an_objective_of_ones_own():
    def doubled(layers, loss_function, target, aggregate=None, deterministic=False, factor=1.0):
        return factor * objective(layers, loss_function, target, deterministic=deterministic, l2=0.01)

    found = net(objective=doubled, objective_factor=2.0, train_split=TrainSplit(0), update_learning_rate=0.0)
    found.fit(X, Y)
    values = found.get_all_params_values()
    penalty = 0.01 * sum((values[name][0] ** 2).sum() for name in ("hidden", "output"))
    expected = 2 * (((found.predict(X) - Y) ** 2).mean() + penalty)
    np.testing.assert_allclose(found.train_history_[0]["train_loss"], expected, rtol=1e-4)
    plain = net(objective_l2=0.01, train_split=TrainSplit(0), update_learning_rate=0.0).fit(X, Y)
    values = plain.get_all_params_values()
    penalty = 0.01 * sum((values[name][0] ** 2).sum() for name in ("hidden", "output"))
    np.testing.assert_allclose(
        plain.train_history_[0]["train_loss"], ((plain.predict(X) - Y) ** 2).mean() + penalty, rtol=1e-4
    )


def test_an_objective_of_ones_own_trains():
    def same(layers, loss_function, target, **kwargs):
        return objective(layers, loss_function, target, **kwargs)

    weights = []
    for function in (objective, same):
        lasagne.random.set_rng(np.random.RandomState(0))
        weights.append(net(objective=function).fit(X, Y).get_all_params_values()["hidden"][0])
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-6)


def test_a_loss_of_ones_own():
    found = net(objective_loss_function=lambda a, b: T.maximum(abs(a - b), 0.1), update_learning_rate=0.0).fit(X, Y)
    expected = np.maximum(abs(found.predict(X[:12]) - Y[:12]), 0.1).mean()
    np.testing.assert_allclose(found.train_history_[0]["valid_loss"], expected, rtol=1e-4)


def test_scores_of_ones_own():
    found = net(
        custom_scores=[("largest", lambda y, p: abs(y - p).max())],
        scores_train=[("mean", lambda y, p: abs(y - p).mean())],
    ).fit(X, Y)
    info = found.train_history_[-1]
    np.testing.assert_allclose(info["largest"], abs(found.predict(X[:12]) - Y[:12]).max(), rtol=1e-4)
    np.testing.assert_allclose(info["mean"], abs(found.predict(X[12:]) - Y[12:]).mean(), rtol=1e-4)


def test_interruption_ends_the_training_and_keeps_the_net():
    def interrupt(nn, history):
        if len(history) == 2:
            raise KeyboardInterrupt

    ended = []
    found = net(on_epoch_finished=[interrupt], on_training_finished=[lambda nn, history: ended.append(len(history))])
    found.fit(X, Y, epochs=9)
    assert (len(found.train_history_), ended) == (2, [2])
    assert found.predict(X).shape == (60, 1)


def test_handlers_of_weights(tmp_path):
    best, log = RememberBestWeights(), WeightLog(str(tmp_path / "log.csv"), write_every=2)
    found = net(
        on_epoch_finished=[best, log, SaveWeights(str(tmp_path / "{epoch}.weights"), every_n_epochs=2)],
        on_batch_finished=[lambda nn, history: steps.append(1)],
        on_training_finished=[RestoreBestWeights(best)], update_learning_rate=0.2, max_epochs=4,
    )  # fmt: skip
    steps = []
    found.fit(X, Y)
    assert len(steps) == 4 * 3
    losses = [info["valid_loss"] for info in found.train_history_]
    assert best.best_weights_epoch == 1 + int(np.argmin(losses))
    np.testing.assert_allclose(((found.predict(X[:12]) - Y[:12]) ** 2).mean(), min(losses), rtol=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0002.weights", "0004.weights", "log.csv"]
    assert {"hidden_0 wstd", "output_1 wdiff"} <= set(log.history[0])
    other = net()
    other.load_params_from(str(tmp_path / "0004.weights"))
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5


def test_a_pickle_names_no_class_of_the_user(tmp_path):
    class Own(BatchIterator):
        pass

    def handler(nn, history):
        pass

    found = net(
        batch_iterator_train=Own(16), on_epoch_finished=[handler], update_momentum=theano.shared(np.float32(0.5))
    )
    found.fit(X, Y)
    data = pickle.dumps(found, -1)
    written = {argument for code, argument, _ in pickletools.genops(data) if isinstance(argument, str)}
    assert not {__name__, "handler", "Own"} & written
    assert {"handson.nolearn.net", "restored"} <= written
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    np.testing.assert_equal(again.train_history_, found.train_history_)
    assert again.update_momentum.get_value() == np.float32(0.5)
    assert again.get_params()["layers"] == LAYERS
    with pytest.raises(HandsonError, match=r"batch_iterator_train was .*Own"):
        again.fit(X, Y)
    again.batch_iterator_train, again.on_epoch_finished = BatchIterator(16), []
    again.fit(X, Y)
    assert len(again.train_history_) == 6


def test_a_pickle_runs_nothing_that_it_names():
    data = net().fit(X, Y).__reduce__()[1][0]
    data["params"]["layers"][0] = ("input", {"@handson": "name", "name": "os.system"})
    from handson.nolearn.net import restored

    with pytest.raises(HandsonError, match=r"os\.system"):
        restored(data)


def test_copies():
    found = net(update_learning_rate=theano.shared(np.float32(0.01))).fit(X, Y)
    fresh, same = clone(found), copy.deepcopy(found)
    assert fresh.train_history_ == []
    assert fresh.update_learning_rate is not found.update_learning_rate
    np.testing.assert_array_equal(same.predict(X), found.predict(X))
    same.fit(X, Y)
    assert (same.predict(X) != found.predict(X)).any()
    assert is_regressor(found)
    assert not is_regressor(classifier())


def test_in_pipelines_and_searches():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), net(max_epochs=1)), {"neuralnet__hidden_num_units": [2, 4]}, cv=2,
        scoring="neg_mean_squared_error",
    )  # fmt: skip
    search.fit(X, Y)
    assert search.best_params_["neuralnet__hidden_num_units"] in (2, 4)


def test_loading_says_what_does_not_fit(capsys):
    found = net().fit(X, Y)
    other = net(hidden_num_units=7)
    other.load_params_from(found)  # the output's bias
    said = capsys.readouterr().out
    assert "layer 'hidden' because shapes did not match: 3x7 vs 3x5" in said
    with pytest.raises(HandsonError, match="nothing fits"):
        other.load_params_from({"elsewhere": [np.zeros(3)]})


def test_a_pickle_is_no_file_of_weights(tmp_path):
    (tmp_path / "weights").write_bytes(pickle.dumps({}))
    with pytest.raises(HandsonError, match="may run code"):
        net().load_params_from(str(tmp_path / "weights"))


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"hiden_num_units": 3}, "Did you mean 'hidden_num_units'"),
        ({"hidden_num_unit": 3}, "the layer 'hidden'"),
        ({"update_momentm": 0.9}, "Did you mean 'momentum'"),
        ({"layers": [*LAYERS, ("output", L.DenseLayer)]}, "two layers"),
        ({"layers": [("hidden", L.DenseLayer)]}, "begins with an InputLayer|no argument"),
        ({"output_incoming": "hiddn"}, "Did you mean 'hidden'"),
    ],
)
def test_refused(kwargs, said):
    with pytest.raises(HandsonError, match=said):
        net(**kwargs).fit(X, Y)


def test_no_learning_rate_is_refused():
    with pytest.raises(HandsonError, match="update_learning_rate"):
        NeuralNet(layers=LAYERS, input_shape=(None, 3), hidden_num_units=2, output_num_units=1, regression=True).fit(
            X, Y
        )


def test_no_weights_yet():
    with pytest.raises(HandsonError, match="no weights yet"):
        net().predict(X)


def test_classes_are_named_for_the_batches_of_partial_fit():
    x, y = load_iris(return_X_y=True)
    x, names = x.astype("float32"), np.array(["setosa", "versicolor", "virginica"])
    found = classifier(use_label_encoder=True)
    found.partial_fit(x[:100], names[y[:100]], classes=names)
    found.partial_fit(x[50:], names[y[50:]])
    assert found.classes_.tolist() == names.tolist()
    assert found.predict_proba(x).shape == (150, 3)
    with pytest.raises(HandsonError, match="is for use_label_encoder=True"):
        classifier().partial_fit(x, y.astype("int32"), classes=[0, 1, 2])


def test_layers_are_found_by_name_number_and_slice():
    found = net()
    found.initialize()
    assert found.layers_[0] is found.layers_["input"]
    assert found.layers_[-1] is found.layers_["output"]
    assert list(found.layers_[1:]) == ["hidden", "output"]


def test_tensor_types_and_more_params():
    with pytest.raises(HandsonError, match="y_tensor_type says 2 axes, int32; got float32"):
        net(y_tensor_type=T.imatrix).fit(X, Y)
    found = net(X_tensor_type=T.matrix, more_params={"hidden_num_units": 3}).fit(X, Y)
    assert found.layers_["hidden"].num_units == 3
    assert pickle.loads(pickle.dumps(found)).X_tensor_type is T.matrix
    with pytest.raises(HandsonError, match="no layer's name begins it"):
        net(more_params={"hiden_num_units": 3}).initialize()


def test_a_classifier_with_an_objective_of_its_own_reports_its_accuracy():
    def penalized(layers, *args, **kwargs):
        weights = lasagne.regularization.regularize_layer_params(layers["hidden"], lasagne.regularization.l2)
        return objective(layers, *args, **kwargs) + 1e-4 * weights

    x, y = load_iris(return_X_y=True)
    found = classifier(objective=penalized)
    found.fit(x.astype("float32"), y.astype("int32"), epochs=2)
    assert 0 <= found.train_history_[-1]["valid_accuracy"] <= 1
