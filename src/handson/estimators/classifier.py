"""`NeuralNetClassifier`: a net as a classifier of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight

from handson.estimators.base import NeuralNet
from handson.estimators.targets import Classes, single_column


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """A net that tells classes apart, as an estimator of scikit-learn.

    What was repeated, weighted or ordered differently is trained alike: a row of weight 2 is that row twice, a row of
    weight 0 is none, and the order of the rows does not matter.

    Parameters
    ----------
    layers : list of Layer, Model or function, optional
        The layers before the output; an output layer that fits the classes is added. Left out: two dense layers, sized
        to the data. A function gives such a list, with `layers__...` as its arguments, or a whole `Model`; it is given
        `input_shape` and `outputs`, the number of outputs, where it has arguments of these names. Every `fit` trains
        copies.
    optimizer : str or Optimizer, optional
        By default AdamW, its rate rising and falling over the training; for `partial_fit` Adam.
    loss : str, Loss or function, optional
        By default the cross-entropy. Losses that want one-hot targets get them: 'categorical_crossentropy', which can
        smooth labels, and others.
    class_weight : dict or 'balanced', optional
        A weight for each class.
    metrics : list, optional
        What else is measured in every epoch: see `Model.compile`.
    epochs : int, optional
        By default sized to the data.
    batch_size : int, optional
        By default sized to the data.
    scale_inputs : {'auto', 'standard', 'minmax', None}
        'auto': to mean 0 and standard deviation 1, but not where the net takes ids, nor where `layers` brings weights
        along.
    early_stopping : bool
        Whether rows are held out, and training ends when their loss has not improved for `n_iter_no_change` epochs by
        more than `tol`. The weights are those of the best epoch.
    validation_fraction : float
        The share of rows that are held out then.
    n_iter_no_change : int
        See `early_stopping`.
    tol : float
        See `early_stopping`.
    warm_start : bool
        Whether a further `fit` begins with the weights of the last.
    callbacks : list of Callback, optional
        See `handson.callbacks`.
    verbose : int or 'auto'
        As in `Model.fit`.
    random_state : int, RandomState, optional
        The seed of everything random.
    **nested
        Arguments of arguments: ``optimizer__learning_rate=0.01``, ``layers__0__units=32``,
        ``loss__label_smoothing=0.1``, ``callbacks__0__patience=3``; and of the methods of `Model`:
        ``compile__precision="bfloat16"``, ``fit__augment=...``.

    Attributes
    ----------
    classes_ : ndarray, or list of ndarray for several outputs
        The classes.
    model_ : Model
        The net.
    history_ : History
        What was measured in the last training.
    loss_curve_ : list of float
        The loss by epoch.
    n_iter_ : int
        How many epochs it was trained.
    n_features_in_, feature_names_in_, n_outputs_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(random_state=0).fit(x, y)
    >>> net.predict(x[:2]), bool(net.score(x, y) > 0.95)
    (array([0, 0]), True)
    """

    class_weight: Any

    def __init__(
        self,
        layers: Any = None,
        *,
        optimizer: Any = None,
        loss: Any = None,
        class_weight: Any = None,
        metrics: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        scale_inputs: Any = "auto",
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetClassifier:
        """Train on rows of X, shape (n, ...), with the classes y, shape (n,), or (n, outputs) for several."""
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NeuralNetClassifier:
        """Train for one epoch more; the first call may name all classes there will be.

        Of labels these are 0 and 1, or the numbers of the columns; of several outputs a list for each.
        """
        if classes is not None and self.__sklearn_is_fitted__():
            self._targets.check(classes)
        return self._another_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, shape (n, classes); of each label; a list of them for several outputs."""
        outputs = self._outputs(X)
        return self._targets.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(each) for each in found] if isinstance(found, list) else np.log(found)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row."""
        found = self.predict_proba(X)
        return self._targets.decode(found)

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Any:
        X, y, weights = super()._checked(X, y, sample_weight, reset)
        return X, single_column(y), weights

    def _learned(self, y: np.ndarray, classes: Any) -> Classes:
        return Classes.of(y, classes)

    def _class_weights(self, y: np.ndarray) -> Any:
        return 1.0 if self.class_weight is None else compute_sample_weight(self.class_weight, y)

    def _told(self) -> None:
        super()._told()
        self.classes_ = self._targets.classes
        self.n_outputs_ = len(self._targets.known)
