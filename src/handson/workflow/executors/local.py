"""Tasks on this machine: one after another in this process, or several at a time in processes of their own.

A worker is the command that a job on a cluster runs, too. Workers share nothing but the folder: each takes the next
task that no other one holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from handson.core import console
from handson.core.errors import HandsonError
from handson.core.processors import processors
from handson.training.recording.interruption import Interruption, Stopped
from handson.workflow.executors.due import due
from handson.workflow.tasks.attempts import attempts_of, work
from handson.workflow.tasks.folder import Sweep

LOOK_SECONDS = 0.1


def run(sweep: Sweep, workers: int | None = None, verbose: Any = "auto") -> None:
    """Train all tasks of a sweep, round by round.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    workers : int, optional
        How many train at a time; by default one for each processor. Each has its share of the processors.
    verbose
        0: print nothing but what ended.

    Raises
    ------
    Stopped
        After a signal, when every worker has saved.
    """
    workers = processors() if workers is None else workers
    while tasks := due(sweep, None):
        if workers == 1:
            work(sweep, verbose=verbose)
        else:
            before = _begun(sweep)
            statuses = _processes(sweep, min(workers, len(tasks)))
            if _begun(sweep) == before:
                raise HandsonError(
                    f"the workers ended with status {statuses} before any task began; see what they say."
                )


def threads_of(count: int) -> int:
    """How many threads each of so many workers has: its share of the processors, or fewer where the user says so."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    share = max(1, processors() // count)
    return min(share, int(given)) if given.isdigit() and int(given) else share


def _begun(sweep: Sweep) -> int:
    """How many attempts there are."""
    return sum(len(attempts_of(task)) for task in sweep.tasks)


def _processes(sweep: Sweep, count: int) -> list[int]:
    """Let so many workers train what is left; how they ended."""
    command = [sys.executable, "-m", "handson", "task", str(sweep.folder.absolute()), "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads_of(count))}
    running: list[subprocess.Popen[bytes]] = []
    with Interruption() as asked:
        try:
            running += [subprocess.Popen(command, env=environment) for _ in range(count)]
            while any(worker.poll() is None for worker in running) and asked.signal is None:
                time.sleep(LOOK_SECONDS)
        finally:
            for worker in running:
                if worker.poll() is None:
                    worker.terminate()  # it saves
            statuses = [worker.wait() for worker in running]
        if asked.signal is not None:
            reason = f"stopped by {asked.signal}; every task is saved. To go on: handson resume {sweep.folder}."
            console.warn(reason)
            raise Stopped(reason)
    return statuses
