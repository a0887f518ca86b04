"""The restricted Boltzmann machine: visible and hidden units at random, each kind given the other.

Smolensky (1986), Hinton (2002). What is in the data becomes more likely, what the machine makes of it after one step of
sampling (contrastive divergence) less so. Its features are strokes, and it can make digits up.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import handson
from handson import Model, ops, random
from handson.optimizers import SGD


@handson.register
class RBM(Model):
    """Weights between visible and hidden units; none within a kind."""

    def __init__(self, visible, hidden):
        super().__init__(seed=0)
        self.kernel = self.add_weight((visible, hidden), handson.initializers.RandomNormal(0.0, 0.05), name="kernel")
        self.visible_bias = self.add_weight((visible,), "zeros", name="visible_bias")
        self.hidden_bias = self.add_weight((hidden,), "zeros", name="hidden_bias")

    def call(self, visible):
        """The chance of each hidden unit to be on."""
        return ops.sigmoid(visible @ self.kernel + self.hidden_bias)

    def back(self, hidden):
        """The chance of each visible unit to be on."""
        return ops.sigmoid(hidden @ ops.transpose(self.kernel) + self.visible_bias)

    def train_step(self, data):
        """One step of contrastive divergence, which is nearly a gradient."""
        hidden = self(data)
        made = self.back(sampled(hidden))
        answer = self(made)
        kernel = (ops.transpose(data) @ hidden - ops.transpose(made) @ answer) / len(data)
        changes = [kernel, ops.mean(data - made, axis=0), ops.mean(hidden - answer, axis=0)]
        self.optimizer.apply([-change for change in changes], [self.kernel, self.visible_bias, self.hidden_bias])
        return {"error": ops.mean((data - made) ** 2)}


def sampled(chance):
    """Zeros and ones: 1 with the chance given."""
    return ops.cast(random.uniform(ops.shape(chance)) < chance, "float32")


def train(epochs=30):
    x = (load_digits().data > 7).astype("float32")
    net = RBM(64, 64)
    net.compile(SGD(0.1))
    errors = net.fit(x, epochs=epochs, batch_size=20, verbose=0).history["error"]
    handson.set_random_seed(0)
    samples = ops.convert_to_tensor(x[:16])
    for _ in range(200):
        samples = sampled(net.back(sampled(net(samples))))
    return {"error of giving back": errors[-1], "error of the mean picture": float(x.var(0).mean()), "net": net,
            "samples": ops.convert_to_numpy(net.back(net(samples)))}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(7.4, 3.8), layout="constrained")
    kernel = found["net"].get_weights()[0].T
    strongest = kernel[np.argsort(-np.abs(kernel).sum(1))[:16]]
    parts = figure.subfigures(1, 2)
    titles = ("weights of 16 hidden units", "digits that it makes up: samples after 200 steps")
    for part, rows, title, colours in zip(
        parts, (strongest, found["samples"]), titles, ("RdBu_r", "gray_r"), strict=True
    ):
        part.suptitle(title, fontsize=9)
        for cell, row in zip(part.subplots(4, 4).flat, rows, strict=True):
            largest = np.abs(row).max()
            cell.imshow(row.reshape(8, 8), cmap=colours, vmin=-largest if row.min() < 0 else 0, vmax=largest)
            page.bare(cell)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
