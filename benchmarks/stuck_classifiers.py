"""Classifiers that stay stuck: cross-entropy on the probabilities of a softmax, over many seeds.

    python benchmarks/stuck_classifiers.py [--seeds 24] [--first 0] [--rate 0.2] [--keras]

The task is made: ten classes of images, a pattern each under strong noise, a tenth of the labels wrong; two blocks of
convolution and batch normalization, Adam with a rate of 0.2, four epochs of 2,048 rows. A row that is badly wrong has a
probability of 0 in float32. A loss that clips it, as Keras's does, gives it no gradient, and some seeds stay at a high
loss for ever. handson computes the loss from the logits: none may be stuck. `--keras` trains the same nets with Keras
on torch.

The loss is measured twice: with the statistics of the batch, as the net was trained, and with the moving averages of
batch normalization. After 256 steps of such a rate those lag behind the weights, in every library: a net that learned
may have a high loss by them. Stuck is a net whose loss is high by the statistics of the batch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np

ROWS, SIDE, CLASSES, EPOCHS, RATE = 2048, 16, 10, 4, 0.2
# What a net that learned this task is far below, and one that is stuck is above.
STUCK = 1.4


def task(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, their labels of which a tenth are wrong, and the true ones."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(CLASSES, SIDE, SIDE, 1))
    truth = rng.integers(0, CLASSES, ROWS)
    images = 8 * patterns[truth] + 8 * rng.normal(size=(ROWS, SIDE, SIDE, 1))
    wrong = rng.random(ROWS) < 0.1
    return images.astype("float32"), np.where(wrong, rng.integers(0, CLASSES, ROWS), truth), truth


def built(words, rate: float):
    """The net, in the words of a library."""
    layers = words.layers
    blocks = [
        layer
        for filters in (16, 32)
        for layer in (layers.Conv2D(filters, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D())
    ]
    last = [layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    net = words.Sequential([words.Input((SIDE, SIDE, 1)), *blocks, *last])
    net.compile(words.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def final(words, seed: int, rate: float) -> tuple[float, float, float]:
    """The losses at the end on the true labels, of the batch and by moving averages, and the seconds."""
    images, labels, truth = task(seed)
    if hasattr(words, "utils"):
        words.utils.set_random_seed(seed)
    started = time.perf_counter()
    net = built(words, rate)
    net.fit(images, labels, epochs=EPOCHS, batch_size=32, verbose=0)
    seconds = time.perf_counter() - started
    moving = float(net.evaluate(images, truth, verbose=0, return_dict=True)["loss"])
    parts = [net(images[first : first + 256], training=True).detach().cpu().numpy() for first in range(0, ROWS, 256)]
    right = np.concatenate(parts)[np.arange(ROWS), truth]
    return float(-np.log(np.maximum(right, 1e-7)).mean()), moving, seconds


def measured(name: str, words, seeds: range, rate: float) -> int:
    """Train all seeds, print what came out, and give the number of those that are stuck."""
    found = [final(words, seed, rate) for seed in seeds]
    of_batch, moving, seconds = map(list, zip(*found, strict=True))
    stuck = sum(not loss < STUCK for loss in of_batch)
    print(
        f"{name}, rate {rate:g}: {stuck} of {len(seeds)} seeds are stuck; loss {_spread(of_batch)}; by moving averages "
        f"{_spread(moving)}, {sum(not loss < STUCK for loss in moving)} above {STUCK}; a training takes "
        f"{statistics.median(seconds):.1f} s (median)"
    )
    return stuck


def _spread(losses: list[float]) -> str:
    return f"{statistics.median(losses):.3g} ({min(losses):.3g} to {max(losses):.3g})"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--keras", action="store_true")
    given = parser.parse_args()
    from handson import keras as ours

    seeds = range(given.first, given.first + given.seeds)
    stuck = measured("handson", ours, seeds, given.rate)
    if given.keras:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        import keras

        measured("keras", keras, seeds, given.rate)
    return int(stuck > 0)


if __name__ == "__main__":
    sys.exit(main())
