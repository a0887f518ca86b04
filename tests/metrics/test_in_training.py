"""Metrics in fit and evaluate: exact over epochs, training and validation apart, in every engine that can."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch

import handson
from handson import metrics, ops
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.core.pure import declare
from handson.layers import Dense
from handson.training.engines.recorded import engine as recorded

ROWS = 50


@pytest.fixture
def data(rng):
    x = rng.normal(size=(ROWS, 3)).astype("float32")
    y = (x[:, :1] + rng.normal(size=(ROWS, 1)) > 0).astype("float32")
    return x, y


def compiled(*measured, outputs=1, loss="binary_crossentropy", activation="sigmoid", **more):
    net = handson.Sequential([Dense(outputs, activation=activation, input_dim=3)], seed=0)
    net.compile(handson.optimizers.SGD(0.0), loss, metrics=list(measured), **more)
    return net


class Positives(metrics.Metric):
    """Counts in a variable."""

    def __init__(self, name="positives"):
        super().__init__(name=name)
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.count.assign_add(ops.sum(y_pred > 0.5))

    def result(self):
        return self.count


class Collected(metrics.Metric):
    """Collects in a list."""

    def reset_state(self):
        self.seen = []

    def __init__(self):
        super().__init__(name="collected")
        self.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen.append(np.asarray(y_pred))

    def result(self):
        return float(np.median(np.concatenate(self.seen)))


MEASURED = {
    "auc": (metrics.AUC, sk.roc_auc_score),
    "ap": (lambda: metrics.AveragePrecision(name="ap"), sk.average_precision_score),
    "precision": (lambda: "Precision", lambda y, p: sk.precision_score(y, p > 0.5)),
    "recall": (lambda: metrics.Recall(0.4), lambda y, p: sk.recall_score(y, p > 0.4)),
    "r2_score": (lambda: "r2_score", sk.r2_score),
    "positives": (Positives, lambda y, p: (p > 0.5).sum()),
    "collected": (Collected, lambda y, p: np.median(p)),
    "nmad": (lambda: "nmad", None),
}


@pytest.mark.parametrize("engine", ["eager", "dense"])
@pytest.mark.parametrize("name", MEASURED)
def test_epochs_and_evaluations_are_exact_and_apart(data, name, engine):
    x, y = data
    make, peer = MEASURED[name]
    net = compiled(make())
    key = "Precision" if name == "precision" else name
    if engine == "dense" and name in ("positives", "collected"):
        with pytest.raises(HandsonError, match=f"does not support the metric {name}"):
            net.fit(x, y, engine=engine, verbose=0)
        return
    held_out = slice(30, ROWS)
    validation = (x[held_out], y[held_out])
    history = net.fit(x, y, 16, 2, validation_data=validation, engine=engine, verbose=0).history  # it learns nothing
    predicted = net.predict(x)
    peer = peer or (lambda y, p: float(metrics.NMAD()(y, p)))
    assert history[key] == pytest.approx([peer(y, predicted)] * 2, rel=1e-5)
    assert history[f"val_{key}"] == pytest.approx([peer(y[held_out], predicted[held_out])] * 2, rel=1e-5)
    for size in (7, 64):
        assert net.evaluate(x, y, size, return_dict=True)[key] == pytest.approx(peer(y, predicted), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in MEASURED if name != "nmad"])
def test_with_a_callback_for_batches_the_numbers_are_the_same(data, name):
    class Looking(Callback):
        def __init__(self):
            self.logs = []

        def on_test_batch_end(self, batch, logs=None):
            self.logs.append(logs)

    make, peer = MEASURED[name]
    net, looking = compiled(make()), Looking()
    net.evaluate(*data, 16, callbacks=[looking])
    key, predicted = "Precision" if name == "precision" else name, net.predict(data[0])
    assert [logs[key] for logs in looking.logs] == pytest.approx(
        [peer(data[1][:rows], predicted[:rows]) for rows in (16, 32, 48, 50)], rel=1e-5
    )


def test_the_users_object_stays_as_it_was(data):
    mine = Positives()
    net = compiled(mine)
    net.fit(*data, verbose=0)
    assert float(mine.result()) == 0
    assert net.metrics[0] is mine


def test_a_metric_may_hold_the_net(data):
    class Norm(Positives):
        def __init__(self, net):
            super().__init__("norm")
            self.net = net

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign(self.net.layers[0].kernel.abs().sum())

    net = handson.Sequential([Dense(1, input_dim=3)], seed=0)
    net.compile("sgd", "mse", metrics=[Norm(net)])
    history = net.fit(*data, 64, 3, verbose=0).history["norm"]
    assert len(set(history)) == 3


def test_weights_count_where_they_are_asked_for(data, rng):
    x, y = data
    weight = rng.uniform(0.1, 3, ROWS)
    net = compiled("AUC", weighted_metrics=[metrics.AUC(name="weighted"), "AUC"])
    found = net.evaluate(x, y, 16, sample_weight=weight, return_dict=True)
    predicted = net.predict(x)
    assert found["AUC"] == pytest.approx(sk.roc_auc_score(y, predicted), rel=1e-6)
    expected = sk.roc_auc_score(y, predicted, sample_weight=weight)
    assert (found["weighted"], found["AUC_1"]) == pytest.approx((expected, expected), rel=1e-6)


def test_weights_reach_a_metric_of_ones_own(data, rng):
    class Weights(Positives):
        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(0.0 if sample_weight is None else sample_weight.sum())

    weight = rng.random(ROWS).astype("float32")
    net = compiled(Weights("plain"), weighted_metrics=[Weights("weighted")])
    found = net.evaluate(*data, 16, sample_weight=weight, return_dict=True)
    assert (found["plain"], found["weighted"]) == pytest.approx((0.0, weight.sum()), rel=1e-5)


def test_several_numbers_have_an_entry_each(data):
    x, y = data
    net = compiled(metrics.Precision(thresholds=[0.3, 0.7]), metrics.TruePositives([0.25, 0.5], name="tp"))
    names = ["precision_0.3", "precision_0.7", "tp_0.25", "tp_0.5"]
    history = net.fit(x, y, verbose=0, validation_data=(x, y))
    assert list(history.history) == ["loss", *names, *(f"val_{name}" for name in ("loss", *names))]
    assert history.params["metrics"] == list(history.history)
    predicted = net.predict(x)
    expected = [sk.precision_score(y, predicted > level, zero_division=0) for level in (0.3, 0.7)]
    assert [history.history[name][0] for name in names[:2]] == pytest.approx(expected)


def test_scores_of_classes_have_an_entry_each(rng):
    x, labels = rng.normal(size=(ROWS, 3)).astype("float32"), rng.integers(0, 4, ROWS)
    net = compiled("f1_score", outputs=4, loss="categorical_crossentropy", activation="softmax")
    history = net.fit(x, np.eye(4)[labels], verbose=0, validation_data=(x, np.eye(4)[labels]))
    expected = sk.f1_score(labels, net.predict(x).argmax(1), average=None)
    assert [history.history[f"val_f1_score_{number}"][0] for number in range(4)] == pytest.approx(list(expected))
    assert "f1_score_3" in history.params["metrics"]


def test_a_result_by_names_has_these_names(data):
    class Both(Positives):
        def result(self):
            return {"found": self.count, "half": self.count / 2}

    net = compiled(Both())
    history = net.fit(*data, verbose=0, validation_data=data)
    count = (net.predict(data[0]) > 0.5).sum()
    assert history.params["metrics"] == ["loss", "found", "half", "val_loss", "val_found", "val_half"]
    assert (history.history["val_found"], history.history["val_half"]) == ([count], [count / 2])


def test_labels_come_to_functions_and_own_metrics_as_in_keras(keras, rng):
    x, labels = rng.normal(size=(ROWS, 3)).astype("float32"), rng.integers(0, 4, ROWS)
    shapes = []

    def hit(y_true, y_pred):
        shapes.append(tuple(y_true.shape))
        return (y_true == y_pred.argmax(-1, keepdim=True)).float()

    class Hits(Positives):
        def update_state(self, y_true, y_pred, sample_weight=None):
            shapes.append(tuple(y_true.shape))
            self.count.assign_add(ops.sum(hit(y_true, y_pred)))

    net = compiled(hit, Hits("hits"), outputs=4, loss="sparse_categorical_crossentropy", activation="softmax")
    found = net.evaluate(x, labels, ROWS, return_dict=True)
    right = net.predict(x).argmax(1) == labels
    assert (found["hit"], found["hits"]) == pytest.approx((right.mean(), right.sum()))
    assert set(shapes) == {(ROWS, 1)}


def test_missing_targets_are_masked(rng, data):
    x, y = data
    holes = y.copy()
    holes[::3] = np.nan
    present = np.arange(ROWS) % 3 > 0
    net = compiled("AUC", "recall", "NMAD", Positives())
    found = net.evaluate(x, holes, 8, return_dict=True)
    predicted = net.predict(x)[present]
    assert found["AUC"] == pytest.approx(sk.roc_auc_score(y[present], predicted))
    assert found["recall"] == pytest.approx(sk.recall_score(y[present], predicted > 0.5))
    assert found["positives"] == (predicted > 0.5).sum()


def test_single_missing_targets_are_refused_by_a_metric_with_its_own_state(rng):
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    y[3, 1] = np.nan
    net = compiled(Positives(), outputs=2, loss="mse", activation=None)
    with pytest.raises(HandsonError, match="cannot mask single missing targets"):
        net.evaluate(x, y)
    scores = compiled("r2_score", outputs=2, loss="mse", activation=None)
    predicted, kept = scores.predict(x), ~np.isnan(y)
    expected = np.mean([sk.r2_score(y[kept[:, k], k], predicted[kept[:, k], k]) for k in range(2)])
    assert scores.evaluate(x, y, 4)[1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "metric", [metrics.AUC(), metrics.Precision(), metrics.BinaryIoU(), metrics.F1Score(threshold=0.5)]
)
def test_targets_that_are_no_classes_are_refused(data, metric):
    x, _ = data
    net = compiled(metric, loss="mse")
    with pytest.raises(HandsonError, match="compares classes 0 and 1"):
        net.evaluate(x, x[:, :1])


def test_a_single_output_is_refused_where_it_always_is_the_largest(data):
    net = compiled(metrics.F1Score())
    with pytest.raises(HandsonError, match=r"F1Score\(threshold=0.5\)"):
        net.fit(*data, verbose=0)


def test_spreads_may_be_measured_beside_any_loss(rng):
    class Normal(handson.losses.Loss):
        targets = "free"

        def values(self, y_true, y_pred):
            return (y_true - y_pred[:, :1]).square() / y_pred[:, 1:].exp() + y_pred[:, 1:]

    x = rng.normal(size=(ROWS, 3)).astype("float32")
    y = x[:, :1]
    net = compiled(
        metrics.CRPS("log_variance"), metrics.Coverage(0.9, "log_variance"), outputs=2, loss=Normal(), activation=None
    )
    found = net.evaluate(x, y, 8, return_dict=True)
    out = net.predict(x)
    expected = metrics.CRPS()(y, np.c_[out[:, :1], np.exp(out[:, 1:] / 2)])
    assert found["crps"] == pytest.approx(float(expected), rel=1e-5)
    assert 0 <= found["coverage"] <= 1


def test_a_recorded_step_names_the_metric_that_it_cannot_have(data, monkeypatch):
    monkeypatch.setitem(recorded.RECORDERS, "cpu", lambda device: None)
    net = compiled("AUC")
    with pytest.raises(HandsonError, match="does not support the metric AUC, which is no mean"):
        net.fit(*data, engine="graph", verbose=0)


def test_a_callback_knows_which_way_an_area_gets_better(data):
    net = handson.Sequential([Dense(1, activation="sigmoid", input_dim=3)], seed=0)
    net.compile(handson.optimizers.SGD(5.0), "binary_crossentropy", metrics=["AUC"])
    stopping = handson.callbacks.EarlyStopping("val_AUC", patience=100)
    history = net.fit(*data, epochs=4, validation_data=data, callbacks=[stopping], verbose=0).history
    assert stopping.best == max(history["val_AUC"])


@pytest.mark.parametrize(("watched", "best"), [("val_precision_0.3", max), ("val_tn_0.5", max), ("fp", min)])
def test_a_callback_knows_which_way_one_of_several_numbers_gets_better(data, watched, best):
    net = handson.Sequential([Dense(1, activation="sigmoid", input_dim=3)], seed=0)
    measured = [
        metrics.Precision([0.3, 0.7]),
        metrics.TrueNegatives([0.1, 0.5], name="tn"),
        metrics.FalsePositives(name="fp"),
    ]
    net.compile(handson.optimizers.SGD(5.0), "binary_crossentropy", metrics=measured)
    stopping = handson.callbacks.EarlyStopping(watched, patience=100)
    history = net.fit(*data, epochs=4, validation_data=data, callbacks=[stopping], verbose=0).history
    assert stopping.best == best(history[watched])


def test_what_is_best_in_the_middle_is_watched_only_with_a_mode(data):
    net = compiled(metrics.Bias())
    with pytest.raises(HandsonError, match="neither the smallest nor the largest"):
        net.fit(*data, callbacks=[handson.callbacks.EarlyStopping("bias")], verbose=0)
    net.fit(*data, callbacks=[handson.callbacks.EarlyStopping("bias", mode="max")], verbose=0)


def test_gradients_are_not_kept_by_metrics(data):
    net = compiled(Collected(), "AUC")
    net.fit(torch.from_numpy(data[0]), data[1], verbose=0)
    assert all(weight.grad is None for weight in net.parameters())


def test_what_a_metric_was_given_by_hand_is_no_obstacle(data):
    @declare
    class Largest(metrics.Metric):
        keeps_rows = True

        def statistics(self, y_true, y_pred, sample_weight):
            return {"outputs": y_pred}

        def finish(self, found):
            return found["outputs"].max()

    metric = Largest()
    metric.update_state(*data[::-1][:1], np.full((ROWS, 1), 9.0))
    net = compiled(metric)
    found = net.fit(*data, engine="dense", verbose=0).history["largest"]
    assert found == pytest.approx([net.predict(data[0]).max()])
    assert metric.result() == 9.0
