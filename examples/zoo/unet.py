"""The U-Net: down to coarse maps that know what is there, up again to fine ones that know where, and bridges between.

Ronneberger, Fischer and Brox (2015). It marks the pixels of every galaxy in a noisy, unevenly lit picture of the sky.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model
from handson.layers import Concatenate, Conv2D, Conv2DTranspose, Input, MaxPooling2D
from handson.optimizers import Adam

SIDE = 32


def sky(count, seed):
    """Pictures of a few ellipses each, (n, side, side, 1), and which pixels belong to them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    truth = np.zeros((count, SIDE, SIDE), bool)
    for _ in range(3):
        drawn = rng.uniform([4, 4, 2, 0.5, 0], [28, 28, 5, 1, np.pi], (count, 5))
        x0, y0, size, ratio, angle = drawn.T[..., None, None]
        dx, dy = x - x0, y - y0
        along, across = dx * np.cos(angle) + dy * np.sin(angle), (dy * np.cos(angle) - dx * np.sin(angle)) / ratio
        truth |= np.hypot(along, across) < size
    slope = rng.uniform(-1, 1, (count, 2, 1, 1))
    light = (x * slope[:, 0] + y * slope[:, 1]) / SIDE
    images = truth + light + rng.normal(0, 0.5, truth.shape)
    return images[..., None].astype("float32"), truth[..., None].astype("float32")


def unet():
    """Two halvings and two doublings; each doubling sees the maps of its own size on the way down."""
    picture = Input((SIDE, SIDE, 1))
    fine = Conv2D(8, 3, padding="same", activation="relu")(picture)
    middle = Conv2D(16, 3, padding="same", activation="relu")(MaxPooling2D()(fine))
    coarse = Conv2D(32, 3, padding="same", activation="relu")(MaxPooling2D()(middle))
    up = Concatenate()([middle, Conv2DTranspose(16, 2, strides=2)(coarse)])
    up = Conv2D(16, 3, padding="same", activation="relu")(up)
    up = Concatenate()([fine, Conv2DTranspose(8, 2, strides=2)(up)])
    up = Conv2D(8, 3, padding="same", activation="relu")(up)
    return Model(picture, Conv2D(1, 1, activation="sigmoid")(up), seed=0)


def train(epochs=12):
    net = unet()
    net.compile(Adam(0.005), "binary_crossentropy")
    net.fit(*sky(300, 0), epochs=epochs, batch_size=20, verbose=0)
    images, truth = sky(60, 1)
    found = net.predict(images)
    marked = found > 0.5
    overlap = (marked & (truth > 0.5)).sum() / (marked | (truth > 0.5)).sum()
    return {"overlap (IoU)": float(overlap), "rows": (images, truth, found)}


def draw(found):
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    grid = figure.subplots(3, 6)
    for line, rows, title in zip(grid, found["rows"], ("picture", "truth", "net"), strict=True):
        line[0].set_ylabel(title, fontsize=9)
        for cell, image in zip(line, rows, strict=False):
            cell.imshow(image[..., 0], cmap="gray")
            page.bare(cell)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
