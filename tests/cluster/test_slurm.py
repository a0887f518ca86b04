"""Sweeps and runs on a real Slurm: Debian's, started here, where it is installed and we may start it."""

import getpass
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.own_slurm import Slurm, missing
from command_line import ok, write_data

from handson.workflow.runs import Run
from handson.workflow.tasks.attempts import attempts_of
from handson.workflow.tasks.folder import Sweep

pytestmark = pytest.mark.slow
SITE = "base: local\nmemory: 100M\nmargin: 5\ntime: '0:10:00'\n"
LONG = """
name: long
data: {path: table.csv, targets: y}
model: [{Dense: {units: 3, activation: relu}}, {Dropout: {rate: 0.2}}, {Dense: {units: 1}}]
fit: {epochs: EPOCHS, batch_size: 4, engine: eager}
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    if missing() is not None:
        pytest.skip(missing())
    if getpass.getuser() != "root":
        pytest.skip("Slurm's daemons are started by root")
    try:
        cluster = Slurm(tmp_path_factory.mktemp("slurm"), nodes=2).__enter__()
    except (TimeoutError, OSError) as error:
        pytest.skip(f"Slurm does not start here: {error}")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("SLURM_CONF", "PATH"):
            patched.setenv(name, cluster.environment[name])
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv("PYTHONPATH", str(Path(sys.modules["handson"].__file__).parents[1]))
        yield cluster
    cluster.__exit__()


@pytest.fixture
def work(tmp_path, slurm):
    folder = tmp_path / "mein Ordner é 50%j"  # what sbatch takes for two words and a pattern, unless it is quoted
    folder.mkdir()
    write_data(folder)
    (folder / "site.yaml").write_text(SITE)
    return folder


def wait(ready, what, seconds=200):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.3)


def idle(slurm):
    return not slurm.call("squeue", "-h")


def begun(run_folder):
    return any((run_folder / "checkpoints").glob("step-*"))


def text_of(path):
    return path.read_text() if path.exists() else ""


def test_a_sweep_as_an_array_has_the_numbers_of_trainings_alone(work, slurm):
    ok(work, "sweep", "table.yaml", "--grid", "optimizer.learning_rate=0.1,0.01",
       "--on", "slurm", "--site", "site.yaml")  # fmt: skip
    sweep = Sweep(work / "sweeps/table")
    wait(lambda: "2 finished" in ok(work, "status", "sweeps/table"), "two tasks finish")
    wait(lambda: idle(slurm), "the queue is empty")
    for task in sweep.tasks:
        alone = Run.create(task.run.experiment, work / "alone")
        alone.fit(alone.read_data(), verbose=0)
        pairs = zip(task.run.net().get_weights(), alone.net().get_weights(), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)
        [attempt] = attempts_of(task)
        assert (attempt.outcome, attempt.job.rpartition("_")[2]) == ("finished", str(task.number))


def test_a_signal_before_the_end_saves_and_requeues_and_the_log_goes_on(work, slurm):
    (work / "long.yaml").write_text(LONG.replace("EPOCHS", "3000"))
    job = ok(work, "submit", "long.yaml", "--site", "site.yaml").partition("submitted: ")[2].partition(".")[0]
    folder = work / "runs/long"
    wait(lambda: begun(folder), "the training begins")
    slurm.call("scancel", "--signal=USR1", job)
    wait(lambda: "stopped by SIGUSR1" in text_of(folder / "log.txt"), "it saves")
    wait(lambda: "goes on in epoch" in text_of(folder / "log.txt"), "the same job goes on")
    assert "stopped by SIGUSR1" in text_of(folder / "log.txt")
    restarts = slurm.call("scontrol", "show", "job", job)
    assert "Restarts=1" in restarts
    # Cancelled, it saves too, and is not requeued.
    slurm.call("scancel", job)
    wait(lambda: idle(slurm), "the job is gone")
    time.sleep(1)
    assert idle(slurm)


def test_a_job_whose_node_goes_down_goes_on_elsewhere(work, slurm):
    (work / "long.yaml").write_text(LONG.replace("EPOCHS", "400"))
    ok(work, "sweep", "long.yaml", "--on", "slurm", "--site", "site.yaml")
    sweep = Sweep(work / "sweeps/long")
    wait(lambda: begun(sweep.task(0).folder), "the training begins")
    node = slurm.call("squeue", "-h", "-o", "%N")
    slurm.kill_node(node)
    wait(lambda: "1 finished" in ok(work, "status", "sweeps/long"), "the task finishes")
    wait(lambda: idle(slurm), "the queue is empty")
    slurm.start_node(node)
    assert [each.outcome for each in attempts_of(sweep.task(0))].count("finished") == 1


def test_a_sweep_is_cancelled_by_one_command(work, slurm):
    (work / "long.yaml").write_text(LONG.replace("EPOCHS", "100000"))
    ok(work, "sweep", "long.yaml", "--seeds", "6", "--on", "slurm", "--site", "site.yaml")
    wait(lambda: not idle(slurm), "jobs are in the queue", 20)
    assert "cancelled: " in ok(work, "cancel", "sweeps/long")
    wait(lambda: idle(slurm), "the queue is empty")


def test_the_training_is_one_worker_for_srun(work, slurm):
    """`srun` with several tasks trains one net together."""
    command = ["srun", "--ntasks=2", "--mem=100M", sys.executable, "-m", "handson", "fit", "table.yaml", "--quiet"]
    done = subprocess.run(command, cwd=work, env=os.environ, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder: runs/table") == 1
    assert [path.name for path in (work / "runs").iterdir()] == ["table"]
