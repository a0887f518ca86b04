"""A sweep on a real Slurm whose nodes and jobs are killed at random: every result is there once, the same as alone.

    python benchmarks/sweep_on_slurm.py --nets 40 --out benchmarks/results/sweep-on-slurm.md
    python benchmarks/sweep_on_slurm.py --nets 9 --what halving     (or folds, or specialists)

The cluster is Debian's Slurm with some nodes on this machine (`own_slurm.py`). Until every net is trained, every few
seconds something happens: a training is killed with SIGKILL, a job is requeued, cancelled or preempted, gets the signal
that its time is nearly over, or a node goes down. What nobody trains any more is submitted again by `handson resume`.
Then every net is trained once more, alone and undisturbed, and compared byte for byte.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.own_slurm import Slurm
from handson.cli.swept import resume_sweep
from handson.core.version import __version__
from handson.workflow.executors.slurm import queue_of
from handson.workflow.runs import Run
from handson.workflow.tasks.attempts import attempts_of
from handson.workflow.tasks.folder import Sweep
from handson.workflow.tasks.states import counted, standings, table
from handson.workflow.tasks.together import keep_specialists

EXPERIMENT = """
name: chaos
data: {path: rows.csv, targets: TARGETS}
model:
  - Dense: {units: 16, activation: relu}
  - BatchNormalization
  - Dropout: {rate: 0.2}
  - Dense: {units: UNITS}
compile: {optimizer: {Adam: {learning_rate: 1e-2}}, metrics: [mae]}
fit:
  epochs: 60
  batch_size: 8
  engine: eager
  checkpoint_seconds: 0.5
  callbacks: [{ReduceLROnPlateau: {patience: 3}}]
