"""A model of the time of a step on many workers: fitted here, checked on 1 to 8 of them, drawn to 1,024 GPUs.

    python benchmarks/scale_model.py measure --out benchmarks/results/scale_model
    python benchmarks/scale_model.py draw --out benchmarks/results/scale_model --picture docs/pictures/scale.png

`measure` takes three minutes on two quiet cores: steps of dense nets on one worker, sums over workers without a net,
and, to compare with the model, steps on 1, 2, 4 and 8 workers. `docs/scale.md` explains the model; where its constants
for GPUs come from is said beside them, below.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from same_bits import Size, ours, run_ddp
from scipy.optimize import nnls

from handson.parallel.exchange import Exchange, Link
from handson.parallel.tree import Block
from handson.parallel.world import World

SHARDS = 8
WORKERS = (1, 2, 4, 8)
CHECKED = (Size(512, 1024), Size(1024, 1024))
FLOPS, BYTES = 6, 4  # of a weight: multiplications and additions for a row, forward and backward; its gradient


def weights_of(size: Size) -> int:
    return 128 * size.width + size.width**2 + 12 * size.width + 10


# What is measured.


def on_one_worker(steps: int) -> list[list[float]]:
    """Rows, weights, shards and seconds of steps on one worker with one thread."""
    found = []
    for width in (256, 512, 1024):
        for rows in (256, 1024):
            for shards in (1, 8, 32):
                size = Size(width, rows)
                seconds = min(ours(1, steps, size, shards=shards) for _ in range(2))
                found.append([rows, weights_of(size), shards, seconds])
    return found


def _fold(rank: int, workers: int, port: int, answers: Any) -> None:
    """Sums over workers, as `exact` takes them and as the backend does."""
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, None, rank == 0, wait_for_workers=False)
    world = World(store, rank, workers)
    exchange = Exchange(Link(rank, workers, world.talking), SHARDS)
    for numbers in (1 << 8, 1 << 16, 1 << 18, 1 << 20):
        mine = {block: torch.ones(numbers) for block in map(Block._make, exchange._blocks[rank])}
        for name, add in (("exact", lambda: exchange.fold(mine, 64)), ("DDP", lambda: dist.all_reduce(ones))):  # noqa: B023
            ones, each = torch.ones(numbers), []
            for _ in range(12):
                dist.barrier()
                begun = time.perf_counter()
                add()
                each.append(time.perf_counter() - begun)
            if rank == 0:
                answers.put((name, workers, numbers, float(np.median(each[2:]))))
    dist.barrier()
    world.close()


def over_workers() -> list[Any]:
    """Seconds of sums: how, workers, numbers, seconds."""
    context, found = multiprocessing.get_context("spawn"), []
    for workers in WORKERS[1:]:
        answers = context.Queue()
        processes = [context.Process(target=_fold, args=(rank, workers, _port(), answers)) for rank in range(workers)]
        for process in processes:
            process.start()
        found += [answers.get(timeout=120) for _ in range(8)]
        for process in processes:
            process.join()
    return found


def _port() -> int:
    return 19_000 + os.getpid() % 900


def on_many_workers(steps: int) -> list[Any]:
    """Steps on workers: how, width, rows, workers, seconds."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for size in CHECKED:
            for workers in WORKERS:
                exact = ours(workers, steps, size, shards=SHARDS)
                _, fast = run_ddp(workers, Path(folder), steps, size)
                found += [("exact", *size, workers, exact), ("DDP", *size, workers, fast)]
                print(found[-2:], flush=True)
    return found


MEASURED = {
    "one": on_one_worker,
    "sums": lambda steps: over_workers(),
    "many": on_many_workers,
}


def measure(parts: list[str], steps: int, kept: Path) -> None:
    """Measure some parts; the others stay as they were."""
    torch.set_num_threads(1)
    found = json.loads(kept.read_text()) if kept.exists() else {}
    found |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"}
    for part in parts:
        found |= {"cores": os.cpu_count(), part: MEASURED[part](steps)}
        kept.write_text(json.dumps(found) + "\n")


