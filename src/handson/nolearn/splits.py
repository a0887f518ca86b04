"""How rows are held out to validate on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from handson.core.errors import HandsonError
from handson.nolearn.batches import count, picked


class TrainSplit:
    """Holds out the first of the folds of scikit-learn's KFold, for classes of StratifiedKFold.

    Parameters
    ----------
    eval_size : float
        The share that is held out; 0 or None for none.
    stratify : bool
        Whether classes keep their proportions.
    shuffle : bool
        Whether rows are shuffled before.
    seed : int
        Of the shuffling.

    Examples
    --------
    >>> class Net:
    ...     regression = True
    >>> x = np.arange(10)
    >>> TrainSplit(0.2)(x, x, Net)[1].tolist()
    [0, 1]
    """

    def __init__(
        self, eval_size: float | None, stratify: bool = True, shuffle: bool = False, seed: int | None = None
    ) -> None:
        if eval_size and not 0 < eval_size <= 0.5:
            raise HandsonError(f"TrainSplit: eval_size lies between 0 and 0.5; got {eval_size!r}.")
        self.eval_size, self.stratify, self.shuffle, self.seed = eval_size, stratify, shuffle, seed

    def __call__(self, X: Any, y: Any, net: Any) -> tuple[Any, Any, Any, Any]:
        """X and y to train on and to validate on: (X_train, X_valid, y_train, y_valid)."""
        rows = np.arange(count(X))
        train, valid = (rows, rows[:0]) if not self.eval_size else self._folds(rows, y, net.regression)
        return picked(X, train), picked(X, valid), y[train], y[valid]

    def _folds(self, rows: Any, y: Any, regression: bool) -> Any:
        folds = round(1.0 / (self.eval_size or 1))
        stratified = self.stratify and not regression
        kind = StratifiedKFold if stratified else KFold
        split = kind(folds, shuffle=self.shuffle, random_state=self.seed if self.shuffle else None)
        return next(iter(split.split(rows, y if stratified else None)))
