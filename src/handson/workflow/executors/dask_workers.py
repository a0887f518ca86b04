"""Tasks on the workers of a dask cluster: a process for each, which is the command that every other executor runs.

Nothing is sent but the folder of the sweep, which all machines see, and the number of a task; no result comes back but
how the process ended. What a worker leaves when it is killed goes on elsewhere.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from handson.core import console
from handson.core.errors import HandsonError, shortened
from handson.training.recording.interruption import STOPPED, Interruption, Stopped
from handson.workflow.executors.due import due
from handson.workflow.tasks.attempts import attempts_of
from handson.workflow.tasks.folder import Sweep, Task

LOOK_SECONDS = 0.2
# Seconds until a scheduler counts as absent, and in which a process that is told to stop saves.
PATIENCE, SAVE_SECONDS = 10, 120


def client_of(address: str) -> Any:
    """A client of a dask scheduler.

    Raises
    ------
    HandsonError
        Where dask is not installed, and where no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise HandsonError("--on dask needs dask: pip install 'handson[dask]', or --on local.") from None
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise HandsonError(
            f"no dask scheduler answers at {address!r} ({shortened(str(error))}). Start one with 'dask scheduler', and "
            f"workers with 'dask worker ADDRESS'."
        ) from None


def run(sweep: Sweep, address: str) -> None:
    """Train all tasks of a sweep on the workers of a dask scheduler, round by round.

    Parameters
    ----------
    sweep : Sweep
        The sweep, in a folder that the workers see.
    address : str
        The address of the scheduler, such as 'tcp://10.0.0.1:8786'.

    Raises
    ------
    Stopped
        After a signal, when every task has saved.
    """
    with client_of(address) as client:
        while tasks := due(sweep, None):
            before = sum(len(attempts_of(task)) for task in tasks)
            ends = _round(client, sweep, tasks)
            if sum(len(attempts_of(task)) for task in tasks) == before:
                said = "; ".join(dict.fromkeys(map(str, ends))) or "nothing"
                raise HandsonError(f"no task began on the workers of {address}: {said}. They see {sweep.folder}?")


def _round(client: Any, sweep: Sweep, tasks: list[Task]) -> list[Any]:
    """Let the workers train some tasks; how the processes ended."""
    from distributed import Event

    folder, stop = str(sweep.folder.absolute()), Event(f"{sweep.job}-stop", client=client)
    stop.clear()
    futures = {client.submit(train, folder, task.number, stop.name, pure=False): task for task in tasks}
    left = dict(futures)
    with Interruption() as asked:
        while left and asked.signal is None:
            time.sleep(LOOK_SECONDS)
            for future in [each for each in left if each.done()]:
                _say(left.pop(future), future)
        if asked.signal is not None:
            stop.set()
            client.cancel([future for future in left if not future.done()], force=False)
            _wait_saved(left)
            again = f"handson resume {sweep.folder}, here or with --scheduler"
            reason = f"stopped by {asked.signal}; every task is saved. To go on: {again}."
            console.warn(reason)
            raise Stopped(reason)
    return [future.exception() or future.result() for future in futures]


def _say(task: Task, future: Any) -> None:
    tries = attempts_of(task)
    outcome = tries[-1].outcome if tries else None
    console.say(f"task {task.number} {outcome or future.exception() or 'did not begin'}")


def _wait_saved(left: dict[Any, Task]) -> None:
    """Wait until no process trains any more, as far as their files say."""
    end = time.monotonic() + SAVE_SECONDS
    while time.monotonic() < end:
        tries = [attempts_of(task)[-1:] for task in left.values()]
        if all(last.ended is not None for found in tries for last in found):
            return
        time.sleep(LOOK_SECONDS)


def train(folder: str, number: int, stop: str) -> str:
    """What a worker of dask runs: a process that trains one task, and saves when it is told to stop; how it ended."""
    from distributed import Event

    environment = {"OMP_NUM_THREADS": "1"} | os.environ  # a task for each thread of the worker
    command = [sys.executable, "-m", "handson", "task", folder, str(number), "--quiet", "--attended"]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=errors) as process:
            try:
                while process.poll() is None and not Event(stop).is_set():
                    time.sleep(LOOK_SECONDS)
            finally:  # also where the scheduler is gone
                if process.poll() is None:
                    process.terminate()  # it saves
        if process.returncode in (0, 1, STOPPED):
            return f"status {process.returncode}"
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        return f"status {process.returncode}" + f": {lines[-1]}" * bool(lines)


def stop_with_input() -> None:
    """Stop this process, which saves, when its standard input is closed: whoever began it is gone."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="handson attended", daemon=True).start()
