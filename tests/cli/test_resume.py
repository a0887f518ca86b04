"""`handson resume` and `handson rewind`: a stopped run goes on, a finished one is left alone, steps are undone."""

import contextlib
import csv
import os
import signal

import command_line
import numpy as np
import pandas as pd
import pytest

from handson.callbacks import Callback
from handson.cli.workers import group, run_of
from handson.training.recording import checkpoint, keeper
from handson.training.recording.interruption import locked
from handson.training.recording.record import Record
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

EXPERIMENT = """
name: table
data: {path: table.csv, targets: y}
model: [{Dense: {units: 3, activation: relu}}, {Dropout: {rate: 0.2}}, {Dense: {units: 1}}]
compile: {optimizer: {Adam: {learning_rate: 1e-2}}, metrics: [mae]}
fit: {epochs: 4, batch_size: 8, callbacks: [{ReduceLROnPlateau: {patience: 1}}]}
"""
# What must be equal in the folders of two runs; the report has seconds.
FILES = ("history.csv", "net.handson", "split.npz", "data.json", "predictions.csv")


def write_table(path, rows=60):
    x = np.random.default_rng(0).normal(size=(rows, 2)).round(3)
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(1)}).to_csv(path, index=False)


def call(folder, *arguments):
    """Run a command in a folder, as from a shell: its status, what it printed, its errors."""
    result = command_line.call(folder, *arguments)
    return result.code, result.out, result.err


@pytest.fixture(autouse=True)
def _write_often(monkeypatch):
    """A checkpoint after every span."""
    monkeypatch.setattr(keeper, "MOST_SHARE", 1.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def work(tmp_path):
    """Data and an experiment."""
    write_table(tmp_path / "table.csv")
    (tmp_path / "table.yaml").write_text(EXPERIMENT)
    return tmp_path


@pytest.fixture
def stop(monkeypatch):
    """Stop the next training by a signal after an epoch."""

    def planned(epoch):
        after_epoch = Record.after_epoch

        def stopping(self, done, *state):
            if done + 1 == epoch:
                os.kill(os.getpid(), signal.SIGTERM)
            return after_epoch(self, done, *state)

        monkeypatch.setattr(Record, "after_epoch", stopping)
        monkeypatch.setattr(keeper, "EPOCH_SHARE", 0.0)

    return planned


@pytest.fixture
def stopped(work, stop, monkeypatch):
    """A run that was stopped after its second epoch."""
    with monkeypatch.context():
        stop(2)
        code, out, err = call(work, "fit", "table.yaml")
        assert code == 75, (out, err)
        assert "stopped by SIGTERM after epoch 2; everything is saved in runs/table" in err
        monkeypatch.undo()
    return work


def contents(work, run):
    """The files of a run that must be equal, as bytes."""
    call(work, "predict", run, "--data", "table.csv", "--out", f"runs/{run}/predictions.csv")
    found = {name: (work / "runs" / run / name).read_bytes() for name in FILES}
    found["net.handson"] = [weight.tobytes() for weight in Run(work / "runs" / run).net().get_weights()]
    return found


def test_a_stopped_run_goes_on_and_ends_like_an_undisturbed_one(stopped):
    assert not (stopped / "runs" / "table" / "net.handson").exists()
    code, out, err = call(stopped, "resume", "table")
    assert (code, err) == (0, "")
    assert "goes on in epoch 3 after step 0" in out
    assert "validation: " in out
    assert call(stopped, "fit", "table.yaml", "--name", "whole")[0] == 0
    with (stopped / "runs" / "table" / "history.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["epoch", "1", "2", "3", "4"]
    assert contents(stopped, "table") == contents(stopped, "whole")


def test_a_finished_run_is_left_as_it_is(stopped):
    assert call(stopped, "resume", "table")[0] == 0
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in stopped.rglob("*") if path.is_file()}
    code, out, err = call(stopped, "resume", "table")
    assert (code, err) == (0, "")
    assert "runs/table is finished; there is nothing to do." in out
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in stopped.rglob("*") if p.is_file()}


def test_what_torchrun_starts_again_goes_on_with_its_run(work, stop, monkeypatch):
    """Nodes that come or go count as no restart; here one process is left. Another launch begins a run of its own."""
    stop(2)
    launched_as(monkeypatch, "first")
    assert call(work, "fit", "table.yaml")[0] == 75
    monkeypatch.undo()
    for launch, folder in (("first", "table"), ("second", "table-2")):
        launched_as(monkeypatch, launch)
        experiment = Experiment.from_yaml(work / "table.yaml")
        run = run_of(experiment, work / "runs", group(None, experiment))
        assert (run.folder.name, run.experiment.fit.shards) == (folder, 8)


