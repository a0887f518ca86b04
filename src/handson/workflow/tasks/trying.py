"""Before a sweep begins: the net of every task is built, and compared with the data.

What cannot be trained is found now, and not hours later in a job. Nets that differ in nothing but numbers that no shape
depends on, such as seeds and rates, are built once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError
from handson.data.reading.dataset import Dataset
from handson.workflow.experiment import Experiment
from handson.workflow.tasks.overrides import shown
from handson.workflow.trainings import split_for

# So many rows a net is tried on.
ROWS = 16


def try_all(experiments: Sequence[Experiment], changes: Sequence[Mapping[str, Any]]) -> None:
    """Build the net of each experiment and compare it with its data.

    Parameters
    ----------
    experiments : sequence of Experiment
        The experiments of the tasks.
    changes : sequence of dict
        What each changes, for the message.

    Raises
    ------
    HandsonError
        For the first that cannot be trained: its overrides, and why.
    """
    built: set[str] = set()
    compared: set[str] = set()
    rows: dict[str, Dataset] = {}
    for experiment, each in zip(experiments, changes, strict=True):
        compiled = experiment.compile.model_dump()
        optimizer, data = repr(compiled.pop("optimizer")), repr((experiment.data, experiment.split.folds))
        shapes = data + repr((experiment.model, compiled))
        try:
            if data not in rows:
                rows[data] = _few(experiment)
            if shapes + optimizer not in built:
                net = experiment.build()
            if shapes not in compared:
                _compare(net, rows[data])
        except HandsonError as error:
            raise HandsonError(f"{shown(each)}: {error}" if each else str(error)) from None
        built.add(shapes + optimizer)
        compared.add(shapes)


def _few(experiment: Experiment) -> Dataset:
    """Some rows of an experiment that have targets, spread over all of them; how it splits them is tried, too."""
    data = experiment.read_data()
    if data.targets is None:
        raise HandsonError(f"{data.source} has no targets to train on: say data: {{targets: ...}}.")
    if experiment.split.holds_out:
        split_for(experiment, data)
    targets = np.asarray(data.targets).reshape(len(data), -1)
    present = pd.notna(targets).any(1)
    places = np.flatnonzero(present) if present.any() else np.arange(len(data))
    chosen = places[np.unique(np.linspace(0, len(places) - 1, ROWS).astype(int))]
    if data.classes is not None or targets.dtype.kind in "iu":
        chosen = np.union1d(chosen, [int(targets.max(1).argmax())])  # of the last class
    return data.rows(chosen)


def _compare(net: Any, data: Dataset) -> None:
    from handson.training.preparation.prepare import prepare_rows

    net.input_columns = data.input_names if data.inputs.ndim == 2 and data.input_names else None
    prepare_rows(net, *data.arrays())
