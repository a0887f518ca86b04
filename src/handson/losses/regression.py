"""Losses of values: errors of every kind, and the angle between vectors."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.losses.base import EPSILON, Standard


@registry.register(aliases=("mse", "MSE"))
class MeanSquaredError(Standard):
    """(y_true - y_pred)^2: for regression.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> MeanSquaredError()(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
    0.5
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.mse_loss(y_pred, y_true, reduction="none")


@registry.register(aliases=("mae", "MAE"))
class MeanAbsoluteError(Standard):
    """abs(y_true - y_pred): for regression with outliers.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> MeanAbsoluteError()(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
    0.5
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.l1_loss(y_pred, y_true, reduction="none")


@registry.register
class Huber(Standard):
    """Quadratic for errors up to delta, linear beyond (Huber, 1964).

    Parameters
    ----------
    delta : float
        e^2 / 2 for abs(e) <= delta, delta (abs(e) - delta / 2) beyond.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> Huber(delta=1.0)(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 3.0]])).item()
    1.5
    """

    elementwise = True

    def __init__(self, delta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not delta > 0:
            raise HandsonError(f"Huber: delta must be positive; got {delta}.")
        self.delta = float(delta)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.huber_loss(y_pred, y_true, reduction="none", delta=self.delta)


@registry.register(aliases=("mape", "MAPE"))
class MeanAbsolutePercentageError(Standard):
    """100 abs(y_true - y_pred) / max(abs(y_true), 1e-7), in percent.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> MeanAbsolutePercentageError()(torch.tensor([[4.0]]), torch.tensor([[3.0]])).item()
    25.0
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return 100.0 * ((y_true - y_pred) / y_true.abs().clamp(min=EPSILON)).abs()


@registry.register(aliases=("msle", "MSLE"))
class MeanSquaredLogarithmicError(Standard):
    """(log(1 + y_true) - log(1 + y_pred))^2, with values below 1e-7 raised to it: for positive values of all sizes.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(MeanSquaredLogarithmicError()(torch.tensor([[0.0]]), torch.tensor([[math.e - 1]])).item(), 4)
    1.0
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        difference = torch.log(y_pred.clamp(min=EPSILON) + 1.0) - torch.log(y_true.clamp(min=EPSILON) + 1.0)
        return difference.square()


@registry.register(aliases=("logcosh",))
class LogCosh(Standard):
    """log(cosh(y_pred - y_true)): quadratic for small errors, linear for large ones.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(LogCosh()(torch.tensor([[0.0]]), torch.tensor([[1.0]])).item(), 4)
    0.4338
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        error = y_pred - y_true
        return error + F.softplus(-2.0 * error) - math.log(2.0)


@registry.register
class Poisson(Standard):
    """y_pred - y_true log(y_pred + 1e-7): for counts; predictions are the means of Poisson distributions.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(Poisson()(torch.tensor([[3.0]]), torch.tensor([[1.0]])).item(), 4)
    1.0
    """

    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred - y_true * torch.log(y_pred + EPSILON)


@registry.register(aliases=("cosine_proximity",))
class CosineSimilarity(Standard):
    """Minus the cosine of the angle between target and prediction: -1 for the same direction, 1 for the opposite.

    Parameters
    ----------
    axis : int
        The axis of the vectors.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> CosineSimilarity()(torch.tensor([[1.0, 0.0]]), torch.tensor([[5.0, 0.0]])).item()
    -1.0
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        unit_true, unit_pred = (F.normalize(each, dim=self.axis, eps=EPSILON) for each in (y_true, y_pred))
        return -(unit_true * unit_pred).sum(self.axis)

    def present(self, y_true: Tensor) -> Tensor:
        return ~torch.isnan(y_true).any(self.axis)
