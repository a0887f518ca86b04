"""The Hopfield net: a memory that finds the stored pattern nearest to what it is given.

Hopfield (1982). Two units are coupled the more strongly the more often they are alike in the patterns (Hebb's rule).
Unit after unit then takes the side that the others pull it to, until nothing changes.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model, ops

LETTERS = {
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
}


class Hopfield(Model):
    """Symmetric couplings between all units, none of a unit to itself."""

    def __init__(self, units):
        super().__init__(seed=0)
        self.couplings = self.add_weight((units, units), "zeros", name="couplings", trainable=False)

    def train_step(self, patterns):
        """Hebb's rule."""
        units = patterns.shape[1]
        self.couplings.assign_add((ops.transpose(patterns) @ patterns) * (1 - ops.eye(units)) / units)
        return {"energy": ops.mean(self.energy(patterns))}

    def energy(self, states):
        """What falls with every change of a unit."""
        return -0.5 * ops.sum((states @ self.couplings) * states, axis=-1)

    def call(self, inputs):
        """Go over all units a few times, each in its turn."""
        units = list(ops.transpose(inputs))
        for turn in range(5 * len(units)):
            unit = turn % len(units)
            pull = ops.tensordot(self.couplings[unit], ops.stack(units), 1)
            units[unit] = ops.where(pull == 0, units[unit], ops.sign(pull))
        return ops.stack(units, axis=1)


def patterns():
    """Letters as rows of -1 and 1."""
    return np.array([[2 * int(pixel) - 1 for pixel in text.replace(" ", "")] for text in LETTERS.values()], "float32")


def train(flipped=0.15):
    stored = patterns()
    net = Hopfield(stored.shape[1])
    net.compile()
    net.fit(stored, epochs=1, verbose=0)
    rng = np.random.default_rng(1)
    given = np.repeat(stored, 25, 0)
    given *= np.where(rng.random(given.shape) < flipped, -1, 1)
    recalled = net.predict(given)
    right = (recalled == np.repeat(stored, 25, 0)).all(1).mean()
    return {"letters recalled without a fault": float(right), "given": given[::25], "recalled": recalled[::25]}


def draw(found):
    figure = Figure(figsize=(4.4, 3.4), layout="constrained")
    grid = figure.subplots(2, len(LETTERS))
    for line, rows, title in zip(grid, (found["given"], found["recalled"]), ("given", "recalled"), strict=True):
        line[0].set_ylabel(title)
        for cell, row in zip(line, rows, strict=True):
            cell.imshow(np.pad(row.reshape(7, 5), 1, constant_values=-1), cmap="gray_r")
            page.bare(cell)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
