"""True and false positives and negatives, and what is computed from them at thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, whole
from handson.metrics.base import Metric

# Keras's threshold for outputs of which only the largest count.
LOWEST = -1e10


def checked_thresholds(owner: str, thresholds: Any, default: float) -> list[float]:
    """Thresholds as a list; they lie in [0, 1]."""
    if thresholds is None:
        return [default]
    given = list(thresholds) if isinstance(thresholds, Sequence) or hasattr(thresholds, "__len__") else [thresholds]
    wrong = [each for each in given if each is None or not 0 <= each <= 1]
    if wrong or not given:
        raise HandsonError(f"{owner}: thresholds lie in [0, 1]; got {thresholds!r}.")
    return [float(each) for each in given]


def chosen(y_true: Tensor, y_pred: Tensor, weights: Tensor, class_id: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Targets, outputs and weights of one class, or of all."""
    if class_id is None:
        return y_true, y_pred, weights
    if y_pred.dim() < 2 or class_id >= y_pred.shape[-1]:
        raise HandsonError(
            f"class_id={class_id} wants outputs of more than {class_id} classes; got {y_pred.shape[-1]}."
        )
    return y_true[..., class_id], y_pred[..., class_id], weights[..., class_id]


def only_best(y_pred: Tensor, k: int | None) -> Tensor:
    """Outputs with all but the k largest of each sample made so low that they are over no threshold."""
    if k is None:
        return y_pred
    best = y_pred.topk(min(k, y_pred.shape[-1]), dim=-1).indices
    return torch.full_like(y_pred, LOWEST).scatter(-1, best, y_pred.gather(-1, best))


def counts(y_true: Tensor, y_pred: Tensor, weights: Tensor, thresholds: Sequence[float]) -> dict[str, Tensor]:
    """Weighted counts of true and false positives and negatives, for each threshold; above it an output means 1.

    Parameters
    ----------
    y_true, y_pred, weights : Tensor, shape (n,) or (n, columns)
        With columns, there are counts for each of them.

    Returns
    -------
    dict of str to Tensor
        'true_positives' and so on, each of shape (thresholds,) or (thresholds, columns).
    """
    levels = torch.tensor(thresholds, dtype=y_pred.dtype, device=y_pred.device)
    ascending, order = levels.sort()
    # How many thresholds an output is over.
    over = torch.searchsorted(ascending, y_pred.contiguous())
    weights, positive = weights.to(torch.float64), y_true != 0
    found = {}
    for name, part in (("positives", positive), ("negatives", ~positive)):
        by_level = torch.zeros(len(thresholds) + 1, *y_pred.shape[1:], dtype=torch.float64, device=y_pred.device)
        by_level.scatter_add_(0, over, torch.where(part, weights, 0.0))
        total = by_level.sum(0)
        above = total - by_level.cumsum(0)[:-1]
        right = torch.empty_like(above)
        right[order] = above
        found[name] = right, total - right
    positives, negatives = found["positives"], found["negatives"]
    return {
        "true_positives": positives[0],
        "false_negatives": positives[1],
        "false_positives": negatives[0],
        "true_negatives": negatives[1],
    }


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """A quotient, 0 where nothing is divided by nothing."""
    return torch.where(whole > 0, part / whole.clamp(min=1e-300), 0.0)


class _AtThresholds(Metric):
    """The base of metrics of counts at one or several thresholds."""

    yes_or_no = True
    thresholds: list[float]
    kept: tuple[str, ...] = ()

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        found = counts(y_true.reshape(-1), y_pred.reshape(-1), sample_weight.reshape(-1), self.thresholds)
        return {name: found[name] for name in self.kept}

    def numbers(self) -> int:
        return len(self.thresholds)

    def labels(self, numbers: int) -> list[str]:
        return [f"{threshold:g}" for threshold in self.thresholds]


class _Count(_AtThresholds):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.thresholds = checked_thresholds(type(self).__name__, thresholds, 0.5)
        self.of_nothing = [0.0] * len(self.thresholds) if len(self.thresholds) > 1 else 0.0

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        (count,) = found.values()
        return count[0] if len(self.thresholds) == 1 else count


@registry.register
class TruePositives(_Count):
    """How many targets of 1 have an output over a threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default. Of several there is a number for each.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> TruePositives()([0, 1, 1, 1], [1, 0, 1, 1]).item()
    2.0
    """

    direction, kept = "max", ("true_positives",)


@registry.register
class TrueNegatives(_Count):
    """How many targets of 0 have no output over a threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default. Of several there is a number for each.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0]).item()
    2.0
    """

    direction, kept = "max", ("true_negatives",)


@registry.register
class FalsePositives(_Count):
    """How many targets of 0 have an output over a threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default. Of several there is a number for each.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1]).item()
    2.0
    """

    kept = ("false_positives",)


@registry.register
class FalseNegatives(_Count):
    """How many targets of 1 have no output over a threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default. Of several there is a number for each.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0]).item()
    2.0
    """

    kept = ("false_negatives",)


class _Share(_AtThresholds):
    direction = "max"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        self.top_k = None if top_k is None else whole("top_k", top_k, 1)
        self.class_id = None if class_id is None else whole("class_id", class_id, 0)
        self.thresholds = checked_thresholds(type(self).__name__, thresholds, 0.5 if top_k is None else LOWEST)

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        return super().statistics(*chosen(y_true, only_best(y_pred, self.top_k), sample_weight, self.class_id))

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        right, wrong = found.values()
        share = ratio(right, right + wrong)
        return share[0] if len(self.thresholds) == 1 else share


@registry.register
class Precision(_Share):
    """The share of outputs over a threshold whose target is 1; 0 when there is no such output.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default, or none with `top_k`. Of several there is a number for each.
    top_k : int, optional
        Only the k largest outputs of a sample count as over the threshold.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(Precision()([0, 1, 1, 1], [1, 0, 1, 1]).item(), 4)
    0.6667
    """

    kept = ("true_positives", "false_positives")


@registry.register
class Recall(_Share):
    """The share of targets of 1 whose output is over a threshold; 0 when there is no such target.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; 0.5 by default, or none with `top_k`. Of several there is a number for each.
    top_k : int, optional
        Only the k largest outputs of a sample count as over the threshold.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(Recall()([0, 1, 1, 1], [1, 0, 1, 1]).item(), 4)
    0.6667
    """

    kept = ("true_positives", "false_negatives")
