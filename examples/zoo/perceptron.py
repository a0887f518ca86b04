"""The perceptron: one unit with a threshold, and a rule that mends it after every mistake.

Rosenblatt (1958). If some line divides the two classes, the rule finds one after a finite number of mistakes.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Model, ops
from handson.callbacks import LambdaCallback
from handson.layers import Dense


class Perceptron(Model):
    """The sign of a weighted sum."""

    def __init__(self):
        super().__init__(seed=0)
        self.unit = Dense(1, kernel_initializer="zeros")

    def call(self, inputs):
        return ops.sign(self.unit(inputs))

    def train_step(self, data):
        """Rosenblatt's rule: an example that is on the wrong side pulls the line toward itself."""
        x, y = data
        wrong = self(x) != y
        self.unit.kernel.assign_add(ops.transpose(x) @ (y * wrong))
        self.unit.bias.assign_add(ops.sum(y * wrong, axis=0))
        return {"mistakes": ops.sum(wrong)}


def points(count=150, gap=0.15):
    """Points on both sides of a line, with a gap between them; labels -1 and 1."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (4 * count, 2)).astype("float32")
    height = x @ np.array([0.6, 0.8]) - 0.1
    apart = np.abs(height) > gap / 2
    return x[apart][:count], np.sign(height[apart][:count, None]).astype("float32")


def train(epochs=12):
    x, y = points()
    net, lines = Perceptron(), []
    net.compile()
    keep = LambdaCallback(on_epoch_end=lambda *ignored: lines.append([w.copy() for w in net.get_weights()]))
    net.fit(x, y, batch_size=1, epochs=epochs, verbose=0, callbacks=[keep])
    return {"accuracy": float((net.predict(x) == y).mean()), "x": x, "y": y, "lines": lines}


def draw(found):
    figure = Figure(figsize=(4.2, 4), layout="constrained")
    axes = figure.add_subplot(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    axes.scatter(*found["x"].T, c=found["y"][:, 0], cmap="coolwarm", s=14)
    across = np.array([-2.0, 2.0])
    for number, (kernel, bias) in enumerate(found["lines"]):
        last = number == len(found["lines"]) - 1
        height = -(kernel[0] * across + bias) / kernel[1]
        label = "at the end" if last else "after each epoch" if number == 0 else None
        axes.plot(across, height, color="black", alpha=1.0 if last else 0.25, linewidth=2 if last else 1, label=label)
    axes.set_title("the line moves until no point is on the wrong side", fontsize=9)
    axes.legend(fontsize=8, loc="lower left")
    return figure


if __name__ == "__main__":
    page.main(train, draw)
