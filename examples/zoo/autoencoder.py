"""The autoencoder: a net that gives back its input through a narrow middle, and so has to find what matters.

Hinton and Salakhutdinov (2006). Two numbers stand for a picture of a digit. Without bends it would be a principal
component analysis, which serves for comparison.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from handson import Model
from handson.layers import Dense, Input
from handson.optimizers import Adam


def digits():
    """1,797 digits of 8 by 8 pixels from scikit-learn, as rows of numbers from 0 to 1; and which they are."""
    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype("float32"), labels


def train(epochs=60):
    x, labels = digits()
    image = Input((64,))
    code = Dense(2, name="code")(Dense(64, "relu")(Dense(128, "relu")(image)))
    net = Model(image, Dense(64, "sigmoid")(Dense(128, "relu")(Dense(64, "relu")(code))), seed=0)
    encoder = Model(image, code)
    net.compile(Adam(0.003), "mse")
    net.fit(x, x, epochs=epochs, batch_size=64, verbose=0)
    plain = PCA(2).fit(x)
    error = float(np.mean((plain.inverse_transform(plain.transform(x)) - x) ** 2))
    return {"error": net.evaluate(x, x), "error of PCA": error, "x": x, "labels": labels, "net": net,
            "codes": encoder.predict(x)}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1))
    axes = left.add_subplot()
    dots = axes.scatter(*found["codes"].T, c=found["labels"], cmap="tab10", s=6)
    left.colorbar(dots, ax=axes, ticks=range(10), label="digit")
    axes.set_title("two numbers for each picture", fontsize=9)
    shown = [np.flatnonzero(found["labels"] == digit)[3] for digit in range(8)]
    rows = found["x"][shown], found["net"].predict(found["x"][shown])
    grid = right.subplots(4, 4)
    for number in range(8):
        for which, row in enumerate(rows):
            cell = grid[2 * (number // 4) + which, number % 4]
            cell.imshow(row[number].reshape(8, 8), cmap="gray_r")
            page.bare(cell)
    right.suptitle("given, and below it given back", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
