"""What it costs that a run can be killed: the share of the training that checkpoints take, and the time of a save.

    python benchmarks/checkpoint_cost.py --data training.csv --groups groups.npy

The training is the built-in experiment `faces` with a run folder and all defaults. Counted are the seconds that the
training spends in the record of the run (copies of the state, the last checkpoint) and the processor seconds of the
thread that writes. Saving is a net of 100 MB beside the same bytes written and flushed by a simple program, in turn.
Without `--data` the faces are simulated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import handson
from handson import Sequential
from handson.data.reading.dataset import Dataset
from handson.faces import EXPERIMENTS
from handson.faces.demo import simulate_with_progress, write_competition
from handson.layers import Dense
from handson.training.recording.keeper import Keeper
from handson.training.recording.record import Record
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

SIMULATED = 2000


class Meter:
    """Adds up the seconds that some methods take, and counts their calls."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0

    def attach(self, owner: type, name: str, clock: Callable[[], float]) -> None:
        """Measure a method of a class from now on."""
        method = getattr(owner, name)

        def measured(*arguments: Any, **named: Any) -> Any:
            started = clock()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += clock() - started
                self.calls += 1

        setattr(owner, name, measured)


def read_faces(data: str | None, groups: str | None, scratch: Path) -> tuple[Experiment, Dataset]:
    experiment = Experiment.from_yaml(EXPERIMENTS["faces"])
    if data is None:
        write_competition(simulate_with_progress(SIMULATED), scratch)
        data, groups = str(scratch / "training.csv"), str(scratch / "groups.npy")
    experiment.data.groups = groups
    return experiment, experiment.read_data(data)


def training(data: str | None, groups: str | None, epochs: int | None) -> None:
    """Train the faces experiment once; print what its checkpoints cost."""
    waiting, writing = Meter(), Meter()
    for name in ("begin_at", "after_span", "after_epoch", "finish"):
        waiting.attach(Record, name, time.perf_counter)
    writing.attach(Keeper, "_write", time.thread_time)
    with tempfile.TemporaryDirectory() as scratch:
        experiment, faces = read_faces(data, groups, Path(scratch))
        experiment.fit.epochs = epochs or experiment.fit.epochs
        run = Run.create(experiment, Path(scratch) / "runs")
        history = run.fit(faces, verbose=0)
    cost = waiting.seconds + writing.seconds
    print(
        f"{len(faces.inputs):,} faces, {experiment.fit.epochs} epochs in {history.seconds:.0f} s: {writing.calls} "
        f"checkpoints, {waiting.seconds:.2f} s in the training and {writing.seconds:.2f} s beside it: "
        f"{100 * cost / history.seconds:.2f} % of the time"
    )


def saving(repetitions: int) -> None:
    """Save a net of 100 MB, and write as many bytes, in turn; print medians and the ratio of the pairs."""
    net = Sequential([Dense(5000, input_shape=(5000,))], seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        saved, plain = Path(scratch) / "net.handson", Path(scratch) / "plain"
        net.save(saved)
        content = saved.read_bytes()
        pairs = [(seconds_of(lambda: net.save(saved)), seconds_of(lambda: write(plain, content)))
                 for _ in range(repetitions)]  # fmt: skip
    ours, bytes_only = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(first / second for first, second in pairs)
    print(
        f"a net of {len(content) / 1e6:.0f} MB, medians of {repetitions}: saved in {ours:.2f} s, its bytes alone in "
        f"{bytes_only:.2f} s, ratio {ratio:.2f}"
    )


def write(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the competition's training.csv; without it faces are simulated")
    parser.add_argument("--groups", help="the person of each row, as .npy")
    parser.add_argument("--epochs", type=int, help="fewer than the experiment's")
    parser.add_argument("--repetitions", type=int, default=15)
    arguments = parser.parse_args()
    print(f"handson {handson.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    saving(arguments.repetitions)
    training(arguments.data, arguments.groups, arguments.epochs)


if __name__ == "__main__":
    main()
