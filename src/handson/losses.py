"""Losses, with Keras's names, arguments and formulas; missing targets (NaN) are masked, per element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.activations import logits_of
from handson.averages import Average, Function
from handson.core import registry
from handson.core.errors import HandsonError, listing

# Keras's fuzz factor: probabilities are kept this far from 0 and 1.
EPSILON = 1e-7


class Loss(Average):
    """The base of all losses. A loss of your own defines `values(y_true, y_pred)`.

    Called with targets and predictions it gives the mean over all present elements, a scalar.

    Parameters
    ----------
    name : str, optional
        How it is called in tables; by default the name of the class in snake case.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Cubed(Loss):
    ...     def values(self, y_true, y_pred):
    ...         return (y_true - y_pred).abs() ** 3
    >>> Cubed()(torch.tensor([[1.0]]), torch.tensor([[3.0]])).item()
    8.0
    """

    kind = "loss"

    def __init__(self, name: str | None = None) -> None:
        self.name = name or registry.snake_case(type(self).__name__)


@registry.register(aliases=("mse", "MSE"))
class MeanSquaredError(Loss):
    """(y_true - y_pred)^2: for regression.

    Examples
    --------
    >>> MeanSquaredError()(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
    0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.mse_loss(y_pred, y_true, reduction="none")


@registry.register(aliases=("mae", "MAE"))
class MeanAbsoluteError(Loss):
    """abs(y_true - y_pred): for regression with outliers.

    Examples
    --------
    >>> MeanAbsoluteError()(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
    0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.l1_loss(y_pred, y_true, reduction="none")


@registry.register
class Huber(Loss):
    """Quadratic for errors up to delta, linear beyond (Huber, 1964).

    Parameters
    ----------
    delta : float
        e^2 / 2 for abs(e) <= delta, delta (abs(e) - delta / 2) beyond.

    Examples
    --------
    >>> Huber(delta=1.0)(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 3.0]])).item()
    1.5
    """

    def __init__(self, delta: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        if not delta > 0:
            raise HandsonError(f"Huber: delta must be positive; got {delta}.")
        self.delta = float(delta)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.huber_loss(y_pred, y_true, reduction="none", delta=self.delta)


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, name: str | None = None) -> None:
        super().__init__(name)
        if not 0.0 <= label_smoothing <= 1.0:
            raise HandsonError(f"{type(self).__name__}: label_smoothing lies in [0, 1]; got {label_smoothing}.")
        self.from_logits, self.label_smoothing = from_logits, float(label_smoothing)

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

    Examples
    --------
    >>> round(BinaryCrossentropy()(torch.tensor([[1.0]]), torch.tensor([[0.5]])).item(), 4)
    0.6931
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        logits = y_pred if self.from_logits else logits_of(y_pred, "sigmoid")
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

    Examples
    --------
    >>> one_hot, p = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    >>> round(CategoricalCrossentropy()(one_hot, p).item(), 4)
    0.6931
    """

    targets = "distribution"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + self.label_smoothing / y_true.shape[-1]
        return -(y_true * _log_probabilities(y_pred, self.from_logits)).sum(-1)


@registry.register
class SparseCategoricalCrossentropy(Loss):
    """-log(p[y]), for integer labels 0, 1, 2, ...

    Parameters
    ----------
    from_logits : bool
        False: predictions are probabilities (a softmax activation). True: they are logits (no activation).

    Examples
    --------
    >>> p = torch.tensor([[0.5, 0.5]])
    >>> round(SparseCategoricalCrossentropy()(torch.tensor([1]), p).item(), 4)
    0.6931
    """

    targets = "labels"

    def __init__(self, from_logits: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.from_logits = from_logits

    @property
    def probabilities(self) -> bool:
        return not self.from_logits

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        log_probabilities = _log_probabilities(y_pred, self.from_logits).flatten(0, -2)
        return F.nll_loss(log_probabilities, y_true.flatten(), reduction="none").view(y_true.shape)


class FunctionLoss(Function, Loss):
    """A loss made of a function of (y_true, y_pred) that returns one value per element or sample."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "loss")

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        return {"function": registry.name_of("loss", self.function)}


def get(identifier: Any) -> Loss:
    """The loss for a name, a configuration, a function of (y_true, y_pred), or an object.

    Examples
    --------
    >>> get("mse")
    MeanSquaredError()
    """
    loss = registry.resolve("loss", identifier)
    if isinstance(loss, Loss):
        return loss
    if callable(loss):
        return FunctionLoss(loss)
    raise HandsonError(
        f"a loss is one of {listing(registry.known('loss'))}, or a function of (y_true, y_pred); got {identifier!r}."
    )
