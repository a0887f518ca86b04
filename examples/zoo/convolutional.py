"""The deep convolutional net: small filters that look for the same thing everywhere, and coarser maps of it.

LeCun et al. (1998). It tells discs, squares and triangles apart, wherever they lie and however large they are.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model, Sequential
from handson.layers import Conv2D, Dense, Flatten, MaxPooling2D
from handson.optimizers import Adam

KINDS, SIDE = ("disc", "square", "triangle"), 20


def shapes(count, seed):
    """Noisy pictures of a shape each, (n, side, side, 1), and which it is."""
    rng = np.random.default_rng(seed)
    kind, size = rng.integers(0, 3, count), rng.uniform(3.5, 7, (count, 1, 1))
    x, y = (np.arange(SIDE) - rng.uniform(7, 12, (2, count, 1)))[..., None].transpose(0, 1, 3, 2)
    y = y.transpose(0, 2, 1)
    inside = np.stack([
        x**2 + y**2 < size**2,
        np.maximum(abs(x), abs(y)) < 0.85 * size,
        (y < 0.8 * size) & (y > 2 * abs(x) - size),
    ])  # fmt: skip
    images = inside[kind, np.arange(count)] + rng.normal(0, 0.35, (count, SIDE, SIDE))
    return images[..., None].astype("float32"), kind


def train(epochs=15):
    net = Sequential(
        [
            Conv2D(8, 3, padding="same", activation="relu", input_shape=(SIDE, SIDE, 1)),
            MaxPooling2D(),
            Conv2D(16, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(3, "softmax"),
        ],
        seed=0,
    )
    net.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(*shapes(900, 0), epochs=epochs, batch_size=32, verbose=0)
    return {"accuracy": net.evaluate(*shapes(300, 1))[1], "net": net}


def draw(found):
    net = found["net"]
    maps = Model(net.input, [net.layers[0].output, net.layers[2].output])
    images, kinds = shapes(30, 2)
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    grid = figure.subplots(3, 9)
    chances = net.predict(images)
    first, second = (found[..., np.argsort(-found.std((0, 1, 2)))[:4]] for found in maps.predict(images))
    for line, kind in zip(grid, range(3), strict=True):
        number = np.flatnonzero(kinds == kind)[0]
        best = chances[number].argmax()
        line[0].set_title(f"{KINDS[best]}, {chances[number, best]:.0%}", fontsize=8)
        pictures = [images[number, ..., 0], *first[number].transpose(2, 0, 1), *second[number].transpose(2, 0, 1)]
        for cell, picture in zip(line, pictures, strict=True):
            cell.imshow(picture, cmap="gray_r" if cell is line[0] else "magma")
            page.bare(cell)
    figure.supxlabel("picture, four maps of the first layer, four of the second", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
