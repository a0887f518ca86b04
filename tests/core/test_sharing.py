"""Parts that stand in several places of a description, and those whose first description is thrown away."""

import numpy as np
import pytest

import handson
from handson import Sequential, keras
from handson.core import registry
from handson.layers import GRU, LSTM, Bidirectional, Dense, Input, SpectralNormalization, TimeDistributed


class Around(keras.layers.Wrapper):
    """As users of Keras write it: what the base says of the layer inside is said again."""

    def call(self, inputs):
        return self.layer(inputs)

    def get_config(self):
        config = super().get_config()
        config["layer"] = keras.saving.serialize_keras_object(self.layer)
        return config


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(registry, "_entries", {kind: dict(held) for kind, held in registry._entries.items()})
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    registry.register(Around)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: SpectralNormalization(Dense(3)),
        lambda: Bidirectional(LSTM(3)),
        lambda: Bidirectional(LSTM(3), backward_layer=GRU(3, go_backwards=True)),
        lambda: TimeDistributed(Dense(2)),
        lambda: Around(Dense(2)),
    ],
)
def test_a_layer_around_another_comes_back_from_a_file(known, tmp_path, rng, layer):
    net, x = Sequential([Input((5, 4)), layer()], seed=0), rng.normal(size=(2, 5, 4)).astype("float32")
    net.save(tmp_path / "net.handson")
    np.testing.assert_array_equal(handson.load(tmp_path / "net.handson").predict(x), net.predict(x))


def test_what_is_shared_at_two_depths_is_shared_again(tmp_path):
    shared = Dense(4)
    inner = Sequential([Input((4,)), shared])
    net = Sequential([inner, Sequential([Input((4,)), inner, shared])], seed=0)
    net.build((None, 4))
    net.save(tmp_path / "net.handson")
    again = handson.load(tmp_path / "net.handson")
    assert len(again.weights) == len(net.weights) == 2
    assert again.layers[0] is again.layers[1].layers[0]
