"""Where a run stands is read from its files, and right whatever happened to it."""

import os
import platform
import signal
import subprocess
import sys

import command_line
import pytest

from handson.training.recording.interruption import Stopped, locked
from handson.training.recording.record import Record
from handson.workflow.experiment import Experiment
from handson.workflow.run_states import run_standing
from handson.workflow.runs import Run

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def run(tmp_path):
    command_line.write_data(tmp_path)
    experiment = Experiment.from_yaml(tmp_path / "table.yaml")
    experiment.data.path = str(tmp_path / "table.csv")
    return Run.create(experiment, tmp_path / "runs")


def state(run, queued=None, asked=False):
    return run_standing(run.folder, run.finished, queued, asked)


def test_from_waiting_to_finished(run, monkeypatch):
    assert state(run) == ("waiting", 0, "")
    seen, after_epoch = [], Record.after_epoch

    def stopping(self, done, *others):
        seen.append(state(run))
        os.kill(os.getpid(), signal.SIGUSR1)
        return after_epoch(self, done, *others)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "after_epoch", stopping)
        with pytest.raises(Stopped):
            run.fit(run.read_data(), verbose=0)
    assert (seen[0].state, seen[0].reason) == ("running", f"process {os.getpid()} on {platform.node()}")
    assert (state(run).state, state(run).step) == ("stopped", 2)
    run.fit(run.read_data(), verbose=0)
    assert state(run).state == "finished"


def test_an_error_is_said_until_the_run_goes_on(run, monkeypatch):
    def broken(self, *others):
        raise RuntimeError("the disk is gone\nreally")

    with monkeypatch.context() as patched:
        patched.setattr(Record, "after_epoch", broken)
        with pytest.raises(RuntimeError):
            run.fit(run.read_data(), verbose=0)
    assert (state(run).state, "RuntimeError: the disk is gone" in state(run).reason) == ("failed", True)
    run.fit(run.read_data(), verbose=0)
    assert not (run.folder / "failure.json").exists()


def test_what_was_killed_is_lost_and_what_runs_elsewhere_is_not(run):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with locked(run.folder):
        assert state(run).state == "running"
    assert state(run).state == "waiting"
    (run.folder / "lock").write_text(f"process {gone.pid} on {platform.node()}")
    assert state(run).state == "lost"
    (run.folder / "lock").write_text("process 1 on node17")
    assert state(run).state == "running"  # as far as can be seen from here
    assert state(run, asked=True).state == "lost"
    assert state(run, ("RUNNING", "job 12, node17"), True) == ("running", 0, "job 12, node17")
    assert state(run, ("PENDING", "job 12, Priority"), True).state == "queued"
