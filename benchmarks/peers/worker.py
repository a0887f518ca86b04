"""A process with one library and one job, which obeys commands: a line of JSON each, answered by a line of JSON.

    python -m benchmarks.peers.worker PEER JOB SCALE

'prepare' makes the data, 'run' does one round and answers with its seconds, 'finish' answers with the loss and the
peak of resident memory. The end of the input ends the process.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs import JOBS
from benchmarks.peers.peers import MATRIX_PRODUCT, PEERS
from benchmarks.peers.tasks import TASKS, Fit

STATUS = Path("/proc/self/status")


def peak_memory() -> float | None:
    """The most MiB that were resident at once; None where the system does not tell."""
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) / 1024 if found else None


class Worker:
    """Answers the commands."""

    def __init__(self, peer: str, job: str, scale: float) -> None:
        self.peer, self.job = {**PEERS, MATRIX_PRODUCT.name: MATRIX_PRODUCT}[peer], JOBS[job].scaled(scale)
        self.module: Any = None
        self.task: Fit

    def load(self) -> dict[str, Any]:
        self.module = importlib.import_module(f"benchmarks.peers.workers.{self.peer.module}")
        found = {name: sys.modules[name].__version__ for name in self.peer.packages}
        return {"versions": {"Python": platform.python_version(), **found}}

    def prepare(self) -> dict[str, Any]:
        self.task = TASKS[self.job.kind](self.module.Driver(self.job, self.peer.name), self.job)
        return {}

    def run(self) -> dict[str, Any]:
        started = time.perf_counter()
        self.task.run()
        return {"seconds": time.perf_counter() - started}

    def finish(self) -> dict[str, Any]:
        memory = peak_memory()  # before the evaluation, which is not part of the job
        return {"memory": memory, "loss": self.task.loss()}


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    peer, job, scale = sys.argv[1:]

    def answer(command: str) -> None:
        try:
            reply = getattr(worker, command)()
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies)

    worker = Worker(peer, job, float(scale))
    answer("load")
    for line in sys.stdin:
        answer(json.loads(line))


if __name__ == "__main__":
    main()
