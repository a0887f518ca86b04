"""How time and memory grow with the number of rows, and what it costs that data stay in their file.

    python benchmarks/growth.py
    python benchmarks/growth.py --larger-than-memory

The first trains a small dense net on 10^3 to 10^6 rows, each in a process of its own: microseconds per row of an epoch,
the same with a callback that looks after every epoch, the seconds before the first step, and the memory that a row
takes beside its own bytes. Then it trains the fourth lecture's net on 96x96 images, in turn from memory and from a
memory-mapped file that the system's cache holds.
The second writes a file larger than the memory of the machine, and trains on rows from all over it while nothing of it
is cached; beside it runs the same training on as many rows in memory. Files are written to the folder for temporary
ones, and removed; one that --file names is kept, and used again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import handson
from handson.callbacks import Callback
from handson.layers import Dense

if __name__ == "__main__":
    from engines import lecture
else:
    from benchmarks.engines import lecture

ROWS = (10**3, 10**4, 10**5, 10**6)
COLUMNS = 5
BATCH = 128


class Times(Callback):
    """When epochs begin and end."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.ended.append(time.perf_counter())

    @property
    def epochs(self) -> list[float]:
        """Seconds of each epoch."""
        return [end - begin for begin, end in zip(self.began, self.ended, strict=True)]


def peak_bytes() -> int:
    """The most memory that this process has had."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def dense_net() -> handson.Sequential:
    """A net whose arithmetic costs little beside the way of the rows to it."""
    net = handson.Sequential([Dense(64, activation="relu", input_dim=COLUMNS), Dense(64, activation="relu"), Dense(1)])
    net.compile("adam", "mse")
    return net


def grow(rows: int, epochs: int) -> dict[str, float]:
    """One training of the dense net: what is printed of it."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, COLUMNS), dtype=np.float32)
    y = x.sum(1)
    dense_net().fit(x[:64], y[:64], epochs=2, verbose=0, engine="dense")  # compiles, and loads libraries
    times, before, started = Times(), peak_bytes(), time.perf_counter()
    dense_net().fit(x, y, epochs=epochs, verbose=0, seed=0, callbacks=[times])
    memory = (peak_bytes() - before) / rows
    first = times.began[0] - started
    started = time.perf_counter()
    dense_net().fit(x, y, epochs=epochs, verbose=0, seed=0)
    alone = time.perf_counter() - started - first
    return {
        "before": first,
        "epoch": alone / epochs,
        "watched": statistics.median(times.epochs[1:]),
        "memory": memory,
    }


