"""Losses that want a margin: hinges, and the circle loss of embeddings."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.losses.base import Standard


def _signs(y_true: Tensor) -> Tensor:
    """Classes 0 and 1 as -1 and 1, as in Keras when a batch holds nothing else."""
    return torch.where(((y_true == 0) | (y_true == 1)).all(), 2.0 * y_true - 1.0, y_true)


@registry.register
class Hinge(Standard):
    """max(1 - y_true y_pred, 0), for classes -1 and 1, or 0 and 1, and outputs without an activation.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> Hinge()(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 0.5]])).item()
    1.0
    """

    elementwise, batchwise = True, True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (1.0 - _signs(y_true) * y_pred).clamp(min=0.0)


@registry.register
class SquaredHinge(Hinge):
    """max(1 - y_true y_pred, 0)^2, for classes -1 and 1, or 0 and 1, and outputs without an activation.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> SquaredHinge()(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 0.5]])).item()
    1.25
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return super().values(y_true, y_pred).square()


@registry.register
class CategoricalHinge(Standard):
    """max(largest output of a wrong class - output of the right class + 1, 0), for one-hot targets.

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> CategoricalHinge()(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.75]])).item()
    0.75
    """

    targets = "distribution"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        right, wrong = (y_true * y_pred).sum(-1), ((1.0 - y_true) * y_pred).amax(-1)
        return (wrong - right + 1.0).clamp(min=0.0)


@registry.register
class Circle(Standard):
    """Embeddings near those of the same class and far from others (Sun et al., 2020), for integer labels.

    With distances d = max(1 - cosine, 0) between the rows of a batch, which must have the norm 1, the value of a row is
    softplus(logsumexp(gamma (margin + d) (d - margin)) over its class + logsumexp(gamma (1 + margin - d)
    (1 - margin - d)) over other classes). As in Keras, rows of value 0 do not count.

    Parameters
    ----------
    gamma : float
        The scale.
    margin : float
        The relaxation.
    remove_diagonal : bool
        Whether a row is left out of its own class.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> embeddings = torch.eye(2)[[0, 0, 1, 1]]
    >>> round(Circle(gamma=1.0)(torch.tensor([0, 0, 1, 1]), embeddings).item(), 4)
    0.897
    """

    targets, batchwise = "labels", True

    def __init__(self, gamma: float = 80.0, margin: float = 0.4, remove_diagonal: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal

    def classes(self, outputs: int) -> int:
        """Outputs are embeddings, and do not bound the labels."""
        return 1 << 62

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.against(y_true, y_pred, y_true, y_pred)

    def against(self, y_true: Tensor, y_pred: Tensor, labels: Tensor, embeddings: Tensor) -> Tensor:
        """The values of rows against reference rows."""
        distances = (1.0 - y_pred @ embeddings.T).clamp(min=0.0)
        same = y_true.reshape(-1, 1) == labels.reshape(1, -1)
        other = ~same
        if self.remove_diagonal:
            same = same & ~torch.eye(*same.shape, dtype=torch.bool, device=same.device)
        near = self.gamma * (self.margin + distances).clamp(min=0.0) * (distances - self.margin)
        far = self.gamma * (1.0 + self.margin - distances).clamp(min=0.0) * (1.0 - self.margin - distances)
        return F.softplus(_logsumexp(near, same) + _logsumexp(far, other))

    def sums(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None, masked: bool = False
    ) -> tuple[Tensor, Tensor | int]:
        if masked:
            raise HandsonError(
                "circle compares every row with all others and cannot mask missing labels: drop such rows "
                "(missing='drop')."
            )
        total, count = super().sums(y_true, y_pred, sample_weight)
        if self.reduction == "sum":
            return total, count
        with torch.no_grad():
            return total, (self.values(y_true, y_pred) > 0).sum()


def _logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    return torch.logsumexp(torch.where(mask, values, -torch.inf), 1)
