"""What is taken for a function of its arguments alone: what handson and torch bring, and what a user declares."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from handson import Sequential, losses, metrics
from handson.core import registry
from handson.core.errors import HandsonError
from handson.core.pure import is_pure
from handson.layers import Dense
from handson.losses import Huber, Loss


@pytest.fixture
def names(monkeypatch):
    """Names and declarations that last as long as a test."""
    from handson.core import pure

    monkeypatch.setattr(registry, "_entries", {kind: dict(names) for kind, names in registry._entries.items()})
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    monkeypatch.setattr(pure, "_pure", set(pure._pure))


def squared(y_true, y_pred):
    return (y_true - y_pred) ** 2


class Own(Loss):
    def values(self, y_true, y_pred):
        return (y_true - y_pred).abs()


def test_what_handson_and_torch_bring_is_pure():
    for average in (
        "mae",
        Huber(),
        nn.SmoothL1Loss(),
        nn.functional.l1_loss,
        partial(nn.functional.huber_loss, delta=2),
    ):
        assert metrics.get(average).pure
    assert losses.get("mse").pure


def test_what_a_user_writes_is_pure_if_it_is_declared(names):
    assert not is_pure(squared)
    assert not metrics.get(squared).pure
    assert not Own().pure
    registry.register(squared, kind="loss", pure=True)
    registry.register(Own, pure=True)
    assert metrics.get(squared).pure
    assert losses.get(squared).pure
    assert Own().pure
    assert metrics.LossMetric(Own()).pure

    class Derived(Own):
        pass

    assert not Derived().pure


def test_a_declared_loss_runs_in_compiled_steps(names, rng):
    x, y = rng.normal(size=(32, 3)).astype(np.float32), rng.normal(size=(32, 1)).astype(np.float32)

    def trained(engine):
        net = Sequential([Dense(4, activation="tanh"), Dense(1)], seed=0)
        net.compile("sgd", squared)
        return net.fit(x, y, epochs=3, verbose=0, seed=1, engine=engine).history["loss"]

    with pytest.raises(HandsonError, match=r"does not support the loss squared, which is not declared: .*pure=True"):
        trained("dense")
    expected = trained("eager")
    registry.register(squared, kind="loss", pure=True)
    np.testing.assert_allclose(trained("dense"), expected, rtol=1e-5)


def test_a_declared_layer_does_not_have_torch_seeded(names, rng):
    from handson.layers import Layer
    from handson.training.preparation.prepare import has_foreign_randomness

    class Doubled(Layer):
        def call(self, inputs):
            return 2 * inputs

    net = Sequential([Doubled(), Dense(1)], seed=0)
    assert has_foreign_randomness(net)
    registry.register(Doubled, pure=True)
    assert not has_foreign_randomness(net)
    assert torch.equal(net(torch.ones(1, 2)), net(torch.ones(1, 2)))