specialists: {epochs: 2000, batch_size: 8, patience: 2000, groups: GROUPS}
"""
WHAT = ("sweep", "folds", "halving", "specialists")
RATES = (0.1, 0.03, 0.01, 0.003)
# What must be the same in a run that was disturbed and in one that was not.
FILES = ("history.csv", "split.npz")


def prepare(folder: Path, rows: int, targets: int) -> None:
    """Data with some targets, an experiment and a site."""
    rng = np.random.default_rng(0)
    names = [f"y{number}" for number in range(targets)]
    x = rng.normal(size=(rows, 4)).round(3)
    y = [[round(float(np.sin(row + number).sum()), 4) for number in range(targets)] for row in x]
    lines = [",".join(map(str, [*row, *wanted])) for row, wanted in zip(x, y, strict=True)]
    (folder / "rows.csv").write_text("\n".join([",".join(["a,b,c,d", *names]), *lines, ""]))
    groups = f"{{{', '.join(f'of_{name}: [{name}]' for name in names)}}}"
    text = EXPERIMENT.replace("TARGETS", f"[{', '.join(names)}]").replace("UNITS", str(targets))
    (folder / "chaos.yaml").write_text(text.replace("GROUPS", groups))
    (folder / "site.yaml").write_text("base: local\nmemory: 100M\nmargin: 5\ntime: 0:10:00\n")


class Chaos:
    """What happens to a sweep."""

    def __init__(self, slurm: Slurm, sweep: Sweep, seed: int) -> None:
        self.slurm, self.sweep, self.random = slurm, sweep, random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.down: dict[str, float] = {}
        self.actions: dict[str, Callable[[], bool]] = {
            "a training killed (SIGKILL)": self.kill,
            "a job requeued": lambda: self._on_a_job("scontrol", "requeue"),
            "a job cancelled": lambda: self._on_a_job("scancel"),
            "the signal before the end of the time (USR1)": lambda: self._on_a_job("scancel", "--signal=USR1"),
            "a node down": self.kill_node,
            "a job preempted by an urgent one": self.preempt,
        }

    def strike(self) -> None:
        """Let one thing happen."""
        self._bring_back()
        name = self.random.choice(list(self.actions))
        if self.actions[name]():
            self.happened[name] += 1

    def running(self) -> list[str]:
        queue = queue_of(self.sweep)
        return [job for job, state in queue.jobs.items() if state == "RUNNING"] if queue is not None else []

    def _on_a_job(self, *command: str) -> bool:
        jobs = self.running()
        if jobs:
            self.slurm.call(*command, self.random.choice(jobs))
        return bool(jobs)

    def kill(self) -> bool:
        alive = [
            tries[-1].process for task in self.sweep.tasks if (tries := attempts_of(task)) and tries[-1].lives_here
        ]
        if alive:
            os.kill(self.random.choice(alive), signal.SIGKILL)
        return bool(alive)

    def kill_node(self) -> bool:
        if len(self.down) >= len(self.slurm.nodes) - 1:
            return False
        node = self.random.choice([node for node in self.slurm.nodes if node not in self.down])
        self.slurm.kill_node(node)
        self.down[node] = time.monotonic()
        return True

    def _bring_back(self) -> None:
        for node in [node for node, since in self.down.items() if time.monotonic() - since > 10]:
            self.slurm.start_node(node)
            time.sleep(1)
            self.slurm.call("scontrol", "update", f"nodename={node}", "state=resume")
            del self.down[node]

    def preempt(self) -> bool:
        wanted = ["sbatch", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--time=1", "--wrap", "sleep 2"]
        return bool(self.running()) and bool(self.slurm.call(*wanted))


def handson(folder: Path, *arguments: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "handson", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def differs(task: Any, alone: Run) -> list[str]:
    """What is not the same, byte for byte, in the run of a task and in one that was trained alone."""
    found = [name for name in FILES if (task.folder / name).read_bytes() != (alone.folder / name).read_bytes()]
    pairs = zip(task.run.net().get_weights(), alone.net().get_weights(), strict=True)
    found += ["weights"] if any(one.tobytes() != other.tobytes() for one, other in pairs) else []
    one, other = task.run.report(), alone.report()
    return found + (["report"] if one is None or other is None or one.validation != other.validation else [])


def differs_paused(task: Any, alone: Run) -> list[str]:
    """What is not the same in a run that was paused and in one that was trained to its end: its part of the history."""
    lines = (task.folder / "history.csv").read_bytes().splitlines()
    return [] if (alone.folder / "history.csv").read_bytes().splitlines()[: len(lines)] == lines else ["history.csv"]


def compared(folder: Path, sweep: Sweep) -> dict[int, list[str]]:
    """What is unlike in tasks and in the same nets trained alone."""
    different = {}
    for task in sweep.tasks:
        alone = Run.create(task.run.experiment, folder / "alone")
        alone.fit(alone.read_data(), verbose=0)
        if found := (differs if task.run.finished else differs_paused)(task, alone):
            different[task.number] = found
    return different


def compared_specialists(folder: Path, sweep: Sweep) -> dict[int, list[str]]:
    """What is unlike in specialists that were tasks and in those of one process."""
    keep_specialists(sweep)
    run = Run(folder / "runs" / "chaos")
    found = run.specialists()
    alone = run.fit_specialists(run.read_data(), verbose=0, on_group=None)
    assert found is not None
    different = {}
    for number, (name, net) in enumerate(alone.models.items()):
        pairs = zip(net.get_weights(), found.models[name].get_weights(), strict=True)
        same = all(one.tobytes() == other.tobytes() for one, other in pairs)
        if not same or alone.histories[name].history != found.histories[name].history:
            different[number] = ["weights or history"]
    return different


def command(what: str, nets: int) -> list[str]:
    """The command that submits so many nets."""
    if what == "specialists":
        return ["specialists", "chaos", "--name", "chaos"]
    rates = ",".join(map(str, RATES))
    varied = {
        "sweep": ["--grid", f"optimizer.learning_rate={rates}", "--seeds", str(nets // len(RATES))],
        "folds": ["--folds", str(nets)],
        "halving": ["--search", "halving", "--trials", str(nets), "--grid", "optimizer.learning_rate=log:1e-3..0.1"],
    }
    return ["sweep", "chaos.yaml", *varied[what]]


def train_disturbed(folder: Path, slurm: Slurm, given: argparse.Namespace) -> tuple[Sweep, Chaos, int, float]:
    """Submit the nets, and let things happen until every one is trained."""
    if given.what == "specialists":
        handson(folder, "fit", "chaos.yaml", "--quiet")
    began = time.monotonic()
    handson(folder, *command(given.what, given.nets), "--on", "slurm", "--site", "site.yaml")
    sweep = Sweep(folder / "sweeps" / "chaos")
    pause, seed = given.pause, given.seed
    chaos, resumed = Chaos(slurm, sweep, seed), 0
    while True:
        time.sleep(chaos.random.uniform(0.5, 1.5) * pause)
        queue = queue_of(sweep)
        found = standings(sweep, queue)
        check_table(sweep, found)
        print(f"{time.monotonic() - began:5.0f} s: {counted(found)} {dict(chaos.happened)}", flush=True)
        if all(one.state in ("finished", "paused") for one in found) and (
            not sweep.search.has_rounds or any(one.state == "finished" for one in found)
        ):
            return sweep, chaos, resumed, time.monotonic() - began
        idle = not any(one.state in ("queued", "running") for one in found)
        if idle or any(one.state in ("lost", "stopped", "failed", "waiting") for one in found):
            resume_sweep(sweep.folder, failed=True)
            resumed += 1
        chaos.strike()


def check_table(sweep: Sweep, found: list[Any]) -> None:
    """Numbers are in the table for tasks that are finished, or have come as far as their round, and for no others."""
    frame = table(sweep, found)
    assert (frame[sweep.monitor].notna() == frame["state"].isin(["finished", "paused"])).all()
    assert sorted(frame.index) == list(range(len(found)))


def report(sweep: Sweep, chaos: Chaos, resumed: int, seconds: float, different: dict[int, list[str]]) -> str:
    """The page of results."""
    tasks = sweep.tasks
    attempts = {task.number: attempts_of(task) for task in tasks}
    outcomes = Counter(each.outcome or "killed" for tries in attempts.values() for each in tries)
    reports = {task.number: task.folder / "report.json" for task in tasks}
    written = {number: path.stat().st_mtime if path.exists() else np.inf for number, path in reports.items()}
    again = sum(each.begun > written[number] for number, tries in attempts.items() for each in tries)
    twice = sum([each.outcome for each in tries].count("finished") > 1 for tries in attempts.values())
    several = sum(len(tries) > 1 for tries in attempts.values())
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"
    versions = f"handson {__version__}, torch {torch.__version__}, Debian's Slurm with {len(chaos.slurm.nodes)} nodes"
    lines = ["# A sweep on Slurm, with nodes and jobs killed at random", ""]
    lines += [
        f"{machine}; {versions} on this machine; {time.strftime('%Y-%m-%d')}.",
        f"`python benchmarks/{' '.join([Path(__file__).name, *sys.argv[1:]])}`",
        "",
    ]
    lines += [
        "| what happened | times |",
        "| --- | --- |",
        *(f"| {name} | {n} |" for name, n in chaos.happened.items()),
    ]
    lines += [f"| submitted again by `handson resume` | {resumed} |", "", "| nets | |", "| --- | --- |"]
    finished = sum(sweep.is_finished(task) for task in tasks)
    paused = sum(sweep.is_paused(task) for task in tasks)
    lines += [f"| with a result | {finished} of {len(tasks)} |"]
    lines += [f"| that were left behind by the search | {paused} |"] if paused else []
    lines += [f"| unlike the same net trained alone (weights, history, report) | {len(different)} |"]
    lines += [f"| trained again, or by two processes to the end | {again + twice} |"]
    lines += [f"| trained by several processes, one after another | {several} |"]
    lines += [f"| processes that trained | {outcomes.total()}: {', '.join(f'{n} {k}' for k, n in outcomes.items())} |"]
    after = sum(not {"finished", "paused"} & {each.outcome for each in tries} for tries in attempts.values())
    lines += [f"| of those, killed when the result was just written | {after} |"]
    lines += [
        f"| duration | {seconds:.0f} s |",
        "",
        *(f"- task {number}: {names}" for number, names in different.items()),
    ]
    lines += ["The table of results was read every few seconds: numbers for finished tasks, and for no others.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=40)
    parser.add_argument("--what", choices=WHAT, default="sweep")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two blows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        Slurm(Path(place, "slurm"), given.nodes) as slurm,
    ):
        os.environ.update({name: slurm.environment[name] for name in ("SLURM_CONF", "PATH")})
        folder = Path(place)
        prepare(folder, given.rows, given.nets if given.what == "specialists" else 1)
        sweep, chaos, resumed, seconds = train_disturbed(folder, slurm, given)
        different = (compared_specialists if given.what == "specialists" else compared)(folder, sweep)
        text = report(sweep, chaos, resumed, seconds, different)
    print(text)
    if given.out is not None:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