def measure_growth(repetitions: int) -> None:
    """Print what each number of rows costs."""
    print(f"dense net, {COLUMNS} inputs, batches of 32; bytes beside those of the row and its target")
    print("   rows  us a row (lowest to highest)  with a callback  s before  bytes a row")
    found: dict[int, list[dict[str, float]]] = {rows: [] for rows in ROWS}
    for _ in range(repetitions):
        for rows in ROWS:
            # At least 5,000 steps, so that all lengths are trained by the same engine.
            epochs = max(3, 5000 * 32 // rows + 1)
            command = [sys.executable, __file__, "--grow", str(rows), str(epochs)]
            found[rows].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    for rows, results in found.items():
        times = [result["epoch"] / rows * 1e6 for result in results]
        watched, before, memory = (
            statistics.median(result[name] for result in results) for name in ("watched", "before", "memory")
        )
        print(f"{rows:>7}  {statistics.median(times):6.2f} ({min(times):.2f} to {max(times):.2f})"
              f"  {watched / rows * 1e6:19.2f}  {before:8.3f}  {memory:11.0f}")  # fmt: skip


def drop_cache(mapped: np.memmap) -> None:
    """Let the system forget what it holds of a file."""
    mapped._mmap.madvise(mmap.MADV_DONTNEED)
    with open(mapped.filename, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Enough(Exception):
    """So many steps have been timed."""


class Steps(Callback):
    """Ends the training after so many steps, and notes when each ends; they begin with nothing of a file in memory."""

    def __init__(self, steps: int, forget: np.ndarray | None = None) -> None:
        self.steps, self.forget = steps, forget
        self.began = 0.0
        self.ended: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()
        if self.forget is not None:
            drop_cache(self.forget)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.ended.append(time.perf_counter())
        if len(self.ended) == self.steps:
            raise Enough


def seconds_a_step(x: np.ndarray, y: np.ndarray, steps: int, cold: bool = False) -> tuple[float, float]:
    """Seconds before the first step, and for each after it, of a new copy of the lecture's net."""
    times, started = Steps(steps, x if cold else None), time.perf_counter()
    with contextlib.suppress(Enough):
        lecture().fit(x, y, batch_size=BATCH, verbose=0, seed=0, engine="blocks", callbacks=[times])
    return times.began - started, (times.ended[-1] - times.ended[0]) / (steps - 1)


def report(name: str, found: list[tuple[float, float]], reference: float | None = None) -> float:
    """Print the figures of one kind of data; gives the median time of a step."""
    steps = [step * 1000 for _, step in found]
    median = statistics.median(steps)
    ratio = "" if reference is None else f"  {reference / median:.2f} of the speed from memory"
    print(f"{name:18} {median:6.1f} ms a step ({min(steps):.1f} to {max(steps):.1f}), "
          f"{statistics.median(before for before, _ in found):.2f} s before the first{ratio}", flush=True)  # fmt: skip
    return median


def write_images(path: Path, rows: int) -> np.ndarray:
    """A file of so many images, mapped."""
    images = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 96, 96, 1))
    block = np.random.default_rng(0).random((1000, 96, 96, 1), dtype=np.float32)
    for first in range(0, rows, len(block)):
        images[first : first + len(block)] = block[: rows - first]
    images.flush()
    return np.load(path, mmap_mode="r")


def targets(rows: int) -> np.ndarray:
    """Thirty targets for each image."""
    return np.random.default_rng(1).uniform(-1, 1, (rows, 30)).astype(np.float32)


def compare(name: str, mapped: np.ndarray, steps: int, repetitions: int, cold: bool = False) -> None:
    """Steps on rows spread over a mapped file and on rows in memory, in turn."""
    spread = mapped[:: len(mapped) // (steps * BATCH)][: steps * BATCH]
    held, y = np.array(mapped[: len(spread)]), targets(len(spread))
    seconds_a_step(held, y, 2)
    found = [(seconds_a_step(held, y, steps), seconds_a_step(spread, y, steps, cold)) for _ in range(repetitions)]
    print(f"lecture's net, {mapped.nbytes / 2**30:.2f} GiB of images, {steps} steps, batches of {BATCH}")
    report(name, [pair[1] for pair in found], report("in memory", [pair[0] for pair in found]))


def large_file(path: Path, gib: float) -> np.ndarray:
    """The file at a path, written if it is not there."""
    if path.exists():
        return np.load(path, mmap_mode="r")
    if shutil.disk_usage(path.parent).free < 1.2 * gib * 2**30:
        raise SystemExit(f"{path.parent} has no room for {gib:.0f} GiB.")
    started = time.perf_counter()
    mapped = write_images(path, int(gib * 2**30) // (96 * 96 * 4))
    print(f"{gib:.1f} GiB written in {time.perf_counter() - started:.0f} s", flush=True)
    return mapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--larger-than-memory", action="store_true", help="write a file larger than the memory")
    parser.add_argument("--gib", type=float, help="the size of that file; by default 1.2 times the memory")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--file", type=Path, help="where that file is, or is to be; it is kept")
    parser.add_argument("--grow", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grow:
        print(json.dumps(grow(*arguments.grow)))
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {memory:.0f} GiB, handson "
          f"{handson.__version__}, torch {torch.__version__}, n = {arguments.repetitions}", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or Path(folder, "images.npy")
        if arguments.larger_than_memory:
            mapped = large_file(path, arguments.gib or 1.2 * memory)
            compare("larger than memory", mapped, arguments.steps, arguments.repetitions, cold=True)
        else:
            measure_growth(arguments.repetitions)
            compare("mapped, cached", write_images(path, arguments.steps * BATCH), arguments.steps,
                    arguments.repetitions)  # fmt: skip


if __name__ == "__main__":
    main()
