"""Tasks: trained by any number of workers, each once, with the numbers of a training alone; a table that is right."""

import errno
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import command_line
import numpy as np
import pandas as pd
import pytest

from handson.core.errors import HandsonError
from handson.core.processes import ticks_of
from handson.files import atomic
from handson.training.recording import checkpoint
from handson.training.recording.interruption import InUse, Stopped, locked
from handson.training.recording.pausing import pause_of
from handson.workflow.executors import due, local
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run
from handson.workflow.tasks import attempts, trying
from handson.workflow.tasks.attempts import Attempt, attempt, attempts_of, job_of, work, work_on
from handson.workflow.tasks.axes import Range
from handson.workflow.tasks.folder import Sweep, is_sweep
from handson.workflow.tasks.searches import Result, Search
from handson.workflow.tasks.states import Queue, counted, results, standings, summary, table

pytestmark = pytest.mark.usefixtures("no_pictures")
RATE = "compile.optimizer.learning_rate"
# A rate at which the loss becomes infinite.
TOO_LARGE = 1e30


@pytest.fixture
def experiment(tmp_path):
    command_line.write_data(tmp_path)
    return Experiment(
        name="table",
        data={"path": str(tmp_path / "table.csv"), "targets": "y"},
        model=[{"Dense": {"units": 3, "activation": "relu"}}, {"Dropout": {"rate": 0.2}}, {"Dense": {"units": 1}}],
        compile={"metrics": ["mae"]},
        fit={"epochs": 2, "batch_size": 8},
    )


@pytest.fixture
def sweep(experiment, tmp_path):
    return Sweep.create(experiment, Search(axes={RATE: [0.1, 0.01]}), tmp_path / "rates")


def state_of(sweep, number=0, queue=None):
    return standings(sweep, queue)[number].state


def write_attempt(task, name="001-here-1", **given):
    found = {"machine": platform.node(), "process": os.getpid(), "ticks": ticks_of(os.getpid()), "begun": time.time()}
    (task.attempts / f"{name}.json").write_text(json.dumps(Attempt(**(found | given)).model_dump()))


def same(task, run):
    """Whether two runs ended alike, byte for byte."""
    files = all(
        (task.folder / name).read_bytes() == (run.folder / name).read_bytes() for name in ("history.csv", "split.npz")
    )
    pairs = zip(task.run.net().get_weights(), run.net().get_weights(), strict=True)
    return files and all(np.array_equal(one, other) for one, other in pairs)


def test_a_task_is_a_run_folder_with_the_numbers_of_a_training_alone(sweep, experiment, tmp_path):
    assert [task.overrides for task in sweep.tasks] == [{RATE: 0.1}, {RATE: 0.01}]
    assert work(sweep, verbose=0)
    for task in sweep.tasks:
        experiment.compile.optimizer = {"Adam": {"learning_rate": task.overrides[RATE]}}
        alone = Run.create(experiment, tmp_path / "alone")
        alone.fit(alone.read_data(), verbose=0)
        assert same(task, alone)
        assert alone.experiment == task.run.experiment


def test_a_finished_task_is_left_alone(sweep):
    assert work(sweep, verbose=0)
    before = {path: path.stat().st_mtime_ns for path in sweep.folder.rglob("*.*")}
    assert work(sweep, verbose=0)
    assert work_on(sweep, [0, 1], verbose=0)
    assert before == {path: path.stat().st_mtime_ns for path in sweep.folder.rglob("*.*")}


def test_the_table_has_numbers_for_finished_tasks_only_and_the_best_first(sweep):
    work_on(sweep, [1], verbose=0)
    found = table(sweep, standings(sweep))
    assert found.index.tolist() == [1, 0]
    assert found["state"].tolist() == ["finished", "waiting"]
    assert found["val_loss"].notna().tolist() == [True, False]
    report = sweep.task(1).run.report()
    assert found.loc[1, "val_loss"] == report.validation["loss"]
    assert found.loc[1, "val_mae"] == report.validation["mae"]
    assert found.loc[1, RATE] == 0.01
    assert found.loc[1, "epochs"] == 2


def test_a_half_written_run_has_no_numbers(sweep):
    """Also when its report is there, and its net is not."""
    work_on(sweep, [0], verbose=0)
    (sweep.task(0).folder / "history.json").write_text('{"history": {"loss": [1.')
    [first, _] = standings(sweep)
    assert (first.state, first.measured) == ("failed", {})
    assert "history.json is damaged" in first.reason


