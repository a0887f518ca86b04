"""Arrays in files are trained on without a copy of them, and give the numbers that they give in memory."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import interrupted
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.data.rows import arrays
from handson.data.rows.batches import Batches
from handson.data.rows.mapped import MappedRows, MappedSource
from handson.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D


@pytest.fixture(autouse=True)
def small(monkeypatch, small_parts):
    """Small arrays stay in their files too."""
    monkeypatch.setattr(arrays, "LEAST_BYTES", 0)


@pytest.fixture
def on_disk(tmp_path):
    """Write an array into a file; gives it mapped."""

    def put(array, order="C"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, np.asarray(array, order=order))
        return np.load(path, mmap_mode="r")

    return put


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("handson-read")]


def trained(x, y, engine="eager", loss="mse", outputs=2, metrics=("mae",), **arguments):
    layers = [Conv2D(3, 3, activation="relu"), MaxPooling2D(), Dropout(0.2)] if x.ndim == 4 else [Dense(4)]
    last = {"mse": None, "sparse_categorical_crossentropy": "softmax", "binary_crossentropy": "sigmoid",
            "categorical_crossentropy": "softmax"}[loss]  # fmt: skip
    net = handson.Sequential([*layers, Flatten(), Dense(outputs, activation=last)], seed=1)
    scales = {"scale_inputs": "standard"} | ({"scale_targets": "minmax"} if loss == "mse" else {})
    net.compile("adam", loss, metrics=list(metrics), **scales)
    given = {"epochs": 2, "batch_size": 7, "seed": 3, "validation_split": 0.3, "evaluate_training": True}
    history = net.fit(x, y, verbose=0, engine=engine, **given | arguments)
    return net.get_weights(), history.history, net.predict(x), net.evaluate(x, y)


def same(ours, theirs):
    assert all(np.array_equal(a, b) for a, b in zip(ours[0], theirs[0], strict=True))
    assert ours[1] == theirs[1]
    assert np.array_equal(ours[2], theirs[2])
    assert ours[3] == theirs[3]


TYPES = ["f4", "f8", "f2", "i2", "u2", "i8", "u1", "?", ">f4", ">i2"]


@pytest.mark.parametrize("engine", ["eager", "blocks"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_mapped_array_trains_like_one_in_memory(rng, on_disk, engine, kind):
    x, y = (rng.normal(size=(52, 8, 8, 1)) * 5).astype("f4"), rng.normal(size=(52, 2)).astype("f4")
    x = np.abs(x).astype(kind) if np.dtype(kind).kind in "u?" else x.astype(kind)
    same(trained(on_disk(x), on_disk(y), engine), trained(x, y, engine))
    assert not reading_threads()


@pytest.mark.parametrize("arguments", [{"shuffle": False}, {"validation_split": 0}, {"batch_size": 52},
                                       {"missing": "drop"}, {"groups": np.arange(52) // 4},
                                       {"augment": Augment(horizontal_flip=True, rotation=5, keypoints=None)}],
                         ids=str)  # fmt: skip
def test_whatever_fit_is_asked_for(rng, on_disk, arguments):
    x, y = rng.normal(size=(52, 8, 8, 1)).astype("f4"), rng.normal(size=(52, 2)).astype("f4")
    y[rng.random(y.shape) < 0.2] = np.nan
    same(trained(on_disk(x), on_disk(y), **arguments), trained(x, y, **arguments))


@pytest.mark.parametrize(
    ("loss", "metrics", "make"),
    [
        ("sparse_categorical_crossentropy", ["accuracy"], lambda labels: labels),
        ("sparse_categorical_crossentropy", [], lambda labels: np.where(labels == 2, np.nan, labels)),
        ("sparse_categorical_crossentropy", [], lambda labels: labels[:, None].astype("u1")),
        ("categorical_crossentropy", ["accuracy"], lambda labels: np.eye(3)[labels]),
        ("binary_crossentropy", ["accuracy"], lambda labels: labels > 0),
    ],
)
def test_targets_of_every_kind(rng, on_disk, loss, metrics, make):
    x, y = rng.normal(size=(52, 5)), make(rng.integers(0, 3, 52))
    given = {"loss": loss, "metrics": metrics, "outputs": 1 if loss.startswith("binary") else 3}
    given |= {"class_weight": {0: 2.0, 1: 0.5}} if "sparse" not in loss else {}
    same(trained(on_disk(x), on_disk(y), **given), trained(x, y, **given))


def test_a_class_to_ignore_needs_labels_in_memory(rng, on_disk):
    net = handson.Sequential([Dense(3, input_dim=5)])
    net.compile("sgd", handson.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0))
    with pytest.raises(HandsonError, match=r"ignore_class=0 needs labels in memory: copy them with numpy\.array"):
        net.fit(rng.normal(size=(52, 5)), on_disk(rng.integers(0, 3, 52)), verbose=0)


@pytest.mark.parametrize("part", [np.s_[5:], np.s_[::2], np.s_[::-1], np.s_[:, ::2], np.s_[:, ::-1], np.s_[:, :3]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_of_a_mapped_array_are_mapped(rng, on_disk, part, order):
    x, y = rng.normal(size=(40, 6)), rng.normal(size=40)
    cut = on_disk(x, order)[part]
    same(trained(cut, y[: len(cut)], outputs=1), trained(x[part].copy(), y[: len(cut)], outputs=1))


chosen = st.lists(st.integers(0, 29), min_size=1, max_size=40)


@settings(deadline=None)
@given(first=chosen, second=st.lists(st.integers(0, 0), max_size=9), start=st.integers(-31, 31),
       stop=st.integers(-31, 31))  # fmt: skip
def test_rows_are_those_of_the_array(tmp_path_factory, first, second, start, stop):
    path = tmp_path_factory.mktemp("rows") / "x.npy"
    x = np.arange(30 * 5000, dtype=np.int32).reshape(30, 5000)  # rows begin inside of pages
    np.save(path, x)
    rows = MappedRows(np.load(path, mmap_mode="r"), "inputs")
    assert np.array_equal(rows[start:stop], x[start:stop])
    assert np.array_equal(rows.index_select(0, torch.tensor(first)), x[first])
    view = rows.select(np.array(first))
    assert np.array_equal(view[start:stop], x[first][start:stop])
    assert np.array_equal(view.select(np.zeros(len(second), np.int64)), x[first][[0] * len(second)])
    assert (view.shape, view.numel()) == (x[first].shape, x[first].size)
    mask = np.arange(30) % 3 == 0
    assert np.array_equal(rows.select(mask)[:], x[mask])


def test_small_maps_are_held_in_memory(rng, on_disk, monkeypatch):
    monkeypatch.setattr(arrays, "LEAST_BYTES", 1000)
    assert isinstance(arrays.as_rows(on_disk(np.zeros(251)), "inputs"), MappedRows)
    assert isinstance(arrays.as_rows(on_disk(np.zeros(250)), "inputs"), torch.Tensor)


def test_several_nets_on_a_mapped_array(rng, on_disk):
    x, y = rng.normal(size=(52, 5)).astype("f4"), rng.normal(size=52).astype("f4")

    def found(x, y):
        net = handson.Sequential([Dense(4, activation="relu"), Dense(1)])
        net.compile("adam", "mse")
        return handson.cross_validate(net, x, y, folds=3, seed=0, verbose=0).scores.loss.tolist()

    assert found(on_disk(x), on_disk(y)) == found(x, y)


def test_data_that_do_not_fit_onto_a_device_are_sent_there(rng):
    """Onto a device of which every machine has one: it holds shapes."""
    batches = Batches(torch.ones(50, 3, dtype=torch.uint8), torch.ones(50, 1), torch.ones(50), 8, True, seed=1)
    batches.device = torch.device("meta")
    assert batches.note == "data: 3.26e-07 GiB do not fit onto the device, and are sent there ahead of the steps."
    with closing(batches):
        for epoch in (0, None):
            found = list(batches.walk(epoch, 2, 7))
            assert [(len(rows), *inputs.shape) for rows, ((inputs,), _, _) in found] == [(8, 8, 3)] * 4 + [(2, 2, 3)]
            parts = [part for rows, contents in found for part in (rows, *(leaf for (leaf,) in contents))]
            assert {part.device.type for part in parts} == {"meta"}
            assert found[0][1].inputs[0].dtype == torch.float32
    assert not reading_threads()
    assert Batches(torch.ones(50, 3), torch.ones(50, 1)).note is None


def test_the_compiled_program_says_no(rng, on_disk):
    net = handson.Sequential([Dense(1)])
    net.compile("adam", "mse")
    with pytest.raises(HandsonError, match="it does not support data that are read from their file"):
        net.fit(on_disk(rng.normal(size=(20, 3))), np.ones(20), engine="dense")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_wrong_is_found_in_its_row(rng, on_disk, value):
    x, y = rng.normal(size=(90, 5)), rng.integers(0, 2, 90).astype("f4")
    x[77, 3] = value
    with pytest.raises(HandsonError, match=f"inputs hold {value} in row 77, position"):
        trained(on_disk(x), y)
    x[77, 3], y[61] = 0, 0.5
    with pytest.raises(HandsonError, match=r"labels are whole numbers.*row 61 has 0.5"):
        trained(on_disk(x), on_disk(y), loss="sparse_categorical_crossentropy", metrics=())
    y[61] = 7
    with pytest.raises(HandsonError, match="row 61 has label 7"):
        trained(on_disk(x), on_disk(y), loss="sparse_categorical_crossentropy", metrics=())


@pytest.mark.parametrize("plan", [[(0, 0)], [(1, 2)], [(0, 3), (2, 1)]])
@pytest.mark.parametrize("later", ["mapped", "in memory"])
def test_a_training_goes_on_where_it_was_stopped(tmp_path, on_disk, monkeypatch, plan, later):
    """Also when what was mapped is in memory now: the data are the same, and the engine, for `dense` maps nothing."""
    x, y = interrupted.data()
    expected = interrupted.train(tmp_path / "whole", engine="eager")
    source = [(on_disk(x), y)]
    monkeypatch.setattr(interrupted, "data", lambda: source[0])
    plan = list(plan)
    while plan:
        with pytest.raises(SystemExit):
            interrupted.train(tmp_path / "cut", plan, engine="eager")
        assert not reading_threads()
    if later == "in memory":
        source[0] = (x, y)
    resumed = interrupted.train(tmp_path / "cut", engine="eager")
    assert interrupted.everything(*resumed) == interrupted.everything(*expected)


class Do(Callback):
    """Does something at a step."""

    def __init__(self, what, step=1):
        self.what, self.step = what, step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            self.what()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_threads_end_with_the_training(rng, on_disk, error):
    def fail():
        assert reading_threads()
        raise error

    with pytest.raises(error):
        trained(on_disk(rng.normal(size=(200, 50))), np.ones((200, 2)), callbacks=[Do(fail)])
    assert not reading_threads()


def test_a_file_that_becomes_shorter_is_an_error_and_not_the_end(rng, on_disk, monkeypatch):
    x = on_disk(rng.normal(size=(2000, 50)))
    lock, fill = threading.Lock(), MappedSource.fill

    def fill_alone(source, places, out):
        with lock:
            fill(source, places, out)

    def cut():
        with lock:  # between two reads: within one the system ends the process
            os.truncate(x.filename, 4096)

    monkeypatch.setattr(MappedSource, "fill", fill_alone)
    with pytest.raises(HandsonError, match=r"the file of the inputs has 4,096 bytes, and had 800,128 when"):
        trained(x, np.ones((2000, 2)), callbacks=[Do(cut)])
    with pytest.raises(HandsonError, match="the file of the inputs has 4,096 bytes"):
        trained(x, np.ones((2000, 2)))
    assert not reading_threads()


def test_an_error_of_the_reader_is_raised_in_the_training(rng, on_disk, monkeypatch):
    def fail(*given):
        raise OSError("the disk is gone")

    break_it = Do(lambda: monkeypatch.setattr(MappedRows, "read", fail))
    with pytest.raises(OSError, match="the disk is gone"):
        trained(on_disk(rng.normal(size=(200, 50))), np.ones((200, 2)), callbacks=[break_it], epochs=9)
    assert not reading_threads()


MEASURED = """
import sys, threading, time
import numpy as np
import handson
from handson.layers import Dense

