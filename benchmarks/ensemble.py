"""What ten nets cost beside one: an ensemble of a net so small that everything but the arithmetic counts.

    python benchmarks/ensemble.py

The net is 5-64-64-1 with ReLU, Adam, mean squared error and batches of 32, in float32, on the dense engine, whose
program is compiled and loaded before anything is timed. One member alone and the ensemble train in turn, in one
process; the figures are medians over the repetitions, and the ratio of each pair. Beside the time on the clock stands
the time that the processors worked: divided by the number of members that run at a time, its ratio is what the clock
would show on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import handson
from handson.layers import Dense

FEATURES, WIDTH, BATCH = 5, 64, 32


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    return x, np.sin(x).sum(1, keepdims=True).astype(np.float32)


def build(seed: int) -> handson.Sequential:
    layers = [Dense(WIDTH, activation="relu", input_dim=FEATURES), Dense(WIDTH, activation="relu"), Dense(1)]
    net = handson.Sequential(layers, seed=seed)
    net.compile("adam", "mse")
    return net


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """The time on the clock, and the time that processors worked for this process."""
    clock, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--rows", type=int, default=16_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--workers", type=int, default=None)
    arguments = parser.parse_args()
    x, y = data(arguments.rows)
    fit = {"batch_size": BATCH, "epochs": arguments.epochs, "engine": "dense", "verbose": 0}
    build(0).fit(x[:BATCH], y[:BATCH], engine="dense", verbose=0)
    one, many = [], []
    for _ in range(arguments.repetitions):
        nets, net = [build(seed) for seed in range(arguments.members)], build(0)
        one.append(seconds(lambda net=net: net.fit(x, y, **fit)))
        many.append(seconds(lambda nets=nets: handson.Ensemble(nets).fit(x, y, workers=arguments.workers, **fit)))
    steps = arguments.epochs * -(-arguments.rows // BATCH)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, handson {handson.__version__}"
    print(f"{machine}, {versions}, {torch.get_num_threads()} threads")
    print(f"5-64-64-1, batch {BATCH}, {steps} steps a member, n = {arguments.repetitions}, in turn")
    for which, kind in enumerate(("on the clock", "of work")):
        singles, several = [pair[which] for pair in one], [pair[which] for pair in many]
        ratios = [b / a for a, b in zip(singles, several, strict=True)]
        print(
            f"{kind:13} one member {statistics.median(singles):7.3f} s, {arguments.members} members "
            f"{statistics.median(several):7.3f} s, ratio {statistics.median(ratios):5.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
