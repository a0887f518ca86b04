"""Losses, regularizers and optimizers as the dense program takes them: numbers, and functions that prepare arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson import activations
from handson.core.lowering import lowers
from handson.kernels import dense_loss, dense_update
from handson.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.regularizers import L1, L1L2, L2


class Formula(NamedTuple):
    """A loss as the program computes it.

    Attributes
    ----------
    kind, logits : int
        Its number in `handson.kernels.dense_loss`, from what the net puts out and from logits.
    takes_logits : bool
        Whether the net puts out logits.
    through : function, optional
        The activation whose logits are taken, if the net ends with it.
    delta : float
        Of `Huber`.
    prepare : function of (targets, outputs)
        The targets as the program wants them.
    """

    kind: int
    logits: int
    takes_logits: bool = False
    through: Any = None
    delta: float = 1.0
    prepare: Callable[[Tensor, int], Tensor] = lambda targets, outputs: targets


@lowers(MeanSquaredError, engine="dense")
def _squared(loss: MeanSquaredError) -> Formula:
    return Formula(dense_loss.MSE, dense_loss.MSE)


@lowers(MeanAbsoluteError, engine="dense")
def _absolute(loss: MeanAbsoluteError) -> Formula:
    return Formula(dense_loss.MAE, dense_loss.MAE)


@lowers(Huber, engine="dense")
def _huber(loss: Huber) -> Formula:
    return Formula(dense_loss.HUBER, dense_loss.HUBER, delta=loss.delta)


@lowers(BinaryCrossentropy, engine="dense")
def _binary(loss: BinaryCrossentropy) -> Formula:
    def prepare(targets: Tensor, outputs: int) -> Tensor:
        return _smoothed(targets, loss.label_smoothing, 0.5)

    kinds = dense_loss.BINARY, dense_loss.BINARY_LOGITS
    return Formula(*kinds, loss.from_logits, activations.sigmoid, prepare=prepare)


@lowers(CategoricalCrossentropy, engine="dense")
def _categorical(loss: CategoricalCrossentropy) -> Formula:
    def prepare(targets: Tensor, outputs: int) -> Tensor:
        return _smoothed(targets, loss.label_smoothing, 1.0 / targets.shape[-1])

    kinds = dense_loss.CATEGORICAL, dense_loss.CATEGORICAL_LOGITS
    return Formula(*kinds, loss.from_logits, activations.softmax, prepare=prepare)


@lowers(SparseCategoricalCrossentropy, engine="dense")
def _sparse(loss: SparseCategoricalCrossentropy) -> Formula:
    kinds = dense_loss.CATEGORICAL, dense_loss.CATEGORICAL_LOGITS
    return Formula(*kinds, loss.from_logits, activations.softmax, prepare=_one_hot)


def _smoothed(targets: Tensor, smoothing: float, share: float) -> Tensor:
    return targets * (1.0 - smoothing) + share * smoothing if smoothing else targets


def _one_hot(targets: Tensor, outputs: int) -> Tensor:
    """Labels as a row each; of missing ones it is NaN."""
    rows = torch.nn.functional.one_hot(targets.clamp(min=0), outputs).to(torch.float32)
    return torch.where((targets >= 0)[:, None], rows, torch.nan)


@lowers(L1, L2, L1L2, engine="dense")
def _penalty(regularizer: L1L2) -> tuple[float, float]:
    """The factors of L1 and L2."""
    return regularizer.l1, regularizer.l2


class Update(NamedTuple):
    """An optimizer as the program runs it: its number, its two decay rates and epsilon, and what multiplies its rates.

    `corrections` are the factors of the learning rates of some steps, which are counted from 1.
    """

    code: int
    numbers: tuple[float, float, float] = (0.0, 0.0, 0.0)
    corrections: Callable[[np.ndarray], np.ndarray] | None = None


@lowers(SGD, engine="dense")
def _sgd(optimizer: SGD) -> Update:
    moving = dense_update.NESTEROV_SGD if optimizer.nesterov else dense_update.MOMENTUM_SGD
    return Update(moving if optimizer.momentum else dense_update.PLAIN_SGD)


@lowers(Adam, AdamW, engine="dense")
def _adam(optimizer: Adam) -> Update:
    first, second = optimizer.beta_1, optimizer.beta_2
    code = dense_update.AMSGRAD if optimizer.amsgrad else dense_update.ADAM
    return Update(
        code, (first, second, optimizer.epsilon), lambda times: np.sqrt(1.0 - second**times) / (1.0 - first**times)
    )


@lowers(Adagrad, engine="dense")
def _adagrad(optimizer: Adagrad) -> Update:
    return Update(dense_update.ADAGRAD, (0.0, 0.0, optimizer.epsilon))


@lowers(Adadelta, engine="dense")
def _adadelta(optimizer: Adadelta) -> Update:
    return Update(dense_update.ADADELTA, (optimizer.rho, 0.0, optimizer.epsilon))


@lowers(RMSprop, engine="dense")
def _rmsprop(optimizer: RMSprop) -> Update:
    moving, still = dense_update.MOMENTUM_RMSPROP, dense_update.RMSPROP
    if optimizer.centered:
        moving, still = dense_update.CENTERED_MOMENTUM_RMSPROP, dense_update.CENTERED_RMSPROP
    return Update(moving if optimizer.momentum else still, (optimizer.rho, 0.0, optimizer.epsilon))
