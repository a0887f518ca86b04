"""Whether a net knows how sure it is: of values with a spread, and of classes with probabilities."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, listing, whole
from handson.metrics.base import Metric

SPREADS = ("std", "variance", "log_variance")


class _OfNormal(Metric):
    """The base of metrics of normal distributions: one half of the outputs are means, the other their spreads."""

    targets = "free"

    def __init__(self, spread: str = "std", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        if spread not in SPREADS:
            raise HandsonError(f"{self.name}: spread is one of {listing(SPREADS)}; got {spread!r}.")
        self.spread = spread

    def distances(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Errors in units of the standard deviations, and these, both in the shape of the targets."""
        if y_pred.shape[-1] % 2 or 2 * y_true.numel() != y_pred.numel():
            raise HandsonError(
                f"{self.name} wants a mean and a spread for each target, one behind the other on the last axis: "
                f"outputs of shape (n, 2 columns); got {tuple(y_pred.shape)} for targets of shape "
                f"{tuple(y_true.shape)}."
            )
        mean, spread = (half.reshape(y_true.shape) for half in y_pred.chunk(2, -1))
        if self.spread != "std":
            spread = torch.exp(0.5 * spread) if self.spread == "log_variance" else spread.sqrt()
        return (y_true - mean) / spread, spread


@registry.register
class Coverage(_OfNormal):
    """The share of targets within the interval that a predicted normal distribution says they lie in with `level`.

    A net that knows how sure it is has a coverage of `level`; more is too careful, less too sure. A callback that
    watches it must be told the `mode`.

    Parameters
    ----------
    level : float
        The probability of the interval around the mean; 0.6827 is one standard deviation.
    spread : {'std', 'variance', 'log_variance'}
        What the second half of the outputs is.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> Coverage(0.95)([[0.0], [5.0]], [[1.0, 1.0], [1.0, 1.0]]).item()
    0.5
    """

    direction = None

    def __init__(self, level: float = 0.6827, spread: str = "std", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(spread, name, dtype)
        if not 0 < level < 1:
            raise HandsonError(f"Coverage: level lies between 0 and 1; got {level!r}.")
        self.level = level
        self.half_width = math.sqrt(2) * torch.erfinv(torch.tensor(level, dtype=torch.float64)).item()

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (self.distances(y_true, y_pred)[0].abs() <= self.half_width).float()


@registry.register(aliases=("CRPS",))
class CRPS(_OfNormal):
    """The continuous ranked probability score of predicted normal distributions, in the units of the targets.

    s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)) with z = (y - mean) / s (Gneiting & Raftery, 2007): small for means
    near the target and spreads that fit; of a spread of 0 it would be the absolute error.

    Parameters
    ----------
    spread : {'std', 'variance', 'log_variance'}
        What the second half of the outputs is.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(CRPS()([[0.0]], [[0.0, 1.0]]).item(), 4)
    0.2337
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        z, spread = self.distances(y_true, y_pred)
        density = torch.exp(-0.5 * z.square()) * math.sqrt(2 / math.pi)
        return spread * (z * torch.erf(z / math.sqrt(2)) + density - 1 / math.sqrt(math.pi))


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
