"""Denormal numbers are zero inside the compiled program, and what they were outside of it."""

import numpy as np
import pytest
import torch

import handson
from handson.kernels.denormals import flushed, flushes
from handson.layers import Dense


@pytest.mark.parametrize("before", [False, True])
def test_the_state_of_the_thread_comes_back(before):
    if not torch.set_flush_denormal(before):
        pytest.skip("this processor does not flush denormal numbers")
    try:
        with flushed():
            assert flushes()
        assert flushes() == before
        with pytest.raises(ZeroDivisionError), flushed():
            1 / 0  # noqa: B018
        assert flushes() == before
    finally:
        torch.set_flush_denormal(False)


def test_nothing_that_the_optimizer_remembers_is_denormal(rng):
    """A unit that is never active has no gradient: its momentum decays by 0.9 in each step, to zero."""
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor does not flush denormal numbers")
    net = handson.Sequential([Dense(2, activation="relu", input_dim=1), Dense(1)], seed=0)
    net.compile("adam", "mse")
    x = rng.random((8, 1)).astype("f4")
    net.fit(x, x, batch_size=8, epochs=1, verbose=0, engine="dense")
    net.set_weights([np.full((1, 2), -1.0), np.full(2, -1.0), *net.get_weights()[2:]])
    remembered = net.optimizer.slots["momentum"]
    name = next(iter(remembered))
    remembered[name].fill_(1.0)
    net.fit(x, x, batch_size=8, epochs=900, verbose=0, engine="dense")
    # Without fused operations it stays at the last number whose tenth is not denormal.
    left = remembered[name].abs().max().item()
    assert left == 0.0 or 10 * np.finfo(np.float32).tiny > left >= np.finfo(np.float32).tiny
