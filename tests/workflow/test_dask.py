"""Tasks on the workers of dask, where it is installed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from command_line import call

import handson
from handson.workflow.executors import dask_workers
from handson.workflow.tasks.attempts import attempts_of
from handson.workflow.tasks.folder import Sweep
from handson.workflow.tasks.states import standings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    command_line.write_data(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(handson.__file__).parents[1]))
    return tmp_path


def test_what_does_not_fit_is_refused(folder):
    result = call(folder, "sweep", "table.yaml", "--on", "dask")
    assert (result.code, "needs the address of its scheduler" in result.err) == (2, True)
    result = call(folder, "sweep", "table.yaml", "--scheduler", "tcp://127.0.0.1:1")
    assert (result.code, "--scheduler is for dask: add --on dask" in result.err) == (2, True)
    result = call(folder, "sweep", "table.yaml", "--on", "dask", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2")
    assert (result.code, "start as many workers of dask" in result.err) == (2, True)


def test_without_dask_or_its_scheduler_nothing_is_made(folder, monkeypatch):
    monkeypatch.setattr(dask_workers, "PATIENCE", 0.2)
    result = call(folder, "sweep", "table.yaml", "--on", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert result.code == 2
    assert "needs dask: pip install" in result.err or "no dask scheduler answers" in result.err
    assert not (folder / "sweeps").exists()


def test_tasks_are_trained_by_the_workers_of_a_scheduler(folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        asked = ["--grid", "optimizer.learning_rate=0.1,0.01", "--on", "dask", "--scheduler", cluster.scheduler_address]
        result = call(folder, "sweep", "table.yaml", *asked)
        assert (result.code, "2 of 2 tasks are finished" in result.out) == (0, True), result.err
        result = call(folder, "resume", "sweeps/table", "--scheduler", cluster.scheduler_address)
        assert (result.code, "2 of 2 tasks are finished" in result.out) == (0, True), result.err
    sweep = Sweep(folder / "sweeps/table")
    assert [one.state for one in standings(sweep)] == ["finished", "finished"]
    assert all(each.process != os.getpid() for task in sweep.tasks for each in attempts_of(task))


def test_a_process_whose_worker_is_gone_stops():
    """Its standard input is closed then."""
    code = f"import {dask_workers.__name__} as it, time; it.stop_with_input(); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(50) == -signal.SIGTERM
