"""The self-organising map, or Kohonen net: a sheet of units that unfolds in the data; neighbours stay neighbours.

Kohonen (1982). The unit that is nearest to an example moves towards it, and takes the units around it along. Here the
examples are colours.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model, ops

SIDE = 16


class Map(Model):
    """Units on a square grid, each with a place among the data."""

    def __init__(self, features):
        super().__init__(seed=0)
        self.places = self.add_weight((SIDE * SIDE, features), "random_uniform", name="places", trainable=False)
        grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
        self.apart = ops.convert_to_tensor(((grid[:, None] - grid) ** 2).sum(2).astype("float32"))

    def nearest(self, x):
        """The unit that is nearest to each example, and the one after it."""
        distance = ops.sum((x[:, None] - self.places) ** 2, axis=2)
        return ops.top_k(-distance, 2)[1]

    def call(self, inputs):
        return self.nearest(inputs)[:, 0]

    def train_step(self, data):
        """Each unit moves to the mean of the examples, weighted by how near it is to their units on the grid."""
        share = self.optimizer.iterations / self.steps
        reach = SIDE / 2 * (1 / SIDE) ** share
        pull = ops.exp(-self.apart[self(data)] / (2 * reach**2))
        total = ops.sum(pull, axis=0)[:, None]
        mean = ops.transpose(pull) @ data / ops.maximum(total, 1e-6)
        self.places.assign_add(ops.minimum(total, 1.0) * (mean - self.places))
        return {"reach": reach}


def train(epochs=15):
    x = np.random.default_rng(0).random((2000, 3)).astype("float32")
    net = Map(3)
    net.steps = epochs * 20
    net.compile()
    net.fit(x, epochs=epochs, batch_size=100, verbose=0)
    first, second = net.nearest(ops.convert_to_tensor(x)).T
    error = ops.mean(ops.sqrt(ops.sum((ops.convert_to_tensor(x) - net.places[first]) ** 2, axis=1)))
    torn = ops.mean(ops.cast(net.apart[first, second] > 2, "float32"))
    return {"distance to the nearest unit": float(error), "examples at a tear of the sheet": float(torn),
            "places": net.places.numpy()}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    shuffled = np.random.default_rng(0).permutation(found["places"])
    for axes, colours, title in ((left, shuffled, "the colours in any order"), (right, found["places"], "on the map")):
        axes.imshow(np.clip(colours, 0, 1).reshape(SIDE, SIDE, 3))
        axes.set_title(title, fontsize=9)
        page.bare(axes)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
