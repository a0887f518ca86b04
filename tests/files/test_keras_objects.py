"""Names in Keras's files: classes and functions of one's own, code that is refused, and descriptions as JSON."""

import json
import threading
import zipfile

import numpy as np
import pytest
import torch
from keras_files import Ours, alike, assert_same_outputs, theirs

import handson
from handson import HandsonError, Model, Sequential
from handson.core import registry
from handson.files.keras_reading import revived
from handson.graph.operation import operation
from handson.layers import BatchNormalization, Dense, Embedding, Input, IntegerLookup, Lambda, Layer

pytest.importorskip("h5py")
X = np.random.default_rng(0).normal(size=(8, 3)).astype("f4")


class Scaled(Layer):
    """Without a `get_config`: its arguments are known."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.shift = self.add_weight((input_shape[-1],), "ones", name="shift")

    def call(self, inputs):
        return inputs * self.factor + self.shift


class Block(Layer):
    """With layers inside, and a configuration as Keras's users write it."""

    def __init__(self, units, inner=None, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = handson.activations.get(activation)
        self.inner = inner or Dense(units)
        self.more = [Dense(units), {"norm": BatchNormalization()}]

    def call(self, inputs):
        return self.activation(self.more[1]["norm"](self.more[0](self.inner(inputs))))

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "inner": handson.keras.layers.serialize(self.inner),
            "activation": handson.keras.activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config):
        config["inner"] = handson.keras.layers.deserialize(config["inner"])
        return cls(**config)


