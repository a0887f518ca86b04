"""Training from files that are larger than the memory it may take, beside the same training from memory.

    python benchmarks/large_data.py --gigabytes 10 --memory 2 --kinds hdf5 zarr parquet
    python benchmarks/large_data.py --gigabytes 1 --memory 1 --nets dense images --threads 1 2 --order

Files are made first, in a minute or two: some pieces of rows are drawn and packed, and written again and again, which
does not pack them better since every chunk is packed by itself. Every training is a process of its own, with the files
dropped from the system's cache before. Those from files may take so many gigabytes of memory (RLIMIT_DATA: a byte more
is an error, and the table says so), and what they took at most is shown. The training from memory takes rows of
``--held`` gigabytes, since a step costs the same however many there are.

Shown is an epoch after the first: by the clock, which needs a quiet machine, and in processor time, of the thread that
trains and of all others, torch's own included. 'Opening' is what the first epoch takes more: the check of all values,
reading from the disk. With ``--order`` one short training is repeated with 1 and 4 threads that read, and on 1 and 4
workers: the weights must be the same, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import handson
from handson.callbacks import Callback
from handson.data import read
from handson.data.rows import blocks, feed
from handson.layers import Conv2D, Dense, Flatten, MaxPooling2D, Reshape

COLUMNS, PIECE, CHUNK, BATCH, UNITS = 1000, 2000, 250, 256, 512
# Pieces that differ; the rest repeats them.
PIECES = 16
# What Python, torch, NumPy, Arrow, the C library and the loader of libraries say when they get no memory.
OUT_OF_MEMORY = re.compile(
    r"(?i)MemoryError|no memory for|allocate \w*memory|unable to allocate|alloc of size|bad_alloc|"
    r"can't start new thread|launch worker thread"
)
# 'parquet' has a column for each value of a row, 'parquet-lists' one column of lists.
KINDS = ("memory", "npy", "hdf5", "hdf5-gzip", "zarr", "parquet", "parquet-lists")
NETS = {
    "dense": lambda: [Dense(UNITS, activation="relu"), Dense(UNITS, activation="relu"), Dense(1)],
    "images": lambda: [
        Reshape((25, 40, 1)), Conv2D(16, 3, activation="relu"), MaxPooling2D(), Conv2D(32, 3, activation="relu"),
        MaxPooling2D(), Flatten(), Dense(64, activation="relu"), Dense(1),
    ],
}  # fmt: skip


def pieces() -> list[np.ndarray]:
    """Spectra: lines on a continuum, in steps of an instrument that counts."""
    wave, found = np.linspace(0, 1, COLUMNS, dtype=np.float32), []
    for number in range(PIECES):
        rng = np.random.default_rng(number)
        place, depth = (rng.random((2, PIECE, 1)) * 0.8 + 0.1).astype(np.float32)
        noise = rng.standard_normal((PIECE, COLUMNS), np.float32) * np.float32(0.02)
        x = 1 - depth * np.exp(-(((wave - place) / np.float32(0.02)) ** 2)) + noise
        found.append(np.round(x * 256) / 256)
    return found


def target(x: np.ndarray) -> np.ndarray:
    return (x[:, ::7].mean(1) - 0.9).astype(np.float32) * 10


def write(folder: Path, kind: str, count: int) -> None:
    """The file of a kind, of so many pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pieces()
    targets = np.concatenate([target(drawn[number % PIECES]) for number in range(count)])
    {"memory": _npy, "npy": _npy, "zarr": _zarr, "parquet": _parquet}.get(
        kind, _parquet if "parquet" in kind else _hdf5
    )(folder, kind, drawn, targets)
    os.sync()


