"""What the estimators share: parameters, training, and what is known after it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from handson import losses
from handson.callbacks import EarlyStopping
from handson.callbacks.calls import as_list
from handson.core.errors import HandsonError, listing, nearest, whole
from handson.core.forked import one_thread
from handson.core.masked import masked_as_missing
from handson.data.rows.split import split
from handson.estimators import sized
from handson.estimators.building import brings_weights, build
from handson.estimators.inputs import Rows, Stream, dense, is_sparse, predicted
from handson.estimators.nested import OWNERS, changed, owner_of, settings_of
from handson.estimators.pickled import Pickled
from handson.estimators.plain import check_present
from handson.estimators.rows import checked_weights, distinct
from handson.estimators.targets import Targets
from handson.layers.shapes import flat_shapes
from handson.losses import Loss
from handson.optimizers import Adam

# Losses that mean the same for scaled targets.
FOR_SCALED = (losses.MeanSquaredError, losses.MeanAbsoluteError, losses.Huber, losses.LogCosh)
# What an optimizer was made for: a training of known length, or epochs that come one by one.
WHOLE, PARTS = "whole", "parts"


class NeuralNet(Pickled, BaseEstimator):
    """The base of `NeuralNetClassifier` and `NeuralNetRegressor`: see there."""

    _targets: Any
    _compiled: str | None
    loss_curve_: list[float]

    layers: Any
    optimizer: Any
    loss: Any
    metrics: Any
    epochs: int | None
    batch_size: int | None
    scale_inputs: Any
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    warm_start: bool
    callbacks: Any
    verbose: Any
    random_state: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Of a constructor with **nested scikit-learn would take 'nested' for the name of a parameter.
        signature = inspect.signature(cls.__init__)
        own = [one for one in list(signature.parameters.values())[1:] if one.kind is not one.VAR_KEYWORD]
        cls.__signature__ = signature.replace(parameters=own)

    # Parameters.

    def _keep(self, given: dict[str, Any]) -> None:
        """Keep the arguments of the constructor, as they are."""
        nested = given.pop("nested")
        unknown = next((name for name in nested if owner_of(name) is None), None)
        if unknown is not None:
            raise TypeError(f"{type(self).__name__} has no argument {unknown!r}.{self._nearest(unknown)}")
        for name, value in (given | nested).items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, those of parameters, such as `optimizer__learning_rate`, included."""
        nested = {name: value for name, value in vars(self).items() if owner_of(name)}
        return super().get_params(deep=False) | nested

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of parameters too."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known and owner_of(name) is None:
                raise HandsonError(f"{type(self).__name__} has no parameter {name!r}.{self._nearest(name)}")
            setattr(self, name, value)
        return self

    def _nearest(self, name: str) -> str:
        known = self._get_param_names()
        more = f" Arguments of arguments: {', '.join(f'{owner}__...' for owner in OWNERS)}."
        return f"{nearest(name.partition('__')[0], known)} It has: {listing(known, 20)}.{more}"

    def _settings(self, owner: str) -> dict[str, Any]:
        return settings_of(owner, dict(vars(self)))

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = tags.target_tags.required = True
        return tags

    # What differs between classes and values.

    def _learned(self, y: np.ndarray, classes: Any) -> Targets:
        """What the targets are."""
        raise NotImplementedError

    def _class_weights(self, y: np.ndarray) -> Any:
        """A factor for the weight of each row."""
        return 1.0

    def _scale_targets(self, loss: Any) -> Any:
        return None

    # Training.

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Any, np.ndarray, np.ndarray]:
        """Inputs, targets and weights of the rows that count."""
        if is_sparse(y):
            raise HandsonError("y is sparse, and targets are dense arrays: give y.toarray().")
        X, y = masked_as_missing(X), masked_as_missing(y)
        X, y = validate_data(
            self, X, y, reset=reset, accept_sparse="csr", allow_nd=True, multi_output=True, dtype="numeric",
            y_numeric=is_regressor(self),
        )  # fmt: skip
        weights = checked_weights(sample_weight, X.shape[0])
        counts = weights > 0
        return (X, y, weights) if counts.all() else (X[counts], y[counts], weights[counts])

    def _fit(self, X: Any, y: Any, sample_weight: Any, epochs: int | None = None, classes: Any = None) -> Any:
        """Train anew; or, with `epochs` given or `warm_start`, go on where a training was left."""
        one_thread()
        going_on = self.__sklearn_is_fitted__() and (self.warm_start or epochs is not None)
        present = {name: value for name, value in self.get_params().items() if not (going_on and name == "layers")}
        check_present(present)
        X, y, weights = self._checked(X, y, sample_weight, reset=not going_on)
        targets = self._targets if going_on else self._learned(y, classes)
        codes = targets.encode(y)
        rows, weights = distinct(X, codes, weights * self._class_weights(y))
        data = Rows(X[rows], codes[rows], weights)
        if not going_on:
            self._begin(data, targets)
        self._train(data, targets, epochs)
        self._told()
        return self

    def _begin(self, data: Rows, targets: Targets) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.model_ = build(self.layers, self._settings("layers"), data.shape, targets.heads, seed)
        self._targets, self._seed, self._compiled = targets, seed, None
        self.n_iter_, self.loss_curve_ = 0, []

    def _train(self, data: Rows, targets: Targets, more: int | None) -> None:
        """Train on some rows for `epochs`, or for so many more."""
        data, held_out = self._split(data, targets)
        # The default rate ends with a training; what comes after has another.
        ended = self._compiled == WHOLE and self.optimizer is None
        if more is None or ended or self._compiled is None:
            self._compile(targets, data, WHOLE if more is None else PARTS)
        batch = sized.batch_size(len(data)) if self.batch_size is None else self.batch_size
        epochs = more or (sized.epochs(len(data), batch) if self.epochs is None else whole("epochs", self.epochs, 1))
        first = self.n_iter_ if more else 0
        given: dict[str, Any] = {
            "epochs": first + epochs, "initial_epoch": first, "verbose": self.verbose, "seed": self._seed,
            "callbacks": self._callbacks(held_out is not None),
        }  # fmt: skip
        given |= self._rows(data, batch, self._seed) | self._held_out(held_out, batch)
        self.history_ = self.model_.fit(**given | self._settings("fit"))
        self.n_iter_ = first + len(self.history_.epoch)
        self.loss_curve_ = self.loss_curve_ + self.history_.history["loss"]

    def _split(self, data: Rows, targets: Targets) -> tuple[Rows, Rows | None]:
        """The rows that train, and those to validate on."""
        if not self.early_stopping:
            return data, None
        if not 0 < self.validation_fraction < 1:
            raise HandsonError(f"validation_fraction is a share between 0 and 1; got {self.validation_fraction!r}.")
        parts = split(len(data), self.validation_fraction, self._seed, targets.strata(data.codes))
        return data.take(parts.train), data.take(parts.validation)

    def _rows(self, data: Rows, batch: int, seed: int | None) -> dict[str, Any]:
        """The arguments of `Model.fit` that are data."""
        if data.streams:
            return {"x": Stream(data, self._arranged, batch, seed)}
        y = self._arranged(data.codes)
        return {"x": dense(data.x), "y": y, "sample_weight": data.weights, "batch_size": batch}

    def _arranged(self, codes: np.ndarray) -> Any:
        widths = [shape[-1] for shape in flat_shapes(self.model_.output_shape)]
        return self._targets.arranged(codes, self.model_.terms, widths)

    def _held_out(self, data: Rows | None, batch: int) -> dict[str, Any]:
        if data is None:
            return {}
        given = self._rows(data, batch, None)
        parts = (given["x"], given["y"], data.weights) if "y" in given else given["x"]
        return {"validation_data": parts}

    def _callbacks(self, validates: bool) -> list[Any]:
        given = changed("callback", as_list(self.callbacks), self._settings("callbacks"))
        if not validates:
            return given
        stop = EarlyStopping(min_delta=self.tol, patience=self.n_iter_no_change, restore_best_weights=True)
        return [*given, stop]

    def _compile(self, targets: Targets, data: Rows, length: str) -> None:
        """Compile the net; the default rate follows the whole of a training where its length is known."""
        optimizer = self.optimizer
        if optimizer is None:
            optimizer = sized.optimizer(len(data)) if length == WHOLE else Adam()
        optimizer = changed("optimizer", optimizer, {**_own(optimizer), **self._settings("optimizer")})
        loss = self.loss if self.loss is not None else self._default_loss(targets)
        loss = changed("loss", loss, self._settings("loss"))
        given = {
            "scale_inputs": self._input_scaling(data),
            "scale_targets": self._scale_targets(loss),
            "metrics": self.metrics,
        }
        self.model_.compile(optimizer, loss, **given | self._settings("compile"))
        self._compiled = length

    def _input_scaling(self, data: Rows) -> Any:
        """How inputs are scaled; not where the net takes ids, nor where weights were given, which know their inputs."""
        if self.scale_inputs != "auto":
            return self.scale_inputs
        if brings_weights(self.layers):
            return self.model_.input_scaling
        return None if any(self.model_.integer_inputs(1)) else data.scaling()

    def _default_loss(self, targets: Targets) -> Any:
        heads = targets.heads
        if len(heads) > 1:
            return [head.loss for head in heads]
        one = heads[0].units == 2 and self.model_.output_shape[-1] == 1
        return "binary_crossentropy" if one else heads[0].loss

    def _told(self) -> None:
        """What is known after training."""
        self.n_outputs_ = len(self.model_.output_names)

    def _another_epoch(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        if self.early_stopping:
            raise HandsonError("partial_fit trains one epoch, and holds out no rows: leave early_stopping out.")
        return self._fit(X, y, sample_weight, 1, classes)

    # Using.

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        one_thread()
        X = validate_data(self, masked_as_missing(X), reset=False, accept_sparse="csr", allow_nd=True, dtype="numeric")
        return predicted(self.model_, X)


def _own(optimizer: Any) -> dict[str, Any]:
    """Arguments that make another optimizer of the same kind: one belongs to one training."""
    return {} if isinstance(optimizer, (str, dict, type)) else dict(getattr(optimizer, "_arguments", {}))


def scales_well(loss: Any) -> bool:
    """Whether a loss means the same for scaled targets.

    Examples
    --------
    >>> scales_well("mse"), scales_well("poisson")
    (True, False)
    """
    found: Loss | Any = losses.get(loss) if isinstance(loss, (str, dict)) else loss
    return isinstance(found, FOR_SCALED)
