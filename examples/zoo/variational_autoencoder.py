"""The variational autoencoder: its code is a cloud and not a point, so that every place in between means something.

Kingma and Welling (2014). The encoder gives a mean and a spread; the decoder sees a draw from that cloud. A second term
of the loss keeps the clouds of all pictures together within a normal distribution, from which new ones are drawn.
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import handson
from handson import Sequential, ops, random
from handson.layers import Dense, Layer
from handson.optimizers import Adam


@handson.register
class Draw(Layer):
    """A draw from a normal distribution, whose mean and log-variance are the two halves of the inputs.

    What the distribution is away from the standard one (its Kullback-Leibler divergence) is added to the loss.
    """

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs, training=None):
        mean, log_variance = ops.split(inputs, 2, axis=-1)
        away = 0.5 * ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1)
        self.add_loss(self.weight * ops.mean(away))
        return mean + ops.exp(0.5 * log_variance) * random.normal(ops.shape(mean)) if training else mean


def train(epochs=60):
    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype("float32")
    encoder = Sequential([Dense(128, "relu"), Dense(4)])
    decoder = Sequential([Dense(128, "relu"), Dense(64, "sigmoid")])
    net = Sequential([encoder, Draw(weight=2e-3), decoder], seed=0)
    net.compile(Adam(0.003), "mse", metrics=["mse"])
    net.fit(x, x, epochs=epochs, batch_size=64, verbose=0)
    codes = encoder.predict(x)[:, :2]
    return {"error": net.evaluate(x, x)[1], "spread of the codes": float(codes.std()), "codes": codes,
            "labels": labels, "decoder": decoder}  # fmt: skip


def draw(found):
    figure = Figure(figsize=(8.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    dots = left.scatter(*found["codes"].T, c=found["labels"], cmap="tab10", s=6)
    figure.colorbar(dots, ax=left, ticks=range(10), label="digit")
    left.set_title("the means of the codes", fontsize=9)
    side, across = 9, np.linspace(-2, 2, 9)
    codes = np.stack(np.meshgrid(across, across[::-1]), -1).reshape(-1, 2).astype("float32")
    images = np.pad(found["decoder"].predict(codes).reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    sheet = images.reshape(side, side, 10, 10).transpose(0, 2, 1, 3).reshape(10 * side, 10 * side)
    right.imshow(sheet, cmap="gray_r", extent=(-2, 2, -2, 2))
    right.set_title("what the decoder draws at each place", fontsize=9)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
