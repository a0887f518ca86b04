"""Targets as a net learns them, and its outputs as predictions: classes of one or several outputs, labels, values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from handson.core.errors import HandsonError, listing


class Head(NamedTuple):
    """An output of the net: its layer, and the loss at it."""

    units: int
    activation: str
    loss: str


class Targets(Protocol):
    """What a net is to give."""

    @property
    def heads(self) -> list[Head]:
        """The outputs that the net needs."""

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Targets as numbers, shape (n,) or (n, columns)."""

    def strata(self, codes: np.ndarray) -> np.ndarray | None:
        """The class of each row whose proportions a split keeps."""

    def arranged(self, codes: np.ndarray, terms: Sequence[Any], widths: Sequence[int]) -> Any:
        """Targets as the losses of the net's outputs want them."""


class Classes:
    """Classes: one of several for each row; several yes-or-no labels; or one class at each of several outputs.

    Parameters
    ----------
    kind : {'single', 'labels', 'several'}
        Which of these.
    known : list of ndarray
        The sorted classes of each column.

    Examples
    --------
    >>> found = Classes.of(np.array(["b", "a", "b"]))
    >>> found.encode(np.array(["b", "a"])), found.heads
    (array([1, 0]), [Head(units=2, activation='softmax', loss='sparse_categorical_crossentropy')])
    """

    def __init__(self, kind: str, known: list[np.ndarray]) -> None:
        self.kind, self.known = kind, known

    @classmethod
    def of(cls, y: np.ndarray, classes: Any = None) -> Classes:
        """What the targets are.

        Parameters
        ----------
        y : ndarray
            The targets.
        classes : sequence, or list of them for each column, optional
            Those that may come later. Of labels: the values 0 and 1, or the numbers of the columns, as `classes_`.

        Raises
        ------
        HandsonError
            When there is one class only.
        """
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator" and _are_labels(classes, y.shape[1]):
            return cls("labels", [np.array([0, 1], y.dtype)] * y.shape[1])
        if classes is not None and not (isinstance(classes, (list, tuple)) and np.ndim(classes[0])):
            classes = [np.unique(classes)] * (y.shape[1] if y.ndim == 2 else 1)
        if y.ndim == 1:
            known = [np.unique(y if classes is None else classes[0])]
            if len(known[0]) < 2:
                raise HandsonError(f"y has one class, {known[0].tolist()}; a classifier tells two or more apart.")
            return cls("single", known)
        if classes is not None and len(classes) != y.shape[1]:
            raise HandsonError(f"classes are given for {len(classes)} columns; y has {y.shape[1]}.")
        known = [np.unique(column) for column in (y.T if classes is None else classes)]
        alone = next((place for place, column in enumerate(known) if len(column) < 2), None)
        if alone is not None:
            raise HandsonError(f"column {alone} of y has one class, {known[alone].tolist()}: leave it out.")
        return cls("several", known)

    @property
    def heads(self) -> list[Head]:
        if self.kind == "labels":
            return [Head(len(self.known), "sigmoid", "binary_crossentropy")]
        return [Head(len(known), "softmax", "sparse_categorical_crossentropy") for known in self.known]

    @property
    def classes(self) -> Any:
        """`classes_` of the estimator: an array, a list of them for several outputs, the columns for labels."""
        if self.kind == "labels":
            return np.arange(len(self.known))
        return self.known[0] if self.kind == "single" else self.known

    def check(self, classes: Any) -> None:
        """Raise where classes are named that were not there at first."""
        told = classes if isinstance(classes, (list, tuple)) and np.ndim(classes[0]) else [classes]
        known = np.union1d(np.concatenate(self.known), self.classes if self.kind == "labels" else self.known[0])
        strange = np.setdiff1d(np.concatenate([np.ravel(each) for each in told]), known).tolist()
        if strange:
            raise HandsonError(
                f"classes has {strange[0]!r}, which is new: name all classes in the first call. Known: "
                f"{listing(known.tolist())}."
            )

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The numbers of the classes.

        Raises
        ------
        HandsonError
            For a class, or a number of columns, that was not there at first.
        """
        columns = y[:, None] if y.ndim == 1 else y
        if columns.shape[1] != len(self.known) or (y.ndim == 1) != (self.kind == "single"):
            raise HandsonError(f"y has {columns.shape[1]} columns; it had {len(self.known)} when training began.")
        codes = np.empty(columns.shape, np.int64)
        for place, known in enumerate(self.known):
            strange = np.setdiff1d(columns[:, place], known).tolist()
            if strange:
                raise HandsonError(f"y has the class {strange[0]!r}, which is new. Known: {listing(known.tolist())}.")
            codes[:, place] = np.searchsorted(known, columns[:, place])
        return codes[:, 0] if y.ndim == 1 else codes

    def strata(self, codes: np.ndarray) -> np.ndarray | None:
        """The class, where there is one for each row and every class has two rows or more."""
        if codes.ndim > 1:
            return None
        counts = np.bincount(codes)
        return codes if counts[counts > 0].min() > 1 else None

    def arranged(self, codes: np.ndarray, terms: Sequence[Any], widths: Sequence[int]) -> Any:
        """Targets as the losses of the net's outputs want them: numbers of classes, or one-hot."""
        if self.kind == "labels":
            return codes
        columns = [codes] if codes.ndim == 1 else list(codes.T)
        found = [
            column if width == 1 or term.loss is None or term.loss.targets == "labels" else _one_hot(column, width)
            for column, term, width in zip(columns, terms, widths, strict=True)
        ]
        return found[0] if self.kind == "single" else found

    def probabilities(self, outputs: Any) -> Any:
        """Outputs of the net as probabilities in float64, those of a row adding up to 1 where one class is true."""
        if self.kind == "several":
            return [_normal(output) for output in outputs]
        values = np.asarray(outputs, np.float64)
        if self.kind == "labels":
            return values
        return _normal(values) if values.shape[1] > 1 else np.concatenate([1 - values, values], 1)

    def decode(self, probabilities: Any) -> np.ndarray:
        """The likeliest class, or every label that is more likely than not."""
        if self.kind == "labels":
            return (probabilities > 0.5).astype(self.known[0].dtype)
        if self.kind == "single":
            return self.known[0][probabilities.argmax(1)]
        pairs = zip(self.known, probabilities, strict=True)
        return np.stack([known[each.argmax(1)] for known, each in pairs], 1)


