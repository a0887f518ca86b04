"""Does a net pay here? The usual models and a net, on the same folds of the same data."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from handson.core.errors import HandsonError, listing, nearest
from handson.data.reading.dataset import Dataset
from handson.data.rows.folds import make_folds
from handson.estimators.classifier import NeuralNetClassifier
from handson.estimators.regressor import NeuralNetRegressor

NET = "net"
# The time of an SVM grows with the square of the rows.
MOST_FOR_SVM = 20_000


@dataclass(frozen=True)
class Baseline:
    """What a comparison found.

    Attributes
    ----------
    folds : DataFrame
        A row for each model and fold: 'model', 'fold', the scores, 'seconds' to train, 'milliseconds' to predict a
        thousand rows.
    scores : tuple of str
        The names of the scores; the first decides. 'recall' is the mean over the classes; of 'rmse' less is better.
    notes : list of str
        What was decided about the data.
    """

    folds: pd.DataFrame
    scores: tuple[str, str]
    notes: list[str]

    @property
    def table(self) -> pd.DataFrame:
        """Means and standard deviations over the folds, the best model first; times are medians."""
        by_model = self.folds.groupby("model", sort=False)
        first, second = self.scores
        found = pd.DataFrame(
            {
                first: by_model[first].mean(),
                "±": by_model[first].std(),
                second: by_model[second].mean(),
                "seconds": by_model["seconds"].median(),
                "milliseconds": by_model["milliseconds"].median(),
            }
        )
        return found.sort_values(first, ascending=False, kind="stable")

    def against_net(self, model: str) -> tuple[float, float]:
        """By how much the net's first score is higher than a model's, and the standard error of that.

        The folds share their rows, so the variance of their differences is too small; it is corrected as by Nadeau and
        Bengio, "Inference for the generalization error", Machine Learning 52 (2003): 1/n becomes 1/n + test/train.
        """
        by_fold = self.folds.pivot(index="fold", columns="model", values=self.scores[0])
        differences = (by_fold[NET] - by_fold[model]).to_numpy()
        count = len(differences)
        variance = differences.var(ddof=1) * (1 / count + 1 / (count - 1))
        return float(differences.mean()), float(np.sqrt(variance))

    @property
    def verdict(self) -> str:
        """Whether the net pays, in a sentence."""
        rival = str(self.table.drop(index=NET).index[0])
        ahead, error = self.against_net(rival)
        said = f"{abs(ahead):.3f} ± {error:.3f} in {self.scores[0]}"
        if abs(ahead) <= 2 * error:
            side = "behind" if ahead < 0 else "ahead of"
            return (
                f"The net is {side} the best other model ({rival}) by {said}. These folds do not tell the two "
                f"apart: the simpler one will do."
            )
        if ahead < 0:
            return f"The best other model ({rival}) is ahead of the net by {said}. This net does not pay here."
        return f"The net is ahead of the best other model ({rival}) by {said}. A net pays here."


def models(task: str, rows: int, columns: int, seed: int) -> dict[str, Any]:
    """The models that are compared, by name; `columns` of targets.

    Examples
    --------
    >>> list(models("classification", rows=100, columns=1, seed=0))
    ['guess', 'linear model', 'random forest', 'gradient boosting', 'SVM', 'net']
    """
    classes = task == "classification"

    def scaled(model: Any) -> Any:
        return make_pipeline(StandardScaler(), model)

    def each(model: Any) -> Any:
        return MultiOutputRegressor(model) if columns > 1 and not classes else model

    found = {
        "guess": DummyClassifier() if classes else DummyRegressor(),
        "linear model": scaled(LogisticRegression(max_iter=1000) if classes else RidgeCV(np.logspace(-3, 5, 17))),
        "random forest": (RandomForestClassifier if classes else RandomForestRegressor)(
            300, n_jobs=-1, random_state=seed
        ),
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed)
        if classes
        else each(HistGradientBoostingRegressor(random_state=seed)),
    }
    if rows <= MOST_FOR_SVM:
        svm = SVC() if classes else each(TransformedTargetRegressor(SVR(), transformer=StandardScaler()))
        found["SVM"] = scaled(svm)
    found[NET] = (NeuralNetClassifier if classes else NeuralNetRegressor)(random_state=seed)
    return found


def compare(
    data: Dataset,
    folds: int = 5,
    seed: int = 0,
    only: Sequence[str] | None = None,
    on_model: Callable[[str, pd.DataFrame], None] | None = None,
) -> Baseline:
    """Train the usual models and a net on the same folds.

    Parameters
    ----------
    data : Dataset
        What `handson.data.read` gives. Missing inputs are filled with the median of the rows that train; rows with
        missing targets are left out. Images go to the net as they are, to the others as rows of pixels.
    folds : int
        How many folds; classes keep their proportions, and no group is divided.
    seed : int
        Of the folds and models.
    only : sequence of str, optional
        The names of the models to compare with the net.
    on_model : function, optional
        Called with the name of each model and its rows of `Baseline.folds` when it has finished.

    Raises
    ------
    HandsonError
        For data without targets, and for an unknown name of a model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> found = compare(Dataset(x, y, classes=["setosa", "versicolor", "virginica"]), only=["linear model"])
    >>> sorted(found.table.index)
    ['linear model', 'net']
    """
    data, notes = _complete(data)
    targets: Any = data.targets
    columns = 1 if targets.ndim == 1 else targets.shape[1]
    known = models(data.task, len(data), columns, seed)
    if len(data) > MOST_FOR_SVM:
        notes.append(f"no SVM: its time grows with the square of the rows, of which there are {len(data):,}.")
    chosen = _chosen(known, only)
    y = targets.ravel() if columns == 1 else targets
    parts = make_folds(len(data), folds, seed, y if data.task == "classification" else None, data.groups)
    scores = ("accuracy", "recall") if data.task == "classification" else ("R²", "rmse")
    found = []
    for name in chosen:
        x = np.asarray(data.inputs[:]) if name == NET or data.kind != "images" else _flat(data.inputs)
        of_model = [_measure(name, known[name], x, y, part, number) for number, part in enumerate(parts, 1)]
        found.append(pd.DataFrame(of_model, columns=["model", "fold", *scores, "seconds", "milliseconds"]))
        if on_model is not None:
            on_model(name, found[-1])
    return Baseline(pd.concat(found, ignore_index=True), scores, notes)


def _chosen(known: dict[str, Any], only: Sequence[str] | None) -> list[str]:
    for name in only or ():
        if name not in known:
            raise HandsonError(f"there is no model {name!r} here.{nearest(name, known)} Known: {listing(known)}.")
    return [name for name in known if only is None or name in only or name == NET]


def _complete(data: Dataset) -> tuple[Dataset, list[str]]:
    """The rows that have all targets."""
    if data.targets is None:
        raise HandsonError(f"{data.source or 'the data'} have no targets: name them, --targets COLUMN.")
    targets = data.targets.reshape(len(data), -1)
    present = (targets >= 0).all(1) if data.task == "classification" else ~np.isnan(targets).any(1)
    if present.all():
        return data, []
    note = f"{int(present.sum()):,} of {len(data):,} rows have all targets; the others are left out."
    return replace(data.rows(np.flatnonzero(present))), [note]


def _flat(images: Any) -> np.ndarray:
    return np.asarray(images[:]).reshape(len(images), -1)


def _measure(name: str, model: Any, x: np.ndarray, y: np.ndarray, part: Any, fold: int) -> tuple[Any, ...]:
    """Name and fold, two scores on the rows held out, and times."""
    model = clone(model)
    if x.ndim == 2:
        model = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), model)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[part.train], y[part.train])
    trained = time.perf_counter()
    predicted = model.predict(x[part.validation])
    ended = time.perf_counter()
    truth = y[part.validation]
    return name, fold, *_scores(truth, predicted), trained - started, 1e6 * (ended - trained) / len(truth)


def _scores(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    if truth.dtype.kind not in "iu":
        return float(r2_score(truth, predicted)), float(root_mean_squared_error(truth, predicted))
    known = np.unique(truth)
    recalls = [np.mean(predicted[truth == one] == one) for one in known]
    return float(accuracy_score(truth, predicted)), float(np.mean(recalls))
