"""Nets between symbols, compared with Keras on the same weights: random graphs, several inputs and outputs."""

import copy
import pickle

import keras
import numpy as np
import pytest
import torch

import handson
from handson import HandsonError, Model, Sequential, ops
from handson.layers import BatchNormalization, Dense, Dropout, Flatten, Input


class Ours:
    """The words in which a graph is written."""

    Input, Dense, Model, BatchNormalization = Input, Dense, Model, BatchNormalization
    Sequential, maximum, concatenate, relu = Sequential, ops.maximum, ops.concatenate, ops.relu


class Theirs:
    Input, Dense, Model, Sequential = keras.Input, keras.layers.Dense, keras.Model, keras.Sequential
    BatchNormalization = keras.layers.BatchNormalization
    maximum, concatenate, relu = keras.ops.maximum, keras.ops.concatenate, keras.ops.relu


def graph(words, seed):
    """A random net with one to three inputs and outputs, shared layers, and nets in it."""
    rng = np.random.default_rng(seed)
    inputs = [words.Input((int(rng.integers(2, 5)),), name=f"in{n}") for n in range(rng.integers(1, 4))]
    shared = words.Dense(4, activation="tanh", name="shared")
    inner = words.Input((4,), name="inner_in")
    net = words.Model(inner, words.Dense(4, name="inner_dense")(inner) + inner, name="inner")
    known = [words.Dense(4, name=f"start{n}")(x) for n, x in enumerate(inputs)]
    for number in range(rng.integers(2, 7)):
        first, second = (known[int(rng.integers(len(known)))] for _ in range(2))
        known.append(
            [
                lambda a, b, n: shared(a),
                lambda a, b, n: net(a),
                lambda a, b, n: a * b + 0.5,
                lambda a, b, n: words.maximum(a, b),
                lambda a, b, n: words.Dense(4, activation="relu", name=f"dense{n}")(words.concatenate([a, b], axis=-1)),
                lambda a, b, n: words.BatchNormalization(name=f"norm{n}")(a - b),
                lambda a, b, n: words.relu(a) / (1.0 + b**2),
            ][int(rng.integers(7))](first, second, number)
        )
    outputs = [words.Dense(int(rng.integers(1, 4)), name=f"out{n}")(known[-1 - n]) for n in range(rng.integers(1, 3))]
    single = len(outputs) == 1 and seed % 2
    return words.Model(inputs if len(inputs) > 1 else inputs[0], outputs[0] if single else outputs, name="net")


def pair(seed):
    ours, theirs = graph(Ours, seed), graph(Theirs, seed)
    weights = {layer.name: layer.get_weights() for layer in theirs.layers}
    for layer in ours.layers:
        layer.set_weights(weights[layer.name])
    rng = np.random.default_rng(seed + 1)
    x = [rng.normal(size=(24, *symbol.shape[1:])).astype("f4") for symbol in ours.inputs]
    y = [rng.normal(size=(24, *symbol.shape[1:])).astype("f4") for symbol in ours.outputs]
    return ours, theirs, x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]


def leaves(found):
    return found if isinstance(found, list) else [found]


SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_outputs_losses_and_ten_steps_are_those_of_keras(seed):
    ours, theirs, x, y = pair(seed)
    assert [layer.name for layer in ours.layers] == [
        layer.name for layer in theirs.layers if layer.name in weightful(ours)
    ]
    for a, b in zip(leaves(ours.predict(x)), leaves(theirs.predict(x, verbose=0)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    many = len(leaves(y)) > 1
    arguments = {"loss": ["mse", "mae"] if many else "mse", "loss_weights": [0.5, 2.0] if many else None}
    ours.compile("sgd", **arguments)
    theirs.compile("sgd", **arguments)
    a, b = ours.evaluate(x, y, return_dict=True), theirs.evaluate(x, y, verbose=0, return_dict=True)
    assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
    settings = {"epochs": 5, "batch_size": 12, "shuffle": False, "verbose": 0}
    ours.fit(x, y, **settings)
    theirs.fit(x, y, **settings)
    for a, b in zip(leaves(ours.predict(x)), leaves(theirs.predict(x, verbose=0)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def weightful(net):
    return {layer.name for layer in net.layers}


@pytest.mark.parametrize("seed", [1, 2, 5, 8])
def test_nets_come_back_from_files_copies_and_configurations(seed, tmp_path):
    net, _, x, y = pair(seed)
    many = len(leaves(y)) > 1
    net.compile("adam", ["mse", "mae"] if many else "mse", metrics=[["mae"], ["mse"]] if many else ["mae"])
    net.fit(x, y, epochs=1, verbose=0)
    expected = leaves(net.predict(x))
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    for again in (loaded, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert all(np.array_equal(a, b) for a, b in zip(leaves(again.predict(x)), expected, strict=True))
        assert [layer.name for layer in again.layers] == [layer.name for layer in net.layers]
    one, two = (each.fit(x, y, epochs=2, verbose=0, seed=3).history for each in (net, loaded))
    assert one == two
    fresh = Model.from_config(net.get_config())
    assert (fresh.count_params(), fresh.input_names) == (net.count_params(), net.input_names)


@pytest.mark.parametrize("seed", [2, 5])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(seed, tmp_path):
    class Stop(handson.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    class Go(handson.callbacks.Callback):
        pass

    def trained(callback=None, run=None):
        net = graph(Ours, seed)
        net.redraw(4)
        net.seed, net.seed_given = 4, True
        x, y = (pair(seed)[n] for n in (2, 3))
        net.compile("adam", "mse")
        net.fit(
            x,
            y,
            epochs=4,
            batch_size=7,
            verbose=0,
            run=run,
            callbacks=callback and [callback],
            resume="force" if run else "auto",
        )
        return net.get_weights()

    plain = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(Stop(), tmp_path / "run")
    again = trained(Go(), tmp_path / "run")
    assert all(np.array_equal(a, b) for a, b in zip(plain, again, strict=True))


def two():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    both = ops.concatenate([Dense(4, activation="relu")(a), Dense(4)(b)], axis=-1)
    return Model({"a": a, "b": b}, {"age": Dense(1)(both), "kind": Dense(3, activation="softmax")(both)}, seed=0)


def test_inputs_and_outputs_by_name():
    net, rng = two(), np.random.default_rng(0)
    x = {"b": rng.normal(size=(30, 2)), "a": rng.normal(size=(30, 3))}
    y = {"age": rng.normal(size=30), "kind": rng.integers(0, 3, 30)}
    y["age"][:5] = np.nan
    net.compile(
        "adam",
        {"age": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"age": 0.1},
        metrics={"kind": ["accuracy"]},
        weighted_metrics={"age": ["mae"]},
    )
    weights = {"age": np.arange(30.0)}
    history = net.fit(x, y, epochs=2, verbose=0, sample_weight=weights, validation_split=0.2).history
    expected = ["loss", "age_loss", "kind_loss", "age_mae", "kind_accuracy"]
    assert list(history) == [*expected, *(f"val_{name}" for name in expected)]
    assert history["loss"][0] == pytest.approx(0.1 * history["age_loss"][0] + history["kind_loss"][0])
    found = net.predict(x)
    assert {name: leaf.shape for name, leaf in found.items()} == {"age": (30, 1), "kind": (30, 3)}
    assert np.array_equal(net.predict({**x, "spare": x["a"]})["age"], found["age"])
    with pytest.raises(HandsonError, match=r"takes the inputs a, b; b missing"):
        net.predict({"a": x["a"]})
    with pytest.raises(HandsonError, match=r"names the output 'aeg', which the net has not. Did you mean 'age'\?"):
        net.compile("adam", {"aeg": "mse"}) or net.fit(x, y)


def test_parts_of_a_net_share_its_weights():
    x = Input((3,))
    hidden = Dense(4, activation="tanh", name="hidden")
    net = Model(x, Dense(1)(hidden(x)), seed=0)
    part = Model(net.input, net.get_layer("hidden").output)
    data = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    before = part.predict(data)
    net.compile("sgd", "mse")
    net.fit(data, np.ones(5), verbose=0)
    assert not np.array_equal(part.predict(data), before)
    assert part.layers[-1] is hidden
    head = Model(hidden.output, net.output)
    np.testing.assert_allclose(head.predict(part.predict(data)), net.predict(data), atol=1e-6)


def test_a_stack_is_a_graph_too():
    net = Sequential([Dense(4, activation="relu", input_dim=3), Dropout(0.5), Dense(2)], seed=0)
    cut = Model(net.inputs, net.layers[0].output)
    data = np.ones((2, 3), "f4")
    np.testing.assert_allclose(cut.predict(data), net.layers[0](data).detach().numpy())
    net.pop()
    net.add(Dense(5))
    assert (net.output_shape, net.output.shape) == ((None, 5), (None, 5))
    assert Model(net.inputs, net.output).predict(data).shape == (2, 5)


def test_a_seed_gives_the_same_weights_whatever_was_made_before():
    def made():
        x = Input((3,))
        return Model(x, Dense(2)(Sequential([Dense(4), Dense(4)])(x)), seed=7)

    first = made()
    Dense(3)(Input((2,)))
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), made().get_weights(), strict=True))


def test_layers_and_nets_compute_on_arrays_and_tensors():
    net, data = two(), {"a": np.ones((2, 3)), "b": np.ones((2, 2))}
    called = net(data)
    tensors = net({name: torch.tensor(value, dtype=torch.float32) for name, value in data.items()})
    assert torch.equal(called["age"], tensors["age"])
    np.testing.assert_allclose(called["age"].detach(), net.predict(data)["age"], atol=1e-6)
    assert Dense(3)(np.ones((2, 4))).shape == (2, 3)


def test_what_does_not_follow_from_the_inputs_is_refused():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    with pytest.raises(HandsonError, match=r"which does not follow from the inputs: a\. Name it among the inputs"):
        Model(a, a + b)
    with pytest.raises(HandsonError, match=r"takes symbols, Model\(inputs, outputs\), or a torch.nn.Module; got \[1\]"):
        Model([1])
    with pytest.raises(HandsonError, match="takes 2 inputs"):
        two().predict(np.ones((2, 3)))


def test_a_function_that_files_cannot_name_is_refused_at_save(tmp_path):
    x = Input((3,))
    net = Model(x, torch.special.expit(Dense(1)(x)))
    assert net.predict(np.ones((2, 3))).shape == (2, 1)
    with pytest.raises(HandsonError, match="applies the function .*expit.* which a file cannot name"):
        net.save(tmp_path / "net.handson")


class Block(Model):
    """A net of one's own that branches."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.rest = Dense(units, activation="relu"), [Dense(units) for _ in range(2)]

    def call(self, inputs, training=None):
        x = self.first(inputs)
        return sum(layer(x) for layer in self.rest) * (2.0 if training else 1.0)


handson.register(Block)


def test_a_subclass_trains_saves_and_serves_as_a_layer(tmp_path):
    net, rng = Block(3, seed=0), np.random.default_rng(0)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    net.compile("adam", "mse")
    net.fit(x, y, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    assert np.array_equal(loaded.predict(x), net.predict(x))
    symbol = Input((2,))
    whole = Model(symbol, Dense(1)(Block(3)(symbol)), seed=1)
    assert whole.count_params() == net.count_params() + 4
    whole.compile("adam", "mse")
    assert np.isfinite(whole.fit(x, y[:, :1], verbose=0).history["loss"][0])
    np.testing.assert_allclose(net(x, training=True).detach(), 2 * net(x, training=False).detach(), rtol=1e-6)


def test_the_summary_says_what_goes_where(capsys):
    net = two()
    net.summary()
    text = capsys.readouterr().out
    assert "Connected to" in text
    assert "concatenate" in text
    assert f"Total params: {net.count_params():,}" in text


def test_a_net_of_several_inputs_is_cross_validated_and_in_ensembles():
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(30, 3)).astype("f4"), "b": rng.normal(size=(30, 2)).astype("f4")}
    y = {"age": rng.normal(size=30).astype("f4"), "kind": rng.integers(0, 3, 30)}
    net = two()
    net.compile("adam", {"age": "mse", "kind": "sparse_categorical_crossentropy"})
    found = handson.cross_validate(net, x, y, folds=3, seed=0, epochs=1, verbose=0)
    assert {name: leaf.shape for name, leaf in found.predictions.items()} == {"age": (30, 1), "kind": (30, 3)}
    ensemble = handson.deep_ensemble(net, x, y, members=2, epochs=1, verbose=0)
    mean, deviation = ensemble.predict(x, spread=True)
    assert deviation["age"].std() > 0
    members = [member.predict(x)["age"] for member in ensemble.members]
    np.testing.assert_allclose(mean["age"], np.mean(members, 0), atol=1e-6)


def test_a_last_axis_of_one_may_be_left_out_or_put_in_as_in_keras():
    x, column = Input((4, 4, 1)), Input((3,))
    net = Model(x, Dense(2)(Flatten()(x)), seed=0)
    grey = np.random.default_rng(0).normal(size=(3, 4, 4))
    np.testing.assert_array_equal(net.predict(grey), net.predict(grey[..., None]))
    flat = Model(column, Dense(2)(column), seed=0)
    np.testing.assert_array_equal(flat.predict(grey[0, :, :3, None]), flat.predict(grey[0, :, :3]))
    with pytest.raises(HandsonError, match=r"takes inputs of shape \(None, 4, 4, 1\); got \(None, 4, 4, 2\)"):
        net.predict(np.ones((3, 4, 4, 2)))


@pytest.mark.parametrize(
    "name", ["age", "seed", "history", "stop_training", "loss", "optimizer", "terms", "drawn", "output"]
)
def test_layers_may_be_called_as_attributes_of_nets_are(name, tmp_path):
    x, data = Input((3,)), np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
    for net in (Model(x, Dense(1, name=name)(x), seed=0), Sequential([Dense(1, name=name, input_dim=3)], seed=0)):
        net.compile("adam", "mse")
        net.fit(data, data[:, 0], epochs=1, verbose=0, seed=1)
        net.fit(data, data[:, 0], epochs=1, verbose=0, seed=1, engine="dense")
        assert (net.age, net.get_layer(name).name) == (2, name)
        net.save(tmp_path / "net.handson")
        loaded = handson.load(tmp_path / "net.handson")
        np.testing.assert_array_equal(loaded.predict(data), net.predict(data))
        loaded.fit(data, data[:, 0], verbose=0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "val_a"), "'val_a_loss' would be a quantity of an output, and is what 'a_loss' is called"),
        (
            ("a", "val"),
            "'val_loss' would be a quantity of an output, and is what 'loss' is called on rows that validate",
        ),
        (
            ("train", "b"),
            "'train_loss' would be a quantity of an output, and is what 'loss' is called on training rows",
        ),
        (("a", "a_loss"), None),
    ],
)
def test_names_of_outputs_leave_every_quantity_its_place_in_the_history(names, message):
    symbol = Input((3,))
    net = Model(symbol, [Dense(1, name=name)(symbol) for name in names], seed=0)
    x, y = np.ones((4, 3)), [np.ones(4)] * 2
    net.compile("sgd", "mse")
    if message is None:
        net.fit(x, y, verbose=0)
        return
    with pytest.raises(HandsonError, match=message):
        net.fit(x, y, verbose=0)


@pytest.mark.parametrize("engine", ["eager", "dense"])
@pytest.mark.parametrize("given", [[0.25], {"out": 0.25}], ids=["list", "dict"])
def test_the_weight_of_the_only_loss_and_lists_of_one_are_those_of_keras(engine, given):
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(20, 3)).astype("f4"), rng.integers(0, 2, 20), rng.uniform(0.5, 2, 20).astype("f4")

    def made(words, layers):
        a = words.Input((3,), name="in")
        b = layers.Dense(4, "tanh", kernel_regularizer="l2")(a)
        return words.Model([a], [layers.Dense(2, "softmax", name="out")(b)])

    ours, theirs = made(Ours, handson.layers), made(Theirs, keras.layers)
    ours.set_weights(theirs.get_weights())
    settings = {"epochs": 3, "batch_size": 20, "shuffle": False, "verbose": 0, "sample_weight": [weights]}
    histories = []
    for net, more in ((ours, {"engine": engine}), (theirs, {})):
        net.compile("sgd", "sparse_categorical_crossentropy", loss_weights=given)
        histories.append(net.fit([x], [y], **settings, **more).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_net_that_is_a_part_of_two_others_stays_one_in_files(tmp_path):
    x, a, b = Input((4,)), Input((4,)), Input((4,))
    inner = Model(a, Dense(4, "relu")(a), name="inner")
    deep = Model(b, inner(Sequential([Dense(4), inner])(b)), name="deep")
    net = Model(x, Dense(1, name="out")(inner(x) + deep(x)), seed=0)
    net.compile("adam", {"out": "mse"})
    data = np.random.default_rng(0).normal(size=(20, 4)).astype("f4")
    net.fit(data, data[:, 0], verbose=0, sample_weight={"out": np.ones(20)})
    net.save(tmp_path / "net.handson")
    loaded, built = handson.load(tmp_path / "net.handson"), Model.from_config(net.get_config())
    assert [len(list(each.parameters())) for each in (net, loaded, built)] == [6, 6, 6]
    assert (
        net.fit(data, data[:, 0], verbose=0, seed=1).history == loaded.fit(data, data[:, 0], verbose=0, seed=1).history
    )
    np.testing.assert_array_equal(net.predict(data), loaded.predict(data))


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([{"shared": 1}], "nothing before has the number 1"),
        (
            [{"class": "Flatten", "config": {}, "shared": 0}, {"class": "Flatten", "config": {}, "shared": 0}],
            "two parts",
        ),
    ],
)
def test_numbers_of_shared_parts_that_do_not_fit_are_refused(layers, match):
    with pytest.raises(HandsonError, match=match):
        Sequential.from_config({"layers": layers})


def test_the_summary_of_a_net_that_is_code_has_all_of_its_weights(capsys):
    class Scaled(handson.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Dense(4)

        def build(self, input_shape):
            self.scale = self.add_weight((4,), "ones")

        def call(self, inputs):
            return self.inner(inputs) * self.scale

    class Whole(Model):
        def __init__(self):
            super().__init__(name="whole")
            self.part, self.norm = Scaled(), BatchNormalization()

        def build(self, input_shape):
            self.offset = self.add_weight((4,), "zeros")
            super().build(input_shape)

        def call(self, inputs):
            return self.norm(self.part(inputs)) + self.offset

    net = Whole()
    net(np.ones((2, 3)))
    net.summary()
    rows = [line.split() for line in capsys.readouterr().out.split("\n") if "(" in line and "Layer" not in line]
    assert {row[0]: int(row[-1]) for row in rows} == {"whole": 4, "part": 4, "part.inner": 16, "norm": 16}
    assert net.count_params() == 40
