"""Losses of probabilities: binary and categorical cross-entropies, focal and generalized ones, divergence."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError
from handson.graph.logits import logits_of
from handson.losses.base import EPSILON, Standard


class _Crossentropy(Standard):
    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= label_smoothing <= 1.0:
            raise HandsonError(f"{type(self).__name__}: label_smoothing lies in [0, 1]; got {label_smoothing}.")
        self.from_logits, self.label_smoothing, self.axis = from_logits, float(label_smoothing), axis

    @property
    def probabilities(self) -> bool:
        return not self.from_logits


@registry.register(aliases=("bce", "BCE"))
class BinaryCrossentropy(_Crossentropy):
    """-y log(p) - (1 - y) log(1 - p), for one or several yes-or-no outputs.

    Parameters
    ----------
    from_logits : bool
        False: predictions are probabilities (a sigmoid activation). True: they are logits (no activation).
    label_smoothing : float
        Moves targets towards 1/2 by this share.
    axis : int
        Over which Keras takes a mean for each sample; without a meaning for the mean over all.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(BinaryCrossentropy()(torch.tensor([[1.0]]), torch.tensor([[0.5]])).item(), 4)
    0.6931
    """

    activation = "sigmoid"
    elementwise = True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        return _binary_entropy(y_true, y_pred, self.from_logits)


def _binary_entropy(y_true: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    if logits is not None:
        return F.binary_cross_entropy_with_logits(logits, y_true, reduction="none")
    return F.binary_cross_entropy(y_pred.clamp(EPSILON, 1.0 - EPSILON), y_true, reduction="none")


def _log_probabilities(y_pred: Tensor, from_logits: bool) -> Tensor:
    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    if logits is not None:
        return torch.log_softmax(logits, -1)
    return torch.log((y_pred / y_pred.sum(-1, keepdim=True)).clamp(EPSILON, 1.0 - EPSILON))


@registry.register
class CategoricalCrossentropy(_Crossentropy):
    """-sum(y log(p)) over the classes, for one-hot targets.

    Parameters
    ----------
    from_logits : bool
        False: predictions are probabilities (a softmax activation). True: they are logits (no activation).
    label_smoothing : float
        Moves targets towards equal probabilities by this share.
    axis : int
        Where the classes are: -1, the last axis.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> one_hot, p = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    >>> round(CategoricalCrossentropy()(one_hot, p).item(), 4)
    0.6931
    """

    activation = "softmax"
    targets = "distribution"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(from_logits, label_smoothing, check_last(type(self).__name__, axis), **kwargs)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + self.label_smoothing / y_true.shape[-1]
        return -(y_true * _log_probabilities(y_pred, self.from_logits)).sum(-1)


@registry.register
class SparseCategoricalCrossentropy(Standard):
    """-log(p[y]), for integer labels 0, 1, 2, ...

    Parameters
    ----------
    from_logits : bool
        False: predictions are probabilities (a softmax activation). True: they are logits (no activation).
    ignore_class : int, optional
        A label that counts nowhere, as a missing one, such as 255 or -1.
    axis : int
        Where the classes are: -1, the last axis.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> p = torch.tensor([[0.5, 0.5]])
    >>> round(SparseCategoricalCrossentropy()(torch.tensor([1]), p).item(), 4)
    0.6931
    """

    activation = "softmax"
    targets = "labels"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction=reduction, **kwargs)
        self.from_logits, self.ignore_class = from_logits, ignore_class
        self.axis = check_last("SparseCategoricalCrossentropy", axis)

    @property
    def probabilities(self) -> bool:
        return not self.from_logits

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        log_probabilities = _log_probabilities(y_pred, self.from_logits).flatten(0, -2)
        return F.nll_loss(log_probabilities, y_true.flatten(), reduction="none").view(y_true.shape)


def check_last(owner: str, axis: int) -> int:
    """The axis of the classes, or an error unless it is the last one."""
    if axis != -1:
        raise HandsonError(
            f"{owner}: classes lie on the last axis, axis=-1; got axis={axis}. Move them there, for example with "
            f"handson.layers.Permute in the net or numpy.moveaxis(y, {axis}, -1)."
        )
    return axis


@registry.register
class BinaryFocalCrossentropy(_Crossentropy):
    """Binary cross-entropy times (1 - p_t)^gamma, which looks at hard samples (Lin et al., 2018).

    p_t is p where the target is 1, and 1 - p where it is 0.

    Parameters
    ----------
    apply_class_balancing : bool
        Weigh targets of 1 by alpha and of 0 by 1 - alpha.
    alpha : float
        See above.
    gamma : float
        How much less easy samples count.
    from_logits, label_smoothing, axis : bool, float, int
        As in `BinaryCrossentropy`.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(BinaryFocalCrossentropy()(torch.tensor([[1.0]]), torch.tensor([[0.5]])).item(), 4)
    0.1733
    """

    activation = "sigmoid"
    elementwise = True

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, **kwargs)
        self.apply_class_balancing, self.alpha, self.gamma = apply_class_balancing, alpha, gamma

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        p = torch.sigmoid(y_pred) if self.from_logits else y_pred
        entropy = _binary_entropy(y_true, y_pred, self.from_logits)
        easiness = y_true * p + (1.0 - y_true) * (1.0 - p)
        values = (1.0 - easiness).clamp(min=EPSILON) ** self.gamma * entropy
        if self.apply_class_balancing:
            values = values * (y_true * self.alpha + (1.0 - y_true) * (1.0 - self.alpha))
        return values


@registry.register
class CategoricalFocalCrossentropy(_Crossentropy):
    """-sum(alpha (1 - p)^gamma y log(p)) over the classes, for one-hot targets (Lin et al., 2018).

    Parameters
    ----------
    alpha : float or sequence of float
        A factor, or one for each class.
    gamma : float
        How much less easy samples count.
    from_logits, label_smoothing, axis : bool, float, int
        As in `CategoricalCrossentropy`.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> one_hot, p = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    >>> round(CategoricalFocalCrossentropy(alpha=1.0)(one_hot, p).item(), 4)
    0.1733
    """

    activation = "softmax"
    targets = "distribution"

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(from_logits, label_smoothing, check_last(type(self).__name__, axis), **kwargs)
        self.alpha, self.gamma = alpha, gamma

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + self.label_smoothing / y_true.shape[-1]
        log_p = _log_probabilities(y_pred, self.from_logits)
        alpha = torch.as_tensor(self.alpha, dtype=log_p.dtype, device=log_p.device)
        return -(alpha * (1.0 - log_p.exp()).clamp(min=EPSILON) ** self.gamma * y_true * log_p).sum(-1)


@registry.register
class CategoricalGeneralizedCrossEntropy(Standard):
    """(1 - p[y]^q) / q, for integer labels of which some are wrong (Zhang and Sabuncu, 2018).

    Parameters
    ----------
    q : float
        Between 0, the cross-entropy, and 1, the mean absolute error, which trusts labels least.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> CategoricalGeneralizedCrossEntropy()(torch.tensor([1]), torch.tensor([[0.75, 0.25]])).item()
    1.0
    """

    targets, probabilities = "labels", True

    def __init__(self, q: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < q < 1:
            raise HandsonError(f"CategoricalGeneralizedCrossEntropy: q lies between 0 and 1; got {q}.")
        self.q = q

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (1.0 - y_pred.gather(-1, y_true[..., None])[..., 0] ** self.q) / self.q


@registry.register(aliases=("kld", "KLD", "kullback_leibler_divergence"))
class KLDivergence(Standard):
    """sum(y log(y / p)) over the classes, for targets that are probabilities (Kullback and Leibler, 1951).

    Parameters
    ----------
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(KLDivergence()(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])).item(), 4)
    0.6931
    """

    activation = "softmax"
    targets, probabilities = "distribution", True

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_true, logits = y_true.clamp(EPSILON, 1.0), logits_of(y_pred, "softmax")
        log_p = torch.log(y_pred.clamp(EPSILON, 1.0)) if logits is None else torch.log_softmax(logits, -1)
        return (y_true * (torch.log(y_true) - log_p)).sum(-1)
