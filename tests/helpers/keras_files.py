"""Nets written in words that both handson and Keras have, and files of each that the other reads."""

import numpy as np

import handson
from handson.core import tree


class Ours:
    """The words of handson."""

    layers, Model, Sequential, Input, ops = (
        handson.layers, handson.Model, handson.Sequential, handson.layers.Input, handson.ops,
    )  # fmt: skip
    optimizers, schedules, losses, metrics = handson.optimizers, handson.schedules, handson.losses, handson.metrics
    load = staticmethod(handson.load)


def theirs(keras):
    """The words of Keras."""

    class Theirs:
        layers, Model, Sequential, Input, ops = keras.layers, keras.Model, keras.Sequential, keras.Input, keras.ops
        optimizers, losses, metrics = keras.optimizers, keras.losses, keras.metrics
        schedules, load = keras.optimizers.schedules, staticmethod(keras.models.load_model)

    return Theirs


def outputs(net, x):
    return [np.asarray(leaf) for leaf in tree.leaves(net.predict(x, verbose=0))]


def assert_same_outputs(one, two, x, atol=1e-5):
    for a, b in zip(outputs(one, x), outputs(two, x), strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)


def inputs_for(net, rows=8, seed=0):
    """Numbers for the inputs of a net of handson: small whole ones where ids are wanted."""
    rng = np.random.default_rng(seed)
    wanted = net.integer_inputs(len(net.inputs))
    arrays = [
        rng.integers(0, 5, (rows, *symbol.shape[1:]))
        if ids
        else rng.normal(size=(rows, *symbol.shape[1:])).astype("f4")
        for symbol, ids in zip(net.inputs, wanted, strict=True)
    ]
    return net.arranged(arrays)


def alike(ours, keras_net, seed=1):
    """Both with the same weights, which are no zeros."""
    rng = np.random.default_rng(seed)
    weights = [
        rng.uniform(0.2, 0.9, weight.shape).astype("f4") if weight.dtype.kind == "f" else weight
        for weight in ours.get_weights()
    ]
    ours.set_weights(weights)
    keras_net.set_weights(weights)
