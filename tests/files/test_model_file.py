"""The model file: nothing is lost, nothing is run, and whatever is wrong with it is said."""

import json
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import handson
from handson import Model, Sequential, registry
from handson.callbacks import LearningRateScheduler
from handson.errors import HandsonError, NotBuiltError
from handson.files.tensor_file import checksum
from handson.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    MaxPooling2D,
    Rescaling,
    Reshape,
)
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.schedules import Cosine, OneCycle

OPTIMIZERS = {
    "sgd": lambda: SGD(0.01),
    "nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: Adam(0.01, amsgrad=True),
    "adamw": lambda: AdamW(0.01, weight_decay=0.01, clipnorm=1.0),
    "adagrad": lambda: Adagrad(0.05),
    "adadelta": lambda: Adadelta(1.0),
    "schedule": lambda: Adam(OneCycle(maximum=0.01)),
    "average": lambda: SGD(0.01, use_ema=True, ema_momentum=0.9),
}
NETS = {
    "dense": (lambda: [Dense(8, activation="relu"), Dropout(0.3), Dense(2)], (6,)),
    "images": (
        lambda: [Conv2D(4, 3), BatchNormalization(), MaxPooling2D(), Flatten(), Rescaling(0.5), Dense(2)], (6, 6, 1),
    ),
    "sequences": (
        lambda: [Reshape((3, 2)), LSTM(4, return_sequences=True), GRU(3), LayerNormalization(), Dense(2)], (6,),
    ),
}  # fmt: skip


def net_of(kind="dense", optimizer=None, **compiled):
    layers, shape = NETS[kind]
    net = Sequential(layers(), name=kind, seed=5)
    compiled = {"metrics": ["mae", "rmse"], "scale_inputs": "standard", "scale_targets": "minmax"} | compiled
    net.compile(optimizer or Adam(0.01), "mse", **compiled)
    return net, shape


def data_of(shape, rows=40):
    rng = np.random.default_rng(1)
    return rng.normal(3, 2, size=(rows, *shape)).astype(np.float32), rng.normal(50, 9, size=(rows, 2)).astype("f4")


