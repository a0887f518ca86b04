"""The commands as one of several processes, that torchrun or Slurm has started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from handson.core.errors import HandsonError
from handson.parallel.launch import check_devices, launched

if TYPE_CHECKING:
    from handson.workflow.experiment import Experiment
    from handson.workflow.runs import Run


class Group(NamedTuple):
    """The place of this process.

    Attributes
    ----------
    size : int or None
        How many workers train together; None for an ordinary training.
    follows : bool
        Whether another process has the run folder, and decides.
    again : bool
        Whether the launcher has started the processes once more, after one of them had died.
    """

    size: int | None
    follows: bool = False
    again: bool = False


def group(devices: int | None, experiment: Experiment) -> Group:
    """The place of this process; how batches are cut becomes part of the experiment.

    Raises
    ------
    HandsonError
        When another number of processes was launched than asked for.
    """
    launch = launched()
    size = check_devices(devices, launch)
    if devices is None and size == 1:
        return Group(None)
    if experiment.fit.exact and experiment.fit.shards is None:
        from handson.training.preparation.arguments import SHARDS

        experiment.fit.shards = SHARDS
    if launch is None or launch.size == 1:
        return Group(size)
    restarts = (os.environ.get(name, "0") for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"))
    return Group(size, launch.rank > 0, any(count not in ("", "0") for count in restarts))


def run_of(experiment: Experiment, parent: Path, workers: Group) -> Run:
    """A new run folder, or that of the processes that were started before these and did not come to the end."""
    from handson.workflow.runs import Run

    found = _begun(experiment, parent) if workers.again else None
    return Run.create(experiment, parent) if found is None else found


def _begun(experiment: Experiment, parent: Path) -> Run | None:
    """The newest run of an experiment that is not finished."""
    from handson.workflow.runs import Run

    for path in sorted(parent.glob(f"{experiment.name}*/experiment.yaml"), key=os.path.getmtime, reverse=True):
        try:
            run = Run(path.parent)
        except (HandsonError, OSError):
            continue
        if run.experiment.fit == experiment.fit and run.experiment.model == experiment.model and not run.finished:
            return run
    return None
