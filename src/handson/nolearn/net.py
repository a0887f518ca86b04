"""`NeuralNet`: nolearn's estimator, which trains Lasagne's layers through handson's loop."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.preprocessing import LabelEncoder
from torch import Tensor

from handson import regularizers
from handson.core import console
from handson.core.errors import HandsonError, nearest
from handson.core.masked import unmasked
from handson.graph.variable import as_array
from handson.lasagne import objectives, updates
from handson.lasagne.layers import get_all_layers, get_all_params, get_output
from handson.lasagne.layers.base import WeightCell
from handson.lasagne.network import as_model
from handson.lasagne.random import get_rng
from handson.metrics import CategoricalAccuracy, SparseCategoricalAccuracy
from handson.models import Model
from handson.nolearn import plain
from handson.nolearn.batches import BatchIterator, count, gathered, is_plain, transforms
from handson.nolearn.definitions import Definition, by_name, is_made, made
from handson.nolearn.handlers import PrintLayerInfo, PrintLog
from handson.nolearn.kept import Kept
from handson.nolearn.objective import Objective, as_loss, objective
from handson.nolearn.splits import TrainSplit
from handson.nolearn.updating import as_optimizer, refresh
from handson.nolearn.watching import Watch
from handson.theano import function

MOMENTS = ("on_batch_finished", "on_epoch_finished", "on_training_started", "on_training_finished")


class NeuralNet(Kept, BaseEstimator):
    """A net of Lasagne's layers as an estimator of scikit-learn.

    Parameters
    ----------
    layers : list of tuple, Layer or list of Layer
        ``('name', DenseLayer)`` with arguments as ``name_num_units=...``, or ``(DenseLayer, {'num_units': ...})``, or
        the last of Lasagne's layers.
    update : function
        The update rule; its arguments are given as ``update_learning_rate=...``. A shared variable can be changed by a
        handler: ``net.update_learning_rate.set_value(0.01)``.
    objective : function
        What is minimized, of the form of `handson.nolearn.objective`; arguments as ``objective_l2=...``.
    objective_loss_function : function, optional
        By default `squared_error` for regression, else `categorical_crossentropy`.
    batch_iterator_train, batch_iterator_test : BatchIterator
        How rows are divided, and what is done to batches.
    regression : bool
        Whether targets are numbers, and not classes.
    max_epochs : int
        How many epochs a call of `fit` trains.
    train_split : function
        Gives (X_train, X_valid, y_train, y_valid) for (X, y, net).
    custom_scores, scores_valid, scores_train : list of (str, function), optional
        More scores of (y, outputs), of rows held out (the first two) and of rows that train.
    use_label_encoder : bool
        Whether classes may be anything that can be sorted.
    on_batch_finished, on_epoch_finished, on_training_started, on_training_finished : list of function, optional
        Handlers, called with (net, train_history). StopIteration ends the training.
    X_tensor_type, y_tensor_type : function, optional
        Such as `T.matrix` or `T.ivector`: how many axes inputs and targets have, and of targets, whether they are whole
        numbers. By default they are taken as they come.
    more_params : dict, optional
        Arguments of layers, as the keywords are.
    check_input : bool
        For programs that name it: inputs are always checked.
    verbose : int
        0: silent. 1: the layers, and a line for each epoch. 2: more of the layers.
    **kwargs
        The arguments of layers, of the update rule and of the objective.

    Attributes
    ----------
    layers_ : dict of Layer
        The layers by name.
    train_history_ : list of dict
        'epoch', 'train_loss', 'valid_loss', 'train_loss_best', 'valid_loss_best', 'valid_accuracy', 'dur' and scores.
    model_ : Model
        The net of handson that trains.

    Notes
    -----
    A pickle holds plain data: what is not handson's, such as handlers of one's own, has to be set again before the
    loaded net trains further.

    Examples
    --------
    >>> from handson.lasagne.layers import DenseLayer, InputLayer
    >>> net = NeuralNet(
    ...     layers=[("input", InputLayer), ("hidden", DenseLayer), ("output", DenseLayer)],
    ...     input_shape=(None, 3), hidden_num_units=8, output_num_units=1, output_nonlinearity=None,
    ...     regression=True, update_learning_rate=0.01, max_epochs=2,
    ... )
    >>> x = np.random.RandomState(0).normal(size=(50, 3)).astype("float32")
    >>> net.fit(x, x[:, :1]).predict(x).shape, len(net.train_history_)
    ((50, 1), 2)
    """

    def __init__(
        self,
        layers: Any,
        update: Any = updates.nesterov_momentum,
        objective: Any = objective,
        objective_loss_function: Any = None,
        batch_iterator_train: Any = BatchIterator(batch_size=128),  # noqa: B008
        batch_iterator_test: Any = BatchIterator(batch_size=128),  # noqa: B008
        regression: bool = False,
        max_epochs: int = 100,
        train_split: Any = TrainSplit(eval_size=0.2),  # noqa: B008
        custom_scores: Any = None,
        scores_train: Any = None,
        scores_valid: Any = None,
        X_tensor_type: Any = None,
        y_tensor_type: Any = None,
        use_label_encoder: bool = False,
        on_batch_finished: Any = None,
        on_epoch_finished: Any = None,
        on_training_started: Any = None,
        on_training_finished: Any = None,
        more_params: dict[str, Any] | None = None,
        check_input: bool = True,
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        for name in (*_own_names(), *kwargs):
            setattr(self, name, kwargs[name] if name in kwargs else given[name])
        self._more_names = list(kwargs)
        self.train_history_: list[dict[str, Any]] = []

    # As an estimator of scikit-learn.

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(_own_names())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, those of layers and of the update rule included."""
        return {name: getattr(self, name) for name in (*_own_names(), *self._more_names)}

    def set_params(self, **params: Any) -> NeuralNet:
        """Set arguments; those of layers too."""
        for name, value in params.items():
            if name not in self.get_params():
                self._owner_of(name)
                self._more_names.append(name)
            setattr(self, name, value)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """`net.output_num_units = 4` is an argument too, before the layers are made."""
        super().__setattr__(name, value)
        more = vars(self).get("_more_names")
        is_argument = not (name.endswith("_") or name.startswith("_") or name in _own_names())
        if more is not None and name not in more and is_argument:
            more.append(name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if self.regression else "classifier"
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return bool(vars(self).get("layers_"))

    # Getting ready.

    def initialize(self) -> None:
        """Make the layers and what trains them, unless that has happened."""
        if "model_" in vars(self):
            return
        self.layers_ = self._make_layers()
        self._check_settings()
        last = [layer for layer in self.layers_.values() if not self._has_follower(layer)]
        self.output_layers_ = last if len(last) > 1 else last[0]
        outputs = list(self.layers_.values())[-1]
        own = self._own_objective()
        self.model_: Any = as_model(outputs, int(get_rng().randint(2**31)), Objective if own else Model)
        if own:
            self.model_.expression = self._expression
            self.model_.layers_by_name = (self.layers_,)
        self._penalize()

    def _make_layers(self) -> OrderedDict[str, Any]:
        lost = plain.missing_in(self.layers)
        if lost is not None:
            lost.refuse("layers")
        if is_made(self.layers):
            return by_name(list(self.layers) if isinstance(self.layers, (list, tuple)) else [self.layers])
        definitions = [Definition(given, number) for number, given in enumerate(self.layers)]
        self._layer_names = [definition.name for definition in definitions]
        settings = {name: self.get_params_for(name) for name in self._layer_names}
        return made(definitions, settings)

    def get_params_for(self, prefix: str) -> dict[str, Any]:
        """The arguments of a layer, of 'update' or of 'objective', without the prefix."""
        found = {}
        given = {name: getattr(self, name) for name in (*self._more_names, "objective_loss_function")}
        for name, value in (given | (self.more_params or {})).items():
            if self._owner_of(name) == prefix:
                found[name[len(prefix) + 1 :]] = value
        return found

    def _owner_of(self, name: str) -> str:
        """Whose argument a keyword is: that of the longest name that it begins with."""
        owners = [*vars(self).get("_layer_names", self._names_given()), "update", "objective"]
        fitting = [owner for owner in owners if name.startswith(f"{owner}_")]
        if not fitting:
            raise HandsonError(
                f"NeuralNet has no argument {name!r}, and no layer's name begins it.{nearest(name, self._all_names())} "
                f"Layers: {', '.join(owners[:-2])}."
            )
        return max(fitting, key=len)

    def _names_given(self) -> list[str]:
        if is_made(self.layers):
            return []
        return [Definition(given, number).name for number, given in enumerate(self.layers)]

    def _all_names(self) -> list[str]:
        return [*_own_names(), *(f"{name}_num_units" for name in self._names_given()), "update_learning_rate"]

    def _check_settings(self) -> None:
        for name in (*self._more_names, *(self.more_params or {})):
            self._owner_of(name)

    def _has_follower(self, layer: Any) -> bool:
        return any(layer is before for other in self.layers_.values() for before in other.input_layers)

    def _own_objective(self) -> bool:
        """Whether what is minimized is written by the user, beyond the loss and penalties."""
        settings = set(self.get_params_for("objective")) - {"loss_function", "l1", "l2"}
        return self.objective is not objective or bool(settings)

    def _expression(self, layers: Any, target: Any, deterministic: bool) -> Any:
        settings = self.get_params_for("objective") | {"loss_function": self._loss_function()}
        return self.objective(layers, target=target, deterministic=deterministic, **settings)

    def _loss_function(self) -> Any:
        if self.objective_loss_function is not None:
            return self.objective_loss_function
        return objectives.squared_error if self.regression else objectives.categorical_crossentropy

    def _penalize(self) -> None:
        """The penalties that the objective asks for, on the weights that are regularizable."""
        settings = self.get_params_for("objective")
        l1, l2 = float(settings.get("l1", 0)), float(settings.get("l2", 0))
        if self._own_objective() or not (l1 or l2):
            return
        for param in get_all_params(list(self.layers_.values())[-1], regularizable=True):
            cell = param.cell
            if isinstance(cell, WeightCell):
                cell.part.weight_regularizers[cell.weight] = regularizers.L1L2(l1, l2)

    def _compile(self, y: Any) -> None:
        if "optimizer_" in vars(self):
            return
        params = get_all_params(list(self.layers_.values())[-1], trainable=True)
        self.optimizer_ = as_optimizer(self.update, self.get_params_for("update"), params)
        labels = not self.regression and np.ndim(y) == 1
        loss = None if self._own_objective() else as_loss(self._loss_function(), "labels" if labels else "distribution")
        accuracy: Any = "accuracy"
        if loss is None:  # which of them is meant would follow from the loss
            accuracy = (SparseCategoricalAccuracy if labels else CategoricalAccuracy)(name="accuracy")
        self.model_.compile(self.optimizer_, loss, metrics=[] if self.regression else [accuracy])

    def refresh_settings(self) -> None:
        """Give the optimizer the values that shared variables have now."""
        refresh(self.optimizer_, self.update, self.get_params_for("update"))

    # Training.

    def fit(self, X: Any, y: Any, epochs: int | None = None) -> NeuralNet:
        """Train for `max_epochs`, or so many epochs; further calls train on.

        Ctrl-C ends the training, and the net stays as it is then.
        """
        if self.use_label_encoder:
            self._learn_classes(y)
        return self._fit(X, y, epochs)

    def _learn_classes(self, classes: Any) -> None:
        self.enc_ = LabelEncoder().fit(classes)
        self.classes_ = self.enc_.classes_

    def _fit(self, X: Any, y: Any, epochs: int | None) -> NeuralNet:
        plain.check_present(self.get_params())
        if self.use_label_encoder:
            y = self.enc_.transform(y).astype(np.int32)
        X, y = self._checked(X, y)
        self.initialize()
        self._compile(y)
        try:
            self._train(X, y, self.max_epochs if epochs is None else epochs)
        except KeyboardInterrupt:
            if self.verbose:
                console.say(f"Interrupted after {len(self.train_history_)} epochs; the net is kept.")
        for handler in self.handlers("on_training_finished"):
            handler(self, self.train_history_)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> NeuralNet:
        """Train for one epoch.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : array, optional
            All classes there will be, where y may be without some of them: with the first call, for
            `use_label_encoder`.
        """
        if classes is not None and not self.use_label_encoder:
            raise HandsonError("partial_fit(classes=...) is for use_label_encoder=True: classes are numbers without.")
        if self.use_label_encoder and (classes is not None or not hasattr(self, "enc_")):
            self._learn_classes(y if classes is None else classes)
        return self._fit(X, y, 1)

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:
        X = {name: unmasked(one) for name, one in X.items()} if isinstance(X, dict) else unmasked(X)
        y = unmasked(y)
        if count(X) != len(y):
            raise HandsonError(f"X has {count(X)} rows and y has {len(y)}.")
        if not self.regression and y.ndim == 1 and y.dtype.kind not in "iub":
            raise HandsonError(
                f"the classes are {y.dtype}: pass y.astype(np.int32), or use_label_encoder=True; or regression=True."
            )
        _check_type("X", X, self.X_tensor_type)
        _check_type("y", y, self.y_tensor_type)
        return X, y

    def _train(self, X: Any, y: Any, epochs: int) -> None:
        X_train, X_valid, y_train, y_valid = self.train_split(X, y, self)
        for handler in self.handlers("on_training_started"):
            handler(self, self.train_history_)
        watch = Watch(self, (X_train, y_train, X_valid, y_valid))
        held_out = gathered(self.batch_iterator_test, X_valid, y_valid) if len(y_valid) else None
        arguments: dict[str, Any] = {
            "epochs": epochs, "validation_data": held_out, "callbacks": [watch], "verbose": 0,
        }  # fmt: skip
        self._fit_model(X_train, y_train, arguments)

    def _fit_model(self, X: Any, y: Any, arguments: dict[str, Any]) -> None:
        """Train on rows as the iterator gives them: as they are, changed batch by batch, or as a stream of its own."""
        iterator = self.batch_iterator_train
        arguments["batch_size"] = getattr(iterator, "batch_size", 128)
        if transforms(iterator):
            augment = None if is_plain(iterator) else _Transform(iterator)
            self.model_.fit(X, y, augment=augment, shuffle=bool(iterator.shuffle), **arguments)
            return
        del arguments["batch_size"]
        self.model_.fit(lambda: iter(iterator(X, y)), **arguments)

    def handlers(self, moment: str) -> list[Any]:
        """The handlers of a moment, with those that `verbose` asks for."""
        given = list(getattr(self, moment) or [])
        if not self.verbose:
            return given
        if moment == "on_training_started" and not _has(given, PrintLayerInfo):
            return [PrintLayerInfo(), *given]
        if moment == "on_epoch_finished" and not _has(given, PrintLog):
            self._log_ = vars(self).get("_log_") or PrintLog()
            return [self._log_, *given]
        return given

    def valid_scores(self) -> list[Any]:
        """The scores of rows held out."""
        return [*(self.custom_scores or []), *(self.scores_valid or [])]

    def train_scores(self) -> list[Any]:
        """The scores of rows that train."""
        return list(self.scores_train or [])

    def score_names(self) -> list[str]:
        """The names of all scores."""
        return [name for name, _ in (*self.train_scores(), *self.valid_scores())]

    # Using.

    def predict_proba(self, X: Any) -> Any:
        """The outputs for some rows."""
        self.need_layers()
        iterator = self.batch_iterator_test
        inputs = X if isinstance(iterator, plain.Missing) else gathered(iterator, X)[0]
        return self.model_.predict(inputs, batch_size=getattr(iterator, "batch_size", 128), verbose=0)

    def predict(self, X: Any) -> Any:
        """The outputs, or for classes the most probable one."""
        found = self.predict_proba(X)
        if self.regression:
            return found
        best = np.argmax(found, axis=1)
        return self.enc_.inverse_transform(best) if self.use_label_encoder else best

    def score(self, X: Any, y: Any) -> float:
        """The share of classes that are right; for regression the mean squared error, as in nolearn."""
        measure = mean_squared_error if self.regression else accuracy_score
        return float(measure(y, self.predict(X)))

    def get_output(self, layer: Any, X: Any) -> Any:
        """The output of a layer, or of one by its name, for some rows."""
        self.need_layers()
        wanted = self.layers_[layer] if isinstance(layer, str) else layer
        entry = next(one for one in get_all_layers(wanted) if not one.input_layers)
        return function([entry.input_var], get_output(wanted, deterministic=True))(X)

    def get_all_layers(self) -> list[Any]:
        """The layers, in the order in which they are written."""
        self.need_layers()
        return list(self.layers_.values())

    def get_all_params(self, **tags: bool) -> list[Any]:
        """The parameters of all layers."""
        self.need_layers()
        return get_all_params(list(self.layers_.values()), **tags)

    def __reduce__(self) -> Any:
        return restored, (plain.encode({"params": self.get_params(), "fitted": self.fitted()}),)


def restored(data: dict[str, Any]) -> NeuralNet:
    """The net of what a pickle holds."""
    found = plain.decode(data)
    net = NeuralNet(**found["params"])
    net.take(found["fitted"])
    return net


def _check_type(what: str, given: Any, kind: Any) -> None:
    """Raise unless arrays have the axes of a Theano type; whole numbers are wanted where it says so."""
    if kind is None:
        return
    wanted = kind() if callable(kind) else kind
    for one in given.values() if isinstance(given, dict) else [given]:
        fits = one.dtype.kind in "iub" or wanted.dtype.startswith("float")
        if one.ndim != wanted.ndim or not fits:
            raise HandsonError(
                f"{what}_tensor_type says {wanted.ndim} axes, {wanted.dtype}; got {one.dtype} of shape {one.shape}."
            )


def _own_names() -> tuple[str, ...]:
    code: Any = NeuralNet.__init__.__code__
    return code.co_varnames[1 : code.co_argcount]


def _has(handlers: list[Any], kind: type) -> bool:
    return any(isinstance(one, kind) for one in handlers)


class _Transform:
    """`BatchIterator.transform`, in NumPy, as an augmentation of handson."""

    def __init__(self, iterator: Any) -> None:
        self.iterator = iterator

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        arrays = self.iterator.transform(as_array(inputs), as_array(targets))
        found = [
            torch.from_numpy(np.ascontiguousarray(array)).to(device=like.device, dtype=like.dtype)
            for array, like in zip(arrays, (inputs, targets), strict=True)
        ]
        return found[0], found[1]
