"""The extreme learning machine: a hidden layer that stays random, and an output that is solved for in one step.

Huang, Zhu and Siew (2006); Schmidt et al. (1992). No gradients, no epochs: with enough random features a linear output
is all there is to learn.
"""

import time

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from handson import Sequential, ops
from handson.layers import Dense


def solved(x, labels, units):
    """A net whose output is the least-squares solution."""
    net = Sequential([Dense(units, "tanh", trainable=False, input_dim=64), Dense(10)], seed=0)
    features = ops.convert_to_numpy(net.layers[0](x))
    with_ones = np.concatenate([features, np.ones((len(x), 1), "float32")], 1)
    square = with_ones.T @ with_ones + 0.1 * np.eye(units + 1)
    weights = np.linalg.solve(square, with_ones.T @ np.eye(10)[labels])
    net.layers[1].set_weights([weights[:-1], weights[-1]])
    return net


def train(sizes=(10, 30, 100, 300, 1000)):
    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype("float32")
    accuracy, seconds = [], []
    for units in sizes:
        started = time.perf_counter()
        net = solved(x[:1200], labels[:1200], units)
        seconds.append(time.perf_counter() - started)
        accuracy.append(float((net.predict(x[1200:]).argmax(1) == labels[1200:]).mean()))
    return {"accuracy": accuracy[-1], "accuracy with 10 units": accuracy[0], "sizes": sizes, "all": accuracy,
            "seconds": seconds}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="random hidden units", ylabel="accuracy on new digits", xscale="log", ylim=(0, 1))
    axes.plot(found["sizes"], found["all"], "o-")
    for units, accuracy, seconds in zip(found["sizes"], found["all"], found["seconds"], strict=True):
        axes.annotate(f"{1000 * seconds:.0f} ms", (units, accuracy), (0, -14), textcoords="offset points", fontsize=8)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
