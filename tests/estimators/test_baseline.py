"""`handson baseline`: the usual models and a net, on the same folds."""

import re

import numpy as np
import pandas as pd
import pytest
from command_line import call, ok
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handson import HandsonError
from handson.data.reading.dataset import Dataset
from handson.data.rows.folds import make_folds
from handson.estimators.baseline import Baseline, compare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
VALUES = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * RNG.normal(size=(60, 1))).astype("float32")
QUICK = ["guess", "linear model"]


def of(differences, rival="linear model"):
    """A comparison in which the net is ahead by so much in each fold."""
    rows = [("net", fold, 0.5 + by, 1.0, 1.0, 1.0) for fold, by in enumerate(differences)]
    rows += [(rival, fold, 0.5, 1.0, 1.0, 1.0) for fold in range(len(differences))]
    columns = ["model", "fold", "accuracy", "recall", "seconds", "milliseconds"]
    return Baseline(pd.DataFrame(rows, columns=columns), ("accuracy", "recall"), [])


def test_scores_are_those_of_scikit_learn():
    found = compare(Dataset(X, VALUES), folds=3, seed=4, only=QUICK)
    assert list(found.table.index)[-1] == "guess"
    of_linear = found.folds[found.folds["model"] == "linear model"]
    for fold, part in enumerate(make_folds(60, 3, 4)):
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 5, 17)))
        model.fit(X[part.train], VALUES[part.train, 0])
        truth = r2_score(VALUES[part.validation], model.predict(X[part.validation]))
        assert of_linear["R²"].iloc[fold] == pytest.approx(truth, abs=1e-6)
    assert found.table["±"]["linear model"] == pytest.approx(of_linear["R²"].std())


def test_every_model_runs_on_classes_values_and_images():
    labels = (X[:, 0] > 0).astype(int)
    images = RNG.integers(0, 255, (60, 6, 6, 1)).astype("uint8")
    for data in (
        Dataset(X, labels, classes=["a", "b"]),
        Dataset(X, np.column_stack([VALUES, X[:, :1]])),
        Dataset(images, labels, classes=["a", "b"], groups=np.arange(60) // 5),
    ):
        found = compare(data, folds=2)
        assert sorted(found.table.index) == sorted(
            ["guess", "linear model", "random forest", "gradient boosting", "SVM", "net"]
        )
        assert np.isfinite(found.folds.drop(columns="model").to_numpy()).all()


def test_what_is_missing_is_filled_or_left_out():
    x, y = X.copy(), VALUES.copy()
    x[3, 1], y[:4] = np.nan, np.nan
    found = compare(Dataset(x, y), folds=2, only=QUICK)
    assert found.notes == ["56 of 60 rows have all targets; the others are left out."]
    labels = np.where(np.arange(60) < 2, -1, np.arange(60) % 2)
    assert compare(Dataset(X, labels, classes=["a", "b"]), folds=2, only=QUICK).notes[0].startswith("58 of 60")


def test_a_table_that_is_too_long_for_an_svm_says_so(monkeypatch):
    monkeypatch.setattr("handson.estimators.baseline.MOST_FOR_SVM", 50)
    found = compare(Dataset(X, VALUES), folds=2, only=QUICK)
    assert "no SVM" in found.notes[0]
    with pytest.raises(HandsonError, match="no model 'SVM'"):
        compare(Dataset(X, VALUES), folds=2, only=["SVM"])


def test_the_verdict_follows_from_the_folds():
    assert "A net pays here" in of([0.1, 0.11, 0.09, 0.1, 0.1]).verdict
    assert "does not pay" in of([-0.1, -0.11, -0.09, -0.1, -0.1]).verdict
    assert "do not tell" in of([0.1, -0.1, 0.05, -0.04, 0.02]).verdict
    ahead, error = of([0.1, 0.2, 0.3]).against_net("linear model")
    # The variance is 0.01; 1/3 of it for the mean, and 1/2 for the rows that folds share.
    assert (ahead, error) == (pytest.approx(0.2), pytest.approx(np.sqrt(0.01 * (1 / 3 + 1 / 2))))


def test_errors_say_what_to_type():
    with pytest.raises(HandsonError, match="--targets"):
        compare(Dataset(X))
    with pytest.raises(HandsonError, match="no model 'linear' here. Did you mean 'linear model'"):
        compare(Dataset(X, VALUES), only=["linear"])


def test_the_command(tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=np.where(X[:, 0] > 0, "high", "low"))
    frame.to_csv(tmp_path / "table.csv", index=False)
    told = ok(tmp_path, "baseline", "table.csv", "--targets", "kind", "--models", "guess, linear model", "--folds", "3",
              "--out", "scores.csv")  # fmt: skip
    assert re.search(r"linear model +\d\.\d{3} ± \d\.\d{3} +\d\.\d{3} +[+-]\d\.\d{3} ± \d\.\d{3} +\d+\.\d\d s", told)
    assert "60 rows, 3 folds" in told
    rows = [line.rstrip() for line in told.splitlines() if " ± " in line and " ms" in line]
    assert len(rows) == 3
    assert max(map(len, rows)) < 80
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 9
    quiet = ok(tmp_path, "baseline", "table.csv", "--targets", "kind", "--models", "guess", "--quiet")
    assert "guess: accuracy" not in quiet
    assert "--targets" in call(tmp_path, "baseline", "table.csv", "--inputs", "a,b,c").err
