"""The gated recurrent unit: the memory of an LSTM with two gates in place of three.

Cho et al. (2014). It reads light curves of three kinds of variable stars, of different lengths: steps that are missing
are masked, and count nowhere.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential
from handson.layers import GRU, Dense, Masking
from handson.optimizers import Adam

KINDS, STEPS, ABSENT = ("sine", "sawtooth", "eclipses"), 60, -9.0


def light_curves(count, seed):
    """Brightness over time, (n, steps, 1), the last steps of short curves absent; and the kind."""
    rng = np.random.default_rng(seed)
    kind, length = rng.integers(0, 3, count), rng.integers(25, STEPS + 1, count)
    phase = (rng.uniform(0, 1, (count, 1)) + np.arange(STEPS) / rng.uniform(12, 22, (count, 1))) % 1
    shapes = np.stack([np.sin(2 * np.pi * phase), 1 - 2 * phase, 0.6 - 1.6 * (phase < 0.2)])
    x = shapes[kind, np.arange(count)] + rng.normal(0, 0.3, phase.shape)
    x[np.arange(STEPS) >= length[:, None]] = ABSENT
    return x[..., None].astype("float32"), kind


def train(epochs=30):
    net = Sequential([Masking(ABSENT), GRU(24), Dense(3, "softmax")], seed=0)
    net.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(*light_curves(500, 0), epochs=epochs, batch_size=50, verbose=0)
    return {"accuracy": net.evaluate(*light_curves(300, 1))[1], "net": net}


def draw(found):
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey="row")
    x, kinds = light_curves(300, 1)
    for column, name in enumerate(KINDS):
        curve = x[(kinds == column) & (x[:, -1, 0] != ABSENT)][0]
        read = np.stack([np.where(np.arange(STEPS)[:, None] < step, curve, ABSENT) for step in range(1, STEPS + 1)])
        grid[0, column].plot(curve, ".-", color="black", linewidth=0.6, markersize=3)
        grid[0, column].set_title(name, fontsize=9)
        for kind, chance in enumerate(found["net"].predict(read.astype("float32")).T):
            grid[1, column].plot(chance, color=f"C{kind}", label=KINDS[kind])
        grid[1, column].set_xlabel("step")
    grid[0, 0].set_ylabel("brightness")
    grid[1, 0].set_ylabel("chance, as it reads")
    grid[1, 0].legend(fontsize=7, loc="center right")
    return figure


if __name__ == "__main__":
    page.main(train, draw)
