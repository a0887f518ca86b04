"""The simple recurrent net: what it computes at one step goes into the next, so it can follow a sequence.

Elman (1990). Trained to say the next value of a wave, it then goes on by itself, fed with its own predictions.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential
from handson.layers import Dense, SimpleRNN
from handson.optimizers import Adam

STEPS, AHEAD = 40, 80


def wave(steps):
    """Two tones that beat."""
    time = np.arange(steps)
    return (0.5 * np.sin(0.25 * time) + 0.4 * np.sin(0.4 * time)).astype("float32")


def windows(series):
    """All stretches of a series, and the value after each."""
    x = np.lib.stride_tricks.sliding_window_view(series, STEPS)[:-1, :, None]
    return np.ascontiguousarray(x), series[STEPS:, None]


def go_on(net, start, count):
    """Predict a value, append it, and so on."""
    series = list(start)
    for _ in range(count):
        series.append(net.predict(np.array(series[-STEPS:], "float32")[None, :, None])[0, 0])
    return np.array(series[len(start) :])


def train(epochs=60):
    series = wave(500 + AHEAD)
    net = Sequential([SimpleRNN(24), Dense(1)], seed=0)
    net.compile(Adam(0.005), "mse")
    net.fit(*windows(series[:500]), epochs=epochs, batch_size=64, verbose=0)
    alone = go_on(net, series[500 - STEPS : 500], AHEAD)
    error = np.sqrt(np.mean((alone - series[500:]) ** 2)) / series.std()
    return {"relative error going on alone": float(error), "series": series, "alone": alone}


def draw(found):
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="value")
    series = found["series"]
    axes.plot(np.arange(400, 501), series[400:501], color="gray", label="seen in training")
    axes.plot(np.arange(500, 500 + AHEAD), series[500:], color="black", linewidth=1, label="how it goes on")
    axes.plot(np.arange(500, 500 + AHEAD), found["alone"], "--", color="C3", linewidth=2, label="the net, alone")
    axes.axvline(500, color="gray", linewidth=0.8)
    axes.legend(fontsize=8, loc="lower left", ncol=3)
    axes.set_ylim(-1.5, 1.1)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