class Net(Model):
    """A subclass with a call of its own: its weights lie under its attributes."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.first = Dense(units, activation="tanh")
        self.blocks = {"low": [Dense(4)], "high": (Dense(4, activation="tanh"), [Dense(3)])}
        self.others = [Dense(3), Dense(2)]

    def call(self, inputs):
        low, (middle, (high,)) = self.blocks["low"], self.blocks["high"]
        for layer in (self.first, *low, middle, high, *self.others):
            inputs = layer(inputs)
        return inputs

    def get_config(self):
        return {"name": self.name, "units": self.first.units}


def cubes(y_true, y_pred):
    return (y_true - y_pred).abs() ** 3


@pytest.fixture(autouse=True)
def own_names():
    """The names of this file, and those that its tests register, are known while a test runs."""
    entries, names = {kind: dict(held) for kind, held in registry._entries.items()}, dict(registry._names)
    handson.register(Scaled)
    handson.register(Net)
    handson.register(cubes, kind="loss")
    handson.keras.saving.register_keras_serializable("mine")(Block)
    yield
    for kind, held in entries.items():
        registry._entries[kind].clear()
        registry._entries[kind].update(held)
    registry._names.clear()
    registry._names.update(names)


def saved(net, path, x=X):
    """The net from the file that it was saved in."""
    net.save(path)
    loaded = handson.load(path)
    assert_same_outputs(loaded, net, x, atol=0)
    return loaded


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_layers_of_ones_own_come_back(tmp_path, name):
    x = Input((3,))
    net = Model(x, Scaled(2.0, name="scaled")(Block(4, activation="relu", name="block")(x)) * 2)
    net.set_weights([np.full(weight.shape, 0.5, "f4") for weight in net.get_weights()])
    loaded = saved(net, tmp_path / name)
    assert loaded.get_layer("scaled").factor == 2.0
    assert isinstance(loaded.get_layer("block"), Block)


def test_nets_with_a_call_of_their_own_come_back(tmp_path):
    net = Net(5)
    net.compile("adam", cubes)
    net.fit(X, X[:, :2], verbose=0)
    loaded = saved(net, tmp_path / "net.keras")
    assert isinstance(loaded, Net)
    one, two = (each.fit(X, X[:, :2], verbose=0, shuffle=False).history["loss"] for each in (net, loaded))
    assert one == two
    net.save_weights(tmp_path / "net.weights.h5")
    fresh = Net(5)
    fresh.predict(X)
    fresh.load_weights(tmp_path / "net.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(fresh.get_weights(), net.get_weights(), strict=True))


def test_keras_finds_the_weights_of_a_subclass_where_it_has_them(keras, tmp_path):
    class Theirs(keras.Model):
        def __init__(self):
            super().__init__()
            dense = keras.layers.Dense
            self.first = dense(4, activation="tanh")
            self.blocks = {"low": [dense(4)], "high": (dense(4, activation="tanh"), [dense(3)])}
            self.others = [dense(n) for n in (3, 2)]

        def call(self, inputs):
            low, (middle, (high,)) = self.blocks["low"], self.blocks["high"]
            for layer in (self.first, *low, middle, high, *self.others):
                inputs = layer(inputs)
            return inputs

    ours, keras_net = Net(4), Theirs()
    ours.predict(X), keras_net.predict(X, verbose=0)
    ours.save_weights(tmp_path / "ours.weights.h5")
    keras_net.load_weights(tmp_path / "ours.weights.h5")
    assert_same_outputs(ours, keras_net, X)
    shapes = [[weight.shape for weight in each.get_weights()] for each in (ours, keras_net)]
    assert shapes[0] == shapes[1]
    keras_net.set_weights([weight * 2 for weight in keras_net.get_weights()])
    keras_net.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_same_outputs(ours, keras_net, X)


def test_names_that_are_not_registered_are_given_at_loading(tmp_path, keras):
    class Custom(keras.layers.Layer):
        def __init__(self, power=2, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def call(self, inputs):
            return inputs**self.power

        def get_config(self):
            return super().get_config() | {"power": self.power}

    def custom_loss(y_true, y_pred):
        return (y_true - y_pred) ** 2

    class OurCustom(Layer):
        def __init__(self, power=2, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def call(self, inputs):
            return inputs**self.power

    keras_net = keras.Sequential([keras.Input((3,)), Custom(3), keras.layers.Dense(1, activation=keras.ops.square)])
    keras_net.compile("sgd", custom_loss)
    path = tmp_path / "net.keras"
    keras_net.save(path)
    with pytest.raises(HandsonError, match="unknown class 'Custom'.*custom_objects={'Custom': Custom}"):
        handson.load(path)
    with pytest.raises(HandsonError, match="custom_loss"):
        handson.models.load_model(path, custom_objects={"Custom": OurCustom})
    objects = {"Custom": OurCustom, "custom_loss": lambda y_true, y_pred: (y_true - y_pred) ** 2}
    loaded = handson.models.load_model(path, custom_objects=objects)
    assert_same_outputs(loaded, keras_net, X)
    y = X[:, :1]
    assert loaded.evaluate(X, y) == pytest.approx(keras_net.evaluate(X, y, verbose=0), rel=1e-5)
    with handson.keras.saving.custom_object_scope(objects):
        assert handson.load(path).layers[0].power == 3
    with pytest.raises(HandsonError, match="unknown class"):  # the names are forgotten
        handson.load(path)


def test_code_in_files_is_refused_with_the_way_out(tmp_path, keras):
    keras_net = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2)])
    keras_net.save(tmp_path / "net.keras")
    with pytest.raises(HandsonError, match=r"net.keras: .*holds a function as code.*net.load_weights"):
        handson.load(tmp_path / "net.keras")
    with pytest.raises(HandsonError, match="runs no code from files: leave safe_mode out"):
        handson.models.load_model(tmp_path / "net.keras", safe_mode=False)
    with pytest.raises(HandsonError, match="runs no code"):
        handson.keras.saving.deserialize_keras_object({}, safe_mode=False)


def test_lambdas_with_registered_functions_go_both_ways(tmp_path, keras):
    ours = Sequential([Lambda(handson.ops.square, input_shape=(3,)), Lambda(handson.activations.tanh)])
    saved(ours, tmp_path / "net.keras")
    assert_same_outputs(keras.models.load_model(tmp_path / "net.keras"), ours, X)


def test_dtypes_go_both_ways(tmp_path, keras):
    nets = [
        of.Sequential([of.Input((3,)), of.layers.Dense(4, dtype="mixed_bfloat16"), of.layers.Dense(2, dtype="float64")])
        for of in (Ours, theirs(keras))
    ]
    alike(*nets)
    for file, net in zip(("ours", "theirs"), nets, strict=True):
        net.save(tmp_path / f"{file}.keras")
    for file in ("ours", "theirs"):
        loaded = handson.load(tmp_path / f"{file}.keras")
        assert [layer.dtype_policy.name for layer in loaded.layers] == ["mixed_bfloat16", "float64"]
        assert_same_outputs(loaded, nets[0], X)
        assert keras.models.load_model(tmp_path / f"{file}.keras").layers[1].dtype_policy.name == "float64"


def test_a_layer_in_bfloat16_keeps_its_weights(tmp_path, keras):
    keras_net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    keras_net.save(tmp_path / "net.keras")
    loaded = handson.load(tmp_path / "net.keras")
    expected = [np.asarray(weight, dtype="f4") for weight in keras_net.get_weights()]
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), expected, strict=True))
    loaded.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert all(np.array_equal(np.asarray(a, "f4"), b) for a, b in zip(again.get_weights(), expected, strict=True))


def test_arguments_that_are_not_used_are_left_out_and_others_refused():
    described = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "quantization_config": None}}
    assert revived(described).units == 2
    described["config"]["quantization_config"] = {"mode": "int8"}
    with pytest.raises(HandsonError, match="Dense has no argument 'quantization_config' here, and the file says"):
        revived(described)


def test_names_of_layers_are_those_of_keras(tmp_path, keras):
    keras_net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="block 1+dense")], name="my net")
    keras_net.save(tmp_path / "net.keras")
    loaded = handson.load(tmp_path / "net.keras")
    assert [layer.name for layer in loaded.layers] == ["block 1+dense"]
    assert_same_outputs(loaded, keras_net, X)


def test_vocabularies_that_lie_beside_the_description_are_read(tmp_path):
    """As Keras writes them, which needs TensorFlow for it."""
    net = Sequential([Input((2,), dtype="int64"), IntegerLookup(vocabulary=[7, 3, 5], name="look"), Embedding(5, 2)])
    net.save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    described = json.loads(parts["config.json"])
    described["config"]["layers"][1]["config"]["vocabulary"] = None
    parts["config.json"] = json.dumps(described)
    parts["assets/layers/integer_lookup/vocabulary.txt"] = "-1\n7\n3\n5"
    with zipfile.ZipFile(tmp_path / "moved.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    loaded = handson.load(tmp_path / "moved.keras")
    assert loaded.get_layer("look").get_vocabulary() == [-1, 7, 3, 5]
    assert_same_outputs(loaded, net, np.array([[7, 5], [3, 9]]))


def halves(x: torch.Tensor, parts: int = 2):
    return x / parts


def test_functions_that_are_no_classes_of_keras_come_back(tmp_path, keras):
    x = Input((3,))
    y = handson.activations.mish(x) + handson.activations.celu(x) * handson.activations.relu(x, negative_slope=0.1)
    net = Model(x, y)
    saved(net, tmp_path / "net.keras")
    assert_same_outputs(keras.models.load_model(tmp_path / "net.keras"), net, X)
    half = operation(halves)
    saved(Model(x, half(x, parts=4) + half(x)), tmp_path / "own.keras")
    z = keras.Input((3,))
    keras_net = keras.Model(z, keras.activations.relu(z, max_value=0.5, negative_slope=0.2))
    keras_net.save(tmp_path / "relu.keras")
    assert_same_outputs(handson.load(tmp_path / "relu.keras"), keras_net, X)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_is_not_registered_is_named_and_given_again(tmp_path, ending):
    """As in Keras: the file has names, and who loads it gives what they mean."""

    class Tripled(handson.layers.Layer):
        def call(self, inputs):
            return 3 * inputs

    def steep(y_true, y_pred):
        return 4 * (y_true - y_pred) ** 2

    net = handson.Sequential([handson.layers.Dense(2, input_dim=3), Tripled()], seed=0)
    net.compile("sgd", steep)
    net.save(tmp_path / f"net.{ending}")
    assert not registry.is_known("layer", "Tripled")
    with pytest.raises(HandsonError, match="custom_objects"):
        handson.load(tmp_path / f"net.{ending}")
    again = handson.load(tmp_path / f"net.{ending}", custom_objects={"Tripled": Tripled, "steep": steep})
    x = np.ones((4, 3))
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.evaluate(x, np.ones((4, 2)), verbose=0) == net.evaluate(x, np.ones((4, 2)), verbose=0)
    config = net.get_config()
    assert handson.Sequential.from_config(config, {"Tripled": Tripled}).layers[1].call(2) == 6
    with pytest.raises(HandsonError, match="is not registered, so a file cannot name it"):
        net.save(tmp_path / "net.handson")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_functions_given_to_layers_are_named_and_given_again(tmp_path, ending):
    def softer(x):
        return x / 2

    def started(shape, dtype=None):
        return np.full(shape, 0.5)

    def small(weights):
        return 0.01 * (weights**2).sum()

    dense = handson.layers.Dense(2, softer, kernel_initializer=started, kernel_regularizer=small, input_dim=3)
    net = handson.Sequential([dense], seed=0)
    net.save(tmp_path / f"net.{ending}")
    with pytest.raises(HandsonError, match="custom_objects"):
        handson.load(tmp_path / f"net.{ending}", custom_objects={"softer": softer, "started": started})
    own = {"softer": softer, "started": started, "small": small}
    again = handson.load(tmp_path / f"net.{ending}", custom_objects=own)
    assert again.predict(np.ones((1, 3)), verbose=0).tolist() == [[0.75, 0.75]]
    with pytest.raises(HandsonError, match="register"):
        net.save(tmp_path / "net.handson")
    dense.activation = lambda x: x
    with pytest.raises(HandsonError, match="register"):
        net.save(tmp_path / f"net.{ending}")


def test_a_layer_that_holds_a_net_beside_other_layers_is_read_whole(tmp_path):
    class Mixing(handson.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attention = handson.layers.MultiHeadAttention(2, 3)
            self.inner = handson.Sequential([handson.layers.Dense(4), handson.layers.Dense(3)])
            self.last = handson.layers.LayerNormalization()

        def call(self, inputs):
            return self.last(self.inner(self.attention(inputs, inputs)))

    x = handson.Input((5, 3))
    net = handson.Model(x, Mixing()(x))
    net.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in net.get_weights()])
    net.save(tmp_path / "net.keras")
    again = handson.load(tmp_path / "net.keras", custom_objects={"Mixing": Mixing})
    data = np.random.default_rng(1).normal(size=(2, 5, 3))
    np.testing.assert_array_equal(again.predict(data, verbose=0), net.predict(data, verbose=0))
    net.save_weights(tmp_path / "net.weights.h5")
    again.set_weights([0 * weight for weight in again.get_weights()])
    again.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(again.predict(data, verbose=0), net.predict(data, verbose=0))


def test_the_format_that_keras_2_asks_for_is_that_of_the_ending(tmp_path):
    net = handson.Sequential([handson.layers.Dense(2, input_dim=3)], seed=0)
    net.save(tmp_path / "net.h5", save_format="h5")
    assert handson.load(tmp_path / "net.h5").count_params() == 8
    with pytest.raises(HandsonError, match="save_format='h5' is another"):
        net.save(tmp_path / "net.keras", save_format="h5")
    with pytest.raises(HandsonError, match="SavedModel"):
        net.save(tmp_path / "net", save_format="tf")


def test_a_name_of_handson_is_not_taken_by_a_function_of_ones_own(tmp_path):
    def mse(y_true, y_pred):
        return (y_true - y_pred) ** 2

    net = handson.Sequential([handson.layers.Dense(2, input_dim=3)], seed=0)
    net.compile("sgd", mse)
    with pytest.raises(HandsonError, match="is not registered"):
        net.save(tmp_path / "net.keras")


def test_a_layer_without_an_argument_for_its_name_keeps_it():
    class Tripled(handson.layers.Layer):
        def __init__(self, times=3):
            super().__init__()
            self.times = times

        def call(self, inputs):
            return self.times * inputs

        def get_config(self):
            return {"times": self.times}

    x = handson.layers.Input((2,))
    for net in (handson.Model(x, Tripled(4)(x)), handson.Sequential([Tripled(4)], seed=0)):
        again = type(net).from_config(net.get_config(), {"Tripled": Tripled})
        assert [layer.name for layer in again.layers][-1] == "tripled"
        assert again.predict(np.ones((1, 2))).tolist() == [[4.0, 4.0]]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_metric_of_ones_own_is_not_that_of_handson_with_its_name(tmp_path, ending):
    """What is read is the metric that was written, or an error: never another one of the same name."""

    def mse(y_true, y_pred):
        return 100 + 0 * y_pred[..., 0]

    def dice(y_true, y_pred):  # a loss of handson
        return 200 + 0 * y_pred[..., 0]

    def accuracy(y_true, y_pred):
        return 300 + 0 * y_pred[..., 0]

    class Precision(handson.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            return super().update_state(7 + 0 * y_pred)

    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)], seed=0)
    net.compile("sgd", "mae", metrics=[mse, dice, accuracy, Precision(name="p")])
    path, (x, y) = tmp_path / f"net.{ending}", np.ones((2, 4, 2))
    net.save(path)
    own = {"mse": mse, "dice": dice, "accuracy": accuracy, "Precision": Precision}
    for name in own:
        with pytest.raises(HandsonError, match="custom_objects"):
            handson.load(path, custom_objects={other: own[other] for other in own if other != name})
    again = handson.load(path, custom_objects=own)
    found = again.evaluate(x, y[:, :1], verbose=0, return_dict=True)
    assert [found[name] for name in ("mse", "dice", "accuracy", "p")] == [100, 200, 300, 7]


def test_blocks_of_names_in_two_threads_leave_nothing_behind():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with registry.scoped({"theirs": abs}):
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with registry.scoped({"ours": abs}):
        thread.start()
        inside.wait(5)
        assert registry.is_known("loss", "ours")
        assert not registry.is_known("loss", "theirs")
    leave.set()
    thread.join()
    assert not registry.is_known("loss", "ours")
    assert not registry.is_known("loss", "theirs")
