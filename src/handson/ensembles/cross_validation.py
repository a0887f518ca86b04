"""Cross-validation: one net for each fold, measured on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from handson.core import tree
from handson.core.masked import masked_as_missing
from handson.data.rows.arrays import as_rows
from handson.data.rows.folds import given_folds, make_folds
from handson.data.rows.mapped import is_mapped
from handson.data.rows.split import Split
from handson.data.rows.stored import StoredRows
from handson.ensembles.building import build_net
from handson.ensembles.ensemble import Ensemble, inputs_of, rows_in
from handson.ensembles.together import Training, check_arguments, train_together
from handson.models import Model
from handson.randomness.keys import check_seed, fresh_seed
from handson.training.preparation.prepare import classes_of, prepare_rows

TAKEN = ("validation_data", "groups")


@dataclass(repr=False)
class CrossValidation:
    """What cross-validation found.

    Attributes
    ----------
    scores : DataFrame
        Loss and metrics on the held-out rows, a row for each fold.
    predictions : ndarray, shape (n, ...)
        For every row the prediction of the net that has not seen it; NaN for a row that was never held out, the mean
        for one that was held out several times.
    folds : list of Split
        The rows that trained and those held out (`train`, `validation`).
    ensemble : Ensemble
        The nets, one for each fold, and their histories.
    seed : int
        The seed of the folds and of every net.
    """

    scores: pd.DataFrame
    predictions: np.ndarray
    folds: list[Split]
    ensemble: Ensemble
    seed: int

    @property
    def members(self) -> list[Model]:
        """The nets, one for each fold."""
        return self.ensemble.members

    @property
    def mean(self) -> pd.Series[float]:
        """The mean of loss and metrics over the folds."""
        return self.scores.mean()

    @property
    def std(self) -> pd.Series[float]:
        """Their standard deviation over the folds (`numpy.std`)."""
        return self.scores.std(ddof=0)

    def __repr__(self) -> str:
        lines = [f"{name} {self.mean[name]:.4g} ± {self.std[name]:.2g}" for name in map(str, self.scores)]
        return f"CrossValidation({len(self.folds)} folds: {', '.join(lines)})"


def cross_validate(
    build: Any,
    x: Any,
    y: Any = None,
    folds: Any = 5,
    groups: Any = None,
    *,
    shuffle_folds: bool = True,
    seed: int | None = None,
    verbose: Any = "auto",
    workers: int | None = None,
    **fit_arguments: Any,
) -> CrossValidation:
    """Train a net for each fold on the other rows, and measure it on the rows held out.

    The nets do not see the held-out rows in any way: `validation_split` and what follows from it, such as early
    stopping, take their rows from those that train.

    Parameters
    ----------
    build : function or Model
        A function that returns a compiled net, or a compiled net, which is copied.
    x, y
        As in `Model.fit`.
    folds : int or iterable of (rows to train on, rows to hold out)
        How many folds, or the row numbers of each, such as those of a splitter of scikit-learn.
    groups : array, shape (n,), optional
        Rows of one group (a person, an object) are in one fold.
    shuffle_folds : bool
        Whether rows are dealt out by chance. Classes keep their proportions either way.
    seed : int, optional
        The seed of the folds and of every net; by default a fresh one, kept in `CrossValidation.seed`.
    verbose, workers
        As in `Ensemble.fit`.
    **fit_arguments
        Further arguments of `Model.fit`, such as epochs, batch_size, validation_split; `sample_weight` is for all rows.

    Returns
    -------
    CrossValidation

    Raises
    ------
    HandsonError
        When rows, classes or groups are too few for so many folds.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(8, activation="relu"), Dense(1)])
    >>> net.compile("adam", "mse", metrics=["mae"])
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> found = cross_validate(net, x, x.sum(1), folds=3, seed=0, epochs=2, verbose=0)
    >>> found.scores.shape, found.predictions.shape
    ((3, 2), (60, 1))
    """
    check_arguments(fit_arguments, TAKEN, "cross_validate")
    seed = fresh_seed() if seed is None else check_seed(seed)
    inputs, weights = inputs_of(x), fit_arguments.pop("sample_weight", None)
    first = build_net(build, seed)
    rows = prepare_rows(first, inputs, y, weights)
    if isinstance(folds, Iterable) and not isinstance(folds, str):
        parts = given_folds(folds, len(rows))
    else:
        parts = make_folds(len(rows), folds, seed, classes_of(first, rows), groups, shuffle_folds)
    nets = [first, *(build_net(build, seed) for _ in parts[1:])]
    every = {"x": inputs, "y": y, "sample_weight": weights}
    inner = {"groups": groups} if fit_arguments.get("validation_split") else {}
    trainings = [
        Training(net, f"fold_{number}", inputs, partial(taken, every | inner, part.train), dict(fit_arguments))
        for number, (net, part) in enumerate(zip(nets, parts, strict=True), 1)
    ]
    train_together(trainings, verbose, workers)
    ensemble = Ensemble(nets)
    ensemble.histories = [training.history for training in trainings]
    scores, predictions = _measure(nets, parts, every)
    return CrossValidation(scores, predictions, parts, ensemble, seed)


def _measure(nets: list[Model], parts: list[Split], every: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Loss and metrics of each fold, and the predictions for the rows held out."""
    scores, times, form = [], np.zeros(rows_in(every["x"])), None
    totals: list[np.ndarray] = []
    kinds: list[Any] = []
    for net, part in zip(nets, parts, strict=True):
        held_out = taken(every, part.validation)
        scores.append(net.evaluate(**held_out, return_dict=True))
        predicted = net.predict(held_out["x"])
        form, leaves = tree.spec(predicted), tree.leaves(predicted)
        kinds = [leaf.dtype for leaf in leaves]
        totals = totals or [np.zeros((len(times), *leaf.shape[1:])) for leaf in leaves]
        for total, leaf in zip(totals, leaves, strict=True):
            np.add.at(total, part.validation, leaf)
        np.add.at(times, part.validation, 1)
    index = pd.RangeIndex(1, len(parts) + 1, name="fold")
    with np.errstate(invalid="ignore"):
        means = [total / times.reshape(-1, *[1] * (total.ndim - 1)) for total in totals]
    return pd.DataFrame(scores, index=index), tree.rebuild(form, list(map(np.ndarray.astype, means, kinds)))


def taken(every: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Some rows of each of several arrays or tables.

    Examples
    --------
    >>> taken({"y": [1, 2, 3], "sample_weight": None}, np.array([0, 2]))
    {'y': array([1, 3]), 'sample_weight': None}
    """
    return {name: None if data is None else _rows(data, rows) for name, data in every.items()}


def _rows(data: Any, rows: np.ndarray) -> Any:
    if isinstance(data, dict) or (isinstance(data, (list, tuple)) and all(hasattr(one, "shape") for one in data)):
        return tree.map_leaves(lambda leaf: _rows(leaf, rows), data)
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if isinstance(data, torch.Tensor):
        return data[torch.from_numpy(rows).to(data.device)]
    data = masked_as_missing(data)
    if is_mapped(data):
        data = as_rows(data, "rows")
    return data.select(rows) if isinstance(data, StoredRows) else np.asarray(data)[rows]
