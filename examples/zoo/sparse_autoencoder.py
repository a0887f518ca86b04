"""The sparse autoencoder: more units than pixels, of which only a few may answer to any one picture.

Ng (2011), Olshausen and Field (1996). A penalty on the activity of the middle layer makes each unit stand for a stroke.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from handson import Sequential, ops
from handson.layers import Dense
from handson.optimizers import Adam
from handson.regularizers import L1

UNITS = 100


def autoencoder(penalty):
    """An autoencoder with a wide middle, whose activity costs something."""
    net = Sequential(
        [Dense(UNITS, "relu", activity_regularizer=L1(penalty)), Dense(64, kernel_constraint="unit_norm")], seed=0
    )
    net.compile(Adam(0.003), "mse", metrics=["mse"])
    return net


def train(epochs=80):
    x = (load_digits().data / 16).astype("float32")
    found = {"x": x}
    for name, penalty in (("sparse", 4e-3), ("free", 0.0)):
        net = autoencoder(penalty)
        net.fit(x, x, epochs=epochs, batch_size=64, verbose=0)
        middle = ops.convert_to_numpy(net.layers[0](x))
        found |= {f"active units, {name}": float((middle > 0.01).mean()), f"error, {name}": net.evaluate(x, x)[1]}
        found[name] = net, middle
    return found


def draw(found):
    figure = Figure(figsize=(8, 4), layout="constrained")
    for part, name in zip(figure.subfigures(1, 2), ("free", "sparse"), strict=True):
        net, middle = found[name]
        grid = part.subplots(6, 8)
        for cell, unit in zip(grid.flat, np.argsort(-middle.mean(0)), strict=False):
            stroke = net.layers[1].get_weights()[0][unit].reshape(8, 8)
            cell.imshow(stroke, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
            page.bare(cell)
        share = found[f"active units, {name}"]
        part.suptitle(f"{name}: {share:.0%} of the units answer to a picture", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
