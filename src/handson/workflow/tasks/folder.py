"""The folder of a sweep: what it looks for, and a run folder for each task.

A sweep folder holds sweep.json (the search, and by what is compared), base.yaml (the experiment without overrides), a
file in rounds/ for each round of the search, and folders 0000, 0001, ...: run folders like any other, with task.json
(the overrides) and the folder attempts beside what a run has. Every file is written by one process at a time, and
appears whole or not at all. A round is written down before its tasks are made: whoever was killed between them, the
next one makes the same tasks.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from handson.core.errors import HandsonError, nearest
from handson.files import atomic, strict_json
from handson.training.recording.interruption import locked
from handson.training.recording.pausing import pause_of, set_pause
from handson.workflow.experiment import Experiment, folder_name
from handson.workflow.runs import Run, check_holds
from handson.workflow.tasks.overrides import overridden
from handson.workflow.tasks.searches import SEED, Result, Round, Search
from handson.workflow.tasks.trying import try_all
from handson.workflow.trainings import rooted

SWEEP, BASE, TASK, ATTEMPTS, ROUNDS = "sweep.json", "base.yaml", "task.json", "attempts", "rounds"
# So many seconds somebody else may plan.
PATIENCE = 60.0
NUMBERED = re.compile(r"\d{4,}")


class _Written(BaseModel):
    """What is in sweep.json."""

    model_config = ConfigDict(extra="forbid")

    search: Search
    monitor: str
    direction: Literal["min", "max"]
    specialists: bool = False
    job: str


class _Overrides(BaseModel):
    """What is in task.json."""

    overrides: dict[str, Any]


class Task(NamedTuple):
    """One task of a sweep.

    Attributes
    ----------
    number : int
        Its number, from 0.
    folder : Path
        Its run folder.
    overrides : dict
        What it changes in the experiment, by path.
    """

    number: int
    folder: Path
    overrides: dict[str, Any]

    @property
    def run(self) -> Run:
        """Its run."""
        return Run(self.folder)

    @property
    def attempts(self) -> Path:
        """The folder with a file for every attempt to train it."""
        return self.folder / ATTEMPTS


class Sweep:
    """The folder of a sweep.

    Parameters
    ----------
    folder : str or path
        An existing folder, such as 'sweeps/rates'.

    Attributes
    ----------
    search : Search
        What it looks through.
    monitor : str
        The quantity that tasks are compared by.
    direction : {'min', 'max'}
        Which way that is better.
    job : str
        What its jobs on a cluster are called; no other sweep has that name.

    Raises
    ------
    FileNotFoundError
        When there is no sweep in the folder; the nearest name is given.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        check_holds(self.folder, SWEEP, "sweep")
        atomic.guard(self.folder)
        written = strict_json.read(self.folder / SWEEP, _Written)
        self.search, self.monitor, self.direction = written.search, written.monitor, written.direction
        self.specialists, self.job = written.specialists, written.job

    @classmethod
    def create(
        cls,
        experiment: Experiment,
        search: Search,
        folder: str | os.PathLike[str],
        monitor: str = "val_loss",
        specialists: bool = False,
    ) -> Sweep:
        """A new sweep, with the tasks of its first round.

        Parameters
        ----------
        experiment : Experiment
            The experiment; the net of every combination is built, and tried on some rows, before anything is written.
        search : Search
            What to look through.
        folder : str or path
            A folder that is not there yet.
        monitor : str
            The quantity to compare by: the loss or a metric, with 'val_' in front on the rows that validate.
        specialists : bool
            Whether every task trains its specialists too.

        Raises
        ------
        HandsonError
            For what cannot be searched or trained, a path that leads nowhere, or a quantity that is not measured.
        """
        folder, base = Path(folder), comparable(experiment, search)
        direction = checked(base, search, folder, monitor)[1]
        job = f"handson-{folder.name}-{secrets.token_hex(3)}"
        path = search.axes.get("data.path")
        if isinstance(path, list):  # a later round may be planned from another working folder
            search.axes["data.path"] = [os.path.abspath(each) for each in path]
        written = _Written(search=search, monitor=monitor, direction=direction, specialists=specialists, job=job)
        folder.mkdir(parents=True)
        rooted(base).to_yaml(folder / BASE)
        atomic.write_text(folder / SWEEP, json.dumps(written.model_dump(), indent=1))
        found = cls(folder)
        found.plan([], 0)
        return found

    @property
    def experiment(self) -> Experiment:
        """The experiment without overrides."""
        return Experiment.from_yaml(self.folder / BASE)

    @property
    def tasks(self) -> list[Task]:
        """All tasks so far, by their numbers."""
        names = [entry.name for entry in self.folder.iterdir() if NUMBERED.fullmatch(entry.name)]
        return [self.task(int(name)) for name in sorted(names, key=int) if (self.folder / name / TASK).is_file()]

    def task(self, number: int) -> Task:
        """A task by its number."""
        folder = self.folder / f"{number:04d}"
        if not (folder / TASK).is_file():
            raise HandsonError(f"{self.folder} has no task {number}; it has {len(self.tasks)}, numbered from 0.")
        return Task(number, folder, strict_json.read(folder / TASK, _Overrides).overrides)

    def is_finished(self, task: Task) -> bool:
        """Whether a task has come to its end, its specialists included, and everything about it is written."""
        run = task.run
        return run.finished and (not self.specialists or run.specialists() is not None)

    def is_paused(self, task: Task) -> bool:
        """Whether a task was trained as far as its round goes, and what was measured there is written."""
        until = pause_of(task.folder)
        try:
            return until is not None and len(task.run.history().epoch) >= until
        except (HandsonError, OSError):  # it is not there, or damaged
            return False

    @property
    def rounds(self) -> list[Round]:
        """The rounds that were planned so far."""
        return [strict_json.read(path, Round) for path in sorted((self.folder / ROUNDS).glob("*.json"))]

    def plan(self, results: list[Result], after: int) -> list[Task]:
        """Begin the round that comes next, once everything that was planned has ended.

        Parameters
        ----------
        results : list of Result
            What came out of all tasks so far.
        after : int
            After how many rounds that was; `settle` says so, and is called before anybody looks at the tasks.

        Returns
        -------
        list of Task
            The tasks of the new round; empty when another one has begun it, and when the search is over.
        """
        with locked(self.folder, PATIENCE):
            rounds = self.rounds
            if len(rounds) != after or (following := self.search.more(results, rounds)) is None:
                return []
            path = self.folder / ROUNDS / f"{len(rounds):03d}.json"
            atomic.disk.make_folder(path.parent)
            atomic.write_text(path, following.model_dump_json(exclude_defaults=True))
            return self._settle([*rounds, following])

    def settle(self) -> int:
        """Make what is missing of the newest round, when whoever planned it was killed; how many rounds there are."""
        with locked(self.folder, PATIENCE):
            rounds = self.rounds
            self._settle(rounds)
            return len(rounds)

    def _settle(self, rounds: list[Round]) -> list[Task]:
        """Make the tasks of the newest round, unless they are there, and let the others go on; all of them."""
        if not rounds:
            return []
        newest, first = rounds[-1], sum(len(each.new) for each in rounds[:-1])
        base = self.experiment
        made = [self._made(number, base, changes, newest) for number, changes in enumerate(newest.new, first)]
        kept = [self.task(number) for number in newest.again]
        for task in kept:
            set_pause(task.folder, newest.until)
        return [*kept, *made]

    def _made(self, number: int, base: Experiment, changes: dict[str, Any], newest: Round) -> Task:
        folder = self.folder / f"{number:04d}"
        if not (folder / TASK).is_file():
            (folder / ATTEMPTS).mkdir(parents=True, exist_ok=True)
            Run.begin(overridden(base, changes), folder)
            set_pause(folder, newest.until)
            atomic.write_text(folder / TASK, json.dumps({"overrides": changes}))  # last: now the task is there
        return Task(number, folder, changes)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SWEEP).is_file()


