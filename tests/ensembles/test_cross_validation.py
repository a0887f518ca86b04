"""Cross-validation: each fold is the net trained alone on the other rows, and nothing is seen that is held out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold

from handson import Sequential, cross_validate
from handson.callbacks import EarlyStopping
from handson.core.errors import HandsonError
from handson.layers import Dense, Dropout


def data(rows=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, np.sin(x).sum(1)


def build(seed=None, outputs=1, loss="mse", metrics=("mae",), activation=None, **compiled):
    net = Sequential([Dense(6, activation="tanh"), Dropout(0.2), Dense(outputs, activation=activation)], seed=seed)
    net.compile("adam", loss, metrics=list(metrics), **compiled)
    return net


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@settings(deadline=None, max_examples=12)
@given(
    folds=st.integers(2, 5), seed=st.integers(0, 99), grouped=st.booleans(), weighted=st.booleans(),
    split=st.sampled_from([0.0, 0.3]), scaled=st.booleans(), engine=st.sampled_from(["dense", "eager"]),
)  # fmt: skip
def test_each_fold_is_the_net_trained_alone_on_the_other_rows(folds, seed, grouped, weighted, split, scaled, engine):
    x, y = data()
    groups = np.arange(60) // 5 if grouped else None
    weights = np.linspace(0.5, 2, 60) if weighted else None
    compiled = {"scale_inputs": "standard", "scale_targets": "standard"} if scaled else {}
    arguments = {"epochs": 2, "batch_size": 16, "engine": engine, "validation_split": split, "verbose": 0}
    found = cross_validate(
        lambda: build(**compiled), x, y, folds, groups, seed=seed, sample_weight=weights, **arguments
    )
    predictions = np.full((60, 1), np.nan, np.float32)
    for number, (part, net) in enumerate(zip(found.folds, found.members, strict=True), 1):
        alone = build(seed, **compiled)
        inner = {} if groups is None or not split else {"groups": groups[part.train]}
        own = (lambda rows: None) if weights is None else (lambda rows: weights[rows])
        history = alone.fit(x[part.train], y[part.train], sample_weight=own(part.train), **inner, **arguments)
        assert same(net, alone)
        assert found.ensemble.histories[number - 1].history == history.history
        held_out = x[part.validation], y[part.validation]
        expected = alone.evaluate(*held_out, sample_weight=own(part.validation), return_dict=True)
        assert found.scores.loc[number].to_dict() == expected
        predictions[part.validation] = alone.predict(x[part.validation])
    assert np.array_equal(found.predictions, predictions)
    for name in ("loss", "mae"):
        assert found.mean[name] == pytest.approx(np.mean(found.scores[name]))
        assert found.std[name] == pytest.approx(np.std(found.scores[name].to_numpy()))


def test_groups_are_held_out_whole():
    x, y = data()
    people = np.array([f"person {k}" for k in np.random.default_rng(1).integers(0, 9, size=60)])
    found = cross_validate(build, x, y, 3, groups=people, seed=0, epochs=1, verbose=0)
    for part in found.folds:
        assert not set(people[part.train]) & set(people[part.validation])
    theirs = GroupKFold(3).split(x, groups=people)
    assert sorted(len(part.validation) for part in found.folds) == sorted(len(held_out) for _, held_out in theirs)


@pytest.mark.parametrize(
    ("loss", "outputs", "activation", "encode"),
    [
        ("sparse_categorical_crossentropy", 3, "softmax", lambda labels: labels),
        ("categorical_crossentropy", 3, "softmax", lambda labels: np.eye(3)[labels]),
        ("binary_crossentropy", 1, "sigmoid", lambda labels: np.minimum(labels, 1)),
    ],
)
def test_classes_keep_their_proportions(loss, outputs, activation, encode):
    x, _ = data()
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    y = encode(labels)
    found = cross_validate(
        lambda: build(None, outputs, loss, ["accuracy"], activation), x, y, 5, seed=2, epochs=1, verbose=0
    )
    for part in found.folds:
        if loss == "binary_crossentropy":
            assert np.bincount(y[part.validation]).tolist() == [6, 6]
        else:
            assert np.bincount(labels[part.validation]).tolist() == [6, 4, 2]


def test_folds_of_scikit_learn_are_taken():
    x, y = data(20)
    found = cross_validate(build, x, y, KFold(4).split(x), seed=0, epochs=1, verbose=0)
    for part, (_, held_out) in zip(found.folds, KFold(4).split(x), strict=True):
        assert np.array_equal(part.validation, held_out)


def test_rows_that_are_never_or_often_held_out():
    x, y = data(10)
    pairs = [(np.arange(4, 10), np.arange(3)), (np.arange(4, 10), np.arange(1, 4))]
    found = cross_validate(build, x, y, pairs, seed=0, epochs=1, verbose=0)
    first, second = (net.predict(x[:4]) for net in found.members)
    expected = np.stack([first[0], (first[1] + second[1]) / 2, (first[2] + second[2]) / 2, second[3]])
    np.testing.assert_allclose(found.predictions[:4], expected, rtol=1e-6)
    assert np.isnan(found.predictions[4:]).all()


def test_nothing_is_learned_from_rows_held_out():
    """Other targets in a held-out row change no net but those that train on it."""
    x, y = data()
    arguments = {"folds": 3, "seed": 0, "epochs": 2, "verbose": 0, "validation_split": 0.2}
    first = cross_validate(build, x, y, **arguments)
    part = first.folds[1]
    changed = y.copy()
    changed[part.validation] += 100
    second = cross_validate(build, x, changed, **arguments)
    assert same(first.members[1], second.members[1])
    assert not same(first.members[0], second.members[0])
    assert first.scores.loc[2, "loss"] < second.scores.loc[2, "loss"]


def test_early_stopping_watches_rows_of_its_own():
    x, y = data()
    found = cross_validate(
        build, x, y, 3, seed=0, epochs=50, validation_split=0.25, verbose=0,
        callbacks=[EarlyStopping(patience=0, min_delta=10.0)],
    )  # fmt: skip
    assert [len(history.epoch) for history in found.ensemble.histories] == [2, 2, 2]


def test_tables_keep_their_columns():
    x, y = data()
    table, target = pd.DataFrame(x, columns=list("abc"), index=range(100, 160)), pd.DataFrame({"height": y})
    found = cross_validate(build, table, target, 3, seed=0, epochs=1, verbose=0)
    plain = cross_validate(build, x, y, 3, seed=0, epochs=1, verbose=0)
    assert np.array_equal(found.predictions, plain.predictions)
    assert found.members[0].target_names == ["height"]


def test_it_shows_mean_and_deviation():
    found = cross_validate(build, *data(), 3, seed=0, epochs=1, verbose=0)
    found.scores = pd.DataFrame({"loss": [1.0, 2.0, 3.0], "mae": [0.5, 0.5, 0.5]})
    assert repr(found) == "CrossValidation(3 folds: loss 2 ± 0.82, mae 0.5 ± 0)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 70}, r"60 rows make no 70 folds; give at most folds=60\."),
        ({"folds": "five"}, r"folds is a whole number, at least 2; got 'five'\."),
        ({"validation_data": (1, 2)}, r"cross_validate cannot pass 'validation_data' on to fit\."),
        ({"epoch": 2}, r"cross_validate has no argument 'epoch'. Did you mean 'epochs'\?"),
        ({"groups": [1, 2]}, r"groups have 2 entries for 60 rows\."),
        ({"sample_weight": [1, 2]}, r"inputs have 60 rows and sample_weight 2"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(HandsonError, match=message):
        cross_validate(build, *data(), **arguments, verbose=0)
