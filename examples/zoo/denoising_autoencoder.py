"""The denoising autoencoder: it gets spoilt pictures, is to give back the clean ones, and learns what digits look like.

Vincent et al. (2008). The noise is a layer: another one for each picture and epoch while training, none afterwards.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from handson import Sequential
from handson.layers import Dense, GaussianNoise
from handson.optimizers import Adam

NOISE = 0.4


def train(epochs=60):
    x = (load_digits().data / 16).astype("float32")
    x, new = x[:1500], x[1500:]
    net = Sequential([GaussianNoise(NOISE), Dense(256, "relu"), Dense(64, "relu"), Dense(64, "sigmoid")], seed=0)
    net.compile(Adam(0.002), "mse")
    net.fit(x, x, epochs=epochs, batch_size=64, verbose=0)
    noisy = new + np.random.default_rng(1).normal(0, NOISE, new.shape).astype("float32")
    clean = net.predict(noisy)
    error = float(np.mean((clean - new) ** 2) / np.mean((noisy - new) ** 2))
    return {"noise that is left": error, "rows": (noisy, clean, new)}


def draw(found):
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    grid = figure.subplots(3, 10)
    titles = ("with noise", "cleaned", "truth")
    for line, rows, title in zip(grid, found["rows"], titles, strict=True):
        line[0].set_ylabel(title, fontsize=9)
        for cell, image in zip(line, rows[::9], strict=False):
            cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            page.bare(cell)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
