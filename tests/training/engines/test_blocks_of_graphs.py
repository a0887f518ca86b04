"""Compiled kernels in nets between symbols: branches, nets in nets, shared layers, several inputs and outputs."""

import numpy as np
import pytest

from handson import Model, Sequential
from handson.core.errors import HandsonError
from handson.graph.patterns import inlined, lines
from handson.layers import (
    GRU,
    LSTM,
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    MaxPooling2D,
)
from handson.training.engines.blocks import engine, rules


def block(x, filters=4, **arguments):
    return MaxPooling2D()(Conv2D(filters, 3, padding="same", activation="relu", **arguments)(x))


def branches():
    x = Input((12, 12, 2))
    normalized = BatchNormalization()(Conv2D(4, 3, padding="same", use_bias=False)(x))
    second = Dropout(0.3)(MaxPooling2D()(Activation("relu")(normalized)))
    return Model(x, Dense(1)(Flatten()(Concatenate()([block(x), second]))), seed=1)


def nested():
    inner = Input((12, 12, 2))
    part = Model(inner, [block(inner), MaxPooling2D()(inner)])
    stack = Sequential([Conv2D(3, 3, activation="relu"), MaxPooling2D(), Flatten()])
    x = Input((12, 12, 2))
    first, second = part(x)
    return Model(x, Dense(1)(Concatenate()([stack(first), Flatten()(second)])), seed=1)


def seen_twice():
    """What goes into the pooling is needed elsewhere too, so it is not one kernel with it."""
    x = Input((12, 12, 2))
    y = Conv2D(4, 3, padding="same", activation="relu")(x)
    return Model(x, Dense(1)(Concatenate()([Flatten()(MaxPooling2D()(y)), Flatten()(y)])), seed=1)


def shared():
    layer = LSTM(4)
    a, b = Input((5, 2)), Input((5, 2))
    return Model([a, b], Dense(1)(Add()([layer(a), layer(b)])), seed=1)


def masked():
    ids = Input((6,), dtype="int64")
    x = GRU(4, return_sequences=True)(Embedding(7, 3, mask_zero=True)(ids))
    return Model(ids, {"a": Dense(1, name="a")(LSTM(3)(x)), "b": Dense(1, name="b")(GRU(2)(x))}, seed=1)


def images(rng):
    return rng.normal(size=(19, 12, 12, 2)).astype(np.float32), rng.normal(size=(19, 1)).astype(np.float32)


def pairs(rng):
    x = [rng.normal(size=(19, 5, 2)).astype(np.float32) for _ in range(2)]
    return x, rng.normal(size=(19, 1)).astype(np.float32)


def words(rng):
    return rng.integers(0, 7, size=(19, 6)), {name: rng.normal(size=(19, 1)).astype(np.float32) for name in "ab"}


NETS = [
    (branches, images), (nested, images), (seen_twice, images), (shared, pairs), (masked, words),
]  # fmt: skip


def trained(build, x, y, name):
    net = build()
    net.compile("adam", "mse")
    given = {"validation_data": (x, y), "batch_size": 8, "epochs": 2, "verbose": 0, "seed": 3}
    history = net.fit(x, y, engine=name, **given).history
    predicted = net.predict(x)
    return net.get_weights(), history, list(predicted.values()) if isinstance(predicted, dict) else [predicted]


@pytest.mark.parametrize(("build", "data"), [net for net in NETS if net[0] is not seen_twice])
def test_graphs_are_those_of_the_reference_within_rounding(rng, build, data):
    x, y = data(rng)
    (weights, history, predicted), expected = (trained(build, x, y, name) for name in ("blocks", "eager"))
    for ours, theirs in zip(weights + predicted, expected[0] + expected[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[1][name], rtol=1e-4)
    again = trained(build, x, y, "blocks")
    assert all(map(np.array_equal, weights, again[0]))


def found(build):
    """The letters of the lines of a net that a rule takes."""
    nodes, exits = inlined(build().graph, engine._opened)
    texts = [rules.letters([node.function for node in line]) for line in lines(nodes, exits)]
    return sorted(text.strip(".") for text in texts if rules.PAYS.search(text))


@pytest.mark.parametrize(
    ("build", "expected"),
    [(branches, ["cnapd", "rp"]), (nested, ["rprp"]), (shared, ["l", "l"]), (masked, ["l", "l", "l"])],
)
def test_lines_of_a_graph_go_through_nets_and_end_at_branches(build, expected):
    assert found(build) == expected


def test_what_is_needed_elsewhere_is_not_part_of_a_block(rng):
    x, y = images(rng)
    with pytest.raises(HandsonError, match="'blocks' .* does not support a net without ReLU before 2x2"):
        trained(seen_twice, x, y, "blocks")


def test_a_net_with_a_hook_in_a_net_is_left_to_itself(rng):
    x, y = pairs(rng)
    inner = Sequential([LSTM(3, input_shape=(5, 2))])
    a, b = Input((5, 2)), Input((5, 2))
    net, seen = Model([a, b], Dense(1)(Add()([inner(a), GRU(3)(b)])), seed=0), []
    net.compile("sgd", "mse")
    inner.register_forward_hook(lambda part, inputs, output: seen.append(output.shape))
    net.fit(x, y, batch_size=19, epochs=2, verbose=0, engine="blocks")
    assert len(seen) >= 2


def test_images_with_channels_first_are_flattened_as_the_layer_says(rng):
    x, y = rng.normal(size=(16, 2, 3, 4)).astype(np.float32), rng.normal(size=(16, 1)).astype(np.float32)
    net = Sequential([Flatten(data_format="channels_first"), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="'dense' .* does not support the layer flatten .*channels_first"):
        net.fit(x, y, verbose=0, engine="dense")
