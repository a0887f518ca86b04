"""Training from files that are larger than the memory it may take, beside the same training from memory.

    python benchmarks/large_data.py --gigabytes 10 --memory 2

Files are written first: HDF5 (plain, and with gzip), Zarr (zstd), Parquet (zstd) and `.npy` hold the same rows. Every
training is a process of its own, with the files dropped from the system's cache before; those from files may take so
many gigabytes of memory (RLIMIT_DATA: a byte more is an error, and the table says so of that kind), and what they took
at most is shown beside. Of an
epoch after the first it is shown what processor time the thread that trains takes, and the threads that read ahead of
it. With a core to spare for them an epoch lasts as long as the slower of the two: 'speed' is that of memory's divided
by it. 'By the clock' needs a quiet machine. 'Opening' is what the first epoch takes more: the check of all values,
reading from the disk. Then one short training is repeated with 1 and 4 threads that read, and on 1 and 4 workers: the
weights must be the same, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import handson
from handson.callbacks import Callback
from handson.data import read
from handson.data.rows import blocks, feed
from handson.layers import Dense

COLUMNS, PIECE, BATCH, UNITS = 1000, 2000, 256, 512
# What Python, torch, NumPy, Arrow, the C library and the loader of libraries say when they get no memory.
OUT_OF_MEMORY = re.compile(
    r"(?i)MemoryError|no memory for|allocate \w*memory|unable to allocate|alloc of size|bad_alloc|"
    r"can't start new thread|launch worker thread"
)
KINDS = ("memory", "npy", "hdf5", "hdf5-gzip", "zarr", "parquet")


def pieces(rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """Spectra, some at a time: lines on a continuum, in steps of an instrument that counts."""
    wave = np.linspace(0, 1, COLUMNS, dtype=np.float32)
    for first in range(0, rows, PIECE):
        rng = np.random.default_rng(first)
        count = min(PIECE, rows - first)
        place, depth = (rng.random((2, count, 1)) * 0.8 + 0.1).astype(np.float32)
        x = 1 - depth * np.exp(-(((wave - place) / 0.02) ** 2)) + rng.normal(0, 0.02, (count, COLUMNS))
        yield first, np.round(x * 256).astype(np.float32) / 256


def target(x: np.ndarray) -> np.ndarray:
    return (x[:, ::7].mean(1) - 0.9).astype(np.float32) * 10


def write(folder: Path, rows: int) -> None:
    """All files; a piece at a time, so that this takes little memory too."""
    import h5py
    import pyarrow as pa
    import zarr
    from pyarrow.parquet import ParquetWriter

    shape, chunks = (rows, COLUMNS), (250, COLUMNS)
    names = [f"flux_{number}" for number in range(COLUMNS)]
    schema = pa.schema([(name, pa.float32()) for name in (*names, "y")])
    group = zarr.open_group(folder / "x.zarr", mode="w")
    arrays = [group.create_array("x", shape=shape, chunks=chunks, dtype="f4")]
    (folder / "parquet").mkdir()
    y = np.empty(rows, np.float32)
    npy = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, shape)
    with (
        h5py.File(folder / "x.h5", "w") as plain,
        h5py.File(folder / "x-gzip.h5", "w") as packed,
        ParquetWriter(folder / "parquet" / "0.parquet", schema, compression="zstd") as table,
    ):
        arrays += [
            plain.create_dataset("x", shape, "f4", chunks=chunks),
            packed.create_dataset("x", shape, "f4", chunks=chunks, compression="gzip", compression_opts=1),
            npy,
        ]
        for first, x in pieces(rows):
            y[first : first + len(x)] = target(x)
            for array in arrays:
                array[first : first + len(x)] = x
            columns = dict(zip(names, np.ascontiguousarray(x.T), strict=True)) | {"y": target(x)}
            table.write_table(pa.table(columns, schema=schema), row_group_size=PIECE)
        plain["y"] = packed["y"] = y
    group.create_array("y", data=y)
    np.save(folder / "y.npy", y)
    npy.flush()
    os.sync()


def opened(folder: Path, kind: str) -> Any:
    """The rows of a kind."""
    return {
        "memory": lambda: read(folder / "x.npy", str(folder / "y.npy"), in_memory=True),
        "npy": lambda: read(folder / "x.npy", str(folder / "y.npy"), in_memory=False),
        "hdf5": lambda: read(folder / "x.h5", "y"),
        "hdf5-gzip": lambda: read(folder / "x-gzip.h5", "y"),
        "zarr": lambda: read(folder / "x.zarr", "y"),
        "parquet": lambda: read(folder / "parquet", "y"),
    }[kind]()


def drop_cache(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


class Clock(Callback):
    """When epochs ended: by the clock, and by the processor times of the thread that trains and of all threads."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.ends.append(now())


