"""VGG16 fine-tuned on galaxies, its own layers frozen first, beside a small net from scratch.

    python examples/fine_tune_galaxies.py galaxies.npz vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5

The file of weights is that of Keras for ImageNet. Without one VGG16 starts from random weights, which shows the calls
and not the gain: the frozen layers then know nothing of images. `galaxies.npz` has `images`, uint8 of shape
(n, 64, 64), and `labels`.

Printed are the shares of test galaxies that are classified right, of all and as the mean over the classes.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from handson import Sequential, optimizers
from handson.applications import VGG16
from handson.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D, Rescaling

# Pixels are taken together two by two, so that a processor does it in minutes.
SIDE, TRAINING, TEST = 32, 1500, 1500


def galaxies(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Gray images of 0 to 255 and their classes, in a random order."""
    with np.load(path) as data:
        order = np.random.default_rng(0).permutation(len(data["images"]))
        images = data["images"][order].reshape(-1, SIDE, 64 // SIDE, SIDE, 64 // SIDE).mean((2, 4))
        return images[..., None].astype("float32"), data["labels"][order]


def large(classes: int, weights: str | None) -> Sequential:
    """VGG16 with a new classifier; its first kernel is adapted to gray images."""
    body = VGG16(include_top=False, weights=weights, input_shape=(SIDE, SIDE, 1), pooling="avg")
    prepare = body.preprocess_input.layer(1)
    return Sequential([Input((SIDE, SIDE, 1)), prepare, body, Dense(classes, activation="softmax")], seed=0)


def small(classes: int) -> Sequential:
    """Three convolutions and a dense layer."""
    layers = [Input((SIDE, SIDE, 1)), Rescaling(1 / 255)]
    for filters in (16, 32, 64):
        layers += [Conv2D(filters, 3, activation="relu"), MaxPooling2D()]
    return Sequential([*layers, Flatten(), Dropout(0.3), Dense(64, "relu"), Dense(classes, "softmax")], seed=0)


def report(name: str, net: Sequential, x: np.ndarray, y: np.ndarray, begun: float) -> None:
    right = net.predict(x).argmax(1) == y
    by_class = np.mean([right[y == label].mean() for label in np.unique(y)])
    print(f"{name:24}{right.mean():8.3f}{by_class:12.3f}{time.monotonic() - begun:10.0f} s", flush=True)


def main(path: str, weights: str | None = None) -> None:
    x, y = galaxies(path)
    train, test = slice(0, TRAINING), slice(TRAINING, TRAINING + TEST)
    classes, how = int(y.max()) + 1, {"batch_size": 32, "verbose": 0}
    print(f"{'':24}{'all':>8}{'by class':>12}{'time':>12}", flush=True)
    begun, net = time.monotonic(), small(classes)
    net.compile(optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    net.fit(x[train], y[train], epochs=15, **how)
    report("small, from scratch", net, x[test], y[test], begun)
    begun, net = time.monotonic(), large(classes, weights)
    net.compile(optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    net.fine_tune(x[train], y[train], head=1, epochs=(4, 0), **how)
    report("VGG16, frozen", net, x[test], y[test], begun)
    net.fine_tune(x[train], y[train], head=1, last=3, epochs=(0, 4), learning_rate=1e-4, **how)
    report("VGG16, last block too", net, x[test], y[test], begun)


if __name__ == "__main__":
    main(*sys.argv[1:3])
