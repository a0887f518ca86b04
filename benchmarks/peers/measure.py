"""Workers, started and asked in turn: while one computes the others wait."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs import Job
from benchmarks.peers.peers import Peer

ROOT = Path(__file__).resolve().parents[2]
# A worker that has not answered by then is stopped.
LONGEST_ANSWER = 1800.0
# Threads of some libraries wait a while for more work; the next worker is asked when they are at rest.
REST = 0.3


@dataclass(frozen=True)
class Settings:
    """How a run is done.

    Attributes
    ----------
    rounds : int
        How many rounds after the first of each peer.
    scale : float
        The share of the jobs' rows.
    threads : int
        How many threads each worker may use.
    folder : Path
        For logs and compiled programs; empty at first, so that the first worker of a run has to compile.
    """

    rounds: int
    scale: float
    threads: int
    folder: Path


@dataclass
class Result:
    """What was measured of a peer on a job.

    Attributes
    ----------
    peer : Peer
        Who was measured.
    first : float
        Seconds of the first round, with everything that happens only once.
    rounds : list of float
        Seconds of the rounds after it.
    imports : list of float
        Seconds from the start of the process until its library was imported.
    memory : float or None
        Peak of resident memory in MiB.
    loss : float
        Of the net after the last round.
    versions : dict of str to str
        Of what was imported.
    error : str
        Why there is nothing of this; empty when all went well.
    """

    peer: Peer
    first: float = float("nan")
    rounds: list[float] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    memory: float | None = None
    loss: float = float("nan")
    versions: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


class WorkerError(Exception):
    """A worker could not do what it was asked."""


class Worker:
    """A process with one library and one job.

    Parameters
    ----------
    peer : Peer
        The library.
    job : Job
        What it will be asked.
    settings : Settings
        Those of the run.
    """

    def __init__(self, peer: Peer, job: Job, settings: Settings) -> None:
        self.log = settings.folder / f"{job.name}-{peer.name}.log"
        command = [sys.executable, "-m", "benchmarks.peers.worker", peer.name, job.name, str(settings.scale)]
        environment, pipe = _environment(peer, settings), subprocess.PIPE
        self.born = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=log
            )

    def answer(self) -> dict[str, Any]:
        """The next answer; `WorkerError` when there is none, or when it is an error."""
        guard = threading.Timer(LONGEST_ANSWER, self.process.kill)
        guard.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        guard.cancel()
        if not line:
            raise WorkerError(f"ended with status {self.process.wait()}: {self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the end of the answers says more
            print(json.dumps(command), file=self.process.stdin, flush=True)
        return self.answer()

    def end(self) -> None:
        """End the process."""
        self.process.communicate()

    @property
    def age(self) -> float:
        """Seconds since the process was started."""
        return time.perf_counter() - self.born

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "without a word")


def _environment(peer: Peer, settings: Settings) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # Peers were compiled to bytecode when they were installed; handson, from the source tree, is in its first run.
    own = {"PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **dict.fromkeys(names, str(settings.threads)), **own, **peer.environment}


class Measured:
    """One peer on one job: a worker that stays, asked for one round after another."""

    def __init__(self, peer: Peer, job: Job, settings: Settings) -> None:
        self.result = Result(peer)
        self._arguments = (peer, job, settings)
        self._worker: Worker | None = None
        if peer.missing:
            self.result.error = f"not installed: {', '.join(peer.missing)}"

    def step(self, stage: str) -> None:
        """Go through a stage ('first', 'again' or 'finish') unless an earlier one failed."""
        if self.result.error:
            return
        try:
            getattr(self, f"_{stage}")()
        except WorkerError as error:
            self.result.error = f"failed: {error}"
            self.end()
        time.sleep(REST)

    def _first(self) -> None:
        self.result.first = self._begin()

    def _again(self) -> None:
        assert self._worker is not None
        self.result.rounds.append(self._worker.ask("run")["seconds"])

    def _finish(self) -> None:
        assert self._worker is not None
        found = self._worker.ask("finish")
        self.result.memory, self.result.loss = found["memory"], found["loss"]
        self.end()

    def _begin(self) -> float:
        """Start a worker and let it do a round; the seconds of the round."""
        self._worker = Worker(*self._arguments)
        self.result.versions = self._worker.answer()["versions"]
        self.result.imports.append(self._worker.age)
        self._worker.ask("prepare")
        seconds: float = self._worker.ask("run")["seconds"]
        return seconds

    def end(self) -> None:
        """End the worker, if there is one."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class Started(Measured):
    """A peer whose rounds are processes: a round lasts from the start of Python to the end of an epoch."""

    def _first(self) -> None:
        self.result.first = self._lifetime()

    def _again(self) -> None:
        self.end()
        self.result.rounds.append(self._lifetime())

    def _lifetime(self) -> float:
        self._begin()
        assert self._worker is not None
        return self._worker.age


def measure(job: Job, peers: list[Peer], settings: Settings) -> list[Result]:
    """Ask all peers to do a job, one round of each in turn.

    Parameters
    ----------
    job : Job
        What they do.
    peers : list of Peer
        Who does it.
    settings : Settings
        Those of the run.

    Returns
    -------
    list of Result
        In the order of `peers`.
    """
    kind = Started if job.kind == "start" else Measured
    measured = [kind(peer, job, settings) for peer in peers]
    try:
        for stage in ["first", *["again"] * settings.rounds, "finish"]:
            for one in measured:
                one.step(stage)
    finally:
        for one in measured:
            one.end()
    return [one.result for one in measured]
