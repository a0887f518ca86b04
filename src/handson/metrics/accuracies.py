"""The share of samples that are right, in all its forms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import whole
from handson.metrics.base import Metric


@registry.register
class Accuracy(Metric):
    """The share of predictions that equal their targets; of outputs of a net few do, and `'accuracy'` means others.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]]).item()
    0.75
    """

    direction = "max"

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true == y_pred).float()


@registry.register
class BinaryAccuracy(Metric):
    """The share of outputs on the right side of a threshold.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    threshold : float
        Above it an output means 1. 'accuracy' takes 0 for a loss from logits, where Keras keeps 0.5.

    Examples
    --------
    >>> BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]).item()
    0.75
    """

    direction, yes_or_no, takes_shares = "max", True, True

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ((y_pred > self.threshold).float() == y_true).float()


@registry.register
class CategoricalAccuracy(Metric):
    """The share of samples whose largest output is the class of a one-hot target.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.4, 0.6]]).item()
    0.5
    """

    direction, targets = "max", "distribution"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


@registry.register
class SparseCategoricalAccuracy(Metric):
    """The share of samples whose largest output is the class of an integer label.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.4, 0.6]]).item()
    0.5
    """

    direction, targets = "max", "labels"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true == y_pred.argmax(-1)).float()


def _among_best(labels: Tensor, y_pred: Tensor, k: int) -> Tensor:
    """Whether the output of a class is among the k largest; of equal ones all are."""
    smallest = y_pred.topk(min(k, y_pred.shape[-1]), dim=-1).values[..., -1]
    return (y_pred.gather(-1, labels[..., None])[..., 0] >= smallest).float()


@registry.register
class TopKCategoricalAccuracy(Metric):
    """The share of samples for which the class of a one-hot target has one of the k largest outputs.

    Parameters
    ----------
    k : int
        How many outputs count.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.5, 0.1, 0.4]]).item()
    0.5
    """

    direction, targets = "max", "distribution"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.k = whole("k", k, 1)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return _among_best(y_true.argmax(-1), y_pred, self.k)


@registry.register
class SparseTopKCategoricalAccuracy(Metric):
    """The share of samples for which the class of an integer label has one of the k largest outputs.

    Parameters
    ----------
    k : int
        How many outputs count.
    name, dtype : str, optional
        See `Metric`.
    from_sorted_ids : bool
        Whether predictions are the numbers of classes, the likeliest first, and not their outputs.

    Examples
    --------
    >>> SparseTopKCategoricalAccuracy(k=2)([2, 1], [[0.1, 0.9, 0.8], [0.5, 0.1, 0.4]]).item()
    0.5
    """

    direction, targets = "max", "labels"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        self.k, self.from_sorted_ids = whole("k", k, 1), from_sorted_ids

    def classes(self, outputs: int) -> int:
        return 1 << 62 if self.from_sorted_ids else outputs

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.from_sorted_ids:
            return (y_pred[..., : self.k] == y_true[..., None]).any(-1).float()
        return _among_best(y_true, y_pred, self.k)


def _mean_of(kind: type[Metric]) -> Any:
    """What lets a function be found as the metric that it is."""

    def known(function: Any) -> Any:
        function.metric_class = kind
        return function

    return known


@_mean_of(BinaryAccuracy)
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """The values of `BinaryAccuracy`, for each element."""
    return _values(BinaryAccuracy(threshold=threshold), y_true, y_pred)


@_mean_of(CategoricalAccuracy)
def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """The values of `CategoricalAccuracy`, for each sample."""
    return _values(CategoricalAccuracy(), y_true, y_pred)


@_mean_of(SparseCategoricalAccuracy)
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """The values of `SparseCategoricalAccuracy`, for each sample."""
    return _values(SparseCategoricalAccuracy(), y_true, y_pred)


@_mean_of(TopKCategoricalAccuracy)
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """The values of `TopKCategoricalAccuracy`, for each sample."""
    return _values(TopKCategoricalAccuracy(k), y_true, y_pred)


@_mean_of(SparseTopKCategoricalAccuracy)
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """The values of `SparseTopKCategoricalAccuracy`, for each sample."""
    return _values(SparseTopKCategoricalAccuracy(k, from_sorted_ids=from_sorted_ids), y_true, y_pred)


def _values(metric: Metric, y_true: Any, y_pred: Any) -> Tensor:
    y_true, y_pred, _ = metric.tensors(y_true, y_pred)
    values = metric.values(metric.fill(y_true), y_pred)
    return torch.where(metric.present(y_true), values, 0.0)
