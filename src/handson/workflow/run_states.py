"""Where a run stands: read from its files, and nothing is locked for that.

While a process trains, the file lock has its number and machine; when it leaves, however it leaves, the file is empty
again, unless it was killed. What a scheduler says comes before that.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from handson.core import regular
from handson.core.errors import HandsonError, shortened
from handson.core.processes import ticks_of
from handson.files import atomic, strict_json
from handson.training.recording.pausing import Paused

FAILURE = "failure.json"
HOLDER = re.compile(r"process (\d+) on (.*)")
MOST_LETTERS = 2000


class Failure(BaseModel):
    """What is written down of a training that ended with an error."""

    reason: str


class RunStanding(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    state : str
        'waiting', 'queued', 'running', 'stopped', 'lost', 'failed' or 'finished'.
    step : int
        Optimizer steps at the newest checkpoint.
    reason : str
        Where it runs, why it waits, or its error.
    """

    state: str
    step: int = 0
    reason: str = ""


@contextmanager
def failures_written(folder: Path) -> Iterator[None]:
    """Write down the error that ends a training; without one, none is there any more."""
    try:
        yield
    except Paused:
        raise
    except Exception as error:
        reason = shortened(f"{type(error).__name__}: {error}", MOST_LETTERS)
        with suppress(OSError):
            atomic.write_text(folder / FAILURE, json.dumps({"reason": reason}))
        raise
    with suppress(OSError):
        atomic.disk.remove(folder / FAILURE)


def run_standing(folder: Path, finished: bool, queued: tuple[str, str] | None, asked: bool) -> RunStanding:
    """Where a run stands.

    Parameters
    ----------
    folder : Path
        The run folder.
    finished : bool
        Whether it has come to its end.
    queued : (str, str), optional
        The state of its job and what the scheduler says about it, if it is in the queue.
    asked : bool
        Whether the scheduler was asked, and would know of a job of this run.
    """
    from handson.training.recording import checkpoint

    newest = checkpoint.generations(folder / "checkpoints")[:1]
    step = sum(checkpoint.step_of(path) for path in newest)
    if finished:
        return RunStanding("finished", step)
    if queued is not None:
        return RunStanding("queued" if queued[0] == "PENDING" else "running", step, queued[1])
    holder = _holder(folder)
    if holder is not None:
        process, machine = holder
        lives = ticks_of(process) is not None if machine == platform.node() else not asked
        return RunStanding("running" if lives else "lost", step, f"process {process} on {machine}")
    if (folder / FAILURE).is_file():
        return RunStanding("failed", step, _reason(folder / FAILURE))
    return RunStanding("stopped" if newest else "waiting", step)


def _holder(folder: Path) -> tuple[int, str] | None:
    """The number and the machine of the process that has a run, or that had it when it was killed."""
    try:
        text = regular.read_bytes(folder / "lock", MOST_LETTERS, follow=False).decode(errors="replace")
    except OSError:
        return None
    match = HOLDER.match(text.strip())
    return None if match is None else (int(match[1]), match[2])


def _reason(path: Path) -> str:
    try:
        return strict_json.read(path, Failure).reason
    except (HandsonError, OSError) as error:
        return str(error)
