"""Losses, with Keras's names, arguments and formulas; missing targets (NaN) are masked, per element.

Each is a class, such as `MeanSquaredError`, whose object gives the mean, and a function, such as `mean_squared_error`,
that gives a value for each sample.
"""

from __future__ import annotations

from typing import Any

from handson.core import registry
from handson.core.errors import HandsonError, listing
from handson.core.serializers import serializers
from handson.losses import functions
from handson.losses.base import EPSILON, FunctionLoss, Loss
from handson.losses.crossentropies import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from handson.losses.functions import (
    BCE,
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    bce,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    circle,
    cosine_similarity,
    ctc,
    dice,
    gaussian_nll,
    hinge,
    huber,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    pinball,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)
from handson.losses.likelihoods import CRPS, DistributionLoss, Evidential, GaussianNLL, NegativeLogLikelihood, Pinball
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

__all__ = [
    "BCE",
    "CRPS",
    "CTC",
    "EPSILON",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "DistributionLoss",
    "Evidential",
    "FunctionLoss",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "NegativeLogLikelihood",
    "Pinball",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "gaussian_nll",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "pinball",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]


def get(identifier: Any) -> Loss:
    """The loss for a name, a configuration, a function of (y_true, y_pred), or an object.

    Examples
    --------
    >>> get("mse"), get(mean_squared_error)
    (MeanSquaredError(), MeanSquaredError())
    """
    loss = registry.resolve("loss", getattr(identifier, functions.LOSS, identifier))
    if isinstance(loss, Loss):
        return loss
    if callable(loss):
        return FunctionLoss(loss)
    raise HandsonError(
        f"a loss is one of {listing(registry.known('loss'))}, or a function of (y_true, y_pred); got {identifier!r}."
    )


_serialize, deserialize = serializers("loss", get)


def serialize(loss: Any) -> Any:
    """The registered name and the arguments of a loss, as JSON; of a function of one's own, its name.

    Examples
    --------
    >>> serialize(mean_squared_error)["class"]
    'MeanSquaredError'
    """
    return _serialize(get(loss) if hasattr(loss, functions.LOSS) else loss)
