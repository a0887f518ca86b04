"""Areas under curves of all thresholds, and points on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, listing, whole
from handson.losses import EPSILON
from handson.metrics.base import Metric
from handson.metrics.confusion import checked_thresholds, chosen, counts, ratio

NAMES = ("true_positives", "false_positives", "true_negatives", "false_negatives")
CURVES, METHODS = ("ROC", "PR", "PRGAIN"), ("interpolation", "majoring", "minoring")
Counts = dict[str, Tensor]


def evenly(number: int, beyond: float = 0.0) -> list[float]:
    """Keras's thresholds: evenly from 0 to 1, the ends a little outside of it."""
    inner = [(position + 1) / (number - 1) for position in range(number - 2)]
    return [0.0 - beyond, *inner, 1.0 + beyond]


def exact_counts(y_true: Tensor, y_pred: Tensor, weights: Tensor) -> Counts:
    """The counts at every threshold that makes a difference, from below all outputs to above all."""
    y_pred, order = y_pred.sort(descending=True)
    weights, positive = weights[order].to(torch.float64), y_true[order] != 0
    last = torch.ones_like(positive)
    last[:-1] = y_pred[1:] != y_pred[:-1]
    found = {}
    for name, part in (("true_positives", positive), ("false_positives", ~positive)):
        above = torch.where(part, weights, 0.0).cumsum(0)[last]
        found[name] = torch.cat([above.flip(0), above.new_zeros(1)])
    return found | {
        "true_negatives": found["false_positives"][0] - found["false_positives"],
        "false_negatives": found["true_positives"][0] - found["true_positives"],
    }


class _OfCurve(Metric):
    """The base of metrics that look at all thresholds: exactly, from all rows, or at Keras's thresholds."""

    direction, yes_or_no = "max", True
    thresholds: list[float] | None = None
    class_id: int | None = None
    from_logits = False

    @property
    def keeps_rows(self) -> bool:  # type: ignore[override]
        return self.thresholds is None

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Counts:
        y_true, y_pred, weights = chosen(y_true, y_pred, sample_weight, self.class_id)
        y_true, y_pred, weights = (self._shaped(each) for each in (y_true, y_pred, weights))
        if self.thresholds is None:
            return {"y_true": y_true != 0, "y_pred": y_pred, "weights": weights}
        y_pred = torch.sigmoid(y_pred) if self.from_logits else y_pred
        outside = ((y_pred < 0) | (y_pred > 1)) & (weights != 0)
        return counts(y_true, y_pred, weights, self.thresholds) | {"outside": outside.sum()}

    def _shaped(self, values: Tensor) -> Tensor:
        return values.reshape(-1)

    def counted(self, found: Counts) -> Counts:
        """The counts at all thresholds, the lowest first; of several columns for each."""
        if self.thresholds is not None:
            if found["outside"]:
                raise HandsonError(
                    f"{self.name} has thresholds from 0 to 1, and {int(found['outside'])} predictions lie outside of "
                    f"that: give the last layer activation='sigmoid', or take num_thresholds=None, which is exact for "
                    f"outputs of any size."
                )
            return {name: found[name] for name in NAMES}
        used = found["weights"] != 0
        return exact_counts(found["y_true"][used], found["y_pred"][used], found["weights"][used])


