"""Train nets on 1 to 8 workers, which are killed and join at random; compare the bits, and plain DDP beside it.

    python benchmarks/same_bits.py --kills 100 --out benchmarks/results/same_bits

Every row of the table is a net and an optimizer; batches are ragged, targets are missing, samples have weights. A cell
says whether all processes of a training ended with the bits of one worker, in weights and history. Then, how many
different results DistributedDataParallel gives on the same numbers of processes, and what `exact` costs. Parts may run
one at a time: what they found is kept in same_bits.json, from which the page same_bits.md is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

import handson
from handson.callbacks import Callback
from handson.layers import LSTM, Activation, BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Flatten
from handson.optimizers import SGD, Adam
from handson.parallel.world import World

ROWS, BATCH, EPOCHS = 83, 32, 4
# Epochs of a training that workers join and leave.
CHURNED = 60
SAME, OTHER = "same", "**other**"
SHAPES = {"dense": [(12,)], "convolutional": [(8, 8, 1)], "LSTM": [(6, 4)], "two inputs": [(6,), (5,)]}
OPTIMIZERS = {
    "Adam": lambda: Adam(0.003),
    "SGD": lambda: SGD(0.01, 0.9, global_clipnorm=1.0),
    "RMSprop": lambda: "rmsprop",
}


def net_of(kind: str) -> Any:
    if kind == "two inputs":
        first, second = handson.Input((6,)), handson.Input((5,))
        joined = Concatenate()([Dense(16)(first), BatchNormalization()(Dense(8)(second))])
        return handson.Model([first, second], Dense(2)(Dropout(0.2)(joined)), seed=1)
    layers = {
        "dense": [Dense(64, activation="relu"), Dropout(0.3), Dense(2)],
        "convolutional": [
            Conv2D(8, 3), BatchNormalization(), Activation("relu"), Dropout(0.2), Flatten(), Dense(2),
        ],
        "LSTM": [LSTM(16, dropout=0.2), Dense(2)],
    }[kind]  # fmt: skip
    return handson.Sequential(layers, seed=1)


def train(kind: str, optimizer: str, devices: int | None, callbacks: Any = (), **how: Any) -> str:
    """A digest of weights and history."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(ROWS, *shape)).astype(np.float32) for shape in SHAPES[kind]]
    y = rng.normal(size=(ROWS, 2)).astype(np.float32)
    y[rng.random(y.shape) < 0.1] = np.nan
    net = net_of(kind)
    net.compile(OPTIMIZERS[optimizer](), "mse", metrics=["mae", "r2_score"])
    given = x if len(x) > 1 else x[0]
    how = {"shards": 8, "epochs": EPOCHS} | how
    history = net.fit(
        given, y, batch_size=BATCH, verbose=0, seed=2, sample_weight=np.linspace(0.5, 2.0, ROWS),
        devices=devices, validation_data=(given, y), callbacks=list(callbacks), **how,
    )  # fmt: skip
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in net.get_weights()))
    digest.update(json.dumps(history.history).encode())
    return digest.hexdigest()[:16]


