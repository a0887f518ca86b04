"""Attempts: one process trains one task, and writes down how that ended.

A task is held by a lock while it trains, so that any number of workers may go through the same folder. Every attempt
has a file of its own, which nobody else writes.
"""

from __future__ import annotations

import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel

from handson.core import console
from handson.core.errors import HandsonError, shortened
from handson.core.processes import ticks_of
from handson.files import atomic, strict_json
from handson.training.recording.interruption import InUse, Stopped, locked
from handson.training.recording.pausing import Paused
from handson.workflow.tasks.folder import Sweep, Task

# After so many attempts that nobody ended, such as those that the system killed for memory, a worker leaves a task.
MOST_LOST = 3
MOST_LETTERS = 2000

Outcome = Literal["finished", "paused", "stopped", "failed"]


class Attempt(BaseModel):
    """What is written down of an attempt.

    Attributes
    ----------
    machine : str
        The name of the machine.
    process, ticks : int
        The number of the process, and when it began by the machine's clock, since numbers come again.
    job : str, optional
        The job on a cluster, such as '1234_7'.
    begun, ended : float
        Seconds since 1970; None while it lasts.
    outcome : {'finished', 'paused', 'stopped', 'failed'}, optional
        How it ended; 'paused' has come as far as its round goes, 'stopped' goes on later.
    reason : str
        The error of one that failed, in a line or two; what stopped one that was stopped.
    trace : str
        Where it came from.
    """

    machine: str
    process: int
    ticks: int = 0
    job: str | None = None
    begun: float
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    trace: str = ""

    @property
    def lives_here(self) -> bool | None:
        """Whether its process still runs; None for one of another machine, of which nothing is known here."""
        if self.machine != platform.node():
            return None
        return self.ended is None and ticks_of(self.process) == self.ticks


def job_of(environment: Any = None) -> str | None:
    """The name of the job that this process is in, as Slurm's commands take it.

    Examples
    --------
    >>> job_of({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "7"})
    '5_7'
    """
    known = os.environ if environment is None else environment
    if known.get("SLURM_ARRAY_JOB_ID") and known.get("SLURM_ARRAY_TASK_ID"):
        return f"{known['SLURM_ARRAY_JOB_ID']}_{known['SLURM_ARRAY_TASK_ID']}"
    return known.get("SLURM_JOB_ID")


def attempts_of(task: Task) -> list[Attempt]:
    """All attempts at a task, the first one first; files that are damaged do not count."""
    found = []
    for path in task.attempts.glob("*.json"):
        with suppress(HandsonError, OSError):
            one, number = strict_json.read(path, Attempt), path.name.partition("-")[0]
            found.append((int(number) if number.isdecimal() else 0, one.begun, one))
    # Two have one number where a file system shows a machine late what another one has written.
    return [one for *_, one in sorted(found, key=lambda each: each[:2])]


def attempt(sweep: Sweep, task: Task, verbose: Any = "auto", patience: float = 0.0) -> Outcome | None:
    """Train a task, or go on with it; None where it has come to its end, or as far as its round goes.

    Parameters
    ----------
    sweep, task
        The task.
    verbose
        As in `Model.fit`.
    patience : float
        So many seconds it is waited for.

    Raises
    ------
    InUse
        While another process has it.
    Stopped
        After a signal, when everything is saved.
    KeyboardInterrupt
        When Ctrl-C came where nothing could be saved.
    """
    with locked(task.attempts, patience):
        if sweep.is_finished(task) or sweep.is_paused(task):
            return None
        return _Writing(task).run(lambda: _train(sweep, task, verbose))


def _train(sweep: Sweep, task: Task, verbose: Any) -> None:
    run = task.run
    data = run.read_data()
    if not run.finished:
        run.fit(data, verbose=verbose)
    if sweep.specialists:
        run.fit_specialists(data, verbose=0)


