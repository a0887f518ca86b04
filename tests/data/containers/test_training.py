"""Rows that stay in HDF5, Zarr, Parquet and Arrow files train like arrays, whoever reads them."""

import os
import pickle
import threading

import h5py
import interrupted
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import handson
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.data import read
from handson.data.rows import blocks, feed
from handson.data.rows.batches import Batches
from handson.data.rows.stored import StoredRows
from handson.layers import Conv2D, Dense, Dropout, Embedding, Flatten
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

ROWS = 240


@pytest.fixture(autouse=True)
def small(monkeypatch, small_parts):
    """Blocks of 10 rows."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)


@pytest.fixture
def arrays(rng):
    x = rng.normal(size=(ROWS, 6)).astype("f4")
    return x, (x[:, :2].sum(1) + rng.normal(size=ROWS) / 10).astype("f4")


def write_hdf5(path, x, y):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(10, *x.shape[1:]), compression="gzip")
        file["y"] = y


def write_zarr(path, x, y):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path, mode="w")
    for name, array in (("x", x), ("y", y)):
        group.create_array(name, data=array, chunks=(10, *array.shape[1:]))


def write_parquet(path, x, y):
    path.mkdir()
    frame = pd.DataFrame(x, columns=list("abcdef")).assign(y=y)
    for number, part in enumerate(np.split(np.arange(len(x)), 3)):
        frame.iloc[part].to_parquet(path / f"{number}.parquet", row_group_size=10, index=False)


def write_arrow(path, x, y):
    table = pa.table({name: x[:, place] for place, name in enumerate("abcdef")} | {"y": y})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=10)


def write_stream(path, x, y):
    table = pa.table({name: x[:, place] for place, name in enumerate("abcdef")} | {"y": y})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=10)


def write_npy(path, x, y):
    np.save(path, x)
    np.save(path.with_name("y.npy"), y)


WRITERS = {"x.h5": write_hdf5, "x.zarr": write_zarr, "x": write_parquet, "x.arrow": write_arrow,
           "x.feather": write_stream, "x.npy": write_npy}  # fmt: skip


@pytest.fixture(params=WRITERS)
def file(request, tmp_path, arrays):
    """A file of each kind, and how its targets are named."""
    path = tmp_path / request.param
    WRITERS[request.param](path, *arrays)
    return path, str(tmp_path / "y.npy") if path.suffix == ".npy" else "y"


def of(file, **arguments):
    path, targets = file
    return read(path, targets, **{"in_memory": False} | arguments)


def trained(x, y, **arguments):
    net = handson.Sequential([Dense(8, activation="relu"), Dropout(0.2), Dense(1)], seed=1)
    net.compile("adam", "mse", scale_inputs="standard")
    given = {"epochs": 2, "batch_size": 16, "seed": 2, "validation_split": 0.2, "engine": "eager", "verbose": 0}
    history = net.fit(x, y, **given | arguments)
    return [*net.get_weights(), net.predict(x), *map(np.array, history.history.values())]


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_what_fits_into_a_window_trains_like_an_array(file, arrays):
    data = of(file)
    assert isinstance(data.inputs, StoredRows)
    assert same(trained(data.inputs, data.targets[:, 0]), trained(*arrays))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("handson-read")]


def test_the_order_of_windows_does_not_depend_on_the_kind_of_file(file, arrays, tmp_path):
    write_hdf5(tmp_path / "other.h5", *arrays)
    expected = trained(read(tmp_path / "other.h5", "y", window=40).inputs, arrays[1])
    if file[0].suffix == ".npy":  # it has blocks of one row here
        expected = trained(of(file, window=40).inputs, arrays[1])
    assert same(trained(of(file, window=40).inputs, arrays[1]), expected)
    assert not same(trained(*arrays), expected)


def test_all_rows_may_be_read_at_once(file, arrays):
    data = of(file, in_memory=True)
    assert isinstance(data.inputs, np.ndarray)
    assert np.array_equal(data.inputs, arrays[0])
    assert np.array_equal(data.targets[:, 0], arrays[1])
    with pytest.raises(HandsonError, match="window is for rows that stay in their file"):
        of(file, in_memory=True, window=10)


def order(path, readers, monkeypatch, epochs=(0, 1)):
    """The rows of some epochs, and what was read of them."""
    monkeypatch.setattr(feed, "THREADS", readers)
    monkeypatch.setattr(blocks, "READERS", readers)
    inputs = read(path, "y", window=40).inputs
    batches = Batches([inputs], [numbers(len(inputs))], batch_size=16, shuffle=True, seed=5)
    found = [(rows.numpy(), batch.inputs[0].numpy()) for epoch in epochs for rows, batch in batches.walk(epoch, 0, 15)]
    batches.close()
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def numbers(count):
    return torch.arange(float(count))[:, None]


def test_order_and_rows_are_the_same_for_1_and_4_readers(tmp_path, arrays, monkeypatch):
    write_hdf5(tmp_path / "x.h5", *arrays)
    rows, values = order(tmp_path / "x.h5", 1, monkeypatch)
    more, others = order(tmp_path / "x.h5", 4, monkeypatch)
    assert np.array_equal(rows, more)
    assert np.array_equal(values, others)
    assert np.array_equal(values, arrays[0][rows])
    first, second = rows[:ROWS], rows[ROWS:]
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        assert np.array_equal(np.sort(epoch), np.arange(ROWS))
        assert all(len(set(window // 10)) == 4 for window in np.split(epoch, 6))


def test_every_block_is_read_once_an_epoch(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(feed, "GROUP_BYTES", 1)
    write_hdf5(tmp_path / "x.h5", *arrays)
    inputs = read(tmp_path / "x.h5", "y", window=80).inputs
    seen, reader = [], inputs.source.reader
    monkeypatch.setattr(reader, "read", lambda number, out, read=reader.read: (seen.append(number), read(number, out)))
    batches = Batches([inputs], [numbers(len(inputs))], batch_size=16, shuffle=True, seed=5, limit=14)
    assert len(list(batches.walk(0, 0, 14))) == 14
    batches.close()
    assert 24 <= len(seen) <= 24 + 8  # those of the next epoch's first window are read already


def test_windows_that_a_shortened_epoch_does_not_come_to_are_not_read_ahead(tmp_path, arrays):
    write_hdf5(tmp_path / "x.h5", *arrays)
    inputs = read(tmp_path / "x.h5", "y", window=80).inputs
    batches = Batches([inputs], [numbers(len(inputs))], batch_size=16, shuffle=True, seed=5, limit=7)
    assert [batches.ahead(0, step)[0] for step in (0, 4, 5, 6)] == [(0, 1), (0, 1), (1, 0), (1, 0)]
    assert batches.ahead(None, 6) is None


@pytest.mark.parametrize("plan", [[(0, 3)], [(1, 2), (2, 1)]])
def test_a_training_goes_on_where_it_was_stopped(tmp_path, monkeypatch, plan):
    """In the middle of an epoch and of a window, bit for bit."""
    x, y = interrupted.data()
    write_hdf5(tmp_path / "x.h5", x, y)
    monkeypatch.setattr(interrupted, "data", lambda: (read(tmp_path / "x.h5", "y", window=20).inputs, y))
    expected = interrupted.train(tmp_path / "whole", engine="eager")
    plan = list(plan)
    while plan:
        with pytest.raises(SystemExit):
            interrupted.train(tmp_path / "cut", plan, engine="eager")
    assert interrupted.everything(*interrupted.train(tmp_path / "cut", engine="eager")) == interrupted.everything(
        *expected
    )


EXPERIMENT = """
name: stored
data: {path: x.h5, targets: y, window: 40, skip_broken: true}
model: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
fit: {epochs: 2, engine: eager}
"""


def test_experiments_read_stored_rows(tmp_path, arrays, monkeypatch):
    write_hdf5(tmp_path / "x.h5", *arrays)
    monkeypatch.chdir(tmp_path)
    experiment = Experiment.from_yaml_text(EXPERIMENT)
    assert Experiment.from_yaml_text(experiment.to_yaml()) == experiment
    run, data = Run.create(experiment), experiment.read_data()
    assert data.inputs.source.window == 40
    run.fit(data, verbose=0)
    assert run.net().predict(data.inputs).shape == (ROWS, 1)
    with pytest.raises(HandsonError, match="window"):
        Experiment.from_yaml_text(EXPERIMENT.replace("window: 40", "window: 0"))


def test_grey_images_and_ids_in_files(tmp_path, rng):
    x = rng.normal(size=(60, 6, 6)).astype("f4")
    write_hdf5(tmp_path / "x.h5", x, np.arange(60) % 2)
    net = handson.Sequential([Conv2D(2, 3, input_shape=(6, 6, 1)), Flatten(), Dense(1)], seed=0)
    assert np.array_equal(net.predict(read(tmp_path / "x.h5", "y").inputs), net.predict(x))
    ids = rng.integers(0, 9, (60, 4))
    write_hdf5(tmp_path / "ids.h5", ids, np.arange(60) % 2)
    net = handson.Sequential([Embedding(9, 3), Flatten(), Dense(1)], seed=0)
    assert np.array_equal(net.predict(read(tmp_path / "ids.h5", "y").inputs), net.predict(ids))
    write_hdf5(tmp_path / "wrong.h5", np.where(np.arange(240).reshape(60, 4) == 233, 9, ids), np.arange(60) % 2)
    with pytest.raises(HandsonError, match="9"):
        net.predict(read(tmp_path / "wrong.h5", "y").inputs)


def test_windows_and_waiting_are_said(tmp_path, arrays, monkeypatch, capsys):
    write_hdf5(tmp_path / "x.h5", *arrays)
    data = read(tmp_path / "x.h5", "y", window=40)
    for bound in ("WAITED_SECONDS", "WAITED_SHARE"):
        monkeypatch.setattr(f"handson.data.rows.streamed.{bound}", 0.0)
    trained(data.inputs, arrays[1], epochs=1, verbose=2)
    printed = " ".join(capsys.readouterr().out.split())
    assert "stay in their file, and are read ahead of the steps, shuffled in windows of 40 rows." in printed
    assert "of its time for data. Read them faster: a file without compression" in printed


def test_another_window_is_another_run(tmp_path, monkeypatch):
    x, y = interrupted.data()
    write_hdf5(tmp_path / "x.h5", x, y)
    window = [20]
    monkeypatch.setattr(interrupted, "data", lambda: (read(tmp_path / "x.h5", "y", window=window[0]).inputs, y))
    with pytest.raises(SystemExit):
        interrupted.train(tmp_path / "cut", [(0, 0)], engine="eager")
    window[0] = 30
    with pytest.raises(HandsonError, match="data.training.window: 20 before, 30 now"):
        interrupted.train(tmp_path / "cut", engine="eager")


def test_shards_see_the_same_rows_on_any_number_of_workers(tmp_path, arrays):
    write_hdf5(tmp_path / "x.h5", *arrays)
    inputs = read(tmp_path / "x.h5", "y", window=40).inputs
    found = [trained(inputs, arrays[1], engine="auto", devices=count, shards=4, epochs=1) for count in (1, 2)]
    assert same(*found)


def test_rows_can_be_sent_to_another_process(file, arrays):
    inputs = of(file, window=40).inputs
    inputs[:3]
    sent = pickle.loads(pickle.dumps(inputs.select(np.array([7, 3]))))
    assert np.array_equal(sent[:], arrays[0][[7, 3]])


class Do(Callback):
    def __init__(self, what):
        self.what = what

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.what()


def test_a_file_that_changes_is_an_error(tmp_path, arrays, monkeypatch):
    write_hdf5(tmp_path / "x.h5", *arrays)
    data = read(tmp_path / "x.h5", "y", window=10)
    change = Do(lambda: os.utime(tmp_path / "x.h5", (1, 1)))
    with pytest.raises(HandsonError, match=r"x\.h5 has changed since it was opened. Do not write to a file"):
        trained(data.inputs, arrays[1], callbacks=[change])


def test_nothing_is_written_beside_the_data(file, arrays):
    def content():
        found = sorted(file[0].parent.rglob("*"))
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = content()
    trained(of(file, window=40).inputs, arrays[1])
    assert content() == before