def _npy(folder: Path, kind: str, drawn: list[np.ndarray], y: np.ndarray) -> None:
    array = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (len(y), COLUMNS))
    for first in range(0, len(y), PIECE):
        array[first : first + PIECE] = drawn[first // PIECE % PIECES]
    array.flush()
    np.save(folder / "y.npy", y)


def _hdf5(folder: Path, kind: str, drawn: list[np.ndarray], y: np.ndarray) -> None:
    import h5py

    packs = kind == "hdf5-gzip"
    chunks = [piece[first : first + CHUNK].tobytes() for piece in drawn for first in range(0, PIECE, CHUNK)]
    chunks = [zlib.compress(chunk, 1) for chunk in chunks] if packs else chunks
    given = {"compression": "gzip", "compression_opts": 1} if packs else {}
    with h5py.File(folder / "x.h5", "w") as file:
        data = file.create_dataset("x", (len(y), COLUMNS), "f4", chunks=(CHUNK, COLUMNS), **given)
        for number in range(len(y) // CHUNK):
            data.id.write_direct_chunk((number * CHUNK, 0), chunks[number % len(chunks)])
        file["y"] = y


def _zarr(folder: Path, kind: str, drawn: list[np.ndarray], y: np.ndarray) -> None:
    import zarr

    group = zarr.open_group(folder / "x.zarr", mode="w")
    group.create_array("y", data=y)
    x = group.create_array("x", shape=(len(y), COLUMNS), chunks=(CHUNK, COLUMNS), dtype="f4")
    first = np.concatenate(drawn)[: len(y)]
    x[: len(first)] = first
    place = folder / "x.zarr" / "x" / "c"
    for number in range(len(first) // CHUNK, len(y) // CHUNK):
        (place / str(number)).mkdir()
        shutil.copyfile(place / str(number % (len(first) // CHUNK)) / "0", place / str(number) / "0")


def _parquet(folder: Path, kind: str, drawn: list[np.ndarray], y: np.ndarray) -> None:
    """A folder of files, each of all pieces that differ."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    names = [f"flux_{number}" for number in range(COLUMNS)]
    place = folder / kind
    place.mkdir()
    drawn = drawn[: len(y) // PIECE]
    tables = [pa.table(dict(zip(names, np.ascontiguousarray(x.T), strict=True)) | {"y": target(x)}) for x in drawn]
    if kind == "parquet-lists":
        lists = [pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), COLUMNS) for x in drawn]
        tables = [pa.table({"flux": rows, "y": target(x)}) for rows, x in zip(lists, drawn, strict=True)]
    with ParquetWriter(place / "00000.parquet", tables[0].schema, compression="zstd") as file:
        for table in tables:
            file.write_table(table, row_group_size=PIECE)
    for number in range(1, -(-len(y) // (PIECE * len(drawn)))):
        shutil.copyfile(place / "00000.parquet", place / f"{number:05}.parquet")


def opened(folder: Path, kind: str) -> Any:
    """The rows of a kind."""
    return {
        "memory": lambda: read(folder / "x.npy", str(folder / "y.npy"), in_memory=True),
        "npy": lambda: read(folder / "x.npy", str(folder / "y.npy"), in_memory=False),
        "hdf5": lambda: read(folder / "x.h5", "y"),
        "hdf5-gzip": lambda: read(folder / "x.h5", "y"),
        "zarr": lambda: read(folder / "x.zarr", "y"),
        "parquet": lambda: read(folder / kind, "y"),
        "parquet-lists": lambda: read(folder / kind, "y", image="flux", image_shape=(25, 40)),
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


def trained(folder: Path, kind: str, net_name: str, epochs: int, **arguments: Any) -> tuple[np.ndarray, int, str]:
    """Seconds of each epoch (by the clock, of the training, of all threads), rows in one, and a hash of the weights."""
    clock, start = Clock(), now()
    data = opened(folder, kind)
    layers = NETS[net_name]()
    layers = [Flatten(), *layers] if kind == "parquet-lists" and net_name == "dense" else layers
    net = handson.Sequential(layers, seed=1)
    net.compile("adam", "mse")
    given = {"engine": "eager"} | arguments
    net.fit(data.inputs, data.targets, epochs=epochs, batch_size=BATCH, seed=2, verbose=0, callbacks=[clock], **given)
    weights = hashlib.blake2b(b"".join(weight.tobytes() for weight in net.get_weights()), digest_size=8).hexdigest()
    steps = arguments.get("steps_per_epoch") or len(data) / BATCH
    return np.diff([start, *clock.ends], axis=0).T, round(steps * BATCH), weights


def held(field: str) -> int:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def one(folder: Path, given: argparse.Namespace) -> None:
    """A training in a process of its own."""
    kind, memory, steps = given.one, given.memory, given.epoch_steps
    torch.set_num_threads(given.threads[0])
    if kind != "memory":
        most = int(memory * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    (clock, training, every), rows, weights = trained(folder, kind, given.nets[0], given.epochs, steps_per_epoch=steps)
    found = {"clock": clock.tolist(), "training": training.tolist(), "reading": (every - training).tolist()}
    found |= {"rows": rows, "weights": weights}
    print(json.dumps(found | {"peak": held("VmHWM")}))


def same(folder: Path, kinds: list[str], readers: int, workers: int, steps: int) -> None:
    """A short training with so many threads that read, on so many workers (0: without shards)."""
    blocks.READERS = feed.THREADS = readers
    shards = {"engine": "auto", "devices": workers, "shards": 4} if workers else {}
    for kind in kinds:
        print(json.dumps([kind, trained(folder / kind, kind, "dense", 1, steps_per_epoch=steps, **shards)[2]]))


class OutOfMemoryError(Exception):
    """A training needed more than it may take."""


def run(folder: Path, *arguments: object) -> list[Any]:
    command = [sys.executable, "-W", "error", __file__, "--folder", str(folder), *map(str, arguments)]
    # What Arrow's own allocator sets aside, a gigabyte at once, counts for the limit although it is not used.
    around = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=around)
    if done.returncode and OUT_OF_MEMORY.search(done.stderr):
        raise OutOfMemoryError(done.stderr.strip().rpartition("\n")[2])
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]


def measure(folder: Path, given: argparse.Namespace, net: str, threads: int) -> dict[str, list[dict[str, Any]]]:
    """What was measured of each kind, in each round; nothing of one that needs more memory than it may take."""
    kinds = ["memory", *given.kinds]
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    waiting = list(kinds)
    asked = ["--epochs", given.epochs, "--memory", given.memory, "--epoch-steps", given.epoch_steps]
    for _ in range(given.rounds):
        for kind in list(waiting):
            drop_cache(folder / kind)
            try:
                found[kind] += run(folder / kind, "--one", kind, "--nets", net, "--threads", threads, *asked)
            except OutOfMemoryError as error:
                waiting.remove(kind)
                found[kind] = []
                print(f"{kind}: out of memory: {error}", file=sys.stderr, flush=True)
            else:
                print(net, threads, kind, found[kind][-1], file=sys.stderr, flush=True)
    return found


def later(results: list[dict[str, Any]], by: str) -> float:
    """Seconds of an epoch after the first."""
    return statistics.median(seconds for one in results for seconds in one[by][1:])


def table(found: dict[str, list[dict[str, Any]]], folder: Path) -> Iterator[str]:
    head = ("rows in", "GB on disk", "an epoch", "speed beside memory", "processor: training", "processor: others",
            "opening", "peak memory")  # fmt: skip
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    memory = later(found["memory"], "clock")
    for kind, results in found.items():
        size = sum(file.stat().st_size for file in (folder / kind).rglob("*") if file.is_file()) / 1e9
        if not results:
            yield f"| {kind} | {size:.2f} | out of memory |{' |' * (len(head) - 3)}"
            continue
        clock, training, others = (later(results, by) for by in ("clock", "training", "reading"))
        opening = statistics.median(one["clock"][0] for one in results) - clock
        cells = [kind, f"{size:.2f}", f"{clock:.2f} s", f"**{100 * memory / clock:.0f} %**", f"{training:.2f} s"]
        cells += [f"{others:.2f} s", f"{opening:.1f} s", f"{max(one['peak'] for one in results) / 2**30:.2f} GiB"]
        yield f"| {' | '.join(cells)} |"


def report(folder: Path, given: argparse.Namespace) -> None:
    count, held = (max(1, round(size * 1e9 / 4 / COLUMNS / PIECE)) for size in (given.gigabytes, given.held))
    for kind in ["memory", *given.kinds]:
        if not (folder / kind).exists():
            write(folder / kind, kind, held if kind == "memory" else count)
    rows = count * PIECE
    print("# Training from files larger than memory\n")
    print(
        f"`python benchmarks/large_data.py {' '.join(sys.argv[1:])}`, handson {handson.__version__}, torch "
        f"{torch.__version__}, {platform.machine()}, {os.cpu_count()} cores. {rows:,} rows of {COLUMNS} float32 ("
        f"{rows * COLUMNS * 4 / 1e9:.1f} GB), batches of {BATCH}, {given.epochs} epochs of {given.epoch_steps} steps, "
        f"{given.rounds} round(s). From files with at most {given.memory:g} GiB of memory (RLIMIT_DATA); peak is the "
        f"resident set, pages of the file that `npy` maps included. From memory: {held * PIECE:,} rows."
    )
    for net in given.nets:
        for threads in given.threads:
            found = measure(folder, given, net, threads)
            step = later(found["memory"], "clock") / given.epoch_steps * 1e3
            print(f"\n## {net}, {threads} thread(s) of torch: {step:.1f} ms a step from memory\n")
            print("\n".join(table(found, folder)), flush=True)
    if given.order:
        print_order(folder, given)


def print_order(folder: Path, given: argparse.Namespace) -> None:
    """That weights do not depend on who reads."""
    settings = {"1 reader": (1, 0), "4 readers": (4, 0), "1 worker": (2, 1), "4 workers": (2, 4)}
    weights = {
        name: dict(run(folder, "--same", readers, workers, "--steps", given.steps, "--kinds", *given.kinds))
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
    parser.add_argument("--epoch-steps", type=int, default=900, help="steps in an epoch, of 256 rows")
    parser.add_argument("--held", type=float, default=1.0, help="gigabytes of rows that are trained on from memory")
    parser.add_argument("--kinds", nargs="+", choices=KINDS[1:], default=KINDS[1:])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=["dense"])
    parser.add_argument("--threads", nargs="+", type=int, default=[torch.get_num_threads()], help="of torch")
    parser.add_argument("--order", action="store_true", help="whether weights are compared between readers and workers")
    parser.add_argument("--steps", type=int, default=300, help="of the training that is repeated")
    parser.add_argument("--folder", type=Path, help="where files are, or are written")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--same", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.folder, given)
    elif given.same:
        same(given.folder, given.kinds, *given.same, given.steps)
    elif given.folder:
        report(given.folder, given)
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(Path(folder), given)


if __name__ == "__main__":
    main()