def test_a_task_that_was_brought_back_is_not_finished(sweep):
    """Its report is that of a training that no longer counts."""
    work_on(sweep, [0], verbose=0)
    checkpoint.remove(checkpoint.generations(sweep.task(0).folder / "checkpoints")[0])  # as `handson rewind` does
    first = standings(sweep)[0]
    assert (first.state, first.measured) == ("waiting", {})
    work_on(sweep, [0], verbose=0)
    assert state_of(sweep) == "finished"


def test_seeds_share_a_split_and_are_summed_up(experiment, tmp_path):
    found = Sweep.create(experiment, Search(axes={RATE: [0.1, 0.01]}, seeds=2, seed=3), tmp_path / "seeds")
    assert work(found, verbose=0)
    splits = {(task.folder / "split.npz").read_bytes() for task in found.tasks}
    assert len(splits) == 1
    where = standings(found)
    values = table(found, where)["val_loss"]
    both = summary(found, where).set_index(RATE)
    assert both.loc[0.1, "val_loss"] == pytest.approx(values[[0, 1]].mean())
    assert both.loc[0.1, "±"] == pytest.approx(np.std(values[[0, 1]], ddof=1))
    assert both["finished"].tolist() == both["of"].tolist() == [2, 2]


def test_folds_hold_out_every_row_once(experiment, tmp_path):
    found = Sweep.create(experiment, Search(folds=3), tmp_path / "folds")
    assert work(found, verbose=0)
    held_out = [np.load(task.folder / "split.npz")["validation"] for task in found.tasks]
    assert sorted(np.concatenate(held_out).tolist()) == list(range(60))
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1


def test_a_task_that_fails_says_why_and_the_others_go_on(experiment, tmp_path, capsys):
    found = Sweep.create(experiment, Search(axes={RATE: [TOO_LARGE, 0.01]}), tmp_path / "rates")
    assert not work(found, verbose=0)
    first, second = standings(found)
    assert (first.state, second.state) == ("failed", "finished")
    assert first.reason.startswith("NonFiniteLoss: the loss")
    assert "task 0 failed: NonFiniteLoss" in capsys.readouterr().err
    assert "Traceback" in attempts_of(first.task)[0].trace
    assert [one.value == one.value for one in results(found, [first, second])] == [False, True]
    # It is not tried for ever, but again where somebody asks for it.
    assert work(found, verbose=0)
    assert due.due(found, None) == []
    assert due.try_again(found, None) == 1
    assert state_of(found) == "waiting"
    assert [task.number for task in due.due(found, None)] == [0]
    assert list(first.task.attempts.glob("*.old"))


def test_a_task_that_another_process_has_is_passed_by_or_waited_for(sweep):
    with locked(sweep.task(0).attempts):
        with pytest.raises(InUse):
            attempt(sweep, sweep.task(0), 0)
        assert work(sweep, verbose=0)
        assert counted(standings(sweep)) == {"waiting": 1, "finished": 1}
        with pytest.raises(Stopped) as stopped:
            work_on(sweep, [0], verbose=0, patience=0.01)
        assert stopped.value.code == 75


def test_a_stopped_task_goes_on(sweep, monkeypatch):
    from handson.training.recording.record import Record

    after_epoch = Record.after_epoch

    def stopping(self, done, *state):
        os.kill(os.getpid(), signal.SIGUSR1)
        return after_epoch(self, done, *state)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "after_epoch", stopping)
        with pytest.raises(Stopped):
            work(sweep, verbose=0)
    [first, second] = standings(sweep)
    assert (first.state, first.attempts, second.state) == ("stopped", 1, "waiting")
    assert first.step > 0
    assert work(sweep, verbose=0)
    assert [each.outcome for each in attempts_of(sweep.task(0))] == ["stopped", "finished"]


def test_what_a_killed_process_leaves_is_lost_and_not_running(sweep):
    task = sweep.task(0)
    write_attempt(task)
    assert state_of(sweep) == "running"
    write_attempt(task, ticks=1)  # its number has gone to another process
    assert state_of(sweep) == "lost"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_attempt(task, process=gone.pid)
    assert state_of(sweep) == "lost"
    for number in (2, 3):
        write_attempt(task, f"00{number}-here-1", process=gone.pid)
    assert state_of(sweep) == "failed"
    assert "lost 3 times" in standings(sweep)[0].reason
    assert [each.number for each in due.due(sweep, None)] == [1]


