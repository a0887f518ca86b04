"""Keras's losses as functions of (y_true, y_pred) that return a value for each sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from handson.core import registry
from handson.core.described import parameters_of
from handson.losses.base import Loss
from handson.losses.crossentropies import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from handson.losses.likelihoods import GaussianNLL, Pinball
from handson.losses.margins import CategoricalHinge, Circle, Hinge, SquaredHinge
from handson.losses.regions import CTC, Dice, Tversky
from handson.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)

# What a function knows the class by: `compile(loss=mean_squared_error)` trains with the class.
LOSS = "loss_class"


def _function(kind: type[Loss]) -> Callable[..., Tensor]:
    """The function of a class, with the arguments of its constructor."""
    own = [parameter for name, parameter in parameters_of(kind).items() if name not in ("reduction", "name", "dtype")]

    def function(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Tensor:
        return kind(*args, **kwargs | {"reduction": "none"})(y_true, y_pred)

    function.__name__ = function.__qualname__ = registry.snake_case(kind.__name__)
    function.__doc__ = f"The values of `{kind.__name__}` for each sample."
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("y_true", "y_pred")]
    function.__signature__ = inspect.Signature([*first, *own])  # type: ignore[attr-defined]
    setattr(function, LOSS, kind)
    return function


binary_crossentropy = bce = BCE = _function(BinaryCrossentropy)
binary_focal_crossentropy = _function(BinaryFocalCrossentropy)
categorical_crossentropy = _function(CategoricalCrossentropy)
categorical_focal_crossentropy = _function(CategoricalFocalCrossentropy)
categorical_generalized_cross_entropy = _function(CategoricalGeneralizedCrossEntropy)
categorical_hinge = _function(CategoricalHinge)
cosine_similarity = _function(CosineSimilarity)
ctc = _function(CTC)
dice = _function(Dice)
gaussian_nll = _function(GaussianNLL)
hinge = _function(Hinge)
huber = _function(Huber)
kl_divergence = kld = KLD = kullback_leibler_divergence = _function(KLDivergence)
log_cosh = logcosh = _function(LogCosh)
mean_absolute_error = mae = MAE = _function(MeanAbsoluteError)
mean_absolute_percentage_error = mape = MAPE = _function(MeanAbsolutePercentageError)
mean_squared_error = mse = MSE = _function(MeanSquaredError)
mean_squared_logarithmic_error = msle = MSLE = _function(MeanSquaredLogarithmicError)
pinball = _function(Pinball)
poisson = _function(Poisson)
sparse_categorical_crossentropy = _function(SparseCategoricalCrossentropy)
squared_hinge = _function(SquaredHinge)
tversky = _function(Tversky)


def circle(
    y_true: Tensor,
    y_pred: Tensor,
    ref_labels: Tensor | None = None,
    ref_embeddings: Tensor | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """The values of `Circle` for each sample, against reference embeddings if there are any."""
    labels = y_true if ref_labels is None else ref_labels
    embeddings = y_pred if ref_embeddings is None else ref_embeddings
    return Circle(gamma, margin, remove_diagonal).against(y_true, y_pred, labels, embeddings)


setattr(circle, LOSS, Circle)
