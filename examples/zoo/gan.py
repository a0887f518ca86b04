"""The generative adversarial net: one net makes examples, another one tells them from true ones; both get better.

Goodfellow et al. (2014). The data are eight clouds on a circle, of which nets that are trained badly make only a few.
"""

import numpy as np
import page
import torch
from matplotlib.figure import Figure

from handson import Model, Sequential, ops, random
from handson.layers import Dense
from handson.metrics import Mean
from handson.optimizers import Adam

LATENT, CLOUDS = 4, 8
CENTRES = np.stack([np.cos(2 * np.pi * np.arange(CLOUDS) / 8), np.sin(2 * np.pi * np.arange(CLOUDS) / 8)], 1)


class GAN(Model):
    """A generator and a discriminator, each with an optimizer of its own."""

    def __init__(self, generator, discriminator):
        super().__init__(seed=0)
        self.generator, self.discriminator = generator, discriminator
        self.generator_loss, self.discriminator_loss = Mean(name="generator"), Mean(name="discriminator")

    def compile(self, generator_optimizer, discriminator_optimizer):
        super().compile()
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer

    def train_step(self, real):
        made = self.generator(random.normal((len(real), LATENT)))
        # The discriminator: true ones should get large numbers, made ones small ones.
        loss = ops.mean(ops.softplus(-self.discriminator(real)) + ops.softplus(self.discriminator(made.detach())))
        weights = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply(torch.autograd.grad(loss, weights), weights)
        # The generator: what it makes should be taken for true.
        fooled = ops.mean(ops.softplus(-self.discriminator(made)))
        weights = self.generator.trainable_weights
        self.generator_optimizer.apply(torch.autograd.grad(fooled, weights), weights)
        self.generator_loss.update_state(fooled.detach())
        self.discriminator_loss.update_state(loss.detach())
        return self.get_metrics_result()


def clouds(count):
    """Points of eight clouds on a circle."""
    rng = np.random.default_rng(0)
    return (CENTRES[rng.integers(0, CLOUDS, count)] + rng.normal(0, 0.05, (count, 2))).astype("float32")


def train(epochs=60):
    generator = Sequential([Dense(64, "relu", input_dim=LATENT), Dense(64, "relu"), Dense(2)])
    discriminator = Sequential([Dense(64, "leaky_relu", input_dim=2), Dense(64, "leaky_relu"), Dense(1)])
    net, x = GAN(generator, discriminator), clouds(2000)
    net.compile(Adam(1e-3, beta_1=0.5), Adam(1e-3, beta_1=0.5))
    net.fit(x, epochs=epochs, batch_size=100, verbose=0)
    made = generator.predict(np.random.default_rng(1).normal(size=(1000, LATENT)))
    distance = np.linalg.norm(made[:, None] - CENTRES, axis=2)
    near = distance.min(1) < 0.25
    shares = np.bincount(distance.argmin(1)[near], minlength=CLOUDS) / len(made)
    return {"points in a cloud": float(near.mean()), "share of the rarest cloud": float(shares.min()), "net": net,
            "made": made, "real": x}  # fmt: skip


def draw(found):
    across = np.linspace(-1.6, 1.6, 80)
    plane = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2).astype("float32")
    score = found["net"].discriminator.predict(plane).reshape(80, 80)
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.add_subplot(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    filled = axes.contourf(across, across, 1 / (1 + np.exp(-score)), np.linspace(0, 1, 11), cmap="Greys_r", alpha=0.6)
    figure.colorbar(filled, label="discriminator: chance to be true")
    axes.scatter(*found["real"][:500].T, s=3, color="C0", label="true")
    axes.scatter(*found["made"][:500].T, s=3, color="C3", label="made")
    axes.legend(fontsize=8, loc="center", markerscale=3)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
