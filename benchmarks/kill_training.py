"""Kill a training again and again, resume it each time, and compare the end with a run that nobody disturbed.

    python benchmarks/kill_training.py --kills 500

Each round starts a process that trains a small net into a run folder, kills it with SIGKILL at a random moment, and
starts it anew on the same folder; checkpoints are written all the time. Every second kill falls into one of the
operations of the disk, with a half of the file written. When a run has come to its end its weights, optimizer, history,
callbacks, files and predictions are compared with those of the undisturbed run, byte for byte. Jobs differ in net,
loss, optimizer, augmentation, callbacks and engine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import handson
from handson.callbacks import CSVLogger, EarlyStopping, ReduceLROnPlateau
from handson.core import console
from handson.data import Augment
from handson.files import atomic
from handson.layers import LSTM, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from handson.models import Sequential
from handson.optimizers import SGD, Adam
from handson.schedules import OneCycle
from handson.state.state import TrainingState
from handson.training import memory
from handson.training.recording import keeper

Digest = dict[str, str]
# A kill falls into one of so many operations of the disk after a start; a checkpoint takes fifteen.
MOST_OPERATIONS = 60


class Deadly(atomic.Disk):
    """Kills its process in the k-th operation; of a file it has written a half by then."""

    def __init__(self, number: int) -> None:
        self.left = number

    def _live(self) -> bool:
        self.left -= 1
        return self.left > 0

    def write(self, path: Path, pieces: Iterable[bytes | memoryview]) -> None:
        content = b"".join(pieces)
        alive = self._live()
        super().write(path, [content if alive else content[: len(content) // 2]])
        alive or die()

    def append(self, path: Path, piece: bytes) -> None:
        alive = self._live()
        super().append(path, piece if alive else piece[: len(piece) // 2])
        alive or die()

    def replace(self, source: Path, target: Path) -> None:
        self._live() or die()
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._live() or die()
        super().sync_folder(folder)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._live() or die()


def die() -> None:
    """End this process as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL)


def table_job(folder: Path, engine: str) -> Digest:
    """A dense net on a table: dropout, batch normalization, plateau, early stopping, averaged weights."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 6)).astype(np.float32)
    y = np.sin(x).sum(1) + 0.1 * rng.normal(size=1200).astype(np.float32)
    y[::7] = np.nan
    net = Sequential([Dense(24, activation="relu"), BatchNormalization(), Dropout(0.2), Dense(1)])
    net.compile(Adam(0.01, use_ema=True), "mse", metrics=["mae"], scale_targets="standard")
    callbacks = [ReduceLROnPlateau(patience=1), EarlyStopping(patience=50, restore_best_weights=True)]
    callbacks.append(CSVLogger(folder / "log.csv"))
    net.fit(x, y, epochs=8, validation_split=0.2, seed=5, verbose=0, callbacks=callbacks, run=folder, engine=engine,
            checkpoint_seconds=0.0)  # fmt: skip
    return digest(net, x, folder)


def image_job(folder: Path, engine: str) -> Digest:
    """A convolutional net on images with keypoints: augmentation, a schedule over the whole training, momentum."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (200, 16, 16, 1), dtype=np.uint8)
    y = pd.DataFrame(rng.uniform(2, 14, (200, 4)), columns=["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y"])
    net = Sequential([Conv2D(6, 3, activation="relu"), MaxPooling2D(), Dropout(0.1), Flatten(), Dense(4)])
    net.compile(SGD(OneCycle(0.01), momentum=0.9, nesterov=True), "huber", metrics=["rmse"], scale_inputs=(0, 255),
                scale_targets=(8, 8))  # fmt: skip
    augment = Augment(horizontal_flip=True, rotation=20, translation=2, noise=0.02)
    net.fit(x, y, epochs=6, batch_size=16, validation_split=0.2, seed=6, verbose=0, augment=augment, run=folder,
            engine=engine, checkpoint_seconds=0.0)  # fmt: skip
    return digest(net, x, folder)