def contents(path):
    """What a file says, and the tensors it holds."""
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def trained(tmp_path):
    """A trained net, its data, and the file it is saved in."""
    net, shape = net_of()
    x, y = data_of(shape)
    net.fit(x, y, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    return net, x, y, tmp_path / "net.handson"


@pytest.fixture
def tamper(trained, tmp_path):
    """Change what a model file says or holds; gives the path of the changed file."""
    *_, path = trained

    def change(describe=None, tensors=None, **metadata):
        said, held = contents(path)
        description = json.loads(said["model"])
        if describe is not None:
            describe(description)
        if tensors is not None:
            tensors(held)
        said |= {"model": json.dumps(description)}
        said |= {"crc32": checksum(held, said["model"])} | metadata
        save_file(held, tmp_path / "changed.handson", metadata=said)
        return tmp_path / "changed.handson"

    return change


# Nothing is lost


@pytest.mark.parametrize("kind", NETS)
def test_predictions_are_equal_bit_for_bit(tmp_path, kind):
    net, shape = net_of(kind)
    x, y = data_of(shape)
    net.fit(x, y, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    assert loaded.evaluate(x, y, return_dict=True) == net.evaluate(x, y, return_dict=True)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_goes_on_exactly_as_without_saving(tmp_path, kind, optimizer):
    x, y = data_of(NETS[kind][1])
    without, stopped = net_of(kind, OPTIMIZERS[optimizer]())[0], net_of(kind, OPTIMIZERS[optimizer]())[0]
    for net in (without, stopped):
        net.fit(x, y, epochs=2, verbose=0)
    stopped.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    histories = [net.fit(x, y, epochs=4, initial_epoch=2, verbose=0).history for net in (without, loaded)]
    assert histories[0] == histories[1]
    assert same(without.get_weights(), loaded.get_weights())


def test_saving_changes_nothing(trained):
    net, x, y, _ = trained
    twin, _ = net_of()
    twin.fit(x, y, epochs=2, verbose=0)
    for each in (net, twin):
        each.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
    assert same(net.get_weights(), twin.get_weights())


def test_a_file_that_was_loaded_is_saved_as_the_same_file(trained, tmp_path):
    *_, path = trained
    handson.load(path).save(tmp_path / "again.handson")
    (said, held), (again_said, again_held) = contents(path), contents(tmp_path / "again.handson")
    assert json.loads(again_said["model"]) == json.loads(said["model"])
    assert again_held.keys() == held.keys()
    assert all(torch.equal(again_held[name], held[name]) for name in held)


def test_a_learning_rate_that_was_changed_in_training_is_kept(tmp_path):
    net, shape = net_of()
    x, y = data_of(shape)
    net.fit(x, y, epochs=1, callbacks=[LearningRateScheduler(lambda epoch, rate: 0.125)], verbose=0)
    net.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").optimizer.learning_rate == 0.125


def test_a_schedule_is_kept(tmp_path):
    net, _ = net_of(optimizer=SGD(Cosine(start=0.25)))
    net.build((None, 6))
    net.save(tmp_path / "net.handson")
    schedule = handson.load(tmp_path / "net.handson").optimizer.learning_rate
    assert (type(schedule), schedule.get_config()["start"]) == (Cosine, 0.25)


def test_names_scalings_and_metrics_are_kept(tmp_path):
    import pandas as pd

    net, shape = net_of(metrics=["mae", handson.metrics.RootMeanSquaredError(name="error")])
    x, y = data_of(shape)
    net.fit(x, pd.DataFrame(y, columns=["u", "v"]), verbose=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    assert (loaded.name, loaded.target_names, loaded.seed, loaded.age) == ("dense", ["u", "v"], 5, 1)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in net.layers]
    assert [metric.name for metric in loaded.metrics] == [metric.name for metric in net.metrics]
    assert loaded.input_scaling.get_config() == net.input_scaling.get_config()
    assert loaded.target_scaling.get_config() == net.target_scaling.get_config()
    assert loaded.optimizer.get_config() == net.optimizer.get_config()


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("mae", None), ("binary_crossentropy", "sigmoid"), (handson.losses.Huber(0.5), None),
        (handson.losses.BinaryCrossentropy(from_logits=True), None),
    ],
)  # fmt: skip
def test_losses_are_kept_with_their_arguments(tmp_path, rng, loss, activation):
    net = Sequential([Dense(1, activation=activation, input_dim=3)], seed=0)
    net.compile("sgd", loss)
    x, y = rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 1))
    net.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").evaluate(x, y) == net.evaluate(x, y)


def test_frozen_layers_stay_frozen(tmp_path):
    net = Sequential([Dense(3, input_dim=2), Dense(1)], seed=0)
    net.layers[0].trainable = False
    net.compile("sgd", "mse")
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    before = loaded.get_weights()
    loaded.fit(np.ones((8, 2)), np.ones(8), verbose=0)
    assert np.array_equal(loaded.get_weights()[0], before[0])
    assert not np.array_equal(loaded.get_weights()[2], before[2])


def test_a_net_that_was_never_compiled_can_be_saved_too(tmp_path, rng):
    net = Sequential([Dense(3, input_dim=2)], seed=0)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    x = rng.normal(size=(4, 2))
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    with pytest.raises(HandsonError, match="fit needs a compiled net"):
        loaded.fit(x, x[:, :1])


def test_weights_that_were_loaded_are_not_drawn_again_by_a_seed(trained):
    net, x, y, path = trained
    loaded = handson.load(path)
    loaded.fit(x, y, epochs=0, seed=99, verbose=0)
    assert same(loaded.get_weights(), net.get_weights())


def test_load_is_a_method_too(trained):
    net, x, _, path = trained
    np.testing.assert_array_equal(Sequential.load(path).predict(x), net.predict(x))


def test_the_weights_of_a_model_file_can_be_loaded_into_another_net(trained):
    net, _, _, path = trained
    other, _ = net_of()
    other.build((None, 6))
    assert other.load_weights(path) == {}
    assert same(other.get_weights(), net.get_weights())


# What cannot be saved


