"""Losses as metrics, in the units of the targets."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

from handson import losses
from handson.core import registry
from handson.metrics.base import Metric


@registry.register
class LossMetric(Metric):
    """A loss as a metric, in the units of the targets: what 'huber' means in a list of metrics.

    Parameters
    ----------
    loss : str or Loss
        The loss.
    """

    def __init__(self, loss: Any, name: str | None = None, dtype: Any = None) -> None:
        self.loss = losses.get(loss)
        super().__init__(name or self.loss.name, dtype)
        self.targets, self.batchwise = self.loss.targets, self.loss.batchwise
        self.ignore_class = self.loss.ignore_class

    def for_loss(self, loss: Any) -> Metric:
        """Where the loss of the net knows what the outputs mean, a loss of distributions has it from there."""
        trained = getattr(loss, "distribution", None)
        if trained is None or not isinstance(self.loss, losses.DistributionLoss):
            return self
        found = copy.copy(self)
        found.loss, found.of_distributions = self.loss.for_head(trained.as_read()), True
        return found

    def expected(self, outputs: tuple[int, ...]) -> tuple[int, ...]:
        return self.loss.expected(outputs)

    def present(self, y_true: Tensor) -> Tensor:
        return self.loss.present(y_true)

    def classes(self, outputs: int) -> int:
        return self.loss.classes(outputs)

    @property
    def pure(self) -> bool:
        return self.loss.pure

    @property
    def probabilities(self) -> bool:
        return self.loss.probabilities

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.values(y_true, y_pred)


@registry.register(aliases=("mse", "MSE"))
class MeanSquaredError(LossMetric):
    """The mean squared error: see `handson.losses.MeanSquaredError`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> MeanSquaredError()([[0.0], [2.0]], [[1.0], [2.0]]).item()
    0.5
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredError(), name, dtype)


@registry.register(aliases=("mae", "MAE"))
class MeanAbsoluteError(LossMetric):
    """The mean absolute error: see `handson.losses.MeanAbsoluteError`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> MeanAbsoluteError()([[0.0], [2.0]], [[3.0], [2.0]]).item()
    1.5
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanAbsoluteError(), name, dtype)


@registry.register(aliases=("mape", "MAPE"))
class MeanAbsolutePercentageError(LossMetric):
    """The mean absolute error in percent of the target: see `handson.losses.MeanAbsolutePercentageError`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> MeanAbsolutePercentageError()([[4.0]], [[3.0]]).item()
    25.0
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanAbsolutePercentageError(), name, dtype)


@registry.register(aliases=("msle", "MSLE"))
class MeanSquaredLogarithmicError(LossMetric):
    """The mean squared error of log(1 + y): see `handson.losses.MeanSquaredLogarithmicError`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> MeanSquaredLogarithmicError()([[1.0]], [[1.0]]).item()
    0.0
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredLogarithmicError(), name, dtype)


@registry.register(aliases=("logcosh",))
class LogCoshError(LossMetric):
    """The mean of log(cosh(error)): see `handson.losses.LogCosh`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(LogCoshError()([[0.0]], [[1.0]]).item(), 4)
    0.4338
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.LogCosh(), name, dtype)


@registry.register(aliases=("cosine_proximity",))
class CosineSimilarity(LossMetric):
    """The cosine of the angle between target and prediction: 1 for the same direction, -1 for the opposite.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    axis : int
        The axis of the vectors.

    Examples
    --------
    >>> CosineSimilarity()([[1.0, 0.0]], [[5.0, 0.0]]).item()
    1.0
    """

    direction = "max"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(losses.CosineSimilarity(axis=axis), name, dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -super().values(y_true, y_pred)


@registry.register(aliases=("kld", "KLD", "kullback_leibler_divergence"))
class KLDivergence(LossMetric):
    """The divergence of probabilities from those of the targets: see `handson.losses.KLDivergence`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(KLDivergence()([[0.0, 1.0]], [[0.5, 0.5]]).item(), 4)
    0.6931
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.KLDivergence(), name, dtype)


@registry.register
class Poisson(LossMetric):
    """For counts: see `handson.losses.Poisson`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> round(Poisson()([[3.0]], [[1.0]]).item(), 4)
    1.0
    """

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.Poisson(), name, dtype)


@registry.register(aliases=("bce", "BCE"))
class BinaryCrossentropy(LossMetric):
    """The cross-entropy of yes-or-no outputs: see `handson.losses.BinaryCrossentropy`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits and not probabilities.
    label_smoothing : float
        Moves targets towards 1/2 by this share.

    Examples
    --------
    >>> round(BinaryCrossentropy()([[1.0]], [[0.5]]).item(), 4)
    0.6931
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name, dtype)


@registry.register
class CategoricalCrossentropy(LossMetric):
    """The cross-entropy of one-hot targets: see `handson.losses.CategoricalCrossentropy`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits and not probabilities.
    label_smoothing : float
        Moves targets towards equal probabilities by this share.
    axis : int
        Where the classes are: -1, the last axis.

    Examples
    --------
    >>> round(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).item(), 4)
    0.6931
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis=axis), name, dtype)


@registry.register
class SparseCategoricalCrossentropy(LossMetric):
    """The cross-entropy of integer labels: see `handson.losses.SparseCategoricalCrossentropy`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits and not probabilities.
    ignore_class : int, optional
        A label that counts nowhere.
    axis : int
        Where the classes are: -1, the last axis.

    Examples
    --------
    >>> round(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]).item(), 4)
    0.6931
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis), name, dtype)


@registry.register
class Hinge(LossMetric):
    """max(1 - y_true y_pred, 0): see `handson.losses.Hinge`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> Hinge()([[1.0], [-1.0]], [[0.5], [0.5]]).item()
    1.0
    """

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.Hinge(), name, dtype)


@registry.register
class SquaredHinge(LossMetric):
    """max(1 - y_true y_pred, 0)^2: see `handson.losses.SquaredHinge`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> SquaredHinge()([[1.0], [-1.0]], [[0.5], [0.5]]).item()
    1.25
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.SquaredHinge(), name, dtype)


@registry.register
class CategoricalHinge(LossMetric):
    """The margin between the right class and the best wrong one: see `handson.losses.CategoricalHinge`.

    Parameters
    ----------
    name, dtype : str, optional
        See `Metric`.

    Examples
    --------
    >>> CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]).item()
    0.75
    """

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.CategoricalHinge(), name, dtype)
