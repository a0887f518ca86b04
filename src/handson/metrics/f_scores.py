"""Means of precision and recall."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.losses import EPSILON
from handson.metrics.base import Metric
from handson.metrics.confusion import ratio

AVERAGES = (None, "micro", "macro", "weighted")


@registry.register(aliases=("fbeta_score",))
class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), for outputs of shape (n, classes).

    Parameters
    ----------
    average : {None, 'micro', 'macro', 'weighted'}
        None: a score for each class. 'macro': their mean. 'weighted': their mean by how often a class is the target.
        'micro': one score, of the counts of all classes together.
    beta : float
        How much more recall counts than precision.
    threshold : float, optional
        In (0, 1]: outputs above it mean 1. By default the largest output of a sample means 1; for a single output,
        which always is the largest, that is refused, where Keras gives a number.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> y, p = [[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> [round(score, 4) for score in FBetaScore(beta=2.0, threshold=0.5)(y, p).tolist()]
    [0.3846, 0.9091, 0.8333]
    """

    direction, yes_or_no = "max", True
    outputs: int | None = None

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if average not in AVERAGES:
            raise HandsonError(f"{self.name}: average is one of {', '.join(map(repr, AVERAGES))}; got {average!r}.")
        if not beta > 0:
            raise HandsonError(f"{self.name}: beta is positive; got {beta!r}.")
        if threshold is not None and not 0 < threshold <= 1:
            raise HandsonError(f"{self.name}: threshold lies in (0, 1]; got {threshold!r}.")
        self.average, self.beta, self.threshold = average, float(beta), threshold

    def for_outputs(self, outputs: int | None) -> Metric:
        self._check(outputs)
        found = copy.copy(self)
        found.outputs = outputs
        return found

    def _check(self, outputs: int | None) -> None:
        if outputs == 1 and self.threshold is None:
            raise HandsonError(
                f"{self.name}: a single output always is the largest, so that every prediction would mean 1. Give "
                f"{type(self).__name__}(threshold=0.5)."
            )

    def numbers(self) -> int:
        return self.outputs or 1 if self.average is None else 1

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        if y_pred.dim() != 2:
            raise HandsonError(f"{self.name} wants outputs of shape (n, classes); got {tuple(y_pred.shape)}.")
        self._check(y_pred.shape[-1])
        if self.threshold is None:
            taken = (y_pred >= y_pred.amax(-1, keepdim=True)) & (y_pred.abs() > 1e-9)
        else:
            taken = y_pred > self.threshold
        weights, taken, y_true = sample_weight.double(), taken.double(), y_true.double()
        found = {
            "true_positives": taken * y_true,
            "false_positives": taken * (1 - y_true),
            "false_negatives": (1 - taken) * y_true,
        }
        return {name: (values * weights).sum(0) for name, values in found.items()}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        counts = [count.sum() if self.average == "micro" else count for count in found.values()]
        right, false, missed = counts
        squared = self.beta**2
        scores = ratio((1 + squared) * right, (1 + squared) * right + squared * missed + false)
        if self.average == "weighted":
            return (scores * (right + missed)).sum() / (right + missed).sum().clamp(min=EPSILON)
        return scores if self.average is None else scores.mean()


@registry.register
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall: `FBetaScore` with beta = 1.

    Parameters
    ----------
    average : {None, 'micro', 'macro', 'weighted'}
        None: a score for each class. 'macro': their mean. 'weighted': their mean by how often a class is the target.
        'micro': one score, of the counts of all classes together.
    threshold : float, optional
        In (0, 1]: outputs above it mean 1; by default the largest output of a sample.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> y, p = [[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> [round(score, 4) for score in F1Score(threshold=0.5)(y, p).tolist()]
    [0.5, 0.8, 0.6667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
