"""Two versions of handson on the same jobs: warm rounds in turn, and the time from `python` to the end of an epoch.

    python benchmarks/versions.py BEFORE AFTER

BEFORE and AFTER are folders that hold the package. Each version works in processes of its own. The figures are medians
over the rounds with the lowest and the highest, and the median of the ratios of each turn. 'The first start' is that of
a machine that never ran handson: caches go to an empty folder. With `--alone` there is one thread and its time on a
processor counts, to which other processes of the machine do less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Where `engines` and `reading` have their nets, rows and files.
FIT = {"lecture": (2560, 128), "digits": (1920, 64), "lstm": (2048, 64), "gru": (2048, 64), "faces": (640, 32)}
WHOLE = ("members", "folds", "reading", "pictures")
CASES = ("dense", "growth", *FIT, *WHOLE)


def dense(rows: int, epochs: int) -> tuple[Callable[[], Any], int]:
    """The dense net of `benchmarks.peers`, on some rows; and how many steps."""
    from benchmarks.peers.jobs import JOBS

    x, y = JOBS["dense"].data(rows)
    net = dense_net()
    return lambda: net.fit(x, y, batch_size=32, epochs=epochs, verbose=0), epochs * -(-rows // 32)


def dense_net(seed: int = 0) -> Any:
    import handson
    from handson.layers import Dense

    net = handson.Sequential([Dense(64, activation="relu"), Dense(64, activation="relu"), Dense(1)], seed=seed)
    net.compile("adam", "mse")
    return net


def whole(case: str) -> tuple[Callable[[], Any], int]:
    """A job that is measured as a whole."""
    import handson
    from benchmarks.peers.jobs import JOBS

    x, y = JOBS["dense"].data(8000)
    given = {"batch_size": 32, "epochs": 20, "verbose": 0}
    if case == "members":
        return lambda: handson.deep_ensemble(dense_net, x, y, 10, seed=0, **given), 1
    if case == "folds":
        return lambda: handson.cross_validate(dense_net, x, y, 5, seed=0, **given), 1
    if case == "pictures":
        return lambda: handson.faces.simulate(200, seed=1), 1
    from benchmarks.reading import write_file
    from handson.data import read

    path = Path(tempfile.mkdtemp(), "table.csv")
    write_file(path, 2000)
    return lambda: read(path), 1


def fitted(case: str) -> tuple[Callable[[], Any], int]:
    """An epoch of one of the larger nets, and how many steps."""
    import numpy as np

    rng, (rows, size) = np.random.default_rng(0), FIT[case]
    if case == "faces":
        from pandas import DataFrame

        from handson.faces import COLUMNS, EXPERIMENTS
        from handson.workflow.experiment import Experiment

        experiment = Experiment.from_yaml(EXPERIMENTS["faces"])
        net, augment, shape = experiment.build(), experiment.build_augment(), (96, 96, 1)
        x = rng.integers(0, 256, (rows, *shape), dtype=np.uint8)
        y = DataFrame(rng.uniform(0, 96, (rows, 30)), columns=COLUMNS)
    else:
        from benchmarks.engines import NETS

        net, augment = NETS[case](), None
        shape = {"lecture": (96, 96, 1), "digits": (28, 28, 1)}.get(case, (130, 3))
        x = rng.random((rows, *shape), dtype=np.float32)
        y = rng.uniform(-1, 1, (rows, 30)) if case == "lecture" else rng.integers(0, 5, rows)
    return lambda: net.fit(x, y, batch_size=size, epochs=1, verbose=0, augment=augment), rows // size


def work(case: str) -> None:
    """What a process does: a round for each line that it is sent, answered by its seconds per step."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.path.insert(0, str(ROOT))
    made = {"dense": lambda: dense(16_000, 10), "growth": lambda: dense(1_000_000, 1)}.get(case)
    run, steps = made() if made else whole(case) if case in WHOLE else fitted(case)
    clock = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
    for _ in sys.stdin:
        started = clock()
        run()
        print(json.dumps((clock() - started) / steps), file=replies)


class Process:
    """A version at work on a case."""

    def __init__(self, folder: Path, case: str, cache: str) -> None:
        own = {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": ""}
        pipe, words = subprocess.PIPE, [sys.executable, __file__, "--work", case]
        self.born = time.perf_counter()
        self.process = subprocess.Popen(words, env=os.environ | own, stdin=pipe, stdout=pipe, text=True)

    def round(self) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        return float(json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        self.process.communicate()


def warm(folders: list[Path], case: str, rounds: int, cache: str) -> list[list[float]]:
    """The rounds of both versions in turn; the first of each is left out."""
    processes = [Process(folder, case, cache) for folder in folders]
    for each in processes:
        each.round()
    found = [[each.round() for each in processes] for _ in range(rounds)]
    for each in processes:
        each.end()
    return [list(times) for times in zip(*found, strict=True)]


def started(folders: list[Path], case: str, rounds: int) -> tuple[list[float], list[list[float]]]:
    """Seconds from the start of Python to the end of the first round: on a new machine, and then in turn."""

    def once(folder: Path, cache: str) -> float:
        process = Process(folder, case, cache)
        process.round()
        age = time.perf_counter() - process.born
        process.end()
        return age

    with tempfile.TemporaryDirectory() as cache:
        first = [once(folder, cache) for folder in folders]
        found = [[once(folder, cache) for folder in folders] for _ in range(rounds)]
    return first, [list(times) for times in zip(*found, strict=True)]


def words(times: list[float]) -> str:
    unit = next(scale for scale in (1, 1e3, 1e6) if statistics.median(times) * scale >= 1 or scale == 1e6)
    middle, low, high = (f"{value * unit:.3g}" for value in (statistics.median(times), min(times), max(times)))
    return f"{middle} {'s' if unit == 1 else 'ms' if unit == 1e3 else 'µs'} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="before, and after")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--starts", type=int, default=3, help="0 leaves the starts out")
    parser.add_argument("--alone", action="store_true", help="one thread, and its time on a processor")
    parser.add_argument("--work", choices=CASES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(given.work)
    folders = [folder.resolve() for folder in given.folders]
    os.environ |= {"OMP_NUM_THREADS": "1"} if given.alone else {}
    print(f"{platform.machine()}, {os.cpu_count()} processors, n = {given.rounds}\n")
    print("| case | before | after | ratio |\n" + 4 * "| --- " + "|", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        for case in given.cases:
            before, after = warm(folders, case, given.rounds, cache)
            ratio = statistics.median(b / a for a, b in zip(before, after, strict=True))
            print(f"| {case} | {words(before)} | {words(after)} | {ratio:.2f} |", flush=True)
    if not given.starts:
        return None
    print(
        "\n| start | before, the first | before | after, the first | after |\n| --- | --- | --- | --- | --- |",
        flush=True,
    )
    for case in [case for case in given.cases if case == "dense" or case in FIT]:
        first, (before, after) = started(folders, case, given.starts)
        print(f"| {case} | {first[0]:.2f} s | {words(before)} | {first[1]:.2f} s | {words(after)} |", flush=True)
    return None


if __name__ == "__main__":
    main()