@registry.register
class AUC(_OfCurve):
    """The area under a curve of true against false positives (ROC), or of precision against recall (PR).

    By default it is exact, from all rows: scikit-learn's `roc_auc_score` and `average_precision_score`, for outputs of
    any size. Keras counts at 200 thresholds instead, and gives something else where outputs lie close together, say
    near 1; ``num_thresholds=200`` gives Keras's number. Where all targets are alike there is no curve: NaN.

    Parameters
    ----------
    num_thresholds : int, optional
        Count at so many thresholds between 0 and 1, as Keras does; it needs less memory.
    curve : {'ROC', 'PR', 'PRGAIN'}
        Which curve.
    summation_method : {'interpolation', 'minoring', 'majoring'}
        How areas between points are counted. With 'interpolation' the exact PR area is the average precision, as there
        is nothing between points; Keras's is that of Davis & Goadrich (2006).
    name, dtype : str, optional
        See `Metric`.
    thresholds : sequence of float, optional
        The thresholds between 0 and 1 to count at.
    multi_label : bool
        Whether there is an area for each output, of which the mean is taken; else all outputs are taken together.
    num_labels : int, optional
        With `multi_label`: how many outputs there are; it is found out without.
    label_weights : sequence of float, optional
        What each output counts.
    from_logits : bool
        Whether outputs are logits; the exact area is the same for both.

    Examples
    --------
    >>> AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]).item()
    0.75
    >>> round(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]).item(), 4)
    0.75
    """

    def __init__(
        self,
        num_thresholds: int | None = None,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        if str(curve).upper() not in CURVES or str(summation_method).lower() not in METHODS:
            raise HandsonError(
                f"AUC: curve is one of {listing(CURVES)}, and summation_method one of {listing(METHODS)}; got "
                f"{curve!r} and {summation_method!r}."
            )
        if num_labels and not multi_label:
            raise HandsonError("AUC: num_labels belongs to multi_label=True.")
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = label_weights
        if thresholds is not None:
            inner = sorted(checked_thresholds("AUC", thresholds, 0.5))
            self.thresholds = [0.0 - EPSILON, *inner, 1.0 + EPSILON]
        elif num_thresholds is not None:
            self.thresholds = evenly(whole("num_thresholds", num_thresholds, 2), EPSILON)

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Counts:
        if self.multi_label and (y_pred.dim() != 2 or self.num_labels not in (None, y_pred.shape[-1])):
            raise HandsonError(
                f"{self.name} with multi_label wants outputs of shape (n, {self.num_labels or 'labels'}); got "
                f"{tuple(y_pred.shape)}."
            )
        if self.label_weights is not None and not self.multi_label:
            weights = torch.tensor(self.label_weights, dtype=y_pred.dtype, device=y_pred.device)
            sample_weight = sample_weight * weights
        return super().statistics(y_true, y_pred, sample_weight)

    def _shaped(self, values: Tensor) -> Tensor:
        return values if self.multi_label else values.reshape(-1)

    def finish(self, found: Counts) -> Tensor:
        if not self.multi_label:
            return self._area(self.counted(found))
        columns = found["y_true" if self.thresholds is None else "true_positives"].shape[1]
        areas = torch.stack([self._area(self.counted(_column(found, number))) for number in range(columns)])
        if self.label_weights is None:
            return areas.mean()
        weights = torch.tensor(self.label_weights, dtype=torch.float64, device=areas.device)
        return (areas * weights).sum() / weights.sum()

    def _area(self, found: Counts) -> Tensor:
        positives = found["true_positives"] + found["false_negatives"]
        negatives = found["true_negatives"] + found["false_positives"]
        if not positives.any() or (self.curve != "PR" and not negatives.any()):
            return positives.new_tensor(float("nan"))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _average_precision(found) if self.thresholds is None else _interpolated_precision(found)
        x, y = _axes(found, self.curve)
        lower, upper = y[:-1], y[1:]
        heights = {
            "interpolation": (lower + upper) / 2,
            "minoring": torch.minimum(lower, upper),
            "majoring": torch.maximum(lower, upper),
        }
        return ((x[:-1] - x[1:]) * heights[self.summation_method]).sum()


def _column(found: Counts, number: int) -> Counts:
    return {name: value[:, number] if value.dim() == 2 else value for name, value in found.items()}


def _axes(found: Counts, curve: str) -> tuple[Tensor, Tensor]:
    """What a curve shows, at every threshold."""
    tp, fp, tn, fn = (found[name] for name in NAMES)
    if curve == "ROC":
        return ratio(fp, fp + tn), ratio(tp, tp + fn)
    if curve == "PR":
        return ratio(tp, tp + fn), ratio(tp, tp + fp)
    scale = (tp + fn) / (tn + fp)
    recall = torch.where(tp == 0, 0.0, 1.0 - scale * ratio(fn, tp)).clamp(min=0.0)
    return recall, torch.where(tp == 0, 1.0, 1.0 - scale * ratio(fp, tp))


def _average_precision(found: Counts) -> Tensor:
    recall, precision = _axes(found, "PR")
    return ((recall[:-1] - recall[1:]) * precision[:-1]).sum()


def _interpolated_precision(found: Counts) -> Tensor:
    """Davis & Goadrich (2006): between two points, false positives grow linearly with true ones."""
    tp, taken, missed = found["true_positives"], found["true_positives"] + found["false_positives"], "false_negatives"
    step, wide = tp[:-1] - tp[1:], taken[:-1] - taken[1:]
    slope = ratio(step, wide)
    intercept = tp[1:] - slope * taken[1:]
    both = (taken[:-1] > 0) & (taken[1:] > 0)
    growth = torch.where(both, ratio(taken[:-1], taken[1:]), 1.0)
    return ratio(slope * (step + intercept * torch.log(growth)), tp[1:] + found[missed][1:]).sum()


@registry.register
class AveragePrecision(AUC):
    """The mean of the precisions at all outputs, by how much each adds to the recall, as in scikit-learn.

    Parameters
    ----------
    multi_label : bool
        Whether there is a number for each output, of which the mean is taken; else all outputs are taken together.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(AveragePrecision()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).item(), 4)
    0.8333
    """

    def __init__(self, multi_label: bool = False, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(curve="PR", name=name, dtype=dtype, multi_label=multi_label)


class _AtPoint(_OfCurve):
    """The best of one rate where another is large enough; 0 where it never is."""

    sought, given = "", ""

    def __init__(
        self, value: float, num_thresholds: int | None, class_id: int | None, name: str | None, dtype: Any
    ) -> None:
        super().__init__(name, dtype)
        if not 0 <= value <= 1:
            raise HandsonError(f"{type(self).__name__}: {self.given} lies in [0, 1]; got {value!r}.")
        self.value, self.class_id = value, None if class_id is None else whole("class_id", class_id, 0)
        if num_thresholds is not None:
            number = whole("num_thresholds", num_thresholds, 1)
            self.thresholds = evenly(number) if number > 1 else [0.5]

    def finish(self, found: Counts) -> Tensor:
        rates = self.counted(found)
        sought, given = _rate(rates, self.sought), _rate(rates, self.given)
        return torch.where(given >= self.value, sought, 0.0).max()


def _rate(found: Counts, name: str) -> Tensor:
    tp, fp, tn, fn = (found[each] for each in NAMES)
    if name == "precision":
        return ratio(tp, tp + fp)
    return ratio(tn, tn + fp) if name == "specificity" else ratio(tp, tp + fn)


@registry.register
class SensitivityAtSpecificity(_AtPoint):
    """The best sensitivity (the share of targets of 1 that are found) with at least a specificity.

    Parameters
    ----------
    specificity : float
        The share of targets of 0 that must be left out.
    num_thresholds : int, optional
        How many thresholds between 0 and 1 are tried; None tries all, exactly, from all rows.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]).item()
    0.5
    """

    sought, given = "sensitivity", "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int | None = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


@registry.register
class SpecificityAtSensitivity(_AtPoint):
    """The best specificity (the share of targets of 0 that are left out) with at least a sensitivity.

    Parameters
    ----------
    sensitivity : float
        The share of targets of 1 that must be found.
    num_thresholds : int, optional
        How many thresholds between 0 and 1 are tried; None tries all, exactly, from all rows.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]).item(), 4)
    0.6667
    """

    sought, given = "specificity", "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int | None = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


@registry.register
class PrecisionAtRecall(_AtPoint):
    """The best precision with at least a recall.

    Parameters
    ----------
    recall : float
        The share of targets of 1 that must be found.
    num_thresholds : int, optional
        How many thresholds between 0 and 1 are tried; None tries all, exactly, from all rows.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]).item()
    0.5
    """

    sought, given = "precision", "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int | None = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


@registry.register
class RecallAtPrecision(_AtPoint):
    """The best recall with at least a precision.

    Parameters
    ----------
    precision : float
        The share of outputs over the threshold whose target must be 1.
    num_thresholds : int, optional
        How many thresholds between 0 and 1 are tried; None tries all, exactly, from all rows.
    class_id : int, optional
        Only this class is looked at.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]).item()
    0.5
    """

    sought, given = "recall", "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int | None = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
