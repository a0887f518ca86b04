"""The multilayer perceptron: layers of units, each a weighted sum with a bend, trained by gradients.

Rumelhart, Hinton and Williams (1986). Two hidden layers bend the plane until a line divides two spirals; a net without
hidden layers cannot (Minsky and Papert, 1969).
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential
from handson.layers import Dense
from handson.optimizers import Adam


def spirals(count=200):
    """Two spirals, one turn and a half each, with a little noise."""
    rng = np.random.default_rng(0)
    turn, label = np.sqrt(rng.uniform(0.02, 1, count)), rng.integers(0, 2, count)
    angle = 3 * np.pi * turn + np.pi * label
    x = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1) + rng.normal(0, 0.02, (count, 2))
    return x.astype("float32"), label


def train(epochs=200):
    x, label = spirals()
    net = Sequential([Dense(32, "tanh"), Dense(32, "tanh"), Dense(1, "sigmoid")], seed=0)
    net.compile(Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    net.fit(x, label, epochs=epochs, batch_size=32, verbose=0)
    line = Sequential([Dense(1, "sigmoid")], seed=0)
    line.compile(Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    line.fit(x, label, epochs=20, verbose=0)
    return {"accuracy": net.evaluate(x, label)[1], "without hidden layers": line.evaluate(x, label)[1],
            "nets": [line, net], "x": x, "label": label}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    across = np.linspace(-1.15, 1.15, 90)
    plane = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2).astype("float32")
    titles = ("no hidden layer", "two hidden layers of 32")
    for axes, net, title in zip(figure.subplots(1, 2), found["nets"], titles, strict=True):
        axes.contourf(across, across, net.predict(plane).reshape(90, 90), 20, cmap="coolwarm", alpha=0.6)
        axes.scatter(*found["x"].T, c=found["label"], cmap="coolwarm", edgecolor="white", linewidth=0.4, s=16)
        axes.set(title=title, aspect="equal")
        page.bare(axes)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