def test_the_scheduler_says_what_runs_elsewhere(sweep):
    task = sweep.task(0)
    write_attempt(task, machine="node17", job="12_0")
    assert state_of(sweep) == "running"  # as far as can be seen from here
    assert state_of(sweep, queue=Queue()) == "lost"
    assert state_of(sweep, queue=Queue({"12_0": "RUNNING"}, {0: "12_0"})) == "running"
    assert state_of(sweep, queue=Queue({"12_0": "PENDING"}, {0: "12_0"})) == "queued"
    assert state_of(sweep, 1, Queue({"12_1": "PENDING"}, {1: "12_1"})) == "queued"
    write_attempt(task, machine="node17", job="12_0", outcome="stopped", ended=1.0)
    assert state_of(sweep, queue=Queue()) == "stopped"


def test_a_damaged_attempt_does_not_count(sweep):
    (sweep.task(0).attempts / "001-here-1.json").write_text('{"machine": ')
    assert state_of(sweep) == "waiting"


def test_workers_in_processes_of_their_own_train_everything_once(sweep):
    local.run(sweep, workers=2, verbose=0)
    assert counted(standings(sweep)) == {"finished": 2}
    assert [[each.outcome for each in attempts_of(task)] for task in sweep.tasks] == [["finished"]] * 2
    assert attempts_of(sweep.task(0))[0].process != os.getpid()


