"""What `fit` costs beside a plain PyTorch loop, on a net so small that everything but the arithmetic counts.

    python benchmarks/plain_loop.py

The net is 5-64-64-1 with ReLU, Adam, mean squared error and batches of 32, in float32. The plain loop does what a
careful user writes: it shuffles once an epoch and indexes tensors, without a DataLoader. Both train on the same rows in
turn, in one process; the figures are microseconds per step, medians over the repetitions, and the ratio of each pair.
Beside them stands the same net with tanh, with L2 penalties and bounded gradients, and with a loss or a metric of one's
own.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from functools import partial

import numpy as np
import torch
from torch import nn

import handson
from handson.layers import Dense
from handson.optimizers import Adam
from handson.regularizers import L2

FEATURES, WIDTH, BATCH = 5, 64, 32


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    return x, np.sin(x).sum(1, keepdims=True).astype(np.float32)


def plain(x: np.ndarray, y: np.ndarray, epochs: int, fused: bool) -> float:
    """Seconds of a plain loop, and its last loss is returned to keep it honest."""
    net = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        total = torch.zeros(())
        for first in range(0, len(inputs), BATCH):
            rows = order[first : first + BATCH]
            loss = nn.functional.mse_loss(net(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
    return time.perf_counter() - started


def squares(y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
    """A loss or a metric of one's own."""
    return (y_true - y_pred) ** 2


def compiled(kind: str) -> handson.Sequential:
    """The net, as it is or with something more."""
    activation, penalty = ("tanh" if kind == "tanh" else "relu"), (L2(1e-4) if kind == "bounds" else None)
    hidden = [Dense(WIDTH, activation=activation, kernel_regularizer=penalty) for _ in range(2)]
    net = handson.Sequential([*hidden, Dense(1)], seed=0)
    optimizer = Adam(clipnorm=1.0) if kind == "bounds" else Adam()
    net.compile(optimizer, squares if kind == "loss" else "mse", metrics=[squares] if kind == "metric" else None)
    return net


def ours(x: np.ndarray, y: np.ndarray, epochs: int, engine: str, kind: str = "") -> float:
    """Seconds of `fit` on the same job."""
    net = compiled(kind)
    net.fit(x[:BATCH], y[:BATCH], epochs=1, verbose=0, engine=engine)
    started = time.perf_counter()
    net.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, engine=engine)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    x, y = data(arguments.rows)
    steps = arguments.epochs * -(-arguments.rows // BATCH)
    runs = {
        "plain loop, torch.optim.Adam()": lambda: plain(x, y, arguments.epochs, fused=False),
        "plain loop, torch.optim.Adam(fused=True)": lambda: plain(x, y, arguments.epochs, fused=True),
        "handson fit, engine='eager'": lambda: ours(x, y, arguments.epochs, "eager"),
        "handson fit, engine='dense'": lambda: ours(x, y, arguments.epochs, "dense"),
    }
    more = {"tanh": "tanh", "bounds": "L2 penalties, clipnorm", "loss": "a loss of one's own", "metric": "a metric"}
    for kind, what in more.items():
        for engine in ("eager", "dense"):
            runs[f"{engine}, {what}"] = partial(ours, x, y, arguments.epochs, engine, kind)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.repetitions):
        for name, run in runs.items():
            times[name].append(run() / steps * 1e6)
    first, second, eager, dense, *others = times
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, handson {handson.__version__}"
    print(f"{machine}, {versions}, {torch.get_num_threads()} threads")
    print(f"5-64-64-1, batch {BATCH}, {steps} steps a run, n = {arguments.repetitions}, in turn")
    for name, values in times.items():
        print(f"{name:44}{statistics.median(values):8.0f} us/step   ({min(values):.0f} to {max(values):.0f})")
    pairs = [(own, peer) for own in (eager, dense) for peer in (first, second)]
    for ours_, theirs in [*pairs, *zip(others[1::2], others[::2], strict=True)]:
        ratios = [a / b for a, b in zip(times[ours_], times[theirs], strict=True)]
        print(f"{ours_} / {theirs:44}{statistics.median(ratios):6.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
