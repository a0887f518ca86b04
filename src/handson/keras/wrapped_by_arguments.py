"""The estimators of Keras 2, whose parameters are the arguments of a function that makes a net, and those of `fit`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from handson.core.errors import HandsonError, listing, nearest
from handson.keras.wrapped import compiled
from handson.models import Model

VERBS = (Model.fit, Model.predict, Model.evaluate)
# Arguments of `fit` that Keras 1 called so.
OLDER = ("nb_epoch",)


class ByArguments(BaseEstimator):
    """The base of Keras 2's estimators.

    Parameters
    ----------
    build_fn : function, optional
        Gives a compiled net; by default the estimator itself is called, a subclass with a `__call__` of its own.
    **sk_params
        Arguments of the function, and of `fit` and `predict`: `epochs`, `batch_size`, `verbose`, `callbacks`.

    Attributes
    ----------
    model : Model
        The net that was trained.
    """

    model: Any

    def __init__(self, build_fn: Any = None, **sk_params: Any) -> None:
        self.build_fn, self.sk_params = build_fn, sk_params
        self._check(sk_params)

    def _builder(self) -> Any:
        return self.build_fn if self.build_fn is not None else self

    def _check(self, params: dict[str, Any]) -> None:
        known = list(_arguments(self._builder()))
        if "**" in known:
            return
        known += [name for verb in VERBS for name in _arguments(verb)] + ["build_fn", *OLDER]
        for name in params:
            if name not in known:
                own = listing(_arguments(self._builder()), 20)
                raise HandsonError(
                    f"{type(self).__name__} has no parameter {name!r}.{nearest(name, known)} It takes the arguments of "
                    f"the function ({own}), of fit and of predict."
                )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Set parameters."""
        self._check(params)
        given = dict(params)
        self.build_fn = given.pop("build_fn", self.build_fn)
        self.sk_params = self.sk_params | given
        return self

    def _for(self, verb: Any, given: dict[str, Any]) -> dict[str, Any]:
        """The parameters that a method of `Model` takes."""
        taken = [*_arguments(verb), *(OLDER if verb is Model.fit and "epochs" not in given else ())]
        return {name: value for name, value in self.sk_params.items() if name in taken} | given

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Make a net and train it on rows of x, shape (n, ...), with targets y; gives its history, as in Keras 2."""
        taken = _arguments(self._builder())
        own = self.sk_params if "**" in taken else {key: self.sk_params[key] for key in taken if key in self.sk_params}
        self.model = compiled(self._builder()(**own))
        return self.model.fit(x, self._encoded(np.asarray(y)), **self._for(Model.fit, kwargs))

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        return y

    def _outputs(self, x: Any, given: dict[str, Any]) -> np.ndarray:
        if not self.__sklearn_is_fitted__():
            raise HandsonError(f"{type(self).__name__} is not fitted yet: call fit(x, y) first.")
        found: np.ndarray = self.model.predict(x, **self._for(Model.predict, given))
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return "model" in vars(self)


class KerasClassifier(ClassifierMixin, ByArguments):
    """A net that tells classes apart: see `ByArguments`.

    Targets are classes, shape (n,), or one-hot, shape (n, classes); a net with one output gives the probability of the
    second of two classes.

    Attributes
    ----------
    classes_ : ndarray
        The classes; of one-hot targets, the numbers of their columns.
    model
        See `ByArguments`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from handson import keras
    >>> def dense(units=8):
    ...     net = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(3, "softmax")], seed=0)
    ...     net.compile("adam", "sparse_categorical_crossentropy")
    ...     return net
    >>> x, y = load_iris(return_X_y=True)
    >>> net = KerasClassifier(build_fn=dense, units=4, epochs=20, verbose=0)
    >>> history = net.fit(x, y)
    >>> net.predict(x).shape, net.predict_proba(x).shape, len(history.epoch)
    ((150,), (150, 3), 20)
    """

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
            return y
        self.classes_, places = np.unique(y, return_inverse=True)
        places = places.ravel()
        if any(getattr(loss, "targets", None) == "distribution" for loss in [self.model.loss] if loss is not None):
            return np.eye(len(self.classes_), dtype=np.float32)[places]
        return places

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The probability of each class, shape (n, classes)."""
        found = self._outputs(x, kwargs)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The likeliest class of each row."""
        outputs = self._outputs(x, kwargs)
        return self.classes_[outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs[:, 0] > 0.5).astype(int)]

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The share of rows whose class is predicted."""
        y = np.asarray(y)
        y = self.classes_[y.argmax(-1)] if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
        return float(np.mean(self.predict(x, **kwargs) == y))


class KerasRegressor(RegressorMixin, ByArguments):
    """A net that predicts numbers: see `ByArguments`.

    `score` is the coefficient of determination, as everywhere in scikit-learn; that of Keras 2 was minus the loss.
    """

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """What the net gives for each row, without axes of size 1."""
        outputs = self._outputs(x, kwargs)
        return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


def _arguments(function: Any) -> dict[str, Any]:
    """The arguments of a function by name, `self` left out; '**' where it takes any."""
    parameters = inspect.signature(function).parameters
    found = {name: one for name, one in parameters.items() if name != "self" and one.kind is not one.VAR_KEYWORD}
    return found | ({"**": None} if len(found) < len(parameters) - ("self" in parameters) else {})
