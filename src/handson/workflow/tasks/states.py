"""Where the tasks of a sweep stand, and the table of what came out: right also while they train.

What counts is in the files: a task is finished when its run is, and its numbers are those of its report, which is
written whole. What runs now is asked of the scheduler, or of this machine, before the files are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from handson.core import regular
from handson.core.errors import HandsonError, shortened
from handson.workflow.run_files import Report
from handson.workflow.tasks.attempts import Attempt, attempts_of, is_given_up
from handson.workflow.tasks.folder import Sweep, Task
from handson.workflow.tasks.searches import Result, combination_of

# Where jobs of a cluster write what they print; a job that never began a task prints little.
LOGS, MOST_LOG, MOST_LINE = "logs", 1 << 20, 300
# In the order of a task's life.
STATES = ("waiting", "queued", "running", "stopped", "lost", "failed", "paused", "finished")
# Those after which nothing happens by itself; a task that is paused goes on if the next round wants it.
ENDED = ("failed", "paused", "finished")


@dataclass
class Queue:
    """What a scheduler says of the jobs of a sweep.

    Attributes
    ----------
    jobs : dict of str to str
        The state of each job, such as 'PENDING' or 'RUNNING', by its name ('1234_7').
    tasks : dict of int to str
        The name of the job that has a task.
    reasons : dict of str to int
        Why jobs wait, and how many.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def is_waiting(self, number: int) -> bool:
        """Whether the job of a task has not begun."""
        return self.jobs.get(self.tasks.get(number, "")) == "PENDING"


@dataclass
class Standing:
    """Where one task stands.

    Attributes
    ----------
    task : Task
        The task.
    state : str
        One of `STATES`.
    attempts : int
        How often it was begun.
    step : int
        Optimizer steps at the newest checkpoint.
    reason : str
        The error of one that failed; where one runs.
    measured : dict of str to float
        Of a finished task, what was measured at its end.
    """

    task: Task
    state: str
    attempts: int = 0
    step: int = 0
    reason: str = ""
    measured: dict[str, float] = field(default_factory=dict)


def standings(sweep: Sweep, queue: Queue | None = None) -> list[Standing]:
    """Where every task stands.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    queue : Queue, optional
        What the scheduler said **before** this call; None where there is none that could be asked.
    """
    return [_standing(sweep, task, queue) for task in sweep.tasks]


def _standing(sweep: Sweep, task: Task, queue: Queue | None) -> Standing:
    from handson.training.recording import checkpoint

    tries = attempts_of(task)
    last = tries[-1] if tries else None
    steps = [checkpoint.step_of(path) for path in checkpoint.generations(task.folder / "checkpoints")[:1]]
    found = Standing(task, _state(task, tries, queue), len(tries), sum(steps))
    ended = "finished" if sweep.is_finished(task) else "paused" if sweep.is_paused(task) else None
    if ended and (last is None or last.outcome != "failed"):
        try:
            found.measured = measured(task)
            found.state = ended
        except (HandsonError, OSError) as error:
            found.state, found.reason = "failed", f"{error}"
    elif found.state == "failed" and last is not None:
        found.reason = last.reason or f"lost {len(tries)} times: killed, perhaps for the memory that it took"
    elif found.state == "stopped" and last is not None:
        found.reason = last.reason.partition(";")[0]
    elif found.state == "queued" and last is not None:
        found.reason = last.reason.partition(";")[0] or "it goes on where it was preempted"
    elif found.state == "waiting" and queue is not None:
        found.reason = _end_of_log(sweep, task)
    elif found.state in ("running", "lost") and last is not None:
        found.reason = f"{last.job or f'process {last.process}'} on {last.machine}"
    return found


def _end_of_log(sweep: Sweep, task: Task) -> str:
    """The last line that the job of a task has printed: why it never began, such as a folder that it may not change."""
    try:
        text = regular.read_bytes(sweep.folder / LOGS / f"{task.number:04d}.txt", MOST_LOG, follow=False)
    except (HandsonError, OSError):
        return ""
    lines = text.decode(errors="replace").strip().splitlines()
    return f"its job has ended: {shortened(lines[-1], MOST_LINE)}" if lines else ""


