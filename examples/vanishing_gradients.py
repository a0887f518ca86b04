"""Why deep nets were hard to train: gradients that vanish, and what He, Glorot and ReLU changed.

    python examples/vanishing_gradients.py --out pictures

A net of ten sigmoid layers with the old rule for initial weights learns nothing: the gradient of its first layer is
less than a millionth of that of its last. The same net with ReLU and He's initial weights, or tanh and Glorot's, learns
the digits in seconds. Written are the gradients by layer of each net, and the learning curves of all three.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_digits

from handson import Sequential, plots
from handson.callbacks import Monitor
from handson.initializers import VarianceScaling
from handson.layers import Dense
from handson.optimizers import SGD

# What the lecture calls the old rule: uniform between -1/√n and 1/√n, for n inputs.
OLD = VarianceScaling(1 / 3, "fan_in", "uniform")
NETS = {"sigmoid": ("sigmoid", OLD), "tanh, Glorot": ("tanh", "glorot_uniform"), "relu, He": ("relu", "he_uniform")}
FILES = {"sigmoid": "vanishing.png", "tanh, Glorot": "glorot.png", "relu, He": "he.png"}


def deep(activation: str, initializer: object, depth: int = 10) -> Sequential:
    """A net of so many hidden layers."""
    hidden = [Dense(32, activation=activation, kernel_initializer=initializer) for _ in range(depth)]
    net = Sequential([*hidden, Dense(10, activation="softmax")], seed=1)
    net.compile(SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="a folder for the pictures")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    histories = {}
    for name, (activation, initializer) in NETS.items():
        net = deep(activation, initializer)
        history = net.fit(
            x / 16, y, epochs=arguments.epochs, validation_split=0.2, verbose=0, monitor=Monitor(every=15)
        )
        histories[name] = history
        first, last = (history.journal.looks[0].layers[layer].gradient_rms for layer in ("dense", "dense_10"))
        print(f"{name}: gradient of the first layer {first / last:.1e} of the last; accuracy "
              f"{history.history['val_accuracy'][-1]:.3f}")  # fmt: skip
        plots.plot_gradients(history.journal, path=arguments.out / FILES[name])
    plots.plot_runs(histories, "accuracy", path=arguments.out / "deep_nets.png")


if __name__ == "__main__":
    main()
