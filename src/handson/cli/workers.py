"""The commands as one of several processes, that torchrun or Slurm has started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from handson.core.errors import HandsonError
from handson.parallel.launch import check_devices, launch_name, launched

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
    launch : str or None
        The name of the launch, which may also start processes once more because nodes have come or gone.
    """

    size: int | None
    follows: bool = False
    again: bool = False
    launch: str | None = None


def group(devices: int | None, experiment: Experiment) -> Group:
    """The place of this process; how batches are cut becomes part of the experiment.

    Raises
    ------
    HandsonError
        When another number of processes was launched than asked for.
    """
    launch = launched()
    size = check_devices(devices, launch)
    # One process of torchrun may be what is left of several, or become several.
    by_torchrun = launch is not None and launch.by == "torchrun"
    if devices is None and size == 1 and not by_torchrun:
        return Group(None)
    if experiment.fit.exact and experiment.fit.shards is None:
        from handson.training.preparation.arguments import SHARDS

        experiment.fit.shards = SHARDS
    if launch is None or (launch.size == 1 and not by_torchrun):
        return Group(size)
    restarts = (os.environ.get(name, "0") for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"))
    return Group(size, launch.rank > 0, any(count not in ("", "0") for count in restarts), launch_name())


def run_of(experiment: Experiment, parent: Path, workers: Group) -> Run:
    """A new run folder, or that of the processes that were started before these and did not come to the end."""
    from handson.workflow.runs import Run

    found = _begun(experiment, parent, workers)
    return Run.create(experiment, parent) if found is None else found


def _begun(experiment: Experiment, parent: Path, workers: Group) -> Run | None:
    """The newest run of an experiment that the same launcher has begun, and that is not finished."""
    if not workers.again and workers.launch is None:
        return None
    from handson.training.recording.environment import launches
    from handson.training.recording.record import STARTS
    from handson.workflow.runs import Run

    for path in sorted(parent.glob(f"{experiment.name}*/experiment.yaml"), key=os.path.getmtime, reverse=True):
        try:
            run = Run(path.parent)
        except (HandsonError, OSError):
            continue
        same = run.experiment.fit == experiment.fit and run.experiment.model == experiment.model
        if same and not run.finished and (workers.again or workers.launch in launches(run.folder / STARTS)):
            return run
    return None