def checked(
    experiment: Experiment, search: Search, folder: Path, monitor: str
) -> tuple[list[dict[str, Any]], Literal["min", "max"]]:
    """The overrides of the first round, each tried on the experiment, and which way the quantity is better.

    Raises
    ------
    HandsonError
        As `Sweep.create` does; nothing is written.
    """
    folder_name(folder.name)
    if folder.exists():
        raise HandsonError(
            f"{folder} is there already: give another --name, or go on with it: handson resume {folder}."
        )
    search.check()
    following = search.more()
    changes = [] if following is None else following.new
    first = [overridden(experiment, each) for each in changes]
    try_all(first, changes)
    return changes, _direction(first[0], monitor)


def comparable(experiment: Experiment, search: Search) -> Experiment:
    """The experiment as long as is searched, and with one split for all seeds: all are measured on the same rows."""
    kept = experiment.model_copy(deep=True)
    if search.kind == "halving":
        kept.fit.epochs = search.epochs
    if kept.split.seed is None and (search.seeds > 1 or SEED in search.axes):
        kept.split.seed = kept.fit.seed
    return kept


def _direction(experiment: Experiment, monitor: str) -> Literal["min", "max"]:
    """Which way a quantity is better, for a net whose experiment measures it."""
    from handson.metrics.reported import direction_of, result_names

    net = experiment.build()
    known = ["loss", *(name for metric in net.metrics for name in result_names(metric))]
    name = monitor.removeprefix("val_")
    if monitor.startswith("val_") and not experiment.split.holds_out:
        raise HandsonError(f"{monitor!r} needs rows that validate: split: {{validation: 0.2}}.")
    if name not in known:
        prefix = "val_" * monitor.startswith("val_")
        close = nearest(monitor, [f"{prefix}{each}" for each in known])
        raise HandsonError(f"monitor {monitor!r} is not measured.{close} Measured: {', '.join(known)}.")
    direction = direction_of(net.metrics, name)
    if direction is None:
        raise HandsonError(f"of {monitor!r} neither more nor less is better: compare by another quantity.")
    return "max" if direction == "max" else "min"
