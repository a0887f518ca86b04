"""Metrics of values that are no mean of a loss: errors in the units of the targets, and R^2."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, listing, whole
from handson.metrics.base import Metric

AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")
# A spread of targets below this share of their squares is rounding, in float64.
ROUNDING = 1e-14


@registry.register(aliases=("rmse", "RMSE"))
class RootMeanSquaredError(Metric):
    """The square root of the mean squared error, in the units of the targets.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [4.0]]).item(), 4)
    3.5355
    """

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_pred - y_true).square()

    def finish(self, found: Any) -> Any:
        return found**0.5 if found >= 0 else float("nan")


def columns(values: Tensor) -> Tensor:
    """Values of shape (n, columns)."""
    return values.reshape(len(values), -1)


@registry.register(aliases=("r2",))
class R2Score(Metric):
    """1 - (squared errors) / (squared distances of the targets from their mean): 1 is perfect, 0 what the mean gets.

    Parameters
    ----------
    class_aggregation : {'uniform_average', 'variance_weighted_average', None}
        The mean over the outputs, by the variance of each, or a number for each.
    num_regressors : int
        With a number of inputs, the adjusted R^2 for n rows, 1 - (1 - R^2) (n - 1) / (n - inputs - 1); NaN where there
        are too few rows. Keras takes the number of all values for n.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]).item(), 4)
    0.5714
    """

    direction = "max"
    outputs: int | None = None

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation not in AGGREGATIONS:
            raise HandsonError(
                f"R2Score: class_aggregation is one of {listing(AGGREGATIONS)}; got {class_aggregation!r}."
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = whole("num_regressors", num_regressors, 0)

    def for_outputs(self, outputs: int | None) -> Metric:
        found = copy.copy(self)
        found.outputs = outputs
        return found

    def numbers(self) -> int:
        return self.outputs or 1 if self.class_aggregation is None else 1

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        true, predicted, weights = (columns(each).double() for each in (y_true, y_pred, sample_weight))
        return {
            "count": weights.sum(0),
            "sum": (weights * true).sum(0),
            "squares": (weights * true.square()).sum(0),
            "errors": (weights * (true - predicted).square()).sum(0),
            "rows": (weights != 0).sum(0),
        }

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        spread = found["squares"] - found["sum"].square() / found["count"]
        constant = spread <= ROUNDING * found["squares"]
        # As in scikit-learn, targets that do not differ are met, which is 1, or not, which is 0.
        met = torch.where(found["errors"] == 0, 1.0, 0.0)
        scores = torch.where(constant, met, 1 - found["errors"] / spread)
        scores = torch.where(found["count"] > 0, scores, torch.nan)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation == "variance_weighted_average":
            scores = (spread * scores).sum() / spread.sum()
        return self._adjusted(scores, found["rows"].max())

    def _adjusted(self, scores: Tensor, rows: Tensor) -> Tensor:
        if not self.num_regressors:
            return scores
        left = rows - self.num_regressors - 1
        return torch.where(left > 0, 1 - (1 - scores) * (rows - 1) / left, torch.nan)


def quantile(values: Tensor, weights: Tensor, share: float) -> Tensor:
    """The value below which a share of the weights lies; the middle of two where it lies between them.

    Examples
    --------
    >>> quantile(torch.tensor([3.0, 1.0, 2.0, 4.0]), torch.ones(4), 0.5).item()
    2.5
    """
    used = weights > 0
    values, order = values[used].sort()
    if not len(values):
        return values.new_tensor(torch.nan, dtype=torch.float64)
    below = weights[used][order].double().cumsum(0)
    wanted = share * below[-1]
    tolerance = 1e-12 * below[-1]
    last = len(values) - 1
    low = int((below < wanted - tolerance).sum().clamp(max=last))
    high = int((below <= wanted + tolerance).sum().clamp(max=last))
    return (values[low].double() + values[high].double()) / 2


@registry.register
class MedianAbsoluteError(Metric):
    """The median of the absolute errors, or another quantile of them; of several outputs the mean of each one's.

    It needs the errors of all rows at once, which are kept.

    Parameters
    ----------
    quantile : float
        0.5 for the median; 0.9 for the error that nine of ten predictions stay below.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> MedianAbsoluteError()([[0.0], [0.0], [0.0]], [[1.0], [2.0], [9.0]]).item()
    2.0
    """

    keeps_rows = True

    def __init__(self, quantile: float = 0.5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        if not 0 <= quantile <= 1:
            raise HandsonError(f"MedianAbsoluteError: quantile lies in [0, 1]; got {quantile!r}.")
        self.quantile = quantile

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        return {"errors": columns((y_true - y_pred).abs()), "weights": columns(sample_weight)}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        pairs = zip(found["errors"].T, found["weights"].T, strict=True)
        return torch.stack([quantile(errors, weights, self.quantile) for errors, weights in pairs]).mean()
