"""What is given to pictures of predictions: classes, probabilities and names, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.plots.style import printable


def classes_of(truth: Any) -> np.ndarray:
    """Classes as whole numbers, -1 where they are missing.

    Examples
    --------
    >>> classes_of([2, np.nan]).tolist(), classes_of([[0, 1], [1, 0]]).tolist()
    ([2, -1], [1, 0])
    """
    values = np.asarray(truth)
    if values.dtype.kind not in "fiub":
        raise HandsonError(
            f"classes are whole numbers from 0; got {values.dtype}: numpy.unique(labels, return_inverse=True) gives "
            f"their names and numbers."
        )
    values = values.argmax(1) if values.ndim == 2 and values.shape[1] > 1 else values.reshape(-1)
    return np.where(np.isfinite(values.astype(float)), values, -1).astype(int)


def probabilities_of(predicted: Any) -> np.ndarray:
    """Probabilities with a column for each class: of two classes the net may give the second alone.

    Examples
    --------
    >>> probabilities_of([0.25]).tolist()
    [[0.75, 0.25]]
    """
    values = np.asarray(predicted, float).reshape(len(predicted), -1)
    return np.concatenate([1 - values, values], 1) if values.shape[1] == 1 else values


def classes_for(truth: Any, predicted: np.ndarray) -> np.ndarray:
    """The classes of rows of which classes, or the probabilities of classes, are predicted; -1 where they are missing.

    Raises
    ------
    HandsonError
        When they do not belong to each other.
    """
    labels = classes_of(truth)
    check_lengths(labels, predicted, "true classes", "predictions")
    if predicted.ndim == 2 and labels.max(initial=-1) >= predicted.shape[1]:
        raise HandsonError(f"a true class is {labels.max()}, and predicted are {predicted.shape[1]} classes, from 0.")
    return labels


def judged(truth: Any, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and predictions of the rows whose class is known."""
    labels = classes_for(truth, predicted)
    return labels[labels >= 0], predicted[labels >= 0]


def check_lengths(first: Any, second: Any, what: str, other: str) -> None:
    """Raise when there are not as many of one as of the other."""
    if len(first) != len(second):
        raise HandsonError(f"{len(first)} {what} and {len(second)} {other}: give one for each row.")


def names_of(names: Sequence[str] | None, count: int, what: str = "") -> list[str]:
    """Names as they can be drawn; numbers where none are given.

    Examples
    --------
    >>> names_of(None, 2, "column "), names_of(["a", "b", "c"], 2)
    (['column 0', 'column 1'], ['a', 'b', 'c'])
    """
    if names is None:
        return [f"{what}{number}" for number in range(count)]
    if len(names) < count:
        raise HandsonError(f"{count} names or more are needed; got {len(names)}: {', '.join(map(str, names))}.")
    return [printable(name) for name in names]