def test_a_net_without_weights_yet_cannot_be_saved(tmp_path):
    with pytest.raises(NotBuiltError, match="not built yet, so it has no weights to save"):
        Sequential([Dense(3)]).save(tmp_path / "net.handson")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_overwritten_only_if_wanted(trained):
    net, _, _, path = trained
    net.save(path)
    with pytest.raises(HandsonError, match="is there already"):
        net.save(path, overwrite=False)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: Sequential([nn.Linear(2, 1)]), "'linear_1' is a Linear of PyTorch, which a file cannot describe"),
        (lambda: Model(nn.Linear(2, 1)), "(?s)Model.*register"),
    ],
)
def test_modules_of_torch_are_refused_with_the_cure(tmp_path, net, message):
    net = net()
    net.predict(np.zeros((1, 2), np.float32))
    with pytest.raises(HandsonError, match=message):
        net.save(tmp_path / "net.handson")
    assert not list(tmp_path.iterdir())


def test_a_loss_without_a_name_is_refused_with_the_cure(tmp_path):
    net = Sequential([Dense(1, input_dim=2)])
    net.compile("sgd", lambda true, predicted: (true - predicted).abs())
    with pytest.raises(HandsonError, match=r"<lambda> is not registered.*@handson.register\(kind='loss'\)"):
        net.save(tmp_path / "net.handson")


# Classes of the user


@pytest.fixture
def registered(monkeypatch):
    """Registers for the length of one test."""
    for kind in registry._entries:
        monkeypatch.setitem(registry._entries, kind, dict(registry._entries[kind]))
    monkeypatch.setattr(registry, "_names", dict(registry._names))