class Kill(Callback):
    """Kills workers after steps that were drawn."""

    def __init__(self, count: int, seed: int) -> None:
        draw = random.Random(seed)
        steps = EPOCHS * -(-ROWS // BATCH) - 1
        self.steps, self.draw, self.seen, self.killed = set(draw.sample(range(1, steps), count)), draw, 0, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen += 1
        others = [child for child in multiprocessing.active_children() if child.name.startswith("handson worker")]
        if self.seen in self.steps and others:
            os.kill(self.draw.choice(others).pid or 0, signal.SIGKILL)
            self.killed += 1


class Churn(Callback):
    """Has guests join at random, and kills workers at random, while a training of many steps runs."""

    def __init__(self, kind: str, optimizer: str, folder: str, seed: int) -> None:
        self.given, self.draw, self.guests, self.killed = (kind, optimizer, folder), random.Random(seed), [], 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        time.sleep(0.1)  # a guest takes seconds to come
        others = [guest for guest in self.guests if guest.is_alive()]
        chance = self.draw.random()
        if chance < 0.04 and len(others) < 7:
            guest = multiprocessing.get_context("spawn").Process(target=join, args=self.given, daemon=True)
            guest.start()
            self.guests.append(guest)
        elif chance > 0.98 and others:
            os.kill(self.draw.choice(others).pid or 0, self.draw.choice([signal.SIGKILL, signal.SIGTERM]))
            self.killed += 1


def join(kind: str, optimizer: str, folder: str) -> None:
    torch.set_num_threads(1)
    train(kind, optimizer, None, run=folder, resume="join", shards=None, epochs=CHURNED)


# The launchers.


def launched(command: list[str], kind: str, optimizer: str, workers: int, expected: str) -> str:
    """Whether all processes of a launcher ended with the bits of one worker; each writes into a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        one = [sys.executable, __file__, "--one", kind, optimizer, folder]
        done = subprocess.run([*command, *one], capture_output=True, text=True, timeout=600)
        found = {path.name: path.read_text() for path in Path(folder).iterdir()}
    wrong = {name: text for name, text in found.items() if text != expected}
    if done.returncode == 0 and not wrong and len(found) == workers:
        return SAME
    print(f"{command[0]}: status {done.returncode}, {expected} expected, found {found}\n{done.stderr[-2000:]}")
    return OTHER if wrong else f"**{len(found)} of {workers} ended**"


def torchrun(workers: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", "--no-python"]


# DistributedDataParallel.


class Size(NamedTuple):
    """A dense net (128, width, width, 10), and rows of a batch."""

    width: int = 512
    rows: int = 1024


def plain_net(width: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(128, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def ddp(rank: int, workers: int, place: str, steps: int, size: Size, answers: Any) -> None:
    """Steps of DDP; puts a digest of the weights and the seconds of a step."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=workers)
    net = nn.parallel.DistributedDataParallel(plain_net(size.width))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(size.rows, 128, generator=generator), torch.randn(size.rows, 10, generator=generator)
    for step in range(steps + 5):
        if step == 5:
            begun = time.perf_counter()
        part = slice(rank * size.rows // workers, (rank + 1) * size.rows // workers)
        loss = nn.functional.mse_loss(net(x[part]), y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rank == 0:
        digest = hashlib.sha256(b"".join(weight.detach().numpy().tobytes() for weight in net.parameters()))
        answers.put((digest.hexdigest()[:16], (time.perf_counter() - begun) / steps))
    dist.barrier()
    dist.destroy_process_group()


def run_ddp(workers: int, folder: Path, steps: int, size: Size = Size()) -> tuple[str, float]:  # noqa: B008
    context = multiprocessing.get_context("spawn")
    answers, place = context.Queue(), folder / f"ddp-{workers}-{time.monotonic_ns()}"
    given = workers, str(place), steps, size, answers
    processes = [context.Process(target=ddp, args=(rank, *given)) for rank in range(workers)]
    for process in processes:
        process.start()
    found = answers.get(timeout=300)
    for process in processes:
        process.join()
    return found


class Clock(Callback):
    """Seconds of a step, over the epochs after the first."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            self.begun = time.perf_counter()
        self.seconds = time.perf_counter() - self.begun


def ours(devices: int | None, steps: int, size: Size = Size(), **how: Any) -> float:  # noqa: B008
    """Seconds of a step of the same net and batch in handson; eight steps are an epoch."""
    rng, rows = np.random.default_rng(0), 8 * size.rows
    x, y = rng.normal(size=(rows, 128)).astype(np.float32), rng.normal(size=(rows, 10)).astype(np.float32)
    layers = [Dense(size.width, activation="relu"), Dense(size.width, activation="relu"), Dense(10)]
    net = handson.Sequential(layers, seed=0)
    net.compile("adam", "mse")
    clock, epochs = Clock(), max(1, steps // 8)
    net.fit(x, y, batch_size=size.rows, epochs=epochs + 1, verbose=0, devices=devices, callbacks=[clock], **how)
    return clock.seconds / epochs / 8


# The parts.


def table(args: argparse.Namespace, rows: Any) -> dict[str, Any]:
    """Nets and optimizers against numbers of workers and launchers; what was the same before is not trained again."""
    found: dict[str, dict[str, str]] = rows or {}
    sizes = {f"{size} here": (None, size) for size in args.workers}
    sizes |= {f"torchrun {size}": (torchrun(size), size) for size in args.torchrun}
    if shutil.which("srun"):
        sizes |= {f"srun {size}": (["srun", f"--ntasks={size}"], size) for size in args.srun}
    for kind in args.nets:
        for optimizer in args.optimizers:
            cells = found.setdefault(f"{kind} | {optimizer}", {})
            missing = {name: each for name, each in sizes.items() if cells.get(name) != SAME}
            expected = train(kind, optimizer, 1) if missing else ""
            for name, (command, size) in missing.items():
                if command is None:
                    cells[name] = SAME if train(kind, optimizer, size) == expected else OTHER
                else:
                    cells[name] = launched(command, kind, optimizer, size, expected)
            print(kind, optimizer, cells, flush=True)
    return found


def kills(args: argparse.Namespace, _: Any) -> dict[str, Any]:
    """Trainings of which workers are killed at random."""
    killed = differ = trainings = 0
    alone: dict[tuple[str, str], str] = {}
    while killed < args.kills:
        pair = args.nets[trainings % len(args.nets)], args.optimizers[trainings % len(args.optimizers)]
        if pair not in alone:
            alone[pair] = train(*pair, 1, [Kill(0, 0)])
        callback = Kill(args.most, trainings)
        differ += train(*pair, args.most + 1, [callback]) != alone[pair]
        killed, trainings = killed + callback.killed, trainings + 1
        print(f"{killed} kills in {trainings} trainings, {differ} differ", flush=True)
    return {"killed": killed, "trainings": trainings, "differ": differ}


def joins(args: argparse.Namespace, _: Any) -> dict[str, Any]:
    """Trainings that workers join, and leave, killed or told to, at random."""
    pairs = [(kind, optimizer) for kind in args.nets for optimizer in args.optimizers]
    found = {"joined": 0, "left": 0, "trainings": 0, "differ": 0}
    admit = World.admit

    def counted(world: World, most: int) -> list[int]:
        names = admit(world, most)
        found["joined"] += len(names)
        return names

    World.admit = counted  # type: ignore[method-assign]
    for number in range(args.churned):
        pair = random.Random(number).choice(pairs)
        with tempfile.TemporaryDirectory() as folder:
            callback = Churn(*pair, folder, number)
            digest = train(*pair, 1, [callback], run=folder, epochs=CHURNED)
            for guest in callback.guests:
                guest.join()
        found["trainings"] += 1
        found["left"] += callback.killed
        found["differ"] += digest != train(*pair, 1, [Kill(0, 0)], epochs=CHURNED)
        print(found, flush=True)
    World.admit = admit  # type: ignore[method-assign]
    return found


def costs(args: argparse.Namespace, _: Any) -> dict[str, Any]:
    """Milliseconds of a step, the median of several trainings; the runs take turns."""
    found: dict[str, list[float]] = {}
    digests = set()
    with tempfile.TemporaryDirectory() as folder:
        kept = torch.get_num_threads()
        for _ in range(args.turns):
            for threads in (kept, 1):
                torch.set_num_threads(threads)
                found.setdefault(f"eager {threads}", []).append(ours(None, args.steps, engine="eager"))
                found.setdefault(f"shards {threads}", []).append(ours(1, args.steps, shards=8))
            for size in args.processes:  # with one thread each
                digest, seconds = run_ddp(size, Path(folder), args.steps)
                digests.add(digest)
                found.setdefault(f"DDP {size}", []).append(seconds)
                found.setdefault(f"exact {size}", []).append(ours(size, args.steps, shards=8))
            torch.set_num_threads(kept)
            print({name: round(1e3 * float(np.median(each)), 2) for name, each in found.items()}, flush=True)
    seconds_of = {name: 1e3 * float(np.median(each)) for name, each in found.items()}
    return {"ms": seconds_of, "results of DDP": len(digests), "processes": args.processes}


# The page.


def page(found: dict[str, Any]) -> str:
    lines = [
        "# The same bits on any number of workers",
        "",
        f"`python benchmarks/same_bits.py`, {found['machine']}.",
        "",
    ]
    if "table" in found:
        names = list(dict.fromkeys(name for cells in found["table"].values() for name in cells))
        lines += ["| net | optimizer | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
        for row, cells in found["table"].items():
            lines.append(f"| {row} | " + " | ".join(cells.get(name, "-") for name in names) + " |")
        told = '"same": weights and history of every process had the bits of one worker, byte for byte; "-": not run.'
        lines += ["", told, ""]
    if "kills" in found:
        given = found["kills"]
        lines += [
            f"{given['killed']} workers were killed with SIGKILL in {given['trainings']} trainings, at steps that were "
            f"drawn: {given['differ']} ended with other bits.",
            "",
        ]
    if "joins" in found:
        given = found["joins"]
        lines += [
            f"{given['joined']} workers joined {given['trainings']} running trainings, and {given['left']} were killed "
            f"or left, all at random: {given['differ']} ended with other bits.",
            "",
        ]
    return "\n".join(lines + (cost_lines(found["costs"]) if "costs" in found else [])) + "\n"


def cost_lines(given: dict[str, Any]) -> list[str]:
    ms, sizes = given["ms"], given["processes"]
    lines = [
        f"DistributedDataParallel gave {given['results of DDP']} different results on {', '.join(map(str, sizes))} "
        f"processes.",
        "",
        "A step of a dense net (128, 512, 512, 10) with Adam on batches of 1024, medians:",
        "",
        "| | ms | `exact`, 8 shards, ms | ratio |",
        "|---|---|---|---|",
    ]
    pairs = [(f"DDP, processes: {size}", f"DDP {size}", f"exact {size}") for size in sizes]
    threads = sorted({int(name.split()[1]) for name in ms if name.startswith("eager")})
    pairs += [(f"`eager`, one process, threads: {each}", f"eager {each}", f"shards {each}") for each in threads]
    lines += [f"| {name} | {ms[a]:.2f} | {ms[b]:.2f} | {ms[b] / ms[a]:.2f} |" for name, a, b in pairs]
    return lines


PARTS = {"table": table, "kills": kills, "joins": joins, "costs": costs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=3, help="used by the launchers")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--nets", nargs="+", default=list(SHAPES))
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS))
    parser.add_argument("--workers", nargs="*", type=int, default=[2, 3, 4, 7, 8])
    parser.add_argument("--torchrun", nargs="*", type=int, default=[2, 4])
    parser.add_argument("--srun", nargs="*", type=int, default=[2, 4])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--churned", type=int, default=12, help="trainings that workers join and leave")
    parser.add_argument("--most", type=int, default=5, help="kills in one training")
    parser.add_argument("--processes", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a path without ending")
    args = parser.parse_args()
    if args.one:
        return one(*args.one)
    kept = args.out.with_suffix(".json") if args.out else None
    found = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    found["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    for part in args.parts:
        found[part] = PARTS[part](args, found.get(part))
        if kept is not None:
            kept.write_text(json.dumps(found, indent=1) + "\n")
            kept.with_suffix(".md").write_text(page(found))
    print(page(found))


def one(kind: str, optimizer: str, folder: str) -> None:
    """The part of a process that was launched: its digest goes into a file of its own."""
    by_slurm = "SLURM_PROCID" in os.environ and "RANK" not in os.environ
    digest = train(kind, optimizer, int(os.environ["SLURM_NTASKS"]) if by_slurm else None)
    (Path(folder) / os.environ["SLURM_PROCID" if by_slurm else "RANK"]).write_text(digest)


if __name__ == "__main__":
    main()
