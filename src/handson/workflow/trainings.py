"""What an experiment trains: its rows divided, its net fitted; with a run folder or without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handson.core.errors import HandsonError
from handson.data.reading.dataset import Dataset
from handson.data.rows.split import Split
from handson.workflow.experiment import Experiment

if TYPE_CHECKING:
    from handson.ensembles.specialists import Specialists
    from handson.models import Model
    from handson.state.history import History


def rooted(experiment: Experiment) -> Experiment:
    """A copy of an experiment with the paths of its data from the root."""
    kept = experiment.model_copy(deep=True)
    if kept.data.path:
        kept.data.path = os.path.abspath(kept.data.path)
    if isinstance(kept.data.targets, str) and kept.data.targets.endswith(".npy"):
        kept.data.targets = os.path.abspath(kept.data.targets)
    if kept.data.groups and kept.data.groups.endswith((".npy", ".npz")):
        kept.data.groups = os.path.abspath(kept.data.groups)
    if kept.specialists.of:
        kept.specialists.of = os.path.abspath(kept.specialists.of)
    return kept


def train(experiment: Experiment, training: Dataset, validation: Dataset | None, **how: Any) -> tuple[Model, History]:
    """Train the net of an experiment on some rows; `how` are further arguments of `Model.fit`."""
    from handson.core import registry

    net = experiment.build()
    # Rows that stay in their file are no DataFrame, which would bring the names along.
    net.input_columns = training.input_names if training.inputs.ndim == 2 and training.input_names else None
    settings = experiment.fit.model_dump()
    x, y = training.arrays()
    configs = settings.pop("callbacks")
    if settings.pop("tensorboard") and "run" in how:
        configs = [*configs, experiment.fit.event_files(os.fspath(Path(how["run"]) / "tensorboard"))]
    history = net.fit(
        x,
        y,
        validation_data=None if validation is None else validation.arrays(),
        augment=experiment.build_augment(),
        callbacks=[registry.resolve("callback", config) for config in configs],
        **settings,
        **how,
    )
    return net, history


def follow(experiment: Experiment, data: Dataset, **how: Any) -> None:
    """Train the net of an experiment as one of several workers, of which worker 0 has the run folder.

    Parameters
    ----------
    experiment, data
        Those of worker 0.
    **how
        What `fit` is told of the workers: `devices`; or `run` and ``resume="join"``.
    """
    if experiment.specialists.of is not None:
        raise HandsonError("a specialist is trained by one process: leave --devices and torchrun out.")
    parts = split_for(experiment, data) if experiment.split.holds_out else None
    training = data if parts is None else data.rows(parts.train)
    train(experiment, training, None if parts is None else data.rows(parts.validation), verbose=0, **how)


def split_for(experiment: Experiment, data: Dataset) -> Split:
    """How an experiment splits a data set."""
    seed = experiment.fit.seed if experiment.split.seed is None else experiment.split.seed
    if experiment.split.folds is not None:
        return data.fold_rows(experiment.split.fold, experiment.split.folds, seed)
    return data.split_rows(experiment.split.validation, seed)


def train_specialists(
    net: Any, experiment: Experiment, training: Dataset, validation: Dataset | None, **how: Any
) -> Specialists:
    """Train specialists of a net on some rows with all target columns; `how` are further arguments of their `fit`."""
    from handson.core import registry
    from handson.ensembles.specialists import Specialists

    settings = experiment.specialists
    return Specialists(net, settings.groups, settings.output, training.target_names).fit(
        training.inputs,
        training.targets,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        validation_data=None if validation is None else (validation.inputs, validation.targets),
        augment=experiment.build_augment(),
        patience=settings.patience,
        optimizer=None if settings.optimizer is None else registry.resolve("optimizer", settings.optimizer),
        **how,
    )