def now() -> tuple[float, float, float]:
    return time.perf_counter(), time.thread_time(), time.process_time()


def trained(folder: Path, kind: str, epochs: int, **arguments: Any) -> tuple[np.ndarray, int, str]:
    """Seconds of each epoch (by the clock, of the training, of all threads), rows in one, and a hash of the weights."""
    clock, start = Clock(), now()
    data = opened(folder, kind)
    net = handson.Sequential([Dense(UNITS, activation="relu"), Dense(UNITS, activation="relu"), Dense(1)], seed=1)
    net.compile("adam", "mse")
    given = {"engine": "eager"} | arguments
    net.fit(data.inputs, data.targets, epochs=epochs, batch_size=BATCH, seed=2, verbose=0, callbacks=[clock], **given)
    weights = hashlib.blake2b(b"".join(weight.tobytes() for weight in net.get_weights()), digest_size=8).hexdigest()
    steps = arguments.get("steps_per_epoch") or len(data) / BATCH
    return np.diff([start, *clock.ends], axis=0).T, round(steps * BATCH), weights


def held(field: str) -> int:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def one(folder: Path, kind: str, epochs: int, memory: float, steps: int | None) -> None:
    """A training in a process of its own."""
    if kind != "memory":
        most = int(memory * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    (clock, training, every), rows, weights = trained(folder, kind, epochs, steps_per_epoch=steps)
    found = {"clock": clock.tolist(), "training": training.tolist(), "reading": (every - training).tolist()}
    found |= {"rows": rows, "weights": weights}
    print(json.dumps(found | {"peak": held("VmHWM")}))


def same(folder: Path, readers: int, workers: int, steps: int) -> None:
    """A short training with so many threads that read, on so many workers (0: without shards)."""
    blocks.READERS = feed.THREADS = readers
    shards = {"engine": "auto", "devices": workers, "shards": 4} if workers else {}
    for kind in ("hdf5-gzip", "zarr", "parquet"):
        print(json.dumps([kind, trained(folder, kind, 1, steps_per_epoch=steps, **shards)[2]]))


class OutOfMemoryError(Exception):
    """A training needed more than it may take."""


def run(folder: Path, *arguments: object) -> list[Any]:
    command = [sys.executable, "-W", "error", __file__, "--folder", str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and OUT_OF_MEMORY.search(done.stderr):
        raise OutOfMemoryError(done.stderr.strip().rpartition("\n")[2])
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]


def measure(folder: Path, given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What was measured of each kind, in each round; nothing of one that needs more memory than it may take."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    waiting = list(KINDS)
    limit = ["--epoch-steps", given.epoch_steps] if given.epoch_steps else []
    for _ in range(given.rounds):
        for kind in list(waiting):
            drop_cache(folder)
            try:
                found[kind] += run(folder, "--one", kind, "--epochs", given.epochs, "--memory", given.memory, *limit)
            except OutOfMemoryError as error:
                waiting.remove(kind)
                found[kind] = []
                print(f"{kind}: out of memory: {error}", file=sys.stderr, flush=True)
            else:
                print(kind, found[kind][-1], file=sys.stderr, flush=True)
    return found


def later(results: list[dict[str, Any]], by: str) -> float:
    """Seconds of an epoch after the first."""
    return statistics.median(seconds for one in results for seconds in one[by][1:])


def table(found: dict[str, list[dict[str, Any]]], size: Callable[[str], float]) -> Iterator[str]:
    head = ("rows in", "GB on disk", "training thread", "reading threads", "speed with a core to spare", "by the clock",
            "opening", "peak memory")  # fmt: skip
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    memory = found["memory"]
    for kind, results in found.items():
        if not results:
            yield f"| {kind} | {size(kind):.2f} | out of memory |{' |' * (len(head) - 3)}"
            continue
        training, reading = (later(results, by) for by in ("training", "reading"))
        share = 100 * later(memory, "training") / max(training, reading)
        opening = statistics.median(one["training"][0] + one["reading"][0] for one in results) - training - reading
        cells = [kind, f"{size(kind):.2f}", f"{training:.2f} s", f"{reading:.2f} s", f"**{share:.0f} %**"]
        cells += [f"{100 * later(memory, 'clock') / later(results, 'clock'):.0f} %", f"{opening:.1f} s"]
        cells.append(f"{max(one['peak'] for one in results) / 2**30:.2f} GiB")
        yield f"| {' | '.join(cells)} |"


def size_of(folder: Path, kind: str) -> float:
    place = {"memory": "x.npy", "npy": "x.npy", "hdf5": "x.h5", "hdf5-gzip": "x-gzip.h5", "zarr": "x.zarr"}
    path = folder / place.get(kind, "parquet")
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e9


def report(folder: Path, given: argparse.Namespace) -> None:
    rows = int(given.gigabytes * 1e9 / 4 / COLUMNS)
    if not (folder / "y.npy").exists():
        write(folder, rows)
    found = measure(folder, given)
    print("# Training from files larger than memory\n")
    print(
        f"`python benchmarks/large_data.py --gigabytes {given.gigabytes:g} --memory {given.memory:g}`, handson "
        f"{handson.__version__}, torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} thread(s) of torch. {rows:,} rows of {COLUMNS} float32 ("
        f"{rows * COLUMNS * 4 / 1e9:.1f} GB); net {COLUMNS}-{UNITS}-{UNITS}-1, batches of {BATCH}, "
        f"{given.epochs} epochs of {given.epoch_steps or -(-rows // BATCH)} steps, {given.rounds} round(s). "
        f"From files with at most {given.memory:g} GiB of memory (RLIMIT_DATA); peak is the resident set, pages of the "
        f"file that `npy` maps included.\n"
    )
    print("\n".join(table(found, lambda kind: size_of(folder, kind))))
    settings = {"1 reader": (1, 0), "4 readers": (4, 0), "1 worker": (2, 1), "4 workers": (2, 4)}
    weights = {
        name: dict(run(folder, "--same", readers, workers, "--steps", given.steps))
        for name, (readers, workers) in settings.items()
    }
    print(f"\nWeights after {given.steps} steps, in the order of windows:\n")
    print("| rows in | " + " | ".join(weights) + " |")
    print("| --- | --- | --- | --- | --- |")
    for kind in weights["1 reader"]:
        print(f"| {kind} | " + " | ".join(f"`{hashes[kind]}`" for hashes in weights.values()) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0, help="of rows in memory")
    parser.add_argument("--memory", type=float, default=2.0, help="that a training from files may take, in GiB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--epoch-steps", type=int, help="steps in an epoch, if it is not to see all rows")
    parser.add_argument("--steps", type=int, default=300, help="of the training that is repeated")
    parser.add_argument("--folder", type=Path, help="where files are, or are written")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--same", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.folder, given.one, given.epochs, given.memory, given.epoch_steps)
    elif given.same:
        same(given.folder, *given.same, given.steps)
    elif given.folder:
        report(given.folder, given)
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(Path(folder), given)


if __name__ == "__main__":
    main()
