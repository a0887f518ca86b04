"""The radial basis net: each hidden unit answers to inputs near its centre, and the output adds the answers up.

Broomhead and Lowe (1988). Centres and widths are weights like any others, and move to where the curve bends.
"""

import numpy as np
import page
from matplotlib.figure import Figure

import handson
from handson import Sequential, ops
from handson.layers import Dense, Layer
from handson.optimizers import Adam


@handson.register
class RadialBasis(Layer):
    """exp(-|x - centre|² / 2 width²) for each of some centres."""

    def __init__(self, units, width=0.3, **kwargs):
        super().__init__(**kwargs)
        self.units, self.width = units, width

    def build(self, input_shape):
        self.centres = self.add_weight((self.units, input_shape[-1]), "random_uniform", name="centres")
        spread = np.linspace(-1, 1, self.units)[:, None]
        self.centres.assign(np.repeat(spread, input_shape[-1], 1))
        self.widths = self.add_weight((self.units,), handson.initializers.Constant(self.width), name="widths")

    def call(self, inputs):
        distance = ops.sum((inputs[:, None] - self.centres) ** 2, axis=-1)
        return ops.exp(-distance / (2 * self.widths**2))


def curve(count=200):
    """A chirp with noise on [-1, 1]."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (count, 1)).astype("float32")
    return x, (np.sin(6 * (x + 0.5) ** 2) + rng.normal(0, 0.05, x.shape)).astype("float32")


def train(epochs=250):
    x, y = curve()
    net = Sequential([RadialBasis(12), Dense(1)], seed=0)
    net.compile(Adam(0.02), "mse")
    net.fit(x, y, epochs=epochs, batch_size=50, verbose=0)
    return {"error": float(np.sqrt(net.evaluate(x, y))), "net": net, "x": x, "y": y}


def draw(found):
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="x", ylabel="y")
    basis, output = found["net"].layers
    x = np.linspace(-1, 1, 300)[:, None].astype("float32")
    bumps = ops.convert_to_numpy(basis(x)) * output.get_weights()[0][:, 0]
    axes.plot(x, bumps, color="C0", alpha=0.35, linewidth=1)
    axes.plot([], [], color="C0", alpha=0.5, label="each unit, times its weight")
    axes.scatter(found["x"], found["y"], s=8, color="gray", label="data")
    axes.plot(x, found["net"].predict(x), color="C3", linewidth=2, label="their sum: the net")
    axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