@pytest.mark.parametrize(("given", "threads"), [(None, 4), ("1", 1), ("2,1", 2), ("64", 4), ("all", 4)])
def test_workers_share_the_processors_and_take_no_more_threads_than_the_user_says(monkeypatch, given, threads):
    monkeypatch.setattr(local, "processors", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert local.threads_of(2) == threads
    assert local.threads_of(16) == 1


def test_workers_that_cannot_begin_are_an_error_and_no_endless_loop(sweep, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(HandsonError, match="ended with status"):
        local.run(sweep, workers=2, verbose=0)


def test_halving_goes_on_from_where_it_was_with_the_bits_of_one_training(experiment, tmp_path):
    """Also where the learning rate follows a schedule over all epochs."""
    experiment.compile.optimizer = {"Adam": {"learning_rate": {"Cosine": {"start": 0.1}}}}
    search = Search(kind="halving", trials=3, epochs=4, factor=2, axes={"model.0.units": [2, 3, 4, 5]})
    found = Sweep.create(experiment, search, tmp_path / "halves")
    assert [task.run.experiment.fit.epochs for task in found.tasks] == [4, 4, 4]
    assert len(due.due(found, None)) == 3
    work_on(found, [0, 1], verbose=0)
    assert [task.number for task in due.due(found, None)] == [2]
    local.run(found, workers=1, verbose=0)
    where = standings(found)
    assert [one.state for one in where].count("paused") == 2
    best = next(one for one in where if one.state == "finished")
    assert [each.outcome for each in attempts_of(best.task)] == ["paused", "finished"]
    assert [one.measured["epochs"] for one in where] == [4 if one is best else 2 for one in where]
    assert table(found, where).index[0] == best.task.number
    assert due.due(found, None) == []
    alone = Run.create(best.task.run.experiment, tmp_path / "alone")
    history = alone.fit(alone.read_data(), verbose=0)
    assert same(best.task, alone)
    first = best.task.folder / "history.json"
    assert first.is_file()
    assert len(history.epoch) == 4
    # What is measured of a paused task is what the whole training has measured there.
    other = next(one for one in where if one.state == "paused")
    alone = Run.create(other.task.run.experiment, tmp_path / "alone")
    history = alone.fit(alone.read_data(), verbose=0)
    assert other.measured["val_loss"] == history.history["val_loss"][1]


def test_a_task_killed_as_it_paused_does_not_go_on(experiment, tmp_path):
    search = Search(kind="halving", trials=2, epochs=4, factor=2, axes={"model.0.units": [2, 3]})
    found = Sweep.create(experiment, search, tmp_path / "halves")
    work_on(found, [0], verbose=0)
    task = found.task(0)
    (task.folder / "history.json").unlink()  # the checkpoint is there, and this was not yet
    assert state_of(found) == "waiting"
    work_on(found, [0], verbose=0)
    assert (state_of(found), len(task.run.history().epoch)) == ("paused", 2)
    # Nor does it where the training ends in that epoch.
    (task.folder / "history.json").write_text("{")
    assert state_of(found) == "waiting"


@pytest.mark.parametrize("kind", ["grid", "halving", "bayesian"])
def test_whoever_plans_may_be_killed_anywhere(experiment, tmp_path, monkeypatch, kind):
    """The tasks are those of a search that nobody disturbed."""
    if kind == "bayesian":
        pytest.importorskip("optuna")
    axes = {"model.0.units": [2, 3, 4, 5]}
    search = Search(kind=kind, trials=6, at_once=3, epochs=4, factor=2, axes=axes)

    def everything(folder, until=None):
        """All rounds, planned by processes that each die after some files."""
        while True:
            left = [math.inf if until is None else until]
            with monkeypatch.context() as patched, suppress(Killed):
                for name in ("write", "replace", "make_folder", "remove"):
                    patched.setattr(atomic.disk, name, dying(getattr(atomic.disk, name), left))
                found = Sweep(folder) if is_sweep(folder) else Sweep.create(experiment, search, folder)
                after = found.settle()
                while found.plan([Result(each.number, each.overrides, each.number % 3) for each in found.tasks], after):
                    after += 1
                return [(task.overrides, pause_of(task.folder)) for task in found.tasks], found.rounds
            until += 1
            shutil.rmtree(folder) if folder.is_dir() and not is_sweep(folder) else None

    assert everything(tmp_path / "killed", 1) == everything(tmp_path / "whole")


class Killed(BaseException):
    """In place of SIGKILL."""


def dying(method, left):
    def call(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return method(*arguments)

    return call


def test_more_is_better_where_the_metric_says_so(experiment, tmp_path):
    changed = {
        "data": {"path": str(tmp_path / "kinds.csv"), "targets": "kind"},
        "model": [{"Dense": {"units": 3, "activation": "softmax"}}],
        "compile": {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
    }
    experiment = Experiment(**(experiment.model_dump() | changed))
    found = Sweep.create(experiment, Search(axes={RATE: [1e-6, 0.3]}), tmp_path / "kinds", "val_accuracy")
    assert found.direction == "max"
    work(found, verbose=0)
    values = table(found, standings(found))["val_accuracy"]
    assert values.is_monotonic_decreasing
    assert [one.value for one in results(found, standings(found))] == [-values[0], -values[1]]


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        ("val_mea", "monitor 'val_mea' is not measured. Did you mean 'val_mae'"),
        ("accuracy", "Measured: loss, mae"),
    ],
)
def test_a_quantity_that_is_not_measured_is_refused_before_anything_is_made(experiment, tmp_path, monitor, said):
    with pytest.raises(HandsonError, match=said):
        Sweep.create(experiment, Search(), tmp_path / "rates", monitor)
    assert not is_sweep(tmp_path / "rates")


def test_a_combination_that_cannot_be_is_refused_before_anything_is_made(experiment, tmp_path):
    with pytest.raises(HandsonError, match=r"model\.7\.units.*numbered from 0"):
        Sweep.create(experiment, Search(axes={"model.7.units": [1]}), tmp_path / "rates")
    assert not (tmp_path / "rates").exists()


@pytest.mark.parametrize(
    ("path", "axis", "kind"),
    [
        ("model.0.activation", ["relu", "tanh", "relo"], "grid"),
        ("compile.loss", ["mse", "mea"], "grid"),
        ("compile.optimizer.learning_rate", Range(low=-1, high=0.1), "random"),
    ],
)
def test_a_later_value_that_cannot_be_is_refused_before_anything_is_made(experiment, tmp_path, path, axis, kind):
    axes = {"fit.batch_size": [4, 8], path: axis}
    with pytest.raises(HandsonError, match=rf"{path}="):
        Sweep.create(experiment, Search(kind=kind, axes=axes), tmp_path / "rates")
    assert not (tmp_path / "rates").exists()


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"model.0.units": [3, -1]}, r"model\.0\.units=-1: "),
        ({"model.1.rate": [0.1, 0.2, 1.5]}, r"model\.1\.rate=1\.5: "),
        ({"model.2.units": [1, 2]}, r"model\.2\.units=2: .*for these targets it needs 1"),
        ({"compile.loss": ["mse", "mes"]}, r"compile\.loss='mes'.*Did you mean 'm"),
        ({"data.targets": ["y", "z"]}, r"data\.targets='z': "),
        ({"split.folds": [2, 500]}, r"split\.folds=500: "),
    ],
)
def test_a_net_that_cannot_be_trained_is_found_before_anything_is_made(experiment, tmp_path, axes, said):
    with pytest.raises(HandsonError, match=said):
        Sweep.create(experiment, Search(axes=axes), tmp_path / "rates")
    assert not (tmp_path / "rates").exists()


