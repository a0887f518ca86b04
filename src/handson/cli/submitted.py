"""What the commands do with single runs: on a cluster, and where they stand."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from handson.core import console
from handson.core.errors import HandsonError, nearest
from handson.workflow.executors import slurm
from handson.workflow.executors.script import Job, script
from handson.workflow.run_states import run_standing
from handson.workflow.runs import Run
from handson.workflow.tasks.folder import Sweep, is_sweep

if TYPE_CHECKING:
    from handson.workflow.executors.site import Site
    from handson.workflow.experiment import Experiment

SCRIPT, LOG = "job.sh", "log.txt"


def submit_run(experiment: Experiment, place: Path, site: Site, devices: int, dry_run: bool) -> None:
    """Show the script for one run, and submit it. `place`: the folder of a run, or that of all runs."""
    is_run = (place / "experiment.yaml").is_file()
    if is_run and Run(place).finished:
        raise HandsonError(f"{place} is finished; there is nothing to submit.")
    folder = place if is_run else Run.free_place(experiment, place)
    where, name = folder.absolute(), slurm.run_name(folder)
    more = ["--devices", str(devices)] if devices > 1 else []
    job = Job(name, ["resume", str(where), *more], where / LOG, where / SCRIPT, devices=devices)
    console.say(script(site, job).rstrip())
    if dry_run:
        return
    if is_run and (there := slurm.jobs_by_name().get(name)):
        raise HandsonError(f"{folder} is in the queue: job {there[0]} is {there[1]}. See handson status {folder}.")
    if not is_run:
        Run.create(experiment, place)
    try:
        number = slurm.submit(site, job)
    except HandsonError:
        if not is_run:  # the next call begins anew, under the same name
            shutil.rmtree(folder)
        raise
    console.say(f"\nsubmitted: {number}. Run folder: {folder}; its log: {folder / LOG}")


def cancel(folder: Path) -> list[str]:
    """Cancel the jobs of a sweep, or that of a run; their numbers."""
    if is_sweep(folder):
        return slurm.cancel(Sweep(folder))
    there = slurm.jobs_by_name().get(slurm.run_name(folder)) if (folder / SCRIPT).is_file() else None
    if there is None:
        return []
    slurm.call("scancel", there[0])
    return [there[0]]


def show_runs(folders: Iterable[Path]) -> None:
    """Print where runs stand; the scheduler is asked once, if a job was ever submitted."""
    runs = list(folders)
    jobs = None
    if any((folder / SCRIPT).is_file() for folder in runs) and slurm.available():
        try:
            jobs = slurm.jobs_by_name()
        except HandsonError as error:
            console.warn(f"{error} What follows is from the files alone.")
    for folder in runs:
        _show_run(folder, jobs)


def _show_run(folder: Path, jobs: dict[str, tuple[str, str, str]] | None) -> None:
    submitted = (folder / SCRIPT).is_file()
    there = (jobs or {}).get(slurm.run_name(folder)) if submitted else None
    queued = None if there is None else (there[1], f"job {there[0]}, {there[2]}")
    stands = run_standing(folder, Run(folder).finished, queued, submitted and jobs is not None)
    step = f", step {stands.step}" * bool(stands.step and stands.state != "finished")
    console.say(f"{folder}: {stands.state}{step}" + (f": {stands.reason}" if stands.reason else ""))
    if stands.state in ("stopped", "lost", "failed"):
        again = "submit" if submitted else "resume"
        console.say(f"to go on: handson {again} {folder}")


def found(name: Path, runs: Path) -> Path:
    """The folder of a run or a sweep, or the run of a name.

    Raises
    ------
    FileNotFoundError
        When there is neither; the nearest name is given.
    """
    places = [name] if len(name.parts) > 1 else [name, runs / name]
    there = next((place for place in places if is_sweep(place) or (place / "experiment.yaml").is_file()), None)
    if there is None:
        others = [entry.name for entry in everything([places[-1].parent])]
        raise FileNotFoundError(f"there is no run and no sweep in {places[-1]}.{nearest(name.name, others)}")
    return there


def everything(places: Iterable[Path]) -> list[Path]:
    """The folders of runs and sweeps in some folders, by their names."""
    entries = [entry for place in places if place.is_dir() for entry in sorted(place.iterdir())]
    return [entry for entry in entries if is_sweep(entry) or (entry / "experiment.yaml").is_file()]
