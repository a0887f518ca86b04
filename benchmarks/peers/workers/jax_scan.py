"""A hand-written JAX program: an epoch of the dense net is one compiled `lax.scan`."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.peers.jobs import ADAM_EPSILON
from benchmarks.peers.workers.adapter import Library

WIDTHS = (5, 64, 64, 1)
RATE, BETA_1, BETA_2 = 0.001, 0.9, 0.999


def forward(weights: Any, x: Any) -> Any:
    *hidden, (last, bias) = weights
    for kernel, shift in hidden:
        x = jax.nn.relu(x @ kernel + shift)
    return x @ last + bias


def squared_error(weights: Any, x: Any, y: Any) -> Any:
    return jnp.mean((forward(weights, x) - y) ** 2)


def adam(state: Any, gradients: Any) -> Any:
    """One step of Adam."""
    weights, first, second, count = state
    count = count + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradients)
    rate = RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + ADAM_EPSILON), weights, first, second)
    return weights, first, second, count


@partial(jax.jit, static_argnums=4, donate_argnums=0)
def epoch(state: Any, key: Any, x: Any, y: Any, batch: int) -> Any:
    """All steps of an epoch."""
    order = jax.random.permutation(key, len(x)).reshape(-1, batch)

    def step(state: Any, rows: Any) -> Any:
        return adam(state, jax.grad(squared_error)(state[0], x[rows], y[rows])), None

    return lax.scan(step, state, order)[0]


predicted = jax.jit(forward)


class Driver(Library):
    """The JAX program on one job."""

    def net(self, seed: int) -> dict[str, Any]:
        key, *keys = jax.random.split(jax.random.key(seed), len(WIDTHS))
        draw = jax.nn.initializers.glorot_uniform()
        shapes = pairwise(WIDTHS)
        weights = [(draw(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes, strict=True)]
        zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        return {"key": key, "state": (weights, *zeros, jnp.zeros(()))}

    def fit(self, net: dict[str, Any], x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        inputs, targets = jnp.asarray(x), jnp.asarray(y)
        for _ in range(epochs):
            net["key"], key = jax.random.split(net["key"])
            net["state"] = epoch(net["state"], key, inputs, targets, self.job.batch)
        jax.block_until_ready(net["state"])

    def predict(self, net: dict[str, Any], x: np.ndarray) -> np.ndarray:
        return np.asarray(predicted(net["state"][0], jnp.asarray(x)))