class _Writing:
    """An attempt while it lasts."""

    def __init__(self, task: Task) -> None:
        number, process = len(list(task.attempts.glob("*.json"))) + 1, os.getpid()
        self.path = task.attempts / f"{number:03d}-{platform.node()}-{process}.json"
        self.found = Attempt(
            machine=platform.node(),
            process=process,
            ticks=ticks_of(process) or 0,
            job=job_of(),
            begun=time.time(),
        )
        self._write()

    def _write(self) -> None:
        atomic.write_text(self.path, json.dumps(self.found.model_dump(), indent=1))

    def run(self, train: Callable[[], None]) -> Outcome:
        try:
            train()
        except (Stopped, KeyboardInterrupt) as error:
            self.end("stopped", str(error))
            raise
        except Paused:
            self.end("paused")
            return "paused"
        except Exception as error:  # whatever it is, the other tasks go on
            self.end("failed", f"{type(error).__name__}: {error}", traceback.format_exc())
            return "failed"
        self.end("finished")
        return "finished"

    def end(self, outcome: Outcome, reason: str = "", trace: str = "") -> None:
        self.found.outcome, self.found.ended = outcome, time.time()
        self.found.reason, self.found.trace = shortened(reason, MOST_LETTERS), trace[-4 * MOST_LETTERS :]
        try:
            self._write()
        except OSError as error:  # a full disk: the task counts as lost, and can go on
            console.warn(f"{str(error.strerror).rstrip('.')}; what could not be written: {outcome}. {reason}")


def set_aside(task: Task, found: list[Attempt]) -> None:
    """Let a task that has failed be tried again: what is known of its attempts stays, under other names."""
    if is_given_up(found):
        with locked(task.attempts):
            for path in task.attempts.glob("*.json"):
                atomic.disk.replace(path, path.with_suffix(f".{time.time_ns()}.old"))


def is_given_up(found: list[Attempt]) -> bool:
    """Whether a worker leaves a task: its last attempt failed, or too many were lost one after another."""
    lost = [each.outcome is None for each in found[-MOST_LOST:]]
    return bool(found) and (found[-1].outcome == "failed" or (len(lost) == MOST_LOST and all(lost)))


def work(sweep: Sweep, verbose: Any = "auto") -> bool:
    """Train tasks until nothing is left that nobody else has and that has not failed; whether none of them failed here.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    verbose
        As in `Model.fit`.
    """
    well = True
    for task in sweep.tasks:
        if is_given_up(attempts_of(task)):
            continue
        with suppress(InUse):
            well = _said(task, attempt(sweep, task, verbose)) and well
    return well


def work_on(sweep: Sweep, numbers: Iterable[int], verbose: Any = "auto", patience: float = 60.0) -> bool:
    """Train some tasks, also those that have failed before; whether none of them failed.

    What another process has is waited for: where a machine was lost, its process may still be there for a while.

    Parameters
    ----------
    sweep, verbose
        As in `work`.
    numbers : iterable of int
        The numbers of the tasks.
    patience : float
        So many seconds a task is waited for.

    Raises
    ------
    Stopped
        When a task is still held after that: the job ends with status 75, and is tried again later.
    """
    well = True
    for task in [_awaited(sweep, number, patience) for number in numbers]:
        try:
            well = _said(task, attempt(sweep, task, verbose, patience)) and well
        except InUse as error:
            console.warn(str(error))
            raise Stopped(str(error)) from None
    return well


def _awaited(sweep: Sweep, number: int, patience: float) -> Task:
    """A task by its number; in a job one that is not there is waited for: network file systems show files late."""
    end = time.monotonic() + (patience if job_of() is not None else 0.0)
    while True:
        try:
            return sweep.task(number)
        except HandsonError:
            if time.monotonic() >= end:
                raise
            time.sleep(min(1.0, patience))


def _said(task: Task, outcome: Outcome | None) -> bool:
    """Print how a task ended; whether it did not fail."""
    if outcome == "failed":
        reason = attempts_of(task)[-1].reason
        console.warn(f"task {task.number} failed" + f": {reason}" * bool(reason))
    elif outcome is not None:
        console.say(f"task {task.number} {outcome}")
    return outcome != "failed"