def test_nets_that_differ_in_seeds_and_rates_are_tried_once(experiment, tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr(trying, "_compare", lambda net, data: built.append(len(data)))
    Sweep.create(experiment, Search(axes={RATE: [0.1, 0.01], "model.0.units": [2, 3]}, seeds=3), tmp_path / "rates")
    assert built == [trying.ROWS] * 2


def test_on_a_full_disk_a_task_is_lost_and_the_next_call_goes_on(sweep, monkeypatch, capsys):
    from handson.training.recording.record import Record

    write = atomic.disk.write

    def full(path, pieces):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def filling(self, *others):
        monkeypatch.setattr(atomic.disk, "write", full)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Record, "after_epoch", filling)
        assert not work_on(sweep, [0], verbose=0)
    assert "what could not be written: failed. OSError: [Errno 28] No space left" in capsys.readouterr().err
    monkeypatch.setattr(atomic.disk, "write", write)
    assert state_of(sweep, queue=Queue()) in ("running", "lost")  # this process, which has not ended
    assert work_on(sweep, [0], verbose=0)
    assert state_of(sweep) == "finished"


def test_a_job_that_never_began_its_task_says_why(sweep):
    (sweep.folder / "logs").mkdir()
    (sweep.folder / "logs/0001.txt").write_text("slurm\nerror: sweeps/rates/0001/lock: Read-only file system\n\n")
    found = standings(sweep, Queue())[1]
    assert (found.state, found.reason) == (
        "waiting", "its job has ended: error: sweeps/rates/0001/lock: Read-only file system",
    )  # fmt: skip
    assert standings(sweep)[1].reason == ""
    assert [each.number for each in due.due(sweep, Queue())] == [0, 1]


def test_clocks_and_late_listings_do_not_change_the_order_of_attempts(sweep):
    task = sweep.task(0)
    write_attempt(task, "001-node2-7", begun=50.0, outcome="failed")
    write_attempt(task, "001-node1-9", begun=60.0, outcome="stopped")  # it did not see the other file yet
    write_attempt(task, "002-node3-9", begun=10.0, outcome="finished")  # its clock is behind
    assert [each.outcome for each in attempts_of(task)] == ["failed", "stopped", "finished"]


def test_a_job_waits_for_a_task_that_is_shown_late(sweep, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    mark = sweep.task(0).folder / "task.json"
    mark.rename(mark.with_suffix(".late"))
    timer = threading.Timer(0.2, mark.with_suffix(".late").rename, [mark])
    timer.start()
    assert work_on(sweep, [0], verbose=0)
    timer.join()
    with pytest.raises(HandsonError, match="has no task 9"):
        work_on(sweep, [9], verbose=0, patience=0.01)


def test_a_job_names_itself():
    assert job_of({}) is None
    assert job_of({"SLURM_JOB_ID": "12"}) == "12"


def test_a_worker_that_is_killed_is_replaced(sweep, monkeypatch):
    """By the next round of workers, which goes on with what was lost."""
    rounds = []

    def dying(found, count):
        rounds.append(count)
        if len(rounds) == 1:
            write_attempt(found.task(0), ticks=1)
        else:
            work(found, verbose=0)
        return [-9]

    monkeypatch.setattr(local, "_processes", dying)
    local.run(sweep, workers=2, verbose=0)
    assert rounds == [2, 2]
    assert counted(standings(sweep)) == {"finished": 2}
    assert pd.isna(attempts_of(sweep.task(0))[0].ended)
    assert attempts.is_given_up(attempts_of(sweep.task(0))) is False
