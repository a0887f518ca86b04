"""Model files that are damaged, hostile or no model files: nothing is run, and the reason is named."""

import json
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import contents
from safetensors.torch import save_file

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.layers import (
    Dense,
)

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
    with pytest.raises(HandsonError, match=r"has schema '3'; this version of handson reads 1 to 2. Update handson"):
        handson.load(tamper(schema="3"))


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
    with pytest.raises(HandsonError, match=r"tensors missing: \['weights/dense.kernel'\]; not known: none"):
        handson.load(tamper(tensors=lambda held: held.pop("weights/dense.kernel")))


def test_tensors_that_nothing_needs_are_named(tamper):
    with pytest.raises(HandsonError, match=r"tensors missing: none; not known: \['weights/extra'\]"):
        handson.load(tamper(tensors=lambda held: held.update({"weights/extra": torch.zeros(3)})))


def test_tensors_of_another_shape_are_named(tamper):
    with pytest.raises(HandsonError, match=r"weights/dense.kernel has shape \(8, 6\); the net .* needs \(6, 8\)"):
        handson.load(tamper(tensors=lambda held: held.update({"weights/dense.kernel": torch.zeros(8, 6)})))


def slot(held):
    """The name of one tensor of the optimizer."""
    return next(name for name in held if name.startswith("optimizer/") and name.endswith("dense.kernel"))


def test_optimizer_tensors_of_another_shape_are_refused(tamper):
    with pytest.raises(HandsonError, match=r"optimizer/.*dense.kernel has shape \(3,\)"):
        handson.load(tamper(tensors=lambda held: held.update({slot(held): torch.zeros(3)})))


def test_missing_optimizer_tensors_are_refused(tamper):
    """A weight has all of its slots or, before its first step, none of them."""
    with pytest.raises(HandsonError, match="optimizer/.*dense.kernel"):
        handson.load(tamper(tensors=lambda held: held.pop(slot(held))))


@pytest.mark.parametrize("name", ["optimizer/velocity/nothing", "optimizer/evil/dense.kernel", "optimizer/x"])
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


@pytest.mark.parametrize("suffix", [".weights.h5", ".safetensors"])
def test_files_of_weights_are_no_models(trained, tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    with pytest.raises(HandsonError, match=r"w.*that is a name of weights. net.save_weights\("):
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


def test_other_formats_are_refused_with_advice(trained, tmp_path):
    with pytest.raises(
        HandsonError, match="its ending says no form.*'.handson' for a whole model, or Keras's '.keras'"
    ):
        trained[0].save(tmp_path / "net")
