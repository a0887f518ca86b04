"""The residual net: each block adds something to what comes in, so that gradients reach the first of many layers.

He et al. (2015). Forty layers without the shortcuts do not even learn their training data; with them they do.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model
from handson.layers import Add, Dense, Input
from handson.optimizers import Adam

LAYERS = 40


def deep(shortcuts):
    """A stack of layers of 16 units, with or without a shortcut around every two."""
    point = Input((2,))
    x = Dense(16, "relu")(point)
    for _ in range(LAYERS // 2):
        change = Dense(16)(Dense(16, "relu")(x))
        x = Add()([x, change]) if shortcuts else Dense(16, "relu")(change)
    return Model(point, Dense(1, "sigmoid")(x), seed=0)


def rings(count=400):
    """Points on two rings, one inside the other."""
    rng = np.random.default_rng(0)
    label, angle = rng.integers(0, 2, count), rng.uniform(0, 2 * np.pi, count)
    radius = 0.5 + 0.5 * label + rng.normal(0, 0.08, count)
    return (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype("float32"), label


def train(epochs=30):
    x, label = rings()
    found = {}
    for name, shortcuts in (("with shortcuts", True), ("without", False)):
        net = deep(shortcuts)
        net.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
        found[name] = net.fit(x, label, epochs=epochs, batch_size=50, verbose=0).history
        found[f"accuracy {name}"] = net.evaluate(x, label)[1]
    return found


def draw(found):
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss on the training data", yscale="log")
    for name in ("without", "with shortcuts"):
        losses = found[name]["loss"]
        axes.plot(np.arange(1, len(losses) + 1), losses, linewidth=2, label=f"{LAYERS} layers, {name}")
    axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