def _state(task: Task, tries: list[Attempt], queue: Queue | None) -> str:
    """The state of a task that is not finished."""
    if queue is not None and task.number in queue.tasks:
        return "queued" if queue.is_waiting(task.number) else "running"
    if not tries:
        return "waiting"
    last = tries[-1]
    if last.outcome is not None:
        return "waiting" if last.outcome in ("finished", "paused") else last.outcome
    lives = last.lives_here
    if lives is None and queue is None:
        return "running"  # as far as can be seen from here
    return "running" if lives else "failed" if is_given_up(tries) else "lost"


def measured(task: Task) -> dict[str, float]:
    """What was measured of a task, of a finished one at its end: on the rows that validate, and in the last epoch."""
    run = task.run
    history, report = run.history(), run.report() if run.finished else None
    found = {name: values[-1] for name, values in history.history.items() if values}
    if report is None:  # it is paused: nothing but its history is written
        report = Report(seconds=history.seconds or math.nan)
    else:
        found = {name: value for name, value in found.items() if not name.startswith("val_")}
    found |= {f"val_{name}": value for name, value in report.validation.items()}
    special = run.report("specialists/report.json")
    if special is not None and special.rmse is not None:
        found["specialists_rmse"] = special.rmse
    return found | {"epochs": float(len(history.epoch)), "seconds": report.seconds}


def results(sweep: Sweep, found: list[Standing]) -> list[Result]:
    """What came out of the tasks that have ended, turned so that less is better."""
    sign = -1.0 if sweep.direction == "max" else 1.0
    ended = [standing for standing in found if standing.state in ENDED]
    return [
        Result(one.task.number, one.task.overrides, sign * one.measured.get(sweep.monitor, math.nan)) for one in ended
    ]


def counted(found: list[Standing]) -> dict[str, int]:
    """How many tasks are in every state that there is."""
    states = [standing.state for standing in found]
    return {state: states.count(state) for state in STATES if state in states}


def table(sweep: Sweep, found: list[Standing]) -> pd.DataFrame:
    """A row for each task: its state, its overrides, and what was measured; the best first.

    Tasks that are paused come after those that are finished, and what has not ended last, in the order of their
    numbers, with NaN for what is not measured yet.
    """
    rows: list[dict[str, Any]] = []
    for one in found:
        rows.append({"task": one.task.number, "state": one.state, **_shown(one.task.overrides), **one.measured})
    frame = pd.DataFrame(rows, columns=_columns(sweep, rows)).set_index("task")
    frame = frame.sort_values(sweep.monitor, ascending=sweep.direction == "min", kind="stable", na_position="last")
    later = frame["state"].map({"finished": 0, "paused": 1}).fillna(2)
    return frame.loc[later.sort_values(kind="stable").index]


def _columns(sweep: Sweep, rows: list[dict[str, Any]]) -> list[str]:
    known = dict.fromkeys(name for row in rows for name in row)
    paths = [name for name in known if "." in name]
    rest = [name for name in known if name not in paths and name not in ("task", "state", sweep.monitor)]
    return ["task", "state", *paths, sweep.monitor, *rest]


def _shown(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides as the cells of a table."""
    return {key: value if isinstance(value, (int, float, str)) else repr(value) for key, value in overrides.items()}


def summary(sweep: Sweep, found: list[Standing]) -> pd.DataFrame:
    """A row for each combination over its seeds and folds: how many are finished, mean and standard deviation.

    The deviation is that of a sample (n - 1), NaN for one.
    """
    groups: dict[str, list[Standing]] = {}
    for one in found:
        groups.setdefault(repr(combination_of(one.task.overrides)), []).append(one)
    rows = []
    for members in groups.values():
        values = pd.Series(
            [one.measured[sweep.monitor] for one in members if sweep.monitor in one.measured], dtype=float
        )
        shown = _shown(combination_of(members[0].task.overrides))
        rows.append(
            {**shown, "finished": len(values), "of": len(members), sweep.monitor: values.mean(), "±": values.std()}
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values(sweep.monitor, ascending=sweep.direction == "min", kind="stable", na_position="last")
