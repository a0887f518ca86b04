"""Train nets on 1 to 8 workers, kill some of them at random, and compare the bits; plain DDP and its cost beside it.

    python benchmarks/same_bits.py --kills 100 --out benchmarks/results/same_bits.md

Every row of the table is a net and an optimizer; batches are ragged, targets are missing, samples have weights. A cell
says how many trainings had the bits of one worker, in weights and history. Trainings on DistributedDataParallel with
the same numbers of processes are in the last row: how many different results they gave. Then, what `exact` costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

import handson
from handson.callbacks import Callback
from handson.layers import LSTM, Activation, BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Flatten
from handson.optimizers import SGD, Adam

ROWS, BATCH, EPOCHS = 83, 32, 4
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
    history = net.fit(
        given, y, epochs=EPOCHS, batch_size=BATCH, verbose=0, seed=2, sample_weight=np.linspace(0.5, 2.0, ROWS),
        devices=devices, validation_data=(given, y), callbacks=list(callbacks), **({"shards": 8} | how),
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


# The launchers.


def launched(command: list[str], kind: str, optimizer: str) -> list[str]:
    """The digests that the processes of a launcher print."""
    found = subprocess.run(
        [*command, sys.executable, __file__, "--one", kind, optimizer], capture_output=True, text=True, timeout=300
    )
    if found.returncode:
        raise RuntimeError(found.stderr[-2000:])
    return re.findall("[0-9a-f]{16}", found.stdout)  # two processes may write on one line


def torchrun(workers: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", "--no-python"]


# DistributedDataParallel.


def plain_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def ddp(rank: int, size: int, place: str, steps: int, answers: Any) -> None:
    """Steps of DDP; puts a digest of the weights and the seconds of a step."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=size)
    net = nn.parallel.DistributedDataParallel(plain_net())
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(1024, 128, generator=generator), torch.randn(1024, 10, generator=generator)
    for step in range(steps + 5):
        if step == 5:
            begun = time.perf_counter()
        part = slice(rank * 1024 // size, (rank + 1) * 1024 // size)
        loss = nn.functional.mse_loss(net(x[part]), y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rank == 0:
        digest = hashlib.sha256(b"".join(weight.detach().numpy().tobytes() for weight in net.parameters()))
        answers.put((digest.hexdigest()[:16], (time.perf_counter() - begun) / steps))
    dist.barrier()
    dist.destroy_process_group()


def run_ddp(size: int, folder: Path, steps: int) -> tuple[str, float]:
    context = multiprocessing.get_context("spawn")
    answers, place = context.Queue(), folder / f"ddp-{size}-{time.monotonic_ns()}"
    processes = [context.Process(target=ddp, args=(rank, size, str(place), steps, answers)) for rank in range(size)]
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


def ours(devices: int | None, steps: int, **how: Any) -> float:
    """Seconds of a step of the same net and batch in handson."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1024, 128)).astype(np.float32), rng.normal(size=(1024, 10)).astype(np.float32)
    net = handson.Sequential([Dense(512, activation="relu"), Dense(512, activation="relu"), Dense(10)], seed=0)
    net.compile("adam", "mse")
    clock = Clock()
    net.fit(x, y, batch_size=1024, epochs=steps + 1, verbose=0, devices=devices, callbacks=[clock], **how)
    return clock.seconds / steps


# The page.


def table(args: argparse.Namespace) -> list[str]:
    """Nets and optimizers against numbers of workers and launchers."""
    launchers = {f"torchrun {size}": torchrun(size) for size in args.torchrun}
    if shutil.which("srun"):
        launchers |= {f"srun {size}": ["srun", f"--ntasks={size}", "--cpus-per-task=1"] for size in args.srun}
    names = [*(f"{size} here" for size in args.workers), *launchers]
    lines = ["| net | optimizer | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for kind in args.nets:
        for optimizer in args.optimizers:
            expected = train(kind, optimizer, 1)
            cells = ["same" if train(kind, optimizer, size) == expected else "**other**" for size in args.workers]
            for command in launchers.values():
                found = launched(command, kind, optimizer)
                cells.append("same" if set(found) == {expected} and len(found) > 1 else "**other**")
            lines.append(f"| {kind} | {optimizer} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def kills(args: argparse.Namespace) -> str:
    """Trainings of which workers are killed at random."""
    killed = differ = trainings = 0
    while killed < args.kills:
        kind, optimizer = args.nets[trainings % len(args.nets)], args.optimizers[trainings % len(args.optimizers)]
        callback = Kill(args.most, trainings)
        expected = train(kind, optimizer, 1, [Kill(0, 0)])
        differ += train(kind, optimizer, args.most + 1, [callback]) != expected
        killed, trainings = killed + callback.killed, trainings + 1
        print(f"{killed} kills in {trainings} trainings, {differ} differ", flush=True)
    return f"{killed} workers were killed with SIGKILL in {trainings} trainings: {differ} ended with other bits."


def costs(args: argparse.Namespace, folder: Path) -> list[str]:
    """Milliseconds of a step, the median of several trainings."""
    rows = []
    for size in args.processes:
        theirs = [run_ddp(size, folder, args.steps) for _ in range(3)]
        exact = [ours(size, args.steps, shards=8) for _ in range(3)]
        rows.append(
            (size, {digest for digest, _ in theirs}, 1e3 * np.median([s for _, s in theirs]), 1e3 * np.median(exact))
        )
    digests = set.union(*(each for _, each, *_ in rows))
    ordinary = 1e3 * np.median([ours(None, args.steps, engine="eager") for _ in range(3)])
    lines = [f"DistributedDataParallel gave {len(digests)} different results on {args.processes} processes.", ""]
    lines += ["| processes | DDP, ms | exact, ms | ratio |", "|---|---|---|---|"]
    lines += [f"| {size} | {ddp:.2f} | {exact:.2f} | {exact / ddp:.2f} |" for size, _, ddp, exact in rows]
    return [*lines, "", f"One process without shards (`eager`, all threads): {ordinary:.2f} ms."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, help="used by the launchers")
    parser.add_argument("--nets", nargs="+", default=list(SHAPES))
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS))
    parser.add_argument("--workers", nargs="+", type=int, default=[2, 3, 4, 7, 8])
    parser.add_argument("--torchrun", nargs="*", type=int, default=[2, 4])
    parser.add_argument("--srun", nargs="*", type=int, default=[2, 4])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--most", type=int, default=5, help="kills in one training")
    parser.add_argument("--processes", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.one:
        devices = int(os.environ["SLURM_NTASKS"]) if "SLURM_PROCID" in os.environ else None
        print(train(*args.one, devices))
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        page = ["# The same bits on any number of workers", ""]
        page += [
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}.",
            "",
        ]
        page += [*table(args), "", kills(args), "", *costs(args, Path(folder))]
    text = "\n".join(page) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
