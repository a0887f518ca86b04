"""The Boltzmann machine: binary units at random, each coupled to every other, some of them hidden.

Ackley, Hinton and Sejnowski (1985). A coupling grows with how often two units are on together while the data hold the
visible ones, and shrinks with how often they are in the machine's own samples. It learns pictures of bars and stripes.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model, ops, random
from handson.optimizers import SGD
from handson.schedules import PolynomialDecay

SIDE, HIDDEN, CHAINS = 3, 6, 200
VISIBLE = SIDE * SIDE


def bars_and_stripes():
    """All pictures whose columns, or whose rows, are of one colour: 14 of the 512 there are."""
    columns = np.array([[number >> bit & 1 for bit in range(SIDE)] for number in range(2**SIDE)])
    bars = np.repeat(columns[:, None], SIDE, 1)
    both = np.concatenate([bars, bars.transpose(0, 2, 1)]).reshape(-1, VISIBLE)
    return np.unique(both, axis=0).astype("float32")


class Boltzmann(Model):
    """Symmetric couplings among all units; the visible ones come first, and a last one is always on."""

    def __init__(self):
        super().__init__(seed=0)
        units = VISIBLE + HIDDEN + 1
        self.couplings = self.add_weight((units, units), "zeros", name="couplings")
        self.samples = self.add_weight((CHAINS, units), "ones", name="samples", trainable=False)

    def sampled(self, states, first, sweeps):
        """Gibbs sampling: draw every unit from `first` on in its turn, given all others."""
        states = ops.copy(states)
        for _ in range(sweeps):
            drawn = random.uniform(ops.shape(states))
            for unit in range(first, VISIBLE + HIDDEN):
                states[:, unit] = ops.cast(drawn[:, unit] < ops.sigmoid(states @ self.couplings[unit]), "float32")
        return states

    def train_step(self, data):
        on = ops.ones((len(data), HIDDEN + 1))
        clamped = self.sampled(ops.concatenate([data, on], axis=1), VISIBLE, 3)
        self.samples.assign(self.sampled(self.samples, 0, 2))
        together = [ops.transpose(states) @ states / len(states) for states in (clamped, self.samples)]
        change = (together[0] - together[1]) * (1 - ops.eye(len(self.couplings)))
        self.optimizer.apply([-change], [self.couplings])
        return {"change": ops.mean(ops.abs(change))}


def train(steps=600):
    pictures, net = bars_and_stripes(), Boltzmann()
    net.compile(SGD(PolynomialDecay(1.0, steps, 0.05)))
    net.fit(np.tile(pictures, (10, 1)), epochs=steps, batch_size=len(pictures) * 10, verbose=0)
    samples = net.samples.numpy()[:, :VISIBLE]
    right = (samples[:, None] == pictures).all(2).any(1)
    return {"samples that are bars or stripes": float(right.mean()), "by chance": len(pictures) / 2**VISIBLE,
            "samples": samples, "right": right}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    for cell, sample, right in zip(figure.subplots(4, 10).flat, found["samples"], found["right"], strict=False):
        cell.imshow(sample.reshape(SIDE, SIDE), cmap="gray_r" if right else "Reds", vmin=0, vmax=1)
        cell.set_xticks([])
        cell.set_yticks([])
    figure.suptitle("its samples: bars and stripes, and in red what is neither", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