# The model of this machine.


class Fitted(NamedTuple):
    """Seconds: of a weight and row, of a shard and of its weights, of a step and of its weights; of sums."""

    row: float
    shard: float
    shard_weight: float
    step: float
    step_weight: float
    message: dict[str, float]
    number: dict[str, float]
    crowded: dict[str, float]  # of a weight, where more workers than cores take turns: fitted on four workers


def fit(found: dict[str, Any]) -> Fitted:
    """Non-negative least squares of relative errors: steps on one worker, and sums without a net."""
    given = np.array(found["one"])
    rows, weights, shards, seconds = given.T
    terms = np.stack([rows * weights, shards, shards * weights, np.ones_like(rows), weights], 1)
    coefficients = nnls(terms / seconds[:, None], np.ones(len(seconds)))[0]
    message, number = {}, {}
    for how in ("exact", "DDP"):
        sums = np.array([each[1:] for each in found["sums"] if each[0] == how], float)
        terms = np.stack([_messages(sums[:, 0]), _crowd(sums[:, 0], found["cores"]) * _sent(sums[:, 0], sums[:, 1])], 1)
        message[how], number[how] = map(float, nnls(terms / sums[:, 2:], np.ones(len(sums)))[0])
    fitted = Fitted(*map(float, coefficients), message, number, {"exact": 0.0, "DDP": 0.0})
    for how in fitted.crowded:
        fitted.crowded[how] = _crowded(how, fitted, found)
    return fitted


def _crowded(how: str, fitted: Fitted, found: dict[str, Any]) -> float:
    """What the rest of the model leaves out where four workers share the cores: they share caches, too."""
    each = []
    for name, width, rows, workers, seconds in found["many"]:
        if (name, workers) == (how, 4):
            size = Size(width, rows)
            left = seconds - seconds_here(how, size, workers, fitted, found["cores"])
            each.append(left / weights_of(size) / (_crowd(workers, found["cores"]) - 1))
    return float(max(0.0, np.mean(each)))


def _messages(workers: Any) -> Any:
    """One after another: of a ring, and of what every worker sends to every other."""
    return 2.0 * (workers - 1)


def _sent(workers: Any, numbers: Any) -> Any:
    """Numbers that a worker sends: its shares to the others, and its sum."""
    return 2 * numbers * (workers - 1) / workers


def _crowd(workers: Any, cores: int) -> Any:
    """How much longer work of every worker takes where they are more than cores."""
    return np.maximum(1.0, workers / cores)


def seconds_here(how: str, size: Size, workers: int, fitted: Fitted, cores: int) -> float:
    """A step on so many workers of this machine."""
    weights, shards = weights_of(size), SHARDS if how == "exact" else workers
    shared = size.rows * weights * fitted.row + shards * (fitted.shard + weights * fitted.shard_weight)
    own = fitted.step + weights * fitted.step_weight
    sums = _messages(workers) * fitted.message[how]
    sums += _sent(workers, weights) * fitted.number[how] * _crowd(workers, cores)
    crowd = _crowd(workers, cores)
    turns = weights * fitted.crowded[how] * (crowd - 1)
    return float(shared / min(workers, cores) + own * crowd + turns + (sums if workers > 1 else 0.0))


# The model of a cluster of GPUs.


class Cluster(NamedTuple):
    """GPUs, eight in a machine.

    H100 SXM (NVIDIA's data sheet): 989 TFLOP/s of bfloat16 without sparsity, 3.35 TB/s of memory, NVLink of 900 GB/s in
    both directions together; one port of 400 Gb/s for each GPU between machines, as in NVIDIA's DGX H100 and Meta's
    clusters for Llama 3 (arXiv 2407.21783, section 3.3), who got 38 to 43 % of the arithmetic (table 4) and had 419
    unexpected interruptions in 54 days on 16,384 GPUs (section 3.3.4).
    """

    flops: float = 989e12
    used: float = 0.4
    memory: float = 3.35e12
    inside: float = 450e9
    between: float = 50e9
    message: float = 5e-6  # an assumption: a message of NCCL between machines, with its kernel
    spread: float = 0.03  # an assumption: of the arithmetic of a step, from GPU to GPU
    invariant: float = 1.2  # an assumption: kernels whose bits do not depend on the batch are slower by so much
    hours_to_failure: float = 16_384 * 54 * 24 / 419


