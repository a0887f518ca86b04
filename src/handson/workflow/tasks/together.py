"""What the nets of a sweep give together: an ensemble, predictions by folds, the specialists of a run.

Each is what it would be if the nets were trained in one process, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError
from handson.workflow.experiment import Experiment
from handson.workflow.run_files import kept_split
from handson.workflow.runs import Run, probabilities
from handson.workflow.tasks.folder import Sweep, Task
from handson.workflow.tasks.searches import FOLD, Search

if TYPE_CHECKING:
    from handson.data.reading.dataset import Dataset
    from handson.ensembles import Ensemble

ONLY = "specialists.only"
ENSEMBLE = "ensemble"


def save_ensemble(sweep: Sweep, tasks: Sequence[Task]) -> Path:
    """Save the nets of some tasks as one ensemble, in the folder of the sweep; where."""
    from handson.ensembles import Ensemble

    ensemble: Ensemble = Ensemble([task.run.net() for task in tasks])
    ensemble.histories = [task.run.history() for task in tasks]
    ensemble.save(sweep.folder / ENSEMBLE)
    return sweep.folder / ENSEMBLE


def of_specialists(run: Run) -> tuple[Experiment, Search]:
    """The experiment and the search whose tasks are the specialists of a run, one for each group of target columns.

    Raises
    ------
    HandsonError
        When the run is not trained, or its net takes no specialists.
    """
    from handson.ensembles.specialists import Specialists, find_groups

    settings, net = run.experiment.specialists, run.net()
    training, _ = run.split(run.read_data(), verbose=0)
    made: Any = Specialists(net, settings.groups, settings.output, training.target_names)  # type: ignore[arg-type]
    groups = made.groups
    if groups == "auto":
        groups = find_groups(np.asarray(training.targets, np.float64), training.target_names)
    base = run.experiment.model_copy(deep=True)
    base.specialists.groups, base.specialists.of = groups, os.path.abspath(run.folder)
    return base, Search(axes={ONLY: list(groups)})


def are_specialists(sweep: Sweep) -> bool:
    """Whether the tasks of a sweep are the specialists of a run."""
    return list(sweep.search.axes) == [ONLY]


def keep_specialists(sweep: Sweep) -> Path:
    """Put the specialists of a run together, once all are trained, and write them into its folder; where."""
    from handson.ensembles.specialists import Specialists

    settings = sweep.experiment.specialists
    parent = Run(str(settings.of))
    _, validation = parent.split(parent.read_data(), verbose=0)
    net: Any = parent.net()
    made, seconds = Specialists(net, settings.groups, settings.output), 0.0
    for task in sweep.tasks:
        name, report = task.overrides[ONLY], task.run.report()
        made.models[name], made.histories[name] = task.run.net(), task.run.history()  # type: ignore[assignment]
        seconds += 0.0 if report is None else report.seconds
    parent.keep_specialists(made, validation, seconds)
    return parent.folder / "specialists"


def held_out_predictions(tasks: Sequence[Task]) -> tuple[Run, Dataset, np.ndarray]:
    """For every row the prediction of the net that has not seen it, the mean over seeds.

    Parameters
    ----------
    tasks : sequence of Task
        Finished tasks, one for each fold, or one for each fold and seed.

    Returns
    -------
    (Run, Dataset, ndarray)
        A run, for the names of columns; all rows; and the predictions.

    Raises
    ------
    HandsonError
        When the tasks are no folds, or when some are missing.
    """
    if not tasks or not all(FOLD in task.overrides for task in tasks):
        raise HandsonError("only folds hold out every row once: handson sweep EXPERIMENT --folds 5.")
    run = tasks[0].run
    data = run.read_data()
    total, times = None, np.zeros(len(data))
    for task in tasks:
        net, rows = task.run.net(), kept_split(task.folder / "split.npz")[1]
        predicted = probabilities(net, net.predict(data.rows(rows).inputs))
        total = np.zeros((len(data), *predicted.shape[1:])) if total is None else total
        np.add.at(total, rows, predicted)
        np.add.at(times, rows, 1)
    if total is None or not (times == times[0]).all() or not times[0]:
        raise HandsonError(f"{int((times == times.min()).sum())} rows are in no fold that is finished: see its status.")
    return run, data, (total / times.reshape(-1, *[1] * (total.ndim - 1))).astype(predicted.dtype)
