"""The Siamese net: one and the same net sees two pictures, and learns to put like ones close together.

Bromley et al. (1993), Hadsell, Chopra and LeCun (2006). What it has learned of eight digits also separates two digits
that it has never seen.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from handson import Model, Sequential, ops
from handson.layers import Dense, Dropout, Input
from handson.optimizers import Adam

NEW = (0, 6)


def pairs(x, labels, count, seed):
    """Pairs of pictures, and whether they are of one digit: half of them are."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(x), count)
    like = rng.integers(0, 2, count)
    fitting = [(labels == labels[one]) == same for one, same in zip(first, like, strict=True)]
    second = [rng.choice(np.flatnonzero(rows)) for rows in fitting]
    return [x[first], x[second]], like.astype("float32")


def contrastive(like, distance):
    """Like pairs are pulled together, others pushed apart until they are 1 apart."""
    return like * distance**2 + (1 - like) * ops.relu(1 - distance) ** 2


def train(epochs=25):
    images, labels = load_digits(return_X_y=True)
    x, old = (images / 16).astype("float32"), ~np.isin(labels, NEW)
    tower = Sequential([Dense(128, "relu"), Dropout(0.2), Dense(64, "relu"), Dense(2)], name="tower")
    one, other = Input((64,)), Input((64,))
    distance = ops.sqrt(ops.sum((tower(one) - tower(other)) ** 2, axis=1, keepdims=True) + 1e-6)
    net = Model([one, other], distance, seed=0)
    net.compile(Adam(0.002), contrastive)
    net.fit(*pairs(x[old], labels[old], 3000, 0), epochs=epochs, batch_size=50, verbose=0)
    x_new, like = pairs(x[~old], labels[~old], 500, 1)
    area = roc_auc_score(like, -net.predict(x_new)[:, 0])
    return {"new digits told apart (area under ROC)": float(area), "places": tower.predict(x), "labels": labels}


def draw(found):
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    for digit in range(10):
        new = digit in NEW
        axes.scatter(*found["places"][found["labels"] == digit].T, s=14 if new else 5, marker="x" if new else "o",
                     color=f"C{digit}", linewidth=0.9, label=f"{digit}, never seen" if new else str(digit))  # fmt: skip
    figure.legend(fontsize=7, loc="outside right center")
    axes.set_title("where the net puts each picture", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
