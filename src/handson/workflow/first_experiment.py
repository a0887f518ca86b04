"""The experiment to begin with: a net sized to some data, that is known to learn on data of usual kinds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.sources import kind_of, read
from handson.estimators import sized
from handson.layers import Dense
from handson.models import Sequential
from handson.workflow.experiment import Experiment, folder_name

if TYPE_CHECKING:
    from handson.data.reading.dataset import Dataset

# The share of rows that validate.
VALIDATION = 0.2


def first_experiment(name: str, path: Path, reading: dict[str, Any]) -> tuple[Experiment, Dataset]:
    """An experiment with a net for some data, and the data.

    The net and its training are those of the estimators' default, see `handson.estimators.sized`. Of a text table all
    columns of words are categories.

    Parameters
    ----------
    name : str
        The name of the experiment, which becomes that of a folder.
    path : Path
        The data.
    reading : dict
        Arguments of `handson.data.read`: what the targets are, and what else has to be said.

    Raises
    ------
    HandsonError
        For data without targets, and those that cannot be read.
    """
    given = {key: value for key, value in reading.items() if value is not None}
    if kind_of(path) == "a text table":
        given.setdefault("categories", "auto")
    data = read(path, **given)
    if data.targets is None or not data.targets.size:
        raise HandsonError(f"{path}: say what is to be predicted, --targets NAME.")
    if not any("=" in input_name for input_name in data.input_names):
        given.pop("categories", None)
    net = _net(folder_name(name), data)
    rows = _training_rows(data)
    batch = sized.batch_size(rows)
    fit = {"epochs": sized.epochs(rows, batch), "batch_size": batch}
    sections = {"data": {"path": str(path), **given}, "split": {"validation": VALIDATION}, "fit": fit}
    return Experiment.from_model(net, **sections), data


def _training_rows(data: Dataset) -> int:
    return max(1, int(len(data) * (1 - VALIDATION)))


def _net(name: str, data: Dataset) -> Sequential:
    """The compiled net: hidden layers by the number and shape of the rows, an output by the targets."""
    rows, shape = _training_rows(data), tuple(data.inputs.shape[1:])
    layers = sized.hidden_layers(rows, shape)
    pixels = data.kind == "images" and data.inputs.dtype == np.uint8
    scale_inputs: Any = (0, 255) if pixels else "standard"
    if data.classes is not None:
        head, loss, metric, scale_targets = len(data.classes), "sparse_categorical_crossentropy", "accuracy", None
    else:
        head, loss, metric, scale_targets = np.asarray(data.targets).shape[1], "mse", "mae", "standard"
    net = Sequential([*layers, Dense(head, activation="softmax" if data.classes else None)], name=name)
    net.compile(sized.optimizer(rows), loss, metrics=[metric], scale_inputs=scale_inputs, scale_targets=scale_targets)
    return net
