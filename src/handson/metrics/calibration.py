"""Whether a net knows how sure it is: of values with a spread, and of classes with probabilities."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, listing, whole
from handson.distributions import SPREADS, Distribution, Empirical, Normal, Quantiles
from handson.distributions.tables import central
from handson.losses import DistributionLoss
from handson.metrics.base import Metric

# What outputs may be where neither head nor loss says it.
FORMS = (*SPREADS, "samples")


class _OfDistribution(Metric):
    """The base of metrics of predicted distributions: those that the loss of the net knows, or normal ones."""

    targets = "free"
    of_distributions = True
    distribution: Distribution | None = None

    def __init__(self, spread: str | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        if spread is not None and spread not in FORMS:
            raise HandsonError(f"{self.name}: spread is one of {listing(FORMS)}; got {spread!r}.")
        self.spread = spread

    def for_loss(self, loss: Any) -> Metric:
        """The metric for a net that is trained with a loss of distributions."""
        if not isinstance(loss, DistributionLoss) or loss.distribution is None:
            return self
        if self.spread is not None:
            raise HandsonError(
                f"{self.name}: the loss {loss.name!r} says what the outputs are; leave spread={self.spread!r} out."
            )
        found = copy.copy(self)
        found.distribution = loss.distribution.as_read()
        self.check_family(found.distribution)
        return found

    def check_family(self, family: Distribution) -> None:
        """Raise when the metric is not known for a distribution."""

    def read(self, y_true: Tensor, y_pred: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        """The distribution, its parameters, and the targets in the shape that belongs to them."""
        family = self.distribution
        if family is None and self.spread == "samples":
            family = Empirical(max(1, y_pred.numel() // max(1, y_true.numel())))
        family = Normal(self.spread or "std") if family is None else family
        if y_true.numel() * family.size != y_pred.numel() or y_pred.shape[-1] % family.size:
            raise HandsonError(
                f"{self.name} wants {'a mean and a spread' if family.size == 2 else f'{family.size} numbers'} for each "
                f"target, one behind the other on the last axis: outputs of shape (n, {family.size} columns); got "
                f"{tuple(y_pred.shape)} for targets of shape {tuple(y_true.shape)}."
            )
        shape = (*y_pred.shape[:-1], y_pred.shape[-1] // family.size)
        return family, family.constrain(y_pred), y_true.reshape(shape)


@registry.register
class Coverage(_OfDistribution):
    """The share of targets within the central interval that they are predicted to lie in with probability `level`.

    A net that knows how sure it is has a coverage of `level`; more is too careful, less too sure. A callback that
    watches it must be told the `mode`.

    Parameters
    ----------
    level : float
        The probability of the interval; 0.6827 is one standard deviation around the mean of a normal distribution.
    spread : {'std', 'variance', 'log_variance', 'softplus', 'samples'}, optional
        Where no loss of distributions says what the outputs are: means, then what the second half is, by default
        'std'; or samples of each target.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> Coverage(0.95)([[0.0], [5.0]], [[1.0, 1.0], [1.0, 1.0]]).item()
    0.5
    """

    direction = None

    def __init__(
        self, level: float = 0.6827, spread: str | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(spread, name, dtype)
        if not 0 < level < 1:
            raise HandsonError(f"Coverage: level lies between 0 and 1; got {level!r}.")
        self.level = level

    def check_family(self, family: Distribution) -> None:
        for end in central(self.level):
            family.check_level(end)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        family, parameters, y = self.read(y_true, y_pred)
        # Rounded ends belong to the interval.
        inside = (2 * family.cdf(parameters, y) - 1).abs() <= self.level + 1e-6
        return inside.float().reshape(y_true.shape)


@registry.register(aliases=("CRPS",))
class CRPS(_OfDistribution):
    """The continuous ranked probability score of predicted distributions, in the units of the targets.

    The integral of ``(F(x) - [x >= y_true])^2`` over x (Gneiting & Raftery, 2007): small for distributions that are
    near the target and no wider than they must be; of a spread of 0 it is the absolute error.

    Parameters
    ----------
    spread : {'std', 'variance', 'log_variance', 'softplus', 'samples'}, optional
        Where no loss of distributions says what the outputs are: means, then what the second half is, by default
        'std'; or samples of each target, whose empirical distribution is judged.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(CRPS()([[0.0]], [[0.0, 1.0]]).item(), 4)
    0.2337
    >>> CRPS("samples")([[1.0]], [[0.0, 2.0]]).item()
    0.5
    """

    def check_family(self, family: Distribution) -> None:
        family.check_crps()

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        family, parameters, y = self.read(y_true, y_pred)
        return family.crps(parameters, y).reshape(y_true.shape)


@registry.register
class QuantileCalibrationError(_OfDistribution):
    """How far the shares of targets below predicted quantiles are from the levels of these (Kuleshov et al., 2018).

    The mean over the levels of ``abs(share of y_true <= quantile - level)``: 0 for a net that knows how sure it is.

    Parameters
    ----------
    levels : int
        How many levels there are, evenly from 0 to 1 without the ends; of a net that predicts quantiles, its own.
    spread : {'std', 'variance', 'log_variance', 'softplus', 'samples'}, optional
        As in `Coverage`.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(QuantileCalibrationError(3)([[0.0], [0.0]], [[1.0, 1.0], [-1.0, 1.0]]).item(), 4)
    0.1667
    """

    def __init__(self, levels: int = 19, spread: str | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(spread, name, dtype)
        self.levels = whole("levels", levels, 1)

    def _levels(self, family: Distribution | None) -> list[float]:
        if isinstance(family, Quantiles):
            return family.levels
        return [(number + 1) / (self.levels + 1) for number in range(self.levels)]

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        family, parameters, y = self.read(y_true, y_pred)
        reached = family.cdf(parameters, y).reshape(-1, 1).double()
        levels = torch.tensor(self._levels(family), dtype=torch.float64, device=y.device)
        weights = sample_weight.reshape(*sample_weight.shape, *(1,) * (y_true.dim() - sample_weight.dim()))
        weights = weights.expand(y_true.shape).reshape(-1, 1).double()
        return {"below": (weights * (reached <= levels + 1e-7)).sum(0), "weights": weights.sum()}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        levels = torch.tensor(self._levels(self.distribution), dtype=torch.float64)
        return (found["below"].cpu() / found["weights"].cpu() - levels).abs().mean()


@registry.register(aliases=("ece", "ECE"))
class ExpectedCalibrationError(Metric):
    """How far probabilities of the predicted classes are from how often these are right (Guo et al., 2017).

    Samples are put into bins by the probability of their predicted class; the difference of mean probability and share
    of right ones in each bin is averaged over the samples. For softmax outputs with labels or one-hot targets, and for
    sigmoid outputs.

    Parameters
    ----------
    bins : int
        How many bins of equal width there are.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(ExpectedCalibrationError()([1, 1, 0, 1], [[0.2, 0.8]] * 4).item(), 4)
    0.05
    """

    targets = "free"

    def __init__(self, bins: int = 15, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.bins = whole("bins", bins, 1)

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        sure, right = self._judged(y_true, y_pred)
        weights = sample_weight.reshape(*right.shape, -1).amin(-1).reshape(-1).double()
        sure, right = sure.reshape(-1).double(), right.reshape(-1).double()
        outside = ((sure < 0) | (sure > 1 + 1e-6)).sum()
        bins = ((sure * self.bins).ceil().long() - 1).clamp(0, self.bins - 1)
        by_bin = torch.zeros(2, self.bins, dtype=torch.float64, device=sure.device)
        by_bin.index_add_(1, bins, torch.stack([weights * (sure - right), weights]))
        return {"differences": by_bin[0], "weights": by_bin[1], "outside": outside}

    def _judged(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of each predicted class, and whether it is the target."""
        alike = y_true.shape == y_pred.shape
        if (y_pred.shape[-1] == 1 and (alike or y_true.shape == y_pred.shape[:-1])) or y_pred.dim() == 1:
            one = y_pred.reshape(y_true.shape)
            return torch.maximum(one, 1 - one), (one > 0.5) == (y_true > 0.5)
        sure, predicted = y_pred.max(-1)
        if alike:
            return sure, predicted == y_true.argmax(-1)
        if y_true.numel() != predicted.numel():
            raise HandsonError(
                f"{self.name}: targets of shape {tuple(y_true.shape)} do not belong to outputs of shape "
                f"{tuple(y_pred.shape)}."
            )
        return sure, predicted == y_true.reshape(predicted.shape)

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        if found["outside"]:
            raise HandsonError(
                f"{self.name} wants probabilities, and the net gives others: the last layer needs softmax or sigmoid."
            )
        return found["differences"].abs().sum() / found["weights"].sum()
