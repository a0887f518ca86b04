"""The estimators of Keras 3: a compiled net, or a function that makes one, as an estimator of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from handson.core.errors import HandsonError
from handson.models import Model


class Wrapped(BaseEstimator):
    """The base of Keras's estimators.

    Parameters
    ----------
    model : Model or function
        A compiled net, of which every `fit` trains a copy with new weights; or a function of `X` and `y` that gives
        one.
    warm_start : bool
        Whether `fit` goes on with the net of the last one, and trains the net that was given itself.
    model_kwargs : dict, optional
        Further arguments of the function.
    fit_kwargs : dict, optional
        Arguments of `Model.fit`. Those of the estimator's `fit` come first.

    Attributes
    ----------
    model_ : Model
        The net that was trained.
    history_ : History
        What its training measured.
    """

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.warm_start = model, warm_start
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Train on rows of X, shape (n, ...), with targets y, shape (n,) or (n, outputs)."""
        X, y = self._validated(X, y, reset=True)
        y = self._encoded(y)
        if not (self.warm_start and hasattr(self, "model_")):
            self.model_ = compiled(self._made(X, y))
        self.history_ = self.model_.fit(X, y, **(self.fit_kwargs or {}) | kwargs)
        return self

    def _made(self, X: np.ndarray, y: np.ndarray) -> Any:
        if not isinstance(self.model, Model):
            return self.model(X=X, y=y, **(self.model_kwargs or {}))
        return self.model if self.warm_start else _again(self.model)

    def _validated(self, X: Any, *targets: Any, reset: bool = False) -> Any:
        return validate_data(
            self, X, *targets, reset=reset, allow_nd=True, **({"multi_output": True} if targets else {})
        )

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        found: np.ndarray = self.model_.predict(self._validated(X), verbose=0)
        return found

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        self._flat = y.ndim == 1
        return y[:, None] if self._flat else y

    def predict(self, X: Any) -> np.ndarray:
        """What the net gives for each row, in the form of the targets."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat and outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.target_tags.multi_output = True
        return tags


class SKLearnClassifier(ClassifierMixin, Wrapped):
    """A net that tells classes apart, with a column of its outputs for each; it is trained on one-hot targets.

    Parameters
    ----------
    model, warm_start, model_kwargs, fit_kwargs
        See `Wrapped`; the function gets one-hot `y`, shape (n, classes).

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted.
    model_, history_
        See `Wrapped`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from handson import keras
    >>> def dense(X, y, units):
    ...     net = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(y.shape[1], "softmax")], seed=0)
    ...     net.compile("adam", "categorical_crossentropy")
    ...     return net
    >>> x, y = load_iris(return_X_y=True)
    >>> net = SKLearnClassifier(dense, model_kwargs={"units": 8}, fit_kwargs={"epochs": 20, "verbose": 0}).fit(x, y)
    >>> net.predict(x).shape, bool(net.score(x, y) > 0.6)
    ((150,), True)
    """

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise HandsonError(f"SKLearnClassifier takes a class for each row, shape (n,); got targets of {kind} form.")
        self._flat = y.ndim == 1
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise HandsonError(f"there is one class only, {self.classes_[0]!r}: nothing can be learned from it.")
        return np.eye(len(self.classes_), dtype=np.float32)[places.ravel()]

    def decision_function(self, X: Any) -> np.ndarray:
        """What the net gives for each row and class, shape (n, classes)."""
        return self._outputs(X)

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row whose output is the largest."""
        found = self.classes_[self._outputs(X).argmax(-1)]
        return found if self._flat else found[:, None]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score, tags.target_tags.multi_output = True, False
        return tags


class SKLearnRegressor(RegressorMixin, Wrapped):
    """A net that predicts numbers: see `Wrapped` for the parameters and attributes.

    Examples
    --------
    >>> from handson import keras
    >>> def linear(X, y):
    ...     net = keras.Sequential([keras.layers.Dense(1)], seed=0)
    ...     net.compile(keras.optimizers.Adam(0.1), "mse")
    ...     return net
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> net = SKLearnRegressor(linear, fit_kwargs={"epochs": 40, "verbose": 0}).fit(x, x.sum(1))
    >>> bool(net.score(x, x.sum(1)) > 0.9)
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, Wrapped):
    """A net whose outputs are the inputs of what follows: see `Wrapped` for the parameters and attributes."""

    def transform(self, X: Any) -> np.ndarray:
        """What the net gives for each row."""
        return self._outputs(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


def _again(net: Model) -> Any:
    """A net of the same layers with new weights, and compiled alike."""
    from handson import optimizers
    from handson.models import clone_model

    copied: Any = clone_model(compiled(net))
    given: Any = net._compiled
    optimizer = optimizers.get(registered(given.optimizer))
    copied.compile(optimizer, given.loss, given.loss_weights, given.metrics, given.weighted_metrics)
    return copied


def registered(optimizer: Any) -> dict[str, Any]:
    """The description of an optimizer: one belongs to one net."""
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def compiled(net: Any) -> Any:
    """A net, if it is compiled.

    Raises
    ------
    HandsonError
        When it is not, or is no net.
    """
    if not isinstance(net, Model):
        raise HandsonError(f"the function of an estimator gives a compiled net; this one gave {type(net).__name__}.")
    if not net.compiled:
        raise HandsonError(
            f"the net {net.name!r} of an estimator is not compiled: call net.compile(optimizer='adam', loss=...) "
            f"before it is returned."
        )
    return net
