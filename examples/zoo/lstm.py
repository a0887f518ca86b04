"""Long short-term memory: a cell that keeps a value until a gate lets it be overwritten.

Hochreiter and Schmidhuber (1997). Only the first of many steps says which class a sequence has; all others are noise.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential, ops
from handson.layers import LSTM, Dense
from handson.optimizers import Adam

STEPS = 40


def sequences(count, seed):
    """Noise, with a 1 or a -1 at the first step; and which it was."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    x = rng.normal(0, 0.5, (count, STEPS, 1)).astype("float32")
    x[:, 0, 0] = 2 * label - 1
    return x, label


def train(epochs=80):
    net = Sequential([LSTM(8), Dense(1, "sigmoid")], seed=1)
    net.compile(Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    net.fit(*sequences(600, 0), epochs=epochs, batch_size=50, verbose=0)
    return {"accuracy": net.evaluate(*sequences(300, 1))[1], "net": net}


def cell_states(net, x):
    """The cells after every step, of shape (n, steps, units)."""
    watched = LSTM(8, return_state=True)
    watched.build(x.shape)
    watched.set_weights(net.layers[0].get_weights())
    return np.stack([ops.convert_to_numpy(watched(x[:, :step])[2]) for step in range(1, STEPS + 1)], 1)


def draw(found):
    x, label = sequences(40, 2)
    states = cell_states(found["net"], x)
    means = [states[label == value].mean(0) for value in (0, 1)]
    unit = np.abs(means[1][-1] - means[0][-1]).argmax()
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="value of one cell")
    for value, colour in ((0, "C0"), (1, "C3")):
        axes.plot(states[label == value][:, :, unit].T, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(means[value][:, unit], color=colour, linewidth=2, label=f"first step was {2 * value - 1}")
    axes.legend(fontsize=8)
    axes.set_title("one cell remembers the first step", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
