"""Losses of whole regions and sequences: overlap of masks, and CTC."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.losses.base import EPSILON, Standard


@registry.register
class Tversky(Standard):
    """1 - TP / (TP + alpha FN + beta FP), from sums over masks of 0 and 1 (Salehi et al., 2017).

    TP = sum(y p), FN = sum(y (1 - p)), FP = sum((1 - y) p).

    Parameters
    ----------
    alpha, beta : float
        What missed and what false parts cost.
    axis : int or tuple of int, optional
        Over which the sums are taken; None for the whole batch as one region, (1, 2, 3) for one value an image.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> y, p = torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    >>> round(Tversky(alpha=1.0)(y, p).item(), 4)
    0.5
    """

    batchwise = True

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.alpha, self.beta, self.axis = alpha, beta, axis

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        both = (y_true * y_pred).sum(self.axis)
        missed, false = (y_true * (1.0 - y_pred)).sum(self.axis), ((1.0 - y_true) * y_pred).sum(self.axis)
        return 1.0 - both / (both + self.alpha * missed + self.beta * false + EPSILON)


@registry.register
class Dice(Standard):
    """1 - 2 sum(y p) / (sum(y) + sum(p)), from sums over masks of 0 and 1 (Milletari et al., 2016).

    Parameters
    ----------
    axis : int or tuple of int, optional
        Over which the sums are taken; None for the whole batch as one region, (1, 2, 3) for one value an image.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> y, p = torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    >>> round(Dice()(y, p).item(), 4)
    0.3333
    """

    batchwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.axis = axis

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        both = (y_true * y_pred).sum(self.axis)
        return 1.0 - 2.0 * both / (y_true.sum(self.axis) + y_pred.sum(self.axis) + EPSILON)


@registry.register
class CTC(Standard):
    """Minus the log-probability of a sequence of labels, whatever its alignment (Graves et al., 2006).

    Targets are labels 1, 2, ... (n, longest), filled up with 0, which is the blank; predictions are logits
    (n, steps, classes).

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> labels, logits = torch.tensor([[1, 2, 0]]), torch.zeros(1, 2, 3)
    >>> round(CTC()(labels, logits).item(), 4)  # one alignment of nine
    2.1972
    """

    targets = "free"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if y_true.dim() != 2 or y_pred.dim() != 3:
            raise HandsonError(
                f"CTC wants labels (n, longest) and logits (n, steps, classes); got the shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        labels = y_true.to(torch.int64)
        steps = torch.full((len(y_pred),), y_pred.shape[1], dtype=torch.int64, device=y_pred.device)
        scores = torch.log_softmax(y_pred, -1).transpose(0, 1)
        return F.ctc_loss(scores, labels, steps, (labels != 0).sum(1), blank=0, reduction="none")
