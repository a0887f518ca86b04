"""Weights of classes and rows: what may be given, which rows they count for, and what a split makes of soft targets."""

import numpy as np
import pandas as pd
import pytest
import torch

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.layers import Dense
from handson.losses import get
from handson.training.preparation.class_weights import class_weights

LABELS = torch.tensor([0, 2, 1, 2])
SPARSE = get("sparse_categorical_crossentropy")
EXPECTED = [1.0, 4.0, 1.0, 4.0]


def classifier(loss="sparse_categorical_crossentropy", outputs=3, **kwargs):
    last = "sigmoid" if outputs == 1 else "softmax"
    net = Sequential([Dense(outputs, activation=last, input_dim=4)], seed=0)
    net.compile("adam", loss, **kwargs)
    return net


def data(rows=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)).astype(np.float32), np.arange(rows) % 3


@pytest.mark.parametrize(
    "given",
    [
        {2: 4.0}, {2: 4}, {np.int64(2): np.float32(4)}, {np.int8(2): 4.0}, {2.0: 4.0}, {np.float64(2): 4.0},
        {torch.tensor(2): torch.tensor(4.0)}, [1, 1, 4], (1.0, 1.0, 4.0), np.array([1, 1, 4]), pd.Series([1, 1, 4]),
        pd.Series({2: 4.0}), dict(enumerate(np.array([1.0, 1.0, 4.0]))), torch.tensor([1.0, 1.0, 4.0]),
    ],
)  # fmt: skip
def test_weights_of_classes_come_in_many_types(given):
    assert class_weights(LABELS, given, SPARSE, 3).tolist() == EXPECTED
    one_hot = torch.eye(3)[LABELS]
    assert class_weights(one_hot, given, get("categorical_crossentropy"), 3).tolist() == EXPECTED


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({3: 1.0}, "there is no class 3. Known: 0, 1, 2"), ({np.int64(-1): 2.0}, "there is no class -1"),
        ({0.5: 1.0}, "there is no class 0.5"), ({"cat": 1.0}, "got the class 'cat'. Classes are numbered from 0"),
        ({None: 1.0}, "got the class None"), ({0: None}, "the weight of class 0 is None"),
        ({0: "a"}, "the weight of class 0 is 'a'"), ({0: -1.0}, "the weight of class 0 is -1.0"),
        ({0: float("nan")}, "the weight of class 0 is nan"), ({0: np.inf}, "the weight of class 0 is inf"),
        ([1.0, 2.0], "a weight for each of the 3 classes; got 2 weights"), ("balanced", "got 'balanced'"),
        (2.0, "maps a class number to a weight.*got 2.0"), ([1.0, None, 2.0], "the weight of class 1 is None"),
        (pd.Series({"a": 1.0}), "got the class 'a'"),
    ],
)  # fmt: skip
def test_weights_that_belong_to_no_class_are_refused(given, message):
    x, three = data()
    with pytest.raises(HandsonError, match=message):
        classifier().fit(x, three, class_weight=given, verbose=0)


def test_none_means_no_weights():
    x, three = data()
    assert classifier().fit(x, three, class_weight=None, verbose=0).history.keys() == {"loss"}


def test_a_class_without_a_row_may_be_weighed_and_a_missing_label_is_none():
    assert class_weights(torch.tensor([0, -1, 1]), {2: 9.0, 0: 2.0}, SPARSE, 3).tolist() == [2.0, 1.0, 1.0]


def test_yes_or_no_has_two_classes_and_soft_targets_none():
    loss = get("binary_crossentropy")
    assert class_weights(torch.tensor([[1.0], [1.0]]), {0: 3.0, 1: 2.0}, loss, 1).tolist() == [2.0, 2.0]
    with pytest.raises(HandsonError, match="there is no class 2. Known: 0, 1"):
        class_weights(torch.tensor([[0.0], [1.0]]), {2: 3.0}, loss, 1)
    with pytest.raises(HandsonError, match=r"these targets hold others, such as 0\.25"):
        class_weights(torch.tensor([[0.25], [1.0]]), {1: 3.0}, loss, 1)


