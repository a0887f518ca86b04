"""How photometric redshifts are judged: from the errors (z_pred - z_true) / (1 + z_true)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.metrics.base import Metric
from handson.metrics.regression import columns, quantile

# The standard deviation of normal numbers, in units of their median absolute deviation.
DEVIATION = 1.4826


def errors(y_true: Tensor, y_pred: Tensor, relative: bool) -> Tensor:
    """Predictions minus targets, relative to 1 + target."""
    return (y_pred - y_true) / (1 + y_true) if relative else y_pred - y_true


@registry.register(aliases=("NMAD",))
class NMAD(Metric):
    """1.4826 median(abs(dz - median(dz))) with dz = (z_pred - z_true) / (1 + z_true): a spread that no outlier moves.

    Of several outputs the mean of each one's. It needs the errors of all rows at once, which are kept. See Ilbert et
    al. (2006).

    Parameters
    ----------
    relative : bool
        Whether errors are relative to 1 + z; False for targets that are no redshifts.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(NMAD()([[0.0], [0.0], [1.0]], [[0.0], [0.1], [1.4]]).item(), 4)
    0.1483
    """

    keeps_rows = True

    def __init__(self, relative: bool = True, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.relative = relative

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        return {"errors": columns(errors(y_true, y_pred, self.relative)), "weights": columns(sample_weight)}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        pairs = zip(found["errors"].T, found["weights"].T, strict=True)
        return torch.stack([_deviation(error, weights) for error, weights in pairs]).mean()


def _deviation(error: Tensor, weights: Tensor) -> Tensor:
    return DEVIATION * quantile((error.double() - quantile(error, weights, 0.5)).abs(), weights, 0.5)


@registry.register
class Bias(Metric):
    """The mean of (z_pred - z_true) / (1 + z_true), at best 0: a callback that watches it must be told the `mode`.

    Parameters
    ----------
    relative : bool
        Whether errors are relative to 1 + z; False for targets that are no redshifts.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(Bias()([[0.0], [1.0]], [[0.1], [1.4]]).item(), 4)
    0.15
    """

    direction = None

    def __init__(self, relative: bool = True, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.relative = relative

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return errors(y_true, y_pred, self.relative)


@registry.register
class OutlierRate(Metric):
    """The share of predictions with abs(z_pred - z_true) / (1 + z_true) over a threshold (Hildebrandt et al., 2010).

    Parameters
    ----------
    threshold : float
        0.15 for broad bands; 0.05 is usual for spectroscopic samples (Pasquet et al., 2019).
    relative : bool
        Whether errors are relative to 1 + z; False for targets that are no redshifts.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> OutlierRate()([[0.0], [1.0]], [[0.1], [1.4]]).item()
    0.5
    """

    def __init__(
        self, threshold: float = 0.15, relative: bool = True, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name, dtype)
        if not threshold > 0:
            raise HandsonError(f"OutlierRate: threshold is positive; got {threshold!r}.")
        self.threshold, self.relative = threshold, relative

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (errors(y_true, y_pred, self.relative).abs() > self.threshold).float()
