"""The deconvolutional net: a convolutional net turned around, which makes a picture from a few numbers.

Zeiler et al. (2010), Dosovitskiy et al. (2015). Five numbers that describe a galaxy become its picture: place, size,
ellipticity and angle. As the encoder's other half it is the inverse graphics net of Kulkarni et al. (2015).
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential
from handson.layers import Conv2D, Conv2DTranspose, Dense, Reshape
from handson.optimizers import Adam

SIDE = 16


def galaxies(numbers):
    """Pictures of ellipses with an exponential profile, (n, side, side, 1), for rows of numbers between -1 and 1."""
    x0, y0, size, axis, angle = (column[:, None, None] for column in numbers.T)
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    x, y = x - 0.3 * x0, y - 0.3 * y0
    cosine, sine = np.cos(np.pi / 3 * angle), np.sin(np.pi / 3 * angle)
    along, across = x * cosine + y * sine, (y * cosine - x * sine) * (1.9 + 0.9 * axis)
    return np.exp(-np.hypot(along, across) / (0.3 + 0.15 * size))[..., None].astype("float32")


def train(epochs=40):
    rng = np.random.default_rng(0)
    numbers = rng.uniform(-1, 1, (1200, 5)).astype("float32")
    net = Sequential(
        [
            Dense(64, "relu"),
            Dense(4 * 4 * 16, "relu"),
            Reshape((4, 4, 16)),
            Conv2DTranspose(16, 4, strides=2, padding="same", activation="relu"),
            Conv2DTranspose(8, 4, strides=2, padding="same", activation="relu"),
            Conv2D(1, 3, padding="same"),
        ],
        seed=0,
    )
    net.compile(Adam(0.004), "mse")
    net.fit(numbers[:1000], galaxies(numbers[:1000]), epochs=epochs, batch_size=50, verbose=0)
    truth = galaxies(numbers[1000:])
    error = net.evaluate(numbers[1000:], truth) / truth.var(0).mean()
    return {"share of the variance that is missed": float(error), "net": net}


def draw(found):
    across = np.linspace(-1, 1, 9)
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    grid = figure.subplots(4, 9)
    for pair, column, name in ((grid[:2], 3, "ellipticity"), (grid[2:], 4, "angle")):
        numbers = np.tile(np.array([0, 0, 0.3, 0.8, 0.4], "float32"), (9, 1))
        numbers[:, column] = across
        for line, images, what in zip(pair, (galaxies(numbers), found["net"].predict(numbers)),
                                      ("truth", "net"), strict=True):  # fmt: skip
            line[0].set_ylabel(f"{name}\n{what}", fontsize=8)
            for cell, image in zip(line, images, strict=True):
                cell.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
                page.bare(cell)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
