"""Intersection over union of classes, as segmentations are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, whole
from handson.losses.crossentropies import check_last
from handson.metrics.base import Metric
from handson.metrics.confusion import ratio

# What targets are, by whether targets and predictions are numbers of classes.
TARGETS = {(True, True): "values", (True, False): "labels", (False, True): "free", (False, False): "distribution"}


@registry.register
class IoU(Metric):
    """Intersection over union of some classes: TP / (TP + FP + FN), the mean over those that occur.

    It is computed from a confusion matrix, whose rows are targets and whose columns are predictions.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    target_class_ids : sequence of int
        The classes that count in the mean.
    name, dtype : str, optional
        See `Metric`; weights need not be whole numbers, as they must in Keras.
    ignore_class : int, optional
        A class of targets that counts nowhere, such as 255 or -1.
    sparse_y_true, sparse_y_pred : bool
        Whether targets, and predictions, are numbers of classes; else they have a value for each class, and the largest
        counts. A net's softmax needs ``sparse_y_pred=False``.
    axis : int
        Where the classes are: -1, the last axis.

    Examples
    --------
    >>> round(IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
    0.3333
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        kind = type(self).__name__
        self.num_classes = whole("num_classes", num_classes, 1)
        self.target_class_ids = [whole("target_class_ids", each, 0) for each in target_class_ids]
        if not self.target_class_ids or max(self.target_class_ids) >= num_classes:
            raise HandsonError(
                f"{kind}: target_class_ids are numbers of classes, below {num_classes}; got {list(target_class_ids)}."
            )
        self.ignore_class, self.axis = ignore_class, check_last(kind, axis)
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.targets = TARGETS[sparse_y_true, sparse_y_pred]

    def present(self, y_true: Tensor) -> Tensor:
        present = super().present(y_true)
        return present.all(-1) if self.targets == "free" else present

    def predicted(self, y_pred: Tensor) -> Tensor:
        """The classes that outputs mean."""
        return y_pred.long() if self.sparse_y_pred else y_pred.argmax(-1)

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        true = y_true.long() if self.sparse_y_true else y_true.argmax(-1)
        true, predicted = true.reshape(-1), self.predicted(y_pred).reshape(-1)
        weights, size = sample_weight.reshape(-1).double(), self.num_classes
        if self.ignore_class is not None:
            weights = torch.where((true == self.ignore_class) | (true < 0), 0.0, weights)
        inside = (true >= 0) & (true < size) & (predicted >= 0) & (predicted < size)
        cells = torch.where(inside, true * size + predicted, 0)
        matrix = torch.zeros(size * size, dtype=torch.float64, device=y_pred.device)
        matrix.index_add_(0, cells, torch.where(inside, weights, 0.0))
        return {"confusion": matrix.reshape(size, size), "outside": (~inside & (weights != 0)).sum()}

    def finish(self, found: dict[str, Tensor]) -> Tensor:
        if found["outside"]:
            raise HandsonError(
                f"{self.name} has the classes 0 to {self.num_classes - 1}, and {int(found['outside'])} targets or "
                f"predictions are none of them. Give num_classes={self.num_classes + 1} or more, or ignore_class=..., "
                f"for a class that counts nowhere."
            )
        matrix = found["confusion"]
        both = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - both
        both, union = both[self.target_class_ids], union[self.target_class_ids]
        there = union > 1e-9
        return ratio(both, union)[there].mean()


@registry.register
class BinaryIoU(IoU):
    """Intersection over union of the classes 0 and 1 of one output: at or above a threshold it means 1.

    Parameters
    ----------
    target_class_ids : sequence of int
        The classes that count in the mean.
    threshold : float
        See above.
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).item(), 4)
    0.3333
    """

    yes_or_no = True

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def predicted(self, y_pred: Tensor) -> Tensor:
        return (y_pred >= self.threshold).long()


@registry.register
class MeanIoU(IoU):
    """The mean of the intersection over union of all classes that occur.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    name, dtype : str, optional
        See `Metric`.
    ignore_class : int, optional
        A class of targets that counts nowhere.
    sparse_y_true, sparse_y_pred, axis : bool, bool, int
        As in `IoU`.

    Examples
    --------
    >>> round(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            range(whole("num_classes", num_classes, 1)),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )


@registry.register
class OneHotIoU(IoU):
    """`IoU` for one-hot targets.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    target_class_ids : sequence of int
        The classes that count in the mean.
    name, dtype : str, optional
        See `Metric`.
    ignore_class : int, optional
        A class of targets that counts nowhere.
    sparse_y_pred : bool
        Whether predictions are numbers of classes.
    axis : int
        Where the classes are: -1, the last axis.

    Examples
    --------
    >>> y = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    >>> p = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1], [0.1, 0.4, 0.5]]
    >>> round(OneHotIoU(num_classes=3, target_class_ids=[0, 2])(y, p).item(), 4)
    0.1667
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


@registry.register
class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    name, dtype : str, optional
        See `Metric`.
    ignore_class : int, optional
        A class of targets that counts nowhere.
    sparse_y_pred : bool
        Whether predictions are numbers of classes.
    axis : int
        Where the classes are: -1, the last axis.

    Examples
    --------
    >>> y = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    >>> p = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1], [0.1, 0.4, 0.5]]
    >>> round(OneHotMeanIoU(num_classes=3)(y, p).item(), 4)
    0.1111
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