def _are_labels(classes: Any, columns: int) -> bool:
    """Whether columns of 0 and 1 are labels, if these are all classes there will be."""
    if classes is None:
        return True
    each = [np.unique(one) for one in (classes if np.ndim(classes[0]) else [classes])]
    numbers = len(each) == 1 and np.array_equal(each[0], np.arange(columns))
    return numbers or all(np.array_equal(one, [0, 1]) for one in each)


class Values:
    """Numbers, in one column or several.

    Parameters
    ----------
    columns : int, optional
        How many columns there are; None where y has one axis.
    """

    def __init__(self, columns: int | None) -> None:
        self.columns = columns

    @property
    def heads(self) -> list[Head]:
        return [Head(self.columns or 1, "linear", "mse")]

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The values as float64."""
        columns = None if y.ndim == 1 else y.shape[1]
        if columns != self.columns:
            raise HandsonError(f"y has {columns or 'no'} columns; it had {self.columns or 'none'} when training began.")
        return y.astype(np.float64)

    def strata(self, codes: np.ndarray) -> np.ndarray | None:
        return None

    def arranged(self, codes: np.ndarray, terms: Sequence[Any], widths: Sequence[int]) -> np.ndarray:
        """The values themselves."""
        return codes

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """The outputs in the form of the targets."""
        values = np.asarray(outputs, np.float64)
        return values[:, 0] if self.columns is None else values


def single_column(y: np.ndarray) -> np.ndarray:
    """Classes without an axis of one entry, with the warning that scikit-learn gives."""
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected: y.ravel().", DataConversionWarning, stacklevel=4
        )
        return y[:, 0]
    return y


def _one_hot(column: np.ndarray, width: int) -> np.ndarray:
    return np.eye(width, dtype=np.float32)[column]


def _normal(values: Any) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values / values.sum(1, keepdims=True)
