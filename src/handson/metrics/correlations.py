"""How targets and predictions go together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.metrics.base import Metric
from handson.metrics.regression import columns

Moments = dict[str, Tensor]


def moments(x: Tensor, y: Tensor, weights: Tensor, axis: int) -> Moments:
    """Sums along an axis, which give means, variances and the covariance."""
    x, y, weights = x.double(), y.double(), weights.double()
    products = {"count": torch.ones_like(x), "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
    return {name: (weights * product).sum(axis) for name, product in products.items()}


def _spreads(found: Moments) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two variances, the covariance, and the difference of the means."""
    count = found["count"]
    x, y = found["x"] / count, found["y"] / count
    pairs = (found["xx"] / count - x * x).clamp(min=0), (found["yy"] / count - y * y).clamp(min=0)
    return *pairs, found["xy"] / count - x * y, x - y


def pearson(found: Moments) -> Tensor:
    """The covariance in units of the standard deviations; NaN where one of them is 0."""
    first, second, both, _ = _spreads(found)
    return both / (first.sqrt() * second.sqrt())


def concordance(found: Moments) -> Tensor:
    """Twice the covariance, over the variances and the squared difference of the means."""
    first, second, both, apart = _spreads(found)
    return 2 * both / (first + second + apart.square())


class _Correlation(Metric):
    direction = "max"

    def __init__(self, name: str, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        if axis not in (-1, 0, 1):
            raise HandsonError(f"{type(self).__name__}: axis is -1, within samples, or 0, over samples; got {axis!r}.")
        self.axis = axis

    def coefficient(self, found: Moments) -> Tensor:
        """The coefficient for some moments."""
        raise NotImplementedError

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Moments:
        true, predicted, weights = (columns(each) for each in (y_true, y_pred, sample_weight))
        if self.axis == 0 or true.shape[1] == 1:
            return moments(true, predicted, weights, 0)
        # Around the mean: a common offset would eat the digits of squares.
        center = true.mean(1, keepdim=True)
        values = self.coefficient(moments(true - center, predicted - center, weights, 1))
        by_row = weights.amax(1).double()
        counted = by_row > 0
        return {"values": torch.where(counted, values * by_row, 0.0).sum(), "weights": by_row.sum()}

    def finish(self, found: Moments) -> Tensor:
        if "values" in found:
            return found["values"] / found["weights"]
        return self.coefficient(found).mean()


@registry.register
class PearsonCorrelation(_Correlation):
    """Pearson's correlation of targets and predictions: 1 or -1 on a line, 0 where they have nothing in common.

    As in Keras, it is computed within each sample, along its outputs, and averaged. With one output, where Keras gives
    NaN, and with ``axis=0`` it is computed over all samples, exactly, for each output, and averaged over outputs.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    axis : int
        -1: along the outputs of each sample. 0: over the samples.

    Examples
    --------
    >>> round(PearsonCorrelation()([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]]).item(), 4)
    1.0
    """

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype, axis)

    def coefficient(self, found: Moments) -> Tensor:
        return pearson(found)


@registry.register
class ConcordanceCorrelation(_Correlation):
    """Lin's concordance (1989): a correlation that is 1 only where predictions equal their targets.

    2 cov(y, p) / (var(y) + var(p) + (mean(y) - mean(p))^2), within samples or over them as in `PearsonCorrelation`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    axis : int
        -1: along the outputs of each sample. 0: over the samples.

    Examples
    --------
    >>> round(ConcordanceCorrelation()([[0.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]]).item(), 4)
    0.5714
    """

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype, axis)

    def coefficient(self, found: Moments) -> Tensor:
        return concordance(found)


def ranks(values: Tensor) -> Tensor:
    """The places of values in order, from 1; equal ones share the mean of their places.

    Examples
    --------
    >>> ranks(torch.tensor([10.0, 30.0, 10.0])).tolist()
    [1.5, 3.0, 1.5]
    """
    _, place, count = values.unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count - 1) / 2)[place]


@registry.register
class SpearmanCorrelation(Metric):
    """Spearman's rank correlation over all samples, for each output, averaged over outputs: 1 for the same order.

    It needs all rows at once, which are kept.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(SpearmanCorrelation()([[1.0], [2.0], [3.0]], [[1.0], [10.0], [100.0]]).item(), 4)
    1.0
    """

    direction, keeps_rows = "max", True

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        return {"true": columns(y_true), "predicted": columns(y_pred), "weights": columns(sample_weight)}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        weights = found["weights"]
        if bool(((weights != 0) & (weights != 1)).any()):
            raise HandsonError(f"{self.name}: ranks have no weights; leave it out of weighted_metrics.")
        pairs = zip(found["true"].T, found["predicted"].T, weights.T != 0, strict=True)
        return torch.stack([_spearman(true[used], predicted[used]) for true, predicted, used in pairs]).mean()


def _spearman(true: Tensor, predicted: Tensor) -> Tensor:
    first, second = ranks(true), ranks(predicted)
    middle = (len(true) + 1) / 2
    return pearson(moments(first - middle, second - middle, torch.ones_like(first), 0))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Pearson's correlations along an axis.

    Examples
    --------
    >>> [round(each, 4) for each in pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]]).tolist()]
    [1.0]
    """
    return pearson(_along(y_true, y_pred, axis))


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Lin's concordances along an axis.

    Examples
    --------
    >>> [round(each, 4) for each in concordance_correlation([[0.0, 1.0, 2.0]], [[1.0, 2.0, 3.0]]).tolist()]
    [0.5714]
    """
    return concordance(_along(y_true, y_pred, axis))


def _along(y_true: Any, y_pred: Any, axis: int) -> Moments:
    true, predicted = (torch.as_tensor(each).double() for each in (y_true, y_pred))
    center = true.mean(axis, keepdim=True)
    return moments(true - center, predicted - center, torch.ones_like(true), axis)
