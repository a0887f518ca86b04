"""Every parser, fed with damaged files and texts: it gives something, or an error that can be expected."""

import json
import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import handson
from handson.core.errors import HandsonError
from handson.data import read
from handson.data.reading import tables
from handson.ensembles.specialists import Index, Specialists
from handson.files import description, strict_json
from handson.files.hdf5_reader import RefusedError, pack
from handson.files.hdf5_reader import read as read_hdf5
from handson.files.stored_history import StoredHistory
from handson.training.recording import checkpoint
from handson.workflow import yaml_file
from handson.workflow.experiment import Experiment
from handson.workflow.run_files import Columns

from .files import trained

EXPECTED = (HandsonError, OSError)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME = settings(FEW, max_examples=80)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("Dense"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CODES = " \n\t:-[]{}&*!|>'\"%@`,#?\\0123456789.eE+_~abcdefntruxyz\u00e9\0\x1b"


pieces = st.binary(max_size=4) | st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + bytes(3)])
changes = st.lists(st.tuples(st.integers(0, 2**20), pieces, st.sampled_from([0, 1, 4, 8, 64])), min_size=1, max_size=4)


def damaged(content, changes):
    """Bytes with some of them changed, removed or repeated."""
    changed = bytearray(content)
    for place, piece, gone in changes:
        place %= len(changed) + 1
        changed[place : place + gone] = piece
    return bytes(changed)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a good file of every kind."""
    folder = tmp_path_factory.mktemp("fuzz")
    net = trained()
    net.save(folder / "good.handson")
    net.save_weights(folder / "good.h5")
    net.save_weights(folder / "good.safetensors")
    pixels = " ".join(map(str, range(16)))
    (folder / "good.csv").write_text(f'x,y,Image\n1,2,"{pixels}"\n3,,{pixels}\n')
    np.save(folder / "good.npy", np.ones((3, 2)))
    np.savez(folder / "good.npz", x=np.ones((3, 2)), y=np.array(["a", "b", "a"]))
    np.savez_compressed(folder / "packed.npz", x=np.ones((3, 2)))
    pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}).to_csv(folder / "good.csv.gz", index=False)
    for suffix in ("png", "jpg", "gif", "tif", "bmp", "webp"):
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / f"good.{suffix}")
    return folder


def written(place, name, content):
    """A file of that content and ending; gives its path."""
    path = place / f"bad{''.join(Path(name).suffixes)}"
    path.write_bytes(content)
    return path


# Texts


@SOME
@given(st.text(CODES) | json_values.map(json.dumps) | st.binary())
def test_json_is_a_value_or_refused(text):
    with suppress(HandsonError):
        strict_json.dumps(strict_json.loads(text))


@SOME
@given(st.data())
def test_a_description_is_a_net_or_refused(place, data):
    """One or two values in a good description are something else."""
    from safetensors import safe_open

    with safe_open(place / "good.handson", framework="pt") as file:
        value = json.loads(file.metadata()["model"])
    for _ in range(data.draw(st.integers(1, 2))):
        replace(data, value)
    try:
        description.rebuild(description.parse(json.dumps(value)), 1000)
    except MemoryError:
        raise
    except Exception:  # `model_file.read` says what the file is, whatever a class raises for its arguments
        return


def replace(data, value):
    """Put something else somewhere into a nested value."""
    while isinstance(value, (dict, list)) and value:
        key = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        if not isinstance(value[key], (dict, list)) or not value[key] or data.draw(st.booleans()):
            value[key] = data.draw(json_values)
            return
        value = value[key]


@SOME
@given(st.text(CODES, max_size=60))
def test_yaml_is_a_document_or_refused(text):
    with suppress(HandsonError):
        document = yaml_file.Document(text, "a.yaml")
        for key in document.value:
            assert document.line([key]) >= 1


GOOD = """name: a
data: {path: a.csv, targets: y, image_shape: [2, 3]}
augment: {rotation: 5}
model:
- Conv2D: {filters: 3, kernel_size: [3, 3], activation: relu}
- Dropout: 0.5
- Dense: {units: 1}
compile: {optimizer: {SGD: {learning_rate: {Cosine: {start: 1e-2}}}}, loss: mse, metrics: [mae]}
fit: {epochs: 3, callbacks: [{EarlyStopping: {patience: 2}}], class_weight: {0: 1.5}}
specialists: {groups: {eyes: [a, b]}}
"""


@SOME
@given(st.data())
def test_an_experiment_is_one_or_refused(data):
    if data.draw(st.booleans()):
        text = damaged(GOOD.encode(), data.draw(changes)).decode(errors="replace")
    else:
        value = yaml_file.Document(GOOD, "a").value
        replace(data, value)
        text = json.dumps(value)
    with suppress(HandsonError):
        Experiment.from_yaml_text(text).build()


# Files


@contextmanager
def naming(*words):
    """An error that comes has one of the words in its message."""
    try:
        yield
    except EXPECTED as error:
        if not any(word in str(error) for word in words):
            raise AssertionError(f"the error does not name the file: {error}") from error
        raise


READERS = {
    "good.handson": handson.load,
    "good.safetensors": lambda path: trained_once().load_weights(path, by_name=True),
    "good.npy": read,
    "good.npz": lambda path: read(path, targets="y"),
    "packed.npz": read,
    "good.csv": lambda path: read(path, targets="y"),
    "good.csv.gz": lambda path: read(path, targets="y"),
}
NETS = []


def trained_once():
    NETS.extend([] if NETS else [trained()])
    return NETS[0]


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(place, name):
    content = (place / name).read_bytes()

    @SOME
    @given(changes)
    def check(made):
        changed = damaged(content, made)
        path = written(place, name, changed)
        with suppress(*EXPECTED), naming(path.name):
            READERS[name](path)

    check()


def test_a_damaged_table_is_the_same_table_both_ways(place, monkeypatch):
    content = (place / "good.csv").read_bytes()

    def outcome(path, least):
        monkeypatch.setattr(tables, "WORTH_A_KERNEL", least)
        try:
            data = read(path, targets="y")
        except HandsonError as error:
            return re.sub(r"(that can be read): .*", r"\1", str(error))
        return repr(data.inputs.tolist()), repr(data.targets.tolist())

    @FEW
    @given(changes)
    def check(made):
        changed = damaged(content, made)
        path = written(place, "good.csv", changed)
        assert outcome(path, 0) == outcome(path, 1 << 60)

    check()


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "bmp", "webp"])
def test_a_damaged_image_is_read_or_refused(place, tmp_path, suffix):
    content = (place / f"good.{suffix}").read_bytes()

    @FEW
    @given(changes)
    def check(made):
        changed = damaged(content, made)
        (tmp_path / f"bad.{suffix}").write_bytes(changed)
        with suppress(*EXPECTED), naming(f"bad.{suffix}", "images of"):
            read(tmp_path)

    check()


def test_a_damaged_file_of_hdf5_is_read_or_refused(place):
    """In this process: a few are enough to show what the other process gives as errors."""
    content = (place / "good.h5").read_bytes()

    @FEW
    @given(changes)
    @example([(38, bytes(8), 4)])
    def check(made):
        changed = damaged(content, made)
        path = written(place, "good.h5", changed)
        with suppress(RefusedError), path.open("rb") as file:
            pack(read_hdf5(file, len(changed)))

    check()


def test_a_damaged_checkpoint_does_not_count(tmp_path):
    snapshot = checkpoint.Snapshot(3, "", {"weights/a": torch.arange(3.0)}, {"position": 1})
    folder = checkpoint.write(tmp_path, snapshot)

    @SOME
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from([checkpoint.MANIFEST, checkpoint.STATE, checkpoint.TENSORS]))
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(damaged(content, data.draw(changes)))
        try:
            with suppress(checkpoint.DamagedCheckpoint):
                assert checkpoint.read(folder).values == {"position": 1}
        finally:
            (folder / name).write_bytes(content)

    check()


@pytest.mark.parametrize("kind", [Columns, StoredHistory, Index])
def test_a_file_of_a_run_is_read_or_refused(tmp_path, kind):
    @FEW
    @given(st.dictionaries(st.sampled_from(sorted(kind.model_fields)), json_values))
    def check(value):
        (tmp_path / "a.json").write_text(json.dumps(value))
        with suppress(HandsonError):
            strict_json.read(tmp_path / "a.json", kind)

    check()


def test_a_damaged_index_of_specialists_is_read_or_refused(tmp_path, place):
    for name in ("trained", "a"):
        shutil.copy(place / "good.handson", tmp_path / f"{name}.handson")
    good = {"columns": ["y"], "groups": {"a": ["y"]}, "output": "new", "histories": {"a": {"loss": [1.0]}}}
    content = json.dumps(good).encode()

    @FEW
    @given(changes | st.just([]))
    def check(made):
        (tmp_path / "specialists.json").write_bytes(damaged(content, made))
        with suppress(*EXPECTED):
            Specialists.load(tmp_path)

    check()