class Training(NamedTuple):
    """A net and its batch: 10⁹ rows are an epoch."""

    name: str
    weights: float
    flops: float  # of a row, forward and backward
    rows: int  # of a shard
    half: float  # an assumption: rows with which a GPU does half of what it can
    meetings: int  # layers of batch normalization; four meetings of each in a step
    shards: int = 1024


TRAININGS = (
    # He et al. 2015, table 1: 3.8e9 multiply-adds forward (4.1e9 in torchvision's version); backward twice as many.
    Training("ResNet-50", 25.6e6, 3 * 2 * 4.1e9, 32, 8, 53),
    # GPT-3's 1.3 billion (Brown et al. 2020, table 2.1): 1 million tokens in a batch; rows of 1,024 tokens.
    Training("GPT, 1.3 billion", 1.3e9, 6 * 1.3e9 * 1024, 1, 0.1, 0),
)


def step_of(how: str, training: Training, gpus: int, given: Cluster, next_one: bool = False) -> float:
    """Seconds of a step; `next_one`: with what docs/scale.md would build next."""
    mine = training.shards / gpus
    exact = how == "exact"
    # DDP takes the rows of a GPU in the largest parts that fit; eight shards do.
    rows = training.rows * (1 if exact and not next_one else min(mine, 8))
    work = (
        training.shards
        * training.rows
        * training.flops
        / gpus
        / (given.flops * given.used)
        * (1 + training.half / rows)
    )
    if exact and not next_one:  # gradients of every shard are written, read and added
        work += mine * 3 * BYTES * training.weights / given.memory
    work *= given.invariant if exact and next_one else 1
    waits = given.spread * work * np.sqrt(2 * np.log(gpus))  # the slowest of many, if they are normally distributed
    bandwidth = given.inside if gpus <= 8 else given.between
    wire = 2 * BYTES * training.weights * (gpus - 1) / gpus / bandwidth if gpus > 1 else 0.0
    rounds = 2 * np.log2(gpus)
    if not exact or next_one:
        # The last bucket of DDP is sent when the backward pass is over.
        exposed = max(wire - 2 / 3 * work, 25e6 / bandwidth if gpus > 1 else 0.0)
        meetings = training.meetings * rounds / 2 * given.message * 2  # all-gather of moments, forward and backward
        meetings *= 2 if exact else 1
        return float(work + waits + exposed + rounds * given.message + meetings)
    together = (gpus - 1) * given.message  # all to all: one message after another
    return float(work + waits + wire + 2 * together + 4 * training.meetings * together)


# The picture.


def table(found: dict[str, Any], fitted: Fitted) -> list[str]:
    lines = ["| | net, batch | workers | measured, ms | model, ms | error |", "|---|---|---|---|---|---|"]
    for how, width, rows, workers, seconds in found["many"]:
        model = seconds_here(how, Size(width, rows), workers, fitted, found["cores"])
        lines.append(
            f"| {how} | {width} wide, {rows} | {workers} | {1e3 * seconds:.1f} | {1e3 * model:.1f} | "
            f"{100 * (model / seconds - 1):+.0f} % |"
        )
    return lines


