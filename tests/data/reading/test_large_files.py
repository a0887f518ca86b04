"""Files that are large beside the free memory are mapped when they are read."""

import os

import numpy as np
import pandas as pd
import pytest

from handson.core.errors import HandsonError
from handson.data import read
from handson.data.reading import array_files
from handson.data.reading.explore import explore
from handson.data.rows import free_memory
from handson.data.rows.mapped import MappedRows
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(array_files, "free_memory", lambda: 1000)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f4", "f8", "u1", ">i2"])
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_large_arrays_are_mapped_and_others_are_not(tmp_path, rng, little_memory, name, kind, order):
    large = np.asarray((rng.random((300, 3)) * 100).astype(kind), order=order)
    small = large[:10]
    for array, expected in ((large, MappedRows), (small, np.ndarray)):
        if name == "x.npy":
            np.save(tmp_path / name, array)
        else:
            np.savez(tmp_path / name, first=np.arange(5), x=array, last=np.arange(5))
        data = read(tmp_path / name)
        assert isinstance(data.inputs, expected)
        assert np.array_equal(np.asarray(data.inputs), array.astype("u1" if kind == "u1" else "f4"))
        assert np.array_equal(np.asarray(data.rows(np.arange(3)).inputs), array[:3].astype("f4"))


def test_packed_arrays_are_read(tmp_path, little_memory):
    np.savez_compressed(tmp_path / "x.npz", x=np.ones((300, 3)))
    assert isinstance(read(tmp_path / "x.npz").inputs, np.ndarray)


def test_the_declared_size_is_checked_before_a_file_is_mapped(tmp_path, little_memory):
    np.save(tmp_path / "x.npy", np.ones((300, 3)))
    os.truncate(tmp_path / "x.npy", 4000)
    with pytest.raises(HandsonError, match="x.npy is not a file of NumPy numbers: it declares an array"):
        read(tmp_path / "x.npy")


def test_targets_of_one_file_come_from_another(tmp_path, rng):
    x, y = rng.random((20, 3)), rng.random((20, 2))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    data = read(tmp_path / "x.npy", targets=str(tmp_path / "y.npy"))
    assert data.target_names == ["y_0", "y_1"]
    assert np.array_equal(data.targets, y.astype("f4"))
    np.save(tmp_path / "labels.npy", np.arange(20) % 3)
    data = read(tmp_path / "x.npy", targets=str(tmp_path / "labels.npy"), classes=["a", "b", "c"])
    assert (data.task, data.classes) == ("classification", ["a", "b", "c"])
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*z.npy"):
        read(tmp_path / "x.npy", targets=str(tmp_path / "z.npy"))
    with pytest.raises(HandsonError, match="x.npy holds one array, and targets='y' names another"):
        read(tmp_path / "x.npy", targets="y")


EXPERIMENT = """
name: large
data: {path: x.npy, targets: y.npy}
model: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
fit: {epochs: 2, engine: eager}
"""


def test_an_experiment_on_a_mapped_file_ends_like_one_in_memory(tmp_path, rng, monkeypatch):
    x = rng.random((300, 5)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", x.sum(1))
    monkeypatch.chdir(tmp_path)
    experiment = Experiment.from_yaml_text(EXPERIMENT)
    losses = []
    for free in (None, 1000):
        monkeypatch.setattr(array_files, "free_memory", lambda free=free: free)
        run, data = Run.create(experiment), experiment.read_data()
        assert isinstance(data.inputs, np.ndarray if free is None else MappedRows)
        run.fit(data, verbose=0)
        losses.append(pd.read_csv(run.folder / "history.csv")["val_loss"].tolist())
    assert losses[0] == losses[1]
    assert os.path.isabs(run.experiment.data.targets)


def test_a_mapped_file_is_explored_in_part(tmp_path, rng, little_memory, monkeypatch):
    monkeypatch.setattr("handson.data.reading.explore.SAMPLED_VALUES", 300)
    np.save(tmp_path / "x.npy", rng.random((1000, 3)))
    found = explore(read(tmp_path / "x.npy"))
    assert [column.present for column in found.columns] == [100, 100, 100]
    assert "this is about 100 of 1000 rows" in found.remarks[0]


def test_the_limit_of_a_job_counts(tmp_path, monkeypatch):
    (tmp_path / "memory").write_text("MemTotal: 900 kB\nMemAvailable:   800 kB\n")
    (tmp_path / "group").write_text("0::/job\n")
    (tmp_path / "job").mkdir()
    for name, path in (("MEMORY", "memory"), ("GROUP", "group"), ("GROUPS", "")):
        monkeypatch.setattr(free_memory, name, tmp_path / path)
    assert free_memory.free_memory() == 800 * 1024
    (tmp_path / "job" / "memory.max").write_text("500000\n")
    (tmp_path / "job" / "memory.current").write_text("100000\n")
    assert free_memory.free_memory() == 400_000
    (tmp_path / "job" / "memory.max").write_text("max\n")
    assert free_memory.free_memory() == 800 * 1024
