"""The folds of scikit-learn as older programs write them: KFold(n, n_folds), StratifiedKFold(y, n_folds)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import model_selection


class KFold:
    """Pairs of (train, test) places: see scikit-learn's.

    Examples
    --------
    >>> [test.tolist() for train, test in KFold(4, 2)]
    [[0, 1], [2, 3]]
    """

    def __init__(self, n: int, n_folds: int = 3, shuffle: bool = False, random_state: Any = None) -> None:
        self.n, self._folds = n, model_selection.KFold(n_folds, shuffle=shuffle, random_state=random_state)

    def __iter__(self) -> Any:
        return iter(self._folds.split(np.zeros(self.n)))

    def __len__(self) -> int:
        return int(self._folds.get_n_splits())


class StratifiedKFold:
    """Pairs of (train, test) places in which classes keep their proportions: see scikit-learn's."""

    def __init__(self, y: Any, n_folds: int = 3, shuffle: bool = False, random_state: Any = None) -> None:
        self.y = np.asarray(y)
        self._folds = model_selection.StratifiedKFold(n_folds, shuffle=shuffle, random_state=random_state)

    def __iter__(self) -> Any:
        return iter(self._folds.split(np.zeros(len(self.y)), self.y))

    def __len__(self) -> int:
        return int(self._folds.get_n_splits())