def constants(fitted: Fitted) -> list[str]:
    """The fitted constants, with their units."""
    lines = ["| constant | |", "|---|---|"]
    lines += [
        f"| arithmetic | {FLOPS / fitted.row / 1e9:.0f} GFLOP/s of a thread |",
        f"| a shard | {1e6 * fitted.shard:.0f} µs, and {1e9 * fitted.shard_weight:.2f} ns for a weight |",
        f"| a step | {1e6 * fitted.step:.0f} µs, and {1e9 * fitted.step_weight:.2f} ns for a weight |",
    ]
    for how in fitted.message:
        lines += [
            f"| sums, {how} | {1e6 * fitted.message[how]:.0f} µs for a message, "
            f"{BYTES / fitted.number[how] / 1e9:.1f} GB/s |",
            f"| taking turns, {how} | {1e9 * fitted.crowded[how]:.1f} ns for a weight |",
        ]
    return lines


def cluster_table(given: Cluster) -> list[str]:
    lines = [
        "| net | GPUs | DDP, s | `exact`, s | ratio | next, ratio | 10⁹ rows, `exact` | failures in it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for training in TRAININGS:
        for gpus in (1, 8, 64, 256, 1024):
            fast, exact, later = (step_of(*each) for each in (
                ("DDP", training, gpus, given), ("exact", training, gpus, given), ("exact", training, gpus, given, True)
            ))  # fmt: skip
            hours = exact * 1e9 / (training.shards * training.rows) / 3600
            lines.append(
                f"| {training.name} | {gpus} | {fast:.3g} | {exact:.3g} | {exact / fast:.2f} | {later / fast:.2f} | "
                f"{hours:,.1f} h | {hours * gpus / given.hours_to_failure:.2f} |"
            )
    return lines


def draw(found: dict[str, Any], fitted: Fitted, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (here, there) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for color, how in zip(("tab:blue", "tab:orange"), ("exact", "DDP"), strict=True):
        for style, size in zip(("-", "--"), CHECKED, strict=True):
            times = [1e3 * seconds_here(how, size, workers, fitted, found["cores"]) for workers in WORKERS]
            here.plot(WORKERS, times, style, color=color, label=f"{how}, {size.width} wide: model")
            seen = [(each[3], 1e3 * each[4]) for each in found["many"] if each[:3] == [how, *size]]
            here.plot(*zip(*seen, strict=True), "o" if style == "-" else "s", color=color)
    here.set(xscale="log", yscale="log", xlabel=f"workers on {found['cores']} cores", ylabel="a step, ms")
    here.set_xticks(WORKERS, WORKERS)
    here.set_yticks([10, 20, 50, 100], [10, 20, 50, 100])
    here.minorticks_off()
    here.set_title("points: measured, lines: model", fontsize=10)
    here.legend(fontsize=8)
    gpus = [1 << power for power in range(11)]
    for color, training in zip(("tab:blue", "tab:red"), TRAININGS, strict=True):
        fast = [step_of("DDP", training, each, Cluster()) for each in gpus]
        for style, label, later in (("-", "exact", False), (":", "next", True)):
            times = [step_of("exact", training, each, Cluster(), later) for each in gpus]
            there.plot(gpus, np.divide(times, fast), style, color=color, label=f"{training.name}: {label}")
    there.axhline(1.1, color="gray", linewidth=0.8)
    there.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="a step, times that of DDP")
    there.set_xticks(gpus[::2], gpus[::2])
    there.set_yticks([1, 2, 5, 10, 20, 50, 100], [1, 2, 5, 10, 20, 50, 100])
    there.minorticks_off()
    there.set_title("on paper: H100, 1,024 shards", fontsize=10)
    there.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "draw"])
    parser.add_argument("--parts", nargs="+", choices=MEASURED, default=list(MEASURED))
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True, help="a path without ending")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    kept = args.out.with_suffix(".json")
    if args.what == "measure":
        return measure(args.parts, args.steps, kept)
    found = json.loads(kept.read_text())
    fitted = fit(found)
    lines = ["# A model of the time of a step", "", f"`python benchmarks/scale_model.py`, {found['machine']}.", ""]
    lines += [*table(found, fitted), "", *constants(fitted), "", *cluster_table(Cluster())]
    kept.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    if args.picture:
        draw(found, fitted, args.picture)


if __name__ == "__main__":
    main()