def dense_job(folder: Path, engine: str) -> Digest:
    """A dense classifier with dropout and batch normalization: a net that fits into one program."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(900, 5)).astype(np.float32)
    y = np.digitize(x.sum(1), [-1, 1])
    net = Sequential([Dense(32, activation="relu"), BatchNormalization(), Dropout(0.3), Dense(3, activation="softmax")])
    net.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"], scale_inputs="standard")
    callbacks = [ReduceLROnPlateau(patience=3), EarlyStopping(patience=90, restore_best_weights=True)]
    net.fit(x, y, epochs=60, batch_size=16, validation_split=0.2, seed=7, verbose=0, callbacks=callbacks, run=folder,
            engine=engine, checkpoint_seconds=0.0)  # fmt: skip
    return digest(net, x, folder)


class Sequences:
    """Batches by number, as a `PyDataset` gives them, of different lengths; the last one is smaller."""

    def __init__(self) -> None:
        rng = np.random.default_rng(4)
        self.x = rng.normal(size=(410, 9, 3)).astype(np.float32)
        self.y = (self.x.sum((1, 2)) > 0).astype(np.float32)[:, None]

    def __len__(self) -> int:
        return 26

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(16 * number, 16 * (number + 1))
        return self.x[rows, : 5 + number % 5], self.y[rows]


def batches_job(folder: Path, engine: str) -> Digest:
    """A recurrent net on data that come in batches, in another order in each epoch: dropout, an exact area."""
    data = Sequences()
    net = Sequential([LSTM(6, dropout=0.2, input_shape=(None, 3)), Dropout(0.3), Dense(1, activation="sigmoid")])
    net.compile(Adam(0.01), "binary_crossentropy", metrics=["AUC"])
    net.fit(data, epochs=6, validation_data=(data.x, data.y), seed=8, verbose=0, run=folder, engine=engine,
            checkpoint_seconds=0.0)  # fmt: skip
    return digest(net, data.x, folder)


JOBS: dict[str, tuple[Callable[[Path, str], Digest], str]] = {
    "table": (table_job, "eager"),
    "images": (image_job, "eager"),
    "images, fused": (image_job, "blocks"),
    "dense": (dense_job, "dense"),
    "batches": (batches_job, "eager"),
}


def digest(net: Sequential, x: np.ndarray, folder: Path) -> Digest:
    """Hashes of everything that must be equal."""
    state = TrainingState.of(net, net.optimizer)
    found = {name: tensor.detach().contiguous().numpy().tobytes() for name, tensor in state.tensors.items()}
    found["state"] = repr(state.values).encode()
    found["history"] = repr((net.history.epoch, net.history.history)).encode()
    found["predictions"] = net.predict(x).tobytes()
    if (folder / "log.csv").exists():
        found["log.csv"] = (folder / "log.csv").read_bytes()
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def start(job: str, folder: Path, out: Path, operations: int = 0) -> int:
    """Run a job in a forked process; the digest goes into a file when it has come to its end."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        console.say = lambda text: None
        keeper.MOST_SHARE = 1.0
        if operations:
            atomic.disk = Deadly(operations)
        train, engine = JOBS[job]
        lines = "\n".join(f"{name} {value}" for name, value in sorted(train(folder, engine).items()))
        out.write_text(lines)
        status = 0
    finally:
        os._exit(status)


def wait(child: int) -> int:
    """How a process ended: its status, or minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def disturbed(job: str, kills: int, seconds: float, parent: Path, chance: random.Random) -> tuple[str, int, int]:
    """Kill and resume until the run has ended after so many kills at least; the digest, the kills, the torn writes."""
    done = torn = rounds = 0
    digest_text = ""
    while done < kills:
        rounds += 1
        folder, out = parent / f"{job}-{rounds}", parent / f"{job}-{rounds}.txt"
        while not out.exists():
            in_a_write = chance.random() < 0.5
            child = start(job, folder, out, chance.randint(1, MOST_OPERATIONS) if in_a_write else 0)
            if not in_a_write:
                time.sleep(chance.uniform(0.02, seconds))
                os.kill(child, signal.SIGKILL)
            status = wait(child)
            if status == -signal.SIGKILL:
                done += 1
                torn += any(not (path / "manifest.json").exists() for path in (folder / "checkpoints").glob("step-*"))
            elif status:
                sys.exit(f"{job}: a resumed process ended with status {status}")
        text = out.read_text()
        if digest_text and text != digest_text:
            sys.exit(f"{job}: two disturbed runs differ")
        digest_text = text
        shutil.rmtree(folder)
    return digest_text, done, torn


def measure(job: str, kills: int, chance: random.Random) -> None:
    """Compare the disturbed runs of a job with an undisturbed one, and print what happened."""
    with tempfile.TemporaryDirectory() as scratch:
        parent = Path(scratch)
        seconds = 0.0
        for name in ("first", "whole"):  # the first compiles what is compiled, once on a machine
            started = time.perf_counter()
            if wait(start(job, parent / name, parent / f"{name}.txt")):
                sys.exit(f"{job}: the undisturbed run failed")
            seconds = time.perf_counter() - started
        expected = (parent / "whole.txt").read_text()
        found, done, torn = disturbed(job, kills, seconds, parent, chance)
    if found != expected:
        ours, theirs = (dict(line.split() for line in text.splitlines()) for text in (found, expected))
        sys.exit(f"{job}: differs in {[name for name in theirs if ours.get(name) != theirs[name]]}")
    print(
        f"{job} (engine {JOBS[job][1]}): {done} kills, {torn} of them left an unfinished checkpoint; every run ended "
        f"like the undisturbed one, byte for byte ({len(expected.splitlines())} parts)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="of all jobs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="*", default=list(JOBS), choices=JOBS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # so small nets only wait for a second thread, for most of the time on a busy machine
    memory.keep_blocks()
    print(f"handson {handson.__version__}, torch {torch.__version__}")
    chance = random.Random(arguments.seed)
    for job in arguments.jobs:
        measure(job, -(-arguments.kills // len(arguments.jobs)), chance)


if __name__ == "__main__":
    main()