def anonymous():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

x, y = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2], mmap_mode="r")
def train(x, y, run=None):
    net = handson.Sequential([Dense(8, activation="relu"), Dense(y.shape[1])], seed=0)
    net.compile("sgd", "mse", metrics=["mae"], scale_inputs="standard")
    net.fit(x, y, batch_size=256, verbose=0, seed=0, validation_split=0.3, run=run)
    net.evaluate(x, y)
    net.predict(x[len(x) // 20 :: 10])
train(np.array(x[:5000]), np.array(y[:5000]))  # what the libraries take
before, most = anonymous(), 0
def watch():
    global most
    while True:
        most = max(most, anonymous())
        time.sleep(0.002)
threading.Thread(target=watch, daemon=True).start()
train(x, y, sys.argv[3])
assert "sympy" not in sys.modules, "torch imports it for gradients of several numbers: 35 MB, and half a second"
print(most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory figures of Linux")
def test_files_several_times_larger_than_the_memory_they_take(tmp_path):
    """280 MB of inputs, which are converted, and 140 MB of targets; neither is copied, converted or split in memory."""
    for name, kind in (("x.npy", "f8"), ("y.npy", "f4")):
        np.lib.format.open_memmap(tmp_path / name, "w+", kind, (70_000, 500))[::10_000] = 1.0
    command = [sys.executable, "-c", MEASURED, *(str(tmp_path / name) for name in ("x.npy", "y.npy", "run"))]
    # Freed blocks go back at once, so that what is measured is what is held.
    given = os.environ | {"HANDSON_KEEP_MEMORY": "0", "MALLOC_MMAP_THRESHOLD_": "262144"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=given)
    assert float(done.stdout) < 100