def weighted():
    x, _ = data()
    return [
        {"class_weight": {0: 5.0, 1: 0.5}},
        {"sample_weight": np.linspace(0.1, 4.0, len(x))},
        {"class_weight": [1, 2, 3], "sample_weight": np.linspace(0.1, 4.0, len(x))},
    ]


@pytest.mark.parametrize("weights", weighted())
@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_weights_count_for_rows_that_train_and_not_for_those_that_validate(weights, engine):
    """`val_loss` is the mean over the rows held out, which `validation_data` would give for the same rows."""
    x, three = data()
    net, held_out = classifier(), []
    split = handson.training.preparation.prepare.split

    def look(*arguments):
        held_out.append(split(*arguments))
        return held_out[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handson.training.preparation.prepare, "split", look)
        history = net.fit(x, three, validation_split=0.3, verbose=0, engine=engine, **weights)
    rows = held_out[0].validation
    chosen = net.predict(x[rows])[np.arange(len(rows)), three[rows]]
    assert history.history["val_loss"][0] == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    plain = classifier().fit(x, three, validation_split=0.3, verbose=0, engine=engine)
    assert abs(history.history["loss"][0] / plain.history["loss"][0] - 1) > 0.01


@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_weights_of_validation_data_are_those_of_the_formula_and_of_keras(keras, engine):
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(50, 4)).astype("f4"), rng.normal(size=(50, 2)).astype("f4"), rng.uniform(0, 3, 50)
    net = Sequential([Dense(2, input_dim=4)], seed=0)
    net.compile("sgd", "mse")
    history = net.fit(x[:20], y[:20], validation_data=(x, y, w), batch_size=4, engine=engine, verbose=0)
    expected = (w * ((net.predict(x) - y) ** 2).mean(1)).mean()
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-5)
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    theirs.set_weights(net.get_weights())
    theirs.compile("sgd", "mse")
    assert theirs.evaluate(x, y, sample_weight=w, batch_size=50, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "soft"),
    [("binary_crossentropy", 1, lambda rng: rng.uniform(size=20)),
     ("binary_crossentropy", 1, lambda rng: np.where(np.arange(20) % 2, 0.95, 0.05) + 0.001 * np.arange(20)),
     ("categorical_crossentropy", 3, lambda rng: rng.dirichlet([9, 9, 0.01], 20))],
)  # fmt: skip
def test_soft_targets_are_no_classes_to_split_by(loss, outputs, soft):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), soft(rng)
    if outputs > 1:
        y[0], y[1:, 2] = [0.0, 0.1, 0.9], 0.0
        y /= y.sum(1, keepdims=True)
    history = classifier(loss, outputs).fit(x, y, validation_split=0.2, verbose=0)
    assert "classes" not in history.notes[0]
    assert "16 rows train, 4 validate" in history.notes[0]


@pytest.mark.parametrize(("loss", "outputs"), [("binary_crossentropy", 1), ("categorical_crossentropy", 2)])
def test_hard_targets_still_keep_their_proportions(loss, outputs):
    x, hard = data(20)[0], (np.arange(20) < 5).astype(float)
    hard[7] = np.nan
    y = hard if outputs == 1 else np.stack([hard, 1 - hard], 1)
    history = classifier(loss, outputs).fit(x, y, validation_split=0.4, verbose=0)
    assert "classes in proportion" in history.notes[0]


def test_weights_of_steps_count_in_metrics_of_an_output_without_a_loss(rng):
    x, weights = rng.normal(size=(12, 5, 4)), rng.random((12, 5))
    net = Sequential([Dense(1, input_shape=(5, 4), activity_regularizer="l2")])
    net.compile("sgd", weighted_metrics=["mae"])
    found = net.evaluate(x, x[..., :1], sample_weight=weights, return_dict=True)["mae"]
    errors = np.abs(net.predict(x) - x[..., :1])[..., 0]
    assert found == pytest.approx((errors * weights).sum() / weights.sum(), rel=1e-5)
