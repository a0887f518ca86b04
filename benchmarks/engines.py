"""What the engine `blocks` brings on convolutional and recurrent nets, beside the reference.

    python benchmarks/engines.py

The nets are the fourth lecture's (96x96, ReLU, pooling and dropout, batches of 128), one for digits (28x28, batch
normalization, ReLU and pooling, batches of 64), and an LSTM and a GRU of 64 units over 130x3 (batches of 64). The
engines train in turn, in one process; the figures are milliseconds per step, medians over the repetitions with the
lowest and the highest.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np
import torch

import handson
from handson import Sequential
from handson.layers import GRU, LSTM, Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from handson.optimizers import SGD

ENGINES = ("eager", "blocks")


def lecture() -> Sequential:
    """The fourth lecture's largest net."""
    net = Sequential(
        [
            *(Conv2D(32, 3, activation="relu", input_shape=(96, 96, 1)), MaxPooling2D(), Dropout(0.1)),
            *(Conv2D(64, 2, activation="relu"), MaxPooling2D(), Dropout(0.2)),
            *(Conv2D(128, 2, activation="relu"), MaxPooling2D(), Dropout(0.3), Flatten()),
            *(Dense(1000, activation="relu"), Dropout(0.5), Dense(1000, activation="relu"), Dense(30)),
        ],
        seed=0,
    )
    net.compile(SGD(0.01, momentum=0.9, nesterov=True), "mse")
    return net


def digits() -> Sequential:
    """Two blocks with batch normalization."""
    net = Sequential(
        [
            *(Conv2D(32, 3, padding="same", input_shape=(28, 28, 1)), BatchNormalization(), Activation("relu")),
            *(MaxPooling2D(), Conv2D(64, 3, padding="same"), BatchNormalization(), Activation("relu")),
            *(MaxPooling2D(), Flatten(), Dense(128, activation="relu"), Dense(10, activation="softmax")),
        ],
        seed=0,
    )
    net.compile("adam", "sparse_categorical_crossentropy")
    return net


def recurrent(layer: type[LSTM] | type[GRU]) -> Sequential:
    """A net that reads light curves."""
    net = Sequential([layer(64, input_shape=(130, 3)), Dense(5, activation="softmax")], seed=0)
    net.compile("adam", "sparse_categorical_crossentropy")
    return net


NETS = {"lecture": lecture, "digits": digits, "lstm": lambda: recurrent(LSTM), "gru": lambda: recurrent(GRU)}


def measure(name: str, x: np.ndarray, y: np.ndarray, batch_size: int, repetitions: int) -> None:
    """Train copies of a net in turn, one with each engine; print the milliseconds of a step."""
    nets = {engine: NETS[name]() for engine in ENGINES}
    times: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for repetition in range(repetitions + 1):
        for engine, net in nets.items():
            started = time.perf_counter()
            net.fit(x, y, batch_size=batch_size, verbose=0, engine=engine)
            if repetition:  # the first compiles
                times[engine].append((time.perf_counter() - started) / (len(x) // batch_size) * 1000)
    reference = statistics.median(times["eager"])
    for engine, found in times.items():
        median = statistics.median(found)
        print(f"{name:8} {engine:7} {median:6.1f} ms ({min(found):.1f} to {max(found):.1f})  {median / reference:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, handson "
          f"{handson.__version__}, torch {torch.__version__}, n = {arguments.repetitions}")  # fmt: skip
    rng = np.random.default_rng(0)
    for name in arguments.nets:
        rows, size, shape = {"lecture": (5, 128, (96, 96, 1)), "digits": (30, 64, (28, 28, 1))}.get(
            name, (32, 64, (130, 3))
        )
        x = rng.random((rows * size, *shape), dtype=np.float32)
        y = rng.uniform(-1, 1, (len(x), 30)) if name == "lecture" else rng.integers(0, 5, len(x))
        measure(name, x, y, size, arguments.repetitions)


if __name__ == "__main__":
    main()
