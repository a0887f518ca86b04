"""`NeuralNetRegressor`: a net as a regressor of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from handson.estimators.base import NeuralNet, scales_well
from handson.estimators.targets import Values
from handson.models import Model


class NeuralNetRegressor(RegressorMixin, NeuralNet):
    """A net that predicts numbers, as an estimator of scikit-learn.

    Parameters
    ----------
    layers, optimizer, metrics, epochs, batch_size, scale_inputs, early_stopping, validation_fraction, n_iter_no_change
        As in `NeuralNetClassifier`.
    tol, warm_start, callbacks, verbose, random_state, **nested
        As in `NeuralNetClassifier`.
    loss : str, Loss or function, optional
        By default the mean squared error.
    scale_targets : {'auto', 'standard', 'minmax', None}
        How targets are scaled; predictions come in the targets' own units. 'auto': to mean 0 and standard deviation 1
        for losses that mean the same then, such as 'mse' and 'mae'; a whole `Model` keeps what it has.

    Attributes
    ----------
    model_, history_, loss_curve_, n_iter_, n_features_in_, feature_names_in_, n_outputs_
        As of `NeuralNetClassifier`.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> net = NeuralNetRegressor(random_state=0).fit(x, x[:, 0] * x[:, 1])
    >>> net.predict(x).shape, bool(net.score(x, x[:, 0] * x[:, 1]) > 0.9)
    ((200,), True)
    """

    scale_targets: Any

    def __init__(
        self,
        layers: Any = None,
        *,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        scale_inputs: Any = "auto",
        scale_targets: Any = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Any = None,
        verbose: Any = 0,
        random_state: Any = None,
        **nested: Any,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetRegressor:
        """Train on rows of X, shape (n, ...), with the values y, shape (n,) or (n, outputs)."""
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetRegressor:
        """Train for one epoch more."""
        return self._another_epoch(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The values for each row, in the form of y."""
        outputs = self._outputs(X)
        return self._targets.decode(outputs)

    def _learned(self, y: np.ndarray, classes: Any) -> Values:
        return Values(None if y.ndim == 1 else y.shape[1])

    def _scale_targets(self, loss: Any) -> Any:
        if self.scale_targets != "auto":
            return self.scale_targets
        if isinstance(self.layers, Model):
            return self.model_.target_scaling
        return "standard" if scales_well(loss) else None

    def _told(self) -> None:
        self.n_outputs_ = self._targets.columns or 1
