"""Specialists: one net for each group of target columns, each started from a net trained on all of them.

It is the second half of the fourth lecture's flow. Every specialist takes the trained net's layers, gets an output
layer for its own columns, and is fine-tuned on the rows that have these columns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, model_validator

from handson import optimizers
from handson.callbacks import EarlyStopping
from handson.core import console, registry
from handson.core.errors import HandsonError, listing, nearest
from handson.data.augment import Augment
from handson.data.reading import keypoints as points
from handson.data.rows import arrays
from handson.data.rows.scaling import Scaling
from handson.data.rows.split import split
from handson.ensembles.together import Training, train_together
from handson.files.description import describe_compiled
from handson.files.folders import load_net, read_index, save_nets
from handson.layers import Dense
from handson.models import Sequential
from handson.randomness.keys import derive
from handson.state.history import History

Groups = dict[str, list[str]]
# All inputs, which of their rows are meant, and the targets of those.
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
INDEX = "specialists.json"
TRAINED = "trained"
FILE_NAME = re.compile(r"\w[\w .+-]*")

# Columns that are missing in the same rows, but for this share of them, belong to one group.
SAME_ROWS = 0.05


def find_groups(targets: np.ndarray, names: Sequence[str]) -> Groups:
    """Groups of target columns that are present in the same rows: where the labels come from several sources.

    Parameters
    ----------
    targets : ndarray, shape (n, columns)
        NaN where missing.
    names : sequence of str
        The columns.

    Examples
    --------
    >>> find_groups(np.array([[1, 1, np.nan], [1, 1, np.nan], [1, 1, 1]]), ["a", "b", "c"])
    {'group_1': ['a', 'b'], 'group_2': ['c']}
    """
    present = ~np.isnan(targets)
    groups: list[list[int]] = []
    for column in range(targets.shape[1]):
        home = next((g for g in groups if (present[:, g[0]] != present[:, column]).mean() <= SAME_ROWS), None)
        if home is None:
            groups.append([column])
        else:
            home.append(column)
    return {f"group_{number + 1}": [names[column] for column in group] for number, group in enumerate(groups)}


# What losses of classes want.
CLASSES = ("labels", "distribution")


class Specialists:
    """One net for each group of target columns.

    Parameters
    ----------
    model : Sequential
        A trained net with one output for each target column; its last layer is a `Dense`.
    groups : dict of str to list of str, or 'auto'
        The columns of each specialist, by name. 'auto': found from which targets are missing together.
    output : {'trained', 'new'}
        What the new output layer starts from: the trained net's weights of these columns, or fresh ones.
    columns : sequence of str, optional
        The names of all target columns; by default those that the net was trained with.

    Attributes
    ----------
    models : dict of str to Sequential
        The nets, after `fit`.
    histories : dict of str to History
        Their trainings.

    Examples
    --------
    >>> import pandas as pd
    >>> x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    >>> y = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]})
    >>> net = Sequential([Dense(8, activation="relu"), Dense(3)], seed=0)
    >>> net.compile("adam", "mse", metrics=["rmse"])
    >>> _ = net.fit(x, y, epochs=2, verbose=0)
    >>> specialists = Specialists(net, groups={"first": ["a"], "others": ["b", "c"]})
    >>> _ = specialists.fit(x, y, epochs=2, validation_split=0.25, verbose=0)
    >>> specialists.predict(x).shape
    (60, 3)
    """

    def __init__(
        self, model: Sequential, groups: Any = "auto", output: str = "trained", columns: Sequence[str] | None = None
    ) -> None:
        if output not in ("trained", "new"):
            raise HandsonError(f"Specialists: output is 'trained' or 'new'; got {output!r}.")
        if not isinstance(model, Sequential):
            raise HandsonError(
                f"Specialists are made of a Sequential that ends in a Dense; got a {type(model).__name__}."
            )
        if not model.output_shape:
            raise HandsonError("Specialists: the net is not built yet; train it on all target columns first.")
        losses = [term.loss for term in model.terms if term.loss is not None] if model.compiled else []
        classes = [loss.name for loss in losses if loss.targets in CLASSES]
        if classes:
            raise HandsonError(
                f"Specialists share the target columns of a regression; this net tells classes apart by "
                f"{classes[0]!r}, whose outputs belong together. For classes train an Ensemble."
            )
        outputs = model.output_shape[-1] or 0
        names = list(columns or model.target_names or [f"target_{number}" for number in range(outputs)])
        if len(names) != outputs:
            raise HandsonError(f"Specialists: the net has {outputs} outputs, and {len(names)} columns are named.")
        self.model, self.output, self.columns = model, output, names
        self.groups: Any = groups if groups == "auto" else _check_groups(groups, names)
        self.models: dict[str, Sequential] = {}
        self.histories: dict[str, History] = {}

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int = 100,
        batch_size: int | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        groups: Any = None,
        augment: Augment | None = None,
        patience: int | None = 20,
        optimizer: Any = None,
        seed: int | None = None,
        verbose: Any = "auto",
        on_group: Callable[[str, int], None] | None = None,
        workers: int | None = None,
        only: str | None = None,
        run: Any = None,
        resume: str = "auto",
        checkpoint_seconds: float = 300.0,
    ) -> Specialists:
        """Fine-tune a specialist for each group, on the rows that have all of its columns.

        Specialists that have a compiled program (`engine='dense'`) train beside one another, others take turns, as the
        members of an `Ensemble`.

        Parameters
        ----------
        x, y : array
            As for the trained net: all rows and all target columns, NaN where missing. The columns of a DataFrame may
            be in any order.
        epochs, batch_size, verbose
            As in `Model.fit`.
        validation_split : float
            The share of rows to validate on. With the seed and groups that the trained net was given, these are the
            rows that it has not seen.
        validation_data : (x, y), optional
            Rows to validate on.
        groups : array, optional
            Rows of one group stay together in the split.
        augment : Augment, optional
            Each specialist gets the keypoints and swaps of its columns. Flips are turned off for one whose columns have
            no partners on the other side.
        patience : int, optional
            Epochs without a better validation loss after which a specialist stops; its best weights are kept.
        optimizer : str or Optimizer, optional
            By default the trained net's, afresh.
        seed : int, optional
            By default the trained net's.
        on_group : function of (name, rows), optional
            Called before each specialist is trained.
        workers : int, optional
            How many specialists train at a time where they can; by default one for each core.
        only : str, optional
            The one specialist to train; `predict` takes the others' columns from the trained net.
        run, resume, checkpoint_seconds
            As in `Model.fit`, with `only`: its training is recorded, and can be resumed.

        Returns
        -------
        Specialists
            Itself.
        """
        if run is not None and only is None:
            raise HandsonError("Specialists.fit: a run folder is for one training: say which, only=...")
        inputs, targets = self._inputs(x), self._targets(y)
        if self.groups == "auto":
            self.groups = find_groups(targets, self.columns)
        if only is not None and only not in self.groups:
            known = listing(list(self.groups))
            raise HandsonError(f"there is no group {only!r}.{nearest(only, self.groups)} Groups: {known}.")
        seed = (self.model.seed or 0) if seed is None else seed
        parts = [(inputs, targets)]
        if validation_data is not None:
            parts.append((self._inputs(validation_data[0]), self._targets(validation_data[1])))
        elif validation_split:
            rows = split(len(inputs), validation_split, seed, None, groups)
            parts = [(inputs[rows.train], targets[rows.train]), (inputs[rows.validation], targets[rows.validation])]
        turns = []
        for name, columns in self.groups.items():
            if only not in (None, name):
                continue
            net = self.specialist(columns, optimizer, derive(seed, "specialist", name) >> 1)
            places = [self.columns.index(column) for column in columns]
            turn = _Turn(name, net, columns, [_rows_with(part, places, name) for part in parts], on_group)
            stopping = EarlyStopping(patience=epochs if patience is None else patience, restore_best_weights=True)
            settings = {
                "epochs": epochs,
                "batch_size": batch_size,
                "augment": _restricted(augment, columns, self.columns),
                "callbacks": [stopping],
            } | ({} if run is None else {"run": run, "resume": resume, "checkpoint_seconds": checkpoint_seconds})
            turns.append((Training(net, name, inputs, turn.data, settings, announced=on_group is not None), turn))
        train_together([training for training, _ in turns], verbose, workers)
        for training, turn in turns:
            if turn.goes_back(training.callbacks[0]) and verbose:
                console.say(f"specialist {turn.name}: no epoch was better than the net it started from, which is kept.")
            self.models[turn.name], self.histories[turn.name] = turn.net, training.history
        return self

    def _targets(self, y: Any) -> np.ndarray:
        """Targets of all columns, in the order of the trained net: those of a DataFrame go by their names."""
        names = arrays.columns_of(y)
        if names is not None and names != self.columns and sorted(names) == sorted(self.columns):
            y = y.to_numpy()[:, [names.index(column) for column in self.columns]]
        targets = np.asarray(arrays.as_rows(y, "targets", double=True).to(torch.float64))
        if targets.ndim != 2 or targets.shape[1] != len(self.columns):
            raise HandsonError(
                f"Specialists: targets have shape {targets.shape}; expected {len(self.columns)} columns."
            )
        return targets

    def specialist(self, columns: Sequence[str], optimizer: Any = None, seed: int = 0) -> Sequential:
        """A net for some of the columns: the trained net's layers and an output layer of its own, compiled."""
        config = self.model.get_config()
        last = config["layers"][-1]
        if last["class"] != "Dense":
            raise HandsonError(f"Specialists: the net's last layer must be a Dense; it is a {last['class']}.")
        positions = [self.columns.index(column) for column in columns]
        last["config"] = last["config"] | {"units": len(columns), "name": f"{last['config']['name']}_specialist"}
        net = Sequential.from_config(config)
        net.seed = seed
        net.build(self.model.built_shape or ())
        trained = {layer.name: layer for layer in self.model.layers}
        for layer in net.layers[:-1]:
            layer.set_weights(trained[layer.name].get_weights())
        if self.output == "trained":
            source: Dense = self.model.layers[-1]
            net.layers[-1].set_weights([weight[..., positions] for weight in source.get_weights()])
        self._compile(net, positions, optimizer)
        return net

    def _compile(self, net: Sequential, positions: list[int], optimizer: Any) -> None:
        compiled = describe_compiled(self.model)
        if compiled is None:
            raise HandsonError("Specialists: the net is not compiled; specialists are trained like it.")
        if optimizer is not None:
            # A configuration, so that every specialist gets an optimizer of its own.
            compiled["optimizer"] = registry.to_config("optimizer", optimizers.get(optimizer))
        if not any(metric.name in ("rmse", "root_mean_squared_error") for metric in self.model.metrics):
            compiled["metrics"] = [*(compiled["metrics"] or []), "rmse"]
        net.compile(**compiled)
        net.input_scaling = self.model.input_scaling
        scaling = self.model.target_scaling
        if scaling is not None:
            parts = [part[positions] if part.dim() else part for part in (scaling.shift, scaling.scale)]
            net.target_scaling = Scaling(*parts)

    def _inputs(self, x: Any) -> np.ndarray:
        return np.asarray(arrays.as_rows(arrays.by_name(x, self.model.input_columns, "inputs"), "inputs", double=True))

    def _need_fitted(self) -> None:
        if not self.models:
            raise HandsonError("the specialists are not trained yet: call fit first.")

    def predict(self, x: Any, batch_size: int | None = None) -> np.ndarray:
        """Predictions of all specialists put together; columns without a specialist come from the trained net.

        Returns
        -------
        ndarray, shape (n, all columns)
        """
        self._need_fitted()
        x = arrays.by_name(x, self.model.input_columns, "inputs")
        together = self.model.predict(x, batch_size)
        for name, net in self.models.items():
            together[:, [self.columns.index(column) for column in self.groups[name]]] = net.predict(x, batch_size)
        return together

    def curves(self) -> dict[str, tuple[list[float], list[float]]]:
        """The root mean square errors of each specialist by epoch: on its training and on its validation rows."""
        self._need_fitted()
        found = {}
        for name, history in self.histories.items():
            metric = "rmse" if "rmse" in history.history else "root_mean_squared_error"
            training = history.history[metric]
            found[name] = (training, history.history.get(f"val_{metric}", training))
        return found

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save all nets into a folder: one model file each, and an index."""
        self._need_fitted()
        index = {
            "columns": self.columns,
            "groups": self.groups,
            "output": self.output,
            "histories": {name: history.history for name, history in self.histories.items()},
        }
        save_nets(folder, {TRAINED: self.model, **self.models}, INDEX, index)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Specialists:
        """The specialists saved in a folder."""
        index = read_index(folder, INDEX, Index, "are no specialists")
        found = cls(load_net(folder, TRAINED), index.groups, index.output, index.columns)
        for name in found.groups:
            found.models[name] = load_net(folder, name)
            found.histories[name] = _history(index.histories.get(name, {}))
        return found


@dataclass
class _Turn:
    """What one specialist needs when its turn comes, and what it started from."""

    name: str
    net: Sequential
    columns: Sequence[str]
    parts: list[Rows]
    on_group: Callable[[str, int], None] | None
    start: tuple[float, list[np.ndarray]] | None = None

    def data(self) -> dict[str, Any]:
        """The rows that have all of its columns: to train on, and to validate on."""
        (x, y), *others = (_picked(part, self.columns) for part in self.parts)
        if self.on_group is not None:
            self.on_group(self.name, len(x))
        if not others:
            return {"x": x, "y": y}
        (held_out,) = others
        self.start = self.net.evaluate(*held_out, return_dict=True)["loss"], self.net.get_weights()
        return {"x": x, "y": y, "validation_data": held_out}

    def goes_back(self, stopping: Any) -> bool:
        """Give the net the weights it started from if no epoch was better; whether that was so."""
        if self.start is None or stopping.best is None or self.start[0] >= stopping.best:
            return False
        self.net.set_weights(self.start[1])
        return True


class Index(BaseModel):
    """What is in the index of a folder of specialists."""

    columns: list[str]
    groups: dict[str, list[str]]
    output: str
    histories: dict[str, dict[str, list[float | None]]]

    @model_validator(mode="after")
    def check_lengths(self) -> Index:
        """In one history every quantity has as many values."""
        if any(len({len(values) for values in history.values()}) > 1 for history in self.histories.values()):
            raise ValueError("the quantities of a history have values for different numbers of epochs")
        return self


def _history(values: dict[str, list[float | None]]) -> History:
    history = History()
    nan = float("nan")
    history.history = {name: [nan if value is None else value for value in each] for name, each in values.items()}
    history.epoch = list(range(max(map(len, values.values()), default=0)))
    return history


def _check_groups(groups: Any, names: Sequence[str]) -> Groups:
    if not isinstance(groups, Mapping) or not groups:
        raise HandsonError(f"Specialists: groups is 'auto' or a dictionary of names to columns; got {groups!r}.")
    home: dict[str, str] = {}
    for group, columns in groups.items():
        _check_group_name(str(group), groups)
        if isinstance(columns, str) or not list(columns):
            raise HandsonError(f"Specialists: group {group!r} is a list of at least one target; got {columns!r}.")
        for column in columns:
            if column not in names:
                raise HandsonError(
                    f"Specialists: group {group!r} names the column {column!r}, which is not a target."
                    f"{nearest(column, names)} Targets: {listing(names, 40)}."
                )
            if column in home:
                raise HandsonError(
                    f"Specialists: the column {column!r} is in group {group!r} and in group {home[column]!r}; which of "
                    f"the two is to predict it? Leave it out of one."
                )
            home[column] = group
    return {str(group): list(columns) for group, columns in groups.items()}


def _check_group_name(name: str, groups: Mapping[str, Any]) -> None:
    """Names of groups become names of files, on systems too that take capitals for small letters."""
    alike = [other for other in map(str, groups) if other.casefold() == name.casefold()]
    if not FILE_NAME.fullmatch(name) or name.casefold() == TRAINED or len(alike) > 1:
        raise HandsonError(
            f"Specialists: the group {name!r} needs another name, since a file is named after it: letters, digits, "
            f"spaces and '_.+-', different from {TRAINED!r} and from the other groups in more than capitals."
        )


def _rows_with(part: tuple[np.ndarray, np.ndarray], positions: list[int], group: str) -> Rows:
    """All inputs, which of their rows have all columns of a group, and these columns of those rows."""
    inputs, targets = part
    wanted = targets[:, positions]
    complete = np.isfinite(wanted).all(1)
    if not complete.any():
        raise HandsonError(f"Specialists: no row has all columns of the group {group!r}.")
    return inputs, complete, wanted[complete]


def _picked(rows: Rows, columns: Sequence[str]) -> tuple[np.ndarray, Any]:
    """Inputs and targets, with the names of these."""
    import pandas as pd

    inputs, complete, targets = rows
    return inputs[complete], pd.DataFrame(targets, columns=list(columns))


def _restricted(augment: Augment | None, columns: Sequence[str], everything: Sequence[str]) -> Augment | None:
    """The augmentation for some of all columns: their keypoints and swaps, and no mirror images of one side alone."""
    if augment is None:
        return None
    config, divided = augment.get_config(), bool(points.unmatched(columns))
    if isinstance(augment.keypoints, Sequence) and not isinstance(augment.keypoints, str):
        pairs = points.positions(augment.keypoints, everything, "Augment: keypoints")
        config["keypoints"], halves = _inside(pairs, columns, everything)
        if halves:
            raise HandsonError(f"Specialists: a group has {halves[0]!r} and not the other coordinate of its keypoint.")
    if augment.swaps is not None:
        pairs = points.positions(augment.swaps, everything, "Augment: swaps")
        config["swaps"], halves = _inside(pairs, columns, everything)
        divided = bool(halves)
    if divided:
        config |= {"horizontal_flip": 0.0, "vertical_flip": 0.0}
    return type(augment)(**config)


def _inside(pairs: points.Pairs, columns: Sequence[str], everything: Sequence[str]) -> tuple[points.Pairs, list[str]]:
    """The pairs among some of all columns, as positions there, and the columns that are there without their partner."""
    place = {everything.index(column): position for position, column in enumerate(columns)}
    inside = [(place[first], place[second]) for first, second in pairs if first in place and second in place]
    divided = [pair for pair in pairs if (pair[0] in place) != (pair[1] in place)]
    return inside, [everything[column] for pair in divided for column in pair if column in place]