def launched_as(monkeypatch, name):
    """As the one process of torchrun."""
    launch = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for key, value in (launch | {"TORCHELASTIC_RUN_ID": name}).items():
        monkeypatch.setenv(key, value)


def test_to_join_a_run_that_does_not_train_is_refused(stopped):
    code, _, err = call(stopped, "join", "table")
    assert code == 2
    assert "no training in runs/table takes workers now" in err
    assert "goes on with handson resume runs/table" in err
    assert call(stopped, "resume", "table")[0] == 0
    code, out, _ = call(stopped, "join", "table")
    assert (code, "runs/table is finished; there is nothing to do." in out) == (0, True)


def test_changed_data_are_refused_shown_and_forced(stopped):
    frame = pd.read_csv(stopped / "table.csv")
    frame.assign(y=frame["y"] + 1).to_csv(stopped / "table.csv", index=False)
    code, _, err = call(stopped, "resume", "table")
    assert code == 2
    assert "was begun with something else" in err
    assert "data.training.targets: " in err
    assert "handson resume --force" in err
    assert call(stopped, "resume", "table", "--force", "--quiet")[0] == 0
    assert Run(stopped / "runs" / "table").finished


def test_other_rows_are_refused_and_forced(stopped):
    kept = (stopped / "runs" / "table" / "data.json").read_text()
    write_table(stopped / "table.csv", 80)
    code, _, err = call(stopped, "resume", "table")
    assert (code, "has 80 rows, but the run was split on 60" in err) == (2, True)
    assert (stopped / "runs" / "table" / "data.json").read_text() == kept
    code, out, err = call(stopped, "resume", "table", "--force")
    assert (code, err) == (0, "")
    assert "80 rows, 60 before: they are split anew" in out
    assert Run(stopped / "runs" / "table").history().epoch == [0, 1, 2, 3]


def test_a_changed_experiment_is_refused_and_shown(stopped):
    path = stopped / "runs" / "table" / "experiment.yaml"
    path.write_text(path.read_text().replace("epochs: 4", "epochs: 5"))
    code, _, err = call(stopped, "resume", "table")
    assert (code, "fit.epochs: 4 before, 5 now" in err) == (2, True)
    assert call(stopped, "resume", "table", "--force")[0] == 0
    assert Run(stopped / "runs" / "table").history().epoch == [0, 1, 2, 3, 4]


def test_a_run_that_another_process_holds_is_refused(stopped):
    with locked(stopped / "runs" / "table"):
        for command in (["resume", "table"], ["rewind", "table", "--to", "0"]):
            code, _, err = call(stopped, *command)
            assert (code, f"is in use by process {os.getpid()}" in err) == (2, True)


def test_a_run_that_was_killed_before_its_training_begins_with_it(work):
    with contextlib.chdir(work):
        Run.create(Experiment.from_yaml("table.yaml"))
    code, _, err = call(work, "resume", "table", "--quiet")
    assert (code, err) == (0, "")
    assert Run(work / "runs" / "table").finished


def test_a_step_is_gone_back_to_and_the_end_is_the_same(work):
    assert call(work, "fit", "table.yaml")[0] == 0
    before = contents(work, "table")
    steps = [checkpoint.step_of(path) for path in checkpoint.generations(work / "runs" / "table" / "checkpoints")]
    back = steps[1] if steps[1] < steps[0] else steps[-1]
    code, out, err = call(work, "rewind", "table", "--to", back)
    assert (code, err) == (0, "")
    assert out == f"runs/table is at step {back}. To go on: handson resume runs/table\n"
    if back < steps[0]:
        assert not Run(work / "runs" / "table").finished
    assert call(work, "resume", "table")[0] == 0
    assert contents(work, "table") == before


def test_a_step_before_all_checkpoints_is_refused(work):
    assert call(work, "fit", "table.yaml")[0] == 0
    for folder in checkpoint.generations(work / "runs" / "table" / "checkpoints"):
        if checkpoint.step_of(folder) == 0:
            checkpoint.remove(folder)
    code, _, err = call(work, "rewind", "table", "--to", 0)
    assert code == 2
    assert "no checkpoint at or before step 0; its checkpoints: " in err


@pytest.mark.parametrize("command", [["resume", "tabel"], ["rewind", "tabel", "--to", "1"]])
def test_a_run_that_is_not_there_is_named_with_the_nearest(stopped, command):
    code, _, err = call(stopped, *command)
    assert (code, "Did you mean 'table'" in err) == (2, True)


def test_a_training_that_fails_at_once_leaves_no_folder(work, monkeypatch):
    def fails(self, *state):
        raise ZeroDivisionError

    monkeypatch.setattr(Callback, "on_epoch_begin", fails)
    with pytest.raises(ZeroDivisionError):
        call(work, "fit", "table.yaml")
    assert list((work / "runs").iterdir()) == []