class TwiceTheInput(handson.layers.Layer):
    """Multiplies by a weight."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", "scale")

    def forward(self, x):
        return self.factor * self.scale * x


def net_with_own_layer():
    net = Sequential([TwiceTheInput(3.0, input_dim=2), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    return net


def test_a_registered_layer_comes_back(tmp_path, registered, rng):
    handson.register(TwiceTheInput)
    net = net_with_own_layer()
    net.save(tmp_path / "net.handson")
    loaded, x = handson.load(tmp_path / "net.handson"), rng.normal(size=(4, 2))
    assert (type(loaded.layers[0]), loaded.layers[0].factor) == (TwiceTheInput, 3.0)
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))


def test_registered_functions_come_back(tmp_path, registered, rng):
    @handson.register(kind="loss")
    def cubic(true, predicted):
        return (true - predicted).abs() ** 3

    @handson.register(kind="activation")
    def squared(x):
        return x**2

    net = Sequential([Dense(1, activation=squared, input_dim=2)], seed=0)
    net.compile("sgd", cubic)
    net.save(tmp_path / "net.handson")
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    loaded = handson.load(tmp_path / "net.handson")
    assert loaded.evaluate(x, y) == net.evaluate(x, y) == pytest.approx((abs(net.predict(x) - y) ** 3).mean(), rel=1e-5)


def test_a_layer_that_is_not_registered_is_refused_when_saving(tmp_path):
    with pytest.raises(HandsonError, match="the layer .*TwiceTheInput is not registered.*@handson.register and import"):
        net_with_own_layer().save(tmp_path / "net.handson")


def test_a_layer_that_is_not_registered_is_refused_when_loading(tmp_path, registered):
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("layer",):
            patch.setitem(registry._entries, kind, dict(registry._entries[kind]))
        patch.setattr(registry, "_names", dict(registry._names))
        handson.register(TwiceTheInput)
        net_with_own_layer().save(tmp_path / "net.handson")
    with pytest.raises(HandsonError, match="unknown layer 'TwiceTheInput'.*decorate it with @handson.register"):
        handson.load(tmp_path / "net.handson")


# Nothing is run


@pytest.mark.parametrize("name", ["evil", "evil.Evil", "evil:Evil", "os.system", "builtins.exec", "__import__"])
def test_a_file_never_imports_what_it_names(tmp_path, monkeypatch, tamper, name):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    def rename(description):
        description["net"]["config"]["layers"][0]["class"] = name

    with pytest.raises(HandsonError, match=f"unknown layer {name!r}"):
        handson.load(tamper(rename))
    assert "evil" not in sys.modules


@pytest.mark.parametrize("place", ["net", "optimizer", "loss", "metric", "activation"])
def test_unknown_names_are_named_wherever_they_are(tamper, place):
    def rename(description):
        compiled, layer = description["compiled"], description["net"]["config"]["layers"][0]
        if place == "net":
            description["net"]["class"] = "evil"
        elif place == "activation":
            layer["config"]["activation"] = "evil"
        elif place == "metric":
            compiled["metrics"][0] = "evil"
        else:
            compiled[place] = {"class": "evil", "config": {}}

    with pytest.raises(HandsonError, match="unknown (model|optimizer|loss|metric|activation) 'evil'"):
        handson.load(tamper(rename))


def test_the_file_at_fault_is_named(tamper):
    path = tamper(lambda description: description["net"].update({"class": "Sequental"}))
    with pytest.raises(HandsonError, match=r"changed.handson.*'Sequental'.*Did you mean 'sequential'"):
        handson.load(path)


def test_an_argument_that_a_class_does_not_take_is_an_error_that_names_the_file(tamper):
    def change(description):
        description["net"]["config"]["layers"][0]["config"]["on_build"] = "os.system"

    with pytest.raises(HandsonError, match=r"changed.handson: its description of the net is damaged.*'on_build'"):
        handson.load(tamper(change))


def test_a_model_file_holds_tensors_and_json_and_nothing_else(trained):
    *_, path = trained
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    said = header.pop("__metadata__")
    assert set(said) == {"format", "schema", "model", "crc32"}
    assert isinstance(json.loads(said["model"]), dict)
    assert 8 + length + max(entry["data_offsets"][1] for entry in header.values()) == len(content)
    assert all(entry["dtype"] == "F32" for entry in header.values())


# Damaged and hostile files


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(trained, share):
    *_, path = trained
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(HandsonError, match=r"net.handson is not a model file of handson, or is damaged"):
        handson.load(path)


def test_any_flipped_bit_is_noticed(trained):
    *_, path = trained
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(8 * len(content), 400, replace=False):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(HandsonError, match="net.handson"):
            handson.load(path)


def test_a_changed_weight_is_damage(tamper):
    path = tamper()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        HandsonError, match=r"changed.handson is damaged: the checksum of its content is [0-9a-f]{8}; it"
    ):
        handson.load(path)


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\xff" * 100])
def test_other_files_with_the_name_of_a_model_are_refused(tmp_path, content):
    (tmp_path / "net.handson").write_bytes(content)
    with pytest.raises(HandsonError, match=r"net.handson is not a model file of handson, or is damaged"):
        handson.load(tmp_path / "net.handson")


def test_weights_with_the_name_of_a_model_are_refused(trained, tmp_path):
    trained[0].save_weights(tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").rename(tmp_path / "w.handson")
    with pytest.raises(HandsonError, match="w.handson is not a model file of handson: it holds tensors and no desc"):
        handson.load(tmp_path / "w.handson")


def test_a_newer_schema_is_refused_with_the_cure(tamper):
    with pytest.raises(HandsonError, match=r"has schema '2'; this version of handson reads 1. Update handson"):
        handson.load(tamper(schema="2"))


@pytest.mark.parametrize("model", [None, "", "{", "[]", "null", "3", '{"net": 1}', "[" * 5000])
def test_a_description_that_is_none_is_refused(tamper, model):
    with pytest.raises(HandsonError, match=r"changed.handson: its description of the net is damaged"):
        handson.load(_with_model(tamper, model))


def _with_model(tamper, text):
    path = tamper()
    said, held = contents(path)
    said["model"] = text
    if text is None:
        del said["model"]
    save_file(held, path, metadata=said)
    return path


KEYS = ["net", "input_shape", "seed", "age", "target_names", "scaling", "compiled", "state"]


@pytest.mark.parametrize("key", KEYS)
def test_a_description_without_one_of_its_keys_is_refused(tamper, key):
    with pytest.raises(HandsonError, match=rf"changed.handson: its description of the net is damaged.*{key}"):
        handson.load(tamper(lambda description: description.pop(key)))


@pytest.mark.parametrize("value", [3, "text", [], {"a": 1}])
@pytest.mark.parametrize("key", KEYS)
def test_a_description_with_something_else_in_a_key_is_refused(tamper, key, value):
    """An empty list is a shape, and a net may have any list of names; all else is damage."""
    if (key, value) in (("seed", 3), ("age", 3), ("target_names", [])):
        pytest.skip("a possible value")
    with pytest.raises(HandsonError, match=r"changed.handson"):
        handson.load(tamper(lambda description: description.update({key: value})))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_file_with_one_wrong_byte_is_loaded_or_refused_and_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("nets")
    net = Sequential([Dense(3, input_dim=2, activation="relu"), Dense(1)], seed=0)
    net.compile("sgd", "mse", metrics=["mae"], scale_targets=(1.0, 2.0))
    net.save(folder / "net.handson")
    content = bytearray((folder / "net.handson").read_bytes())
    end = 8 + int.from_bytes(content[:8], "little")
    content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    (folder / "net.handson").write_bytes(content)
    with suppress(HandsonError):
        handson.load(folder / "net.handson").predict(np.zeros((1, 2)))


def test_missing_tensors_are_named(tamper):
    with pytest.raises(HandsonError, match=r"tensors missing: \['weights/dense_1.kernel'\]; not known: none"):
        handson.load(tamper(tensors=lambda held: held.pop("weights/dense_1.kernel")))


def test_tensors_that_nothing_needs_are_named(tamper):
    with pytest.raises(HandsonError, match=r"tensors missing: none; not known: \['weights/extra'\]"):
        handson.load(tamper(tensors=lambda held: held.update({"weights/extra": torch.zeros(3)})))


def test_tensors_of_another_shape_are_named(tamper):
    with pytest.raises(HandsonError, match=r"weights/dense_1.kernel has shape \(8, 6\); the net .* needs \(6, 8\)"):
        handson.load(tamper(tensors=lambda held: held.update({"weights/dense_1.kernel": torch.zeros(8, 6)})))


def slot(held):
    """The name of one tensor of the optimizer."""
    return next(name for name in held if name.startswith("optimizer/") and name.endswith("dense_1.kernel"))


def test_optimizer_tensors_of_another_shape_are_refused(tamper):
    with pytest.raises(HandsonError, match=r"optimizer/.*dense_1.kernel has shape \(3,\)"):
        handson.load(tamper(tensors=lambda held: held.update({slot(held): torch.zeros(3)})))


def test_missing_optimizer_tensors_are_refused(tamper):
    """Training would go on from zeros where the file says it goes on from step 4."""
    with pytest.raises(HandsonError, match="optimizer/.*dense_1.kernel"):
        handson.load(tamper(tensors=lambda held: held.pop(slot(held))))


@pytest.mark.parametrize("name", ["optimizer/velocity/nothing", "optimizer/evil/dense_1.kernel", "optimizer/x"])
def test_optimizer_tensors_that_nothing_needs_are_refused(tamper, name):
    with pytest.raises(HandsonError, match=name):
        handson.load(tamper(tensors=lambda held: held.update({name: torch.zeros(6, 8)})))


@pytest.mark.parametrize("units", [10**12, 10**18])
def test_a_net_that_is_larger_than_its_file_is_refused_before_it_is_built(tamper, units):
    def grow(description):
        description["net"]["config"]["layers"][0]["config"]["units"] = units

    with pytest.raises(HandsonError, match=r"changed.handson"):
        handson.load(tamper(grow))


# Names of files


def test_a_file_that_is_not_there_is_named_with_the_nearest(trained):
    *_, path = trained
    with pytest.raises(FileNotFoundError, match=r"no file .*nte.handson. Did you mean 'net.handson'"):
        handson.load(path.with_name("nte.handson"))


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_files_of_weights_are_no_models(trained, tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    with pytest.raises(HandsonError, match=r"w.* a whole model is saved as 'w.handson'; weights with save_weights"):
        trained[0].save(path)
    trained[0].save_weights(path)
    with pytest.raises(HandsonError, match=r"holds weights only. Build the net, then net.load_weights"):
        handson.load(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".pickle", ".joblib"])
def test_formats_that_run_code_are_refused(trained, tmp_path, suffix):
    net = trained[0]
    for verb in (net.save, handson.load, net.save_weights, net.load_weights):
        with pytest.raises(HandsonError, match="can run code when they are opened.*Use '.handson' for a whole model"):
            verb(tmp_path / f"net{suffix}")
    assert not (tmp_path / f"net{suffix}").exists()


@pytest.mark.parametrize(("name", "reason"), [("net.keras", "Keras's own format"), ("net", "its ending says no form")])
def test_other_formats_are_refused_with_advice(trained, tmp_path, name, reason):
    with pytest.raises(HandsonError, match=f"{reason}.*'.handson' for a whole model, '.h5'"):
        trained[0].save(tmp_path / name)
