"""What it costs to look inside: trainings with `fit(monitor=True)` beside the same ones without, in turn.

    python benchmarks/monitoring.py
    python benchmarks/monitoring.py --seconds 20 --pairs 9 --write benchmarks/results/monitoring.md

The nets are the 5-64-64-1 net on the compiled engine, an LSTM of 32 units over 40 steps, and the fourth lecture's first
convolutional net of faces. Each pair trains one copy with monitoring and one without, the order turned around from
pair to pair; the ratio is that of the processor seconds of a pair, on one thread, which other programs on the machine
disturb less than seconds on the wall. The loop and the monitor read that clock, too: how long stretches are and when a
look is affordable is as on a machine that does nothing else. Also given is the share of the monitored training that its
looks take.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch

import handson
from handson import Sequential
from handson.callbacks import Monitor
from handson.callbacks import monitor as monitoring
from handson.layers import LSTM, Conv2D, Dense, Flatten, MaxPooling2D
from handson.training import looking, pace


class Job(NamedTuple):
    """A net, its rows, and what it is called."""

    name: str
    build: Callable[[], Sequential]
    x: np.ndarray
    y: np.ndarray
    batch_size: int


class Trained(NamedTuple):
    """The processor seconds of a training, the share of its time that looks took, and how many there were."""

    seconds: float
    share: float
    looks: int


def jobs() -> list[Job]:
    """The three jobs."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(2000, 5)).astype(np.float32)
    curves = rng.normal(size=(1000, 40, 2)).astype(np.float32)
    faces = rng.uniform(size=(128, 96, 96, 1)).astype(np.float32)
    return [
        Job("5-64-64-1, engine dense", small_net, small, small.sum(1), 32),
        Job("LSTM(32) over 40 steps", recurrent, curves, curves[:, :, 0].sum(1), 32),
        Job("faces 96x96, convolutions", convolutional, faces, rng.normal(size=(128, 30)), 16),
    ]


def compiled(net: Sequential) -> Sequential:
    net.compile("adam", "mse")
    return net


def small_net() -> Sequential:
    return compiled(Sequential([Dense(64, activation="relu"), Dense(64, activation="relu"), Dense(1)], seed=0))


def recurrent() -> Sequential:
    return compiled(Sequential([LSTM(32), Dense(1)], seed=0))


def convolutional() -> Sequential:
    parts = [
        *(Conv2D(32, 3, activation="relu", input_shape=(96, 96, 1)), MaxPooling2D()),
        *(Conv2D(64, 2, activation="relu"), MaxPooling2D()),
        *(Conv2D(128, 2, activation="relu"), MaxPooling2D()),
        *(Flatten(), Dense(500, activation="relu"), Dense(500, activation="relu"), Dense(30)),
    ]
    return compiled(Sequential(parts, seed=0))


def train(job: Job, epochs: int, monitored: bool) -> Trained:
    """Train a fresh net."""
    net, monitor = job.build(), Monitor() if monitored else None
    net.fit(job.x, job.y, epochs=1, batch_size=job.batch_size, verbose=0)  # builds, and compiles
    started = time.process_time()
    net.fit(job.x, job.y, epochs=epochs, batch_size=job.batch_size, verbose=0, monitor=monitor or False)
    seconds = time.process_time() - started
    return (
        Trained(seconds, 0.0, 0)
        if monitor is None
        else Trained(seconds, monitor.seconds / seconds, len(monitor.journal))
    )


def measure(job: Job, seconds: float, pairs: int) -> str:
    """A row of the table."""
    epochs = 2
    for part in (0.1, 1.0):
        epochs = max(2, round(epochs * part * seconds / max(train(job, epochs, False).seconds, 1e-3)))
    ratios, shares, looks = [], [], []
    for pair in range(pairs):
        found = {flag: train(job, epochs, flag) for flag in ((False, True) if pair % 2 else (True, False))}
        ratios.append(found[True].seconds / found[False].seconds)
        shares.append(found[True].share)
        looks.append(found[True].looks)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return (
        f"| {job.name} | {epochs} | {statistics.median(looks):.0f} | **{statistics.median(ratios):.3f}** | {spread} | "
        f"{100 * statistics.median(shares):.1f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="about how long a training lasts")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--write", type=Path, help="a file for the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clock = SimpleNamespace(perf_counter=time.process_time)
    pace.time = looking.time = monitoring.time = clock  # type: ignore[attr-defined]
    lines = [
        "# What it costs to look inside",
        "",
        f"`python benchmarks/monitoring.py`, handson {handson.__version__}, torch {torch.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads. {arguments.pairs} pairs of "
        f"trainings of about {arguments.seconds:g} processor seconds, in turn; ratios are medians.",
        "",
        "| net | epochs | looks | processor seconds, with / without | lowest to highest | share of the looks |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines))
    for job in jobs():
        lines.append(measure(job, arguments.seconds, arguments.pairs))
        print(lines[-1], flush=True)
    if arguments.write is not None:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
