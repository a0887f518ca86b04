"""`handson sweep`, `status`, `collect`, `cancel`, `task` and `submit`, with a scheduler that only writes down."""

import pandas as pd
import pytest
from command_line import call, ok, write_data

from handson.core.errors import HandsonError
from handson.ensembles import Ensemble
from handson.workflow.executors import slurm
from handson.workflow.tasks.folder import Sweep

GRID = ["--grid", "optimizer.learning_rate=0.1,0.01"]
SWEEP = ["sweep", "table.yaml", *GRID]


@pytest.fixture
def work(tmp_path):
    write_data(tmp_path)
    return tmp_path


class Scheduler:
    """What Slurm's commands were called with, and what they answer."""

    def __init__(self):
        self.called, self.queue = [], []

    def __call__(self, *words):
        self.called.append(words)
        if words[0] == "sbatch":
            return f"{100 + len([each for each in self.called if each[0] == 'sbatch'])}\n"
        return "\n".join(self.queue) if words[0] == "squeue" else ""


@pytest.fixture
def scheduler(monkeypatch):
    found = Scheduler()
    monkeypatch.setattr(slurm, "call", found)
    monkeypatch.setattr(slurm, "available", lambda: True)
    return found


def test_a_sweep_is_trained_here_and_collected(work):
    out = ok(work, *SWEEP, "--workers", "1")
    assert "sweeps/table: 2 tasks" in out
    assert "2 of 2 tasks are finished, by val_loss" in out
    assert "sweeps/table: 2 tasks: 2 finished" in ok(work, "status", "sweeps/table")
    ok(work, "collect", "sweeps/table", "--out", "found.csv", "--ensemble", "2")
    frame = pd.read_csv(work / "found.csv")
    assert frame["val_loss"].is_monotonic_increasing
    assert set(frame["compile.optimizer.learning_rate"]) == {0.1, 0.01}
    assert len(Ensemble.load(work / "sweeps/table/ensemble")) == 2
    assert "is finished" in ok(work, "resume", "sweeps/table/0000")


def test_an_unfinished_sweep_says_so_and_goes_on(work):
    ok(work, *SWEEP, "--workers", "1")
    (work / "sweeps/table/0001/report.json").unlink()
    out = ok(work, "collect", "sweeps/table")
    assert "1 of 2 tasks are finished" in out
    assert "not all have ended: handson status sweeps/table" in out
    result = call(work, "collect", "sweeps/table", "--ensemble", "2")
    assert (result.code, "1 tasks are finished so far" in result.err) == (2, True)


def test_specialists_are_trained_with_every_task(work):
    ok(work, "sweep", "faces.yaml", "--seeds", "2", "--specialists", "--workers", "1")
    ok(work, "collect", "sweeps/tiny", "--out", "found.csv")
    assert pd.read_csv(work / "found.csv")["specialists_rmse"].notna().all()


def test_an_array_is_submitted_looked_at_gone_on_with_and_cancelled(work, scheduler):
    out = ok(work, *SWEEP, "--on", "slurm", "--time", "30")
    assert "submitted: 101" in out
    script = (work / "sweeps/table/jobs/0.sh").read_text()
    assert "#SBATCH --array=0-1\n" in script
    assert "#SBATCH --time=30\n" in script
    name = Sweep(work / "sweeps/table").job
    scheduler.queue = [f"101_0|RUNNING|None|{name}.0", f"101_1|PENDING|Priority|{name}.0", "7|RUNNING|None|another"]
    out = ok(work, "status", "sweeps/table")
    assert "1 queued, 1 running" in out
    assert "1 jobs wait: Priority" in out
    assert "nothing to submit" in ok(work, "resume", "sweeps/table")
    assert "cancelled: 101" in ok(work, "cancel", "sweeps/table")
    assert scheduler.called[-1] == ("scancel", "101")
    scheduler.queue = [f"101_0|RUNNING|None|{name}.0"]
    assert "submitted: 102" in ok(work, "resume", "sweeps/table")
    assert "#SBATCH --array=1\n" in (work / "sweeps/table/jobs/0.sh").read_text()
    scheduler.queue = []
    assert "no job of sweeps/table is in the queue" in ok(work, "cancel", "sweeps/table")


def test_a_scheduler_that_does_not_answer_leaves_the_files(work, scheduler, monkeypatch):
    ok(work, *SWEEP, "--on", "slurm")

    def silent(*words):
        raise HandsonError(f"{words[0]}: Unable to contact slurm controller")

    monkeypatch.setattr(slurm, "call", silent)
    result = call(work, "status", "sweeps/table")
    assert (result.code, "sweeps/table: 2 tasks: 2 waiting" in result.out) == (0, True)
    assert "from the files alone" in result.err
    # Nothing is submitted twice for that.
    assert call(work, "resume", "sweeps/table").code == 2


def test_a_search_in_rounds_gets_a_job_that_submits_the_next_one(work, scheduler):
    ok(work, *SWEEP, "--search", "halving", "--trials", "4", "--on", "slurm")
    waiting = scheduler.called[-1]
    assert waiting[:3] == ("sbatch", "--parsable", "--dependency=afterany:101")
    text = (work / "sweeps/table/jobs/next.sh").read_text()
    assert f"handson resume {work}/sweeps/table --no-failed" in text
    assert "--array" not in text


def test_a_dry_run_shows_the_script_and_makes_nothing(work):
    out = ok(work, *SWEEP, "--on", "slurm", "--dry-run")
    assert "sweeps/table: 2 tasks" in out
    assert "#SBATCH --array=0-1\n" in out
    out = ok(work, "submit", "table.yaml", "--site", "jean-zay", "--account", "abc@v100", "--dry-run")
    assert "#SBATCH --account=abc@v100\n" in out
    assert f"handson resume {work}/runs/table\n" in out
    assert not (work / "sweeps").exists()
    assert not (work / "runs").exists()


def test_a_run_is_submitted_and_submitted_again(work, scheduler):
    out = ok(work, "submit", "table.yaml", "--name", "night", "--devices", "2", "--site", "local")
    assert "submitted: 101. Run folder: runs/night; its log: runs/night/log.txt" in out
    assert "#SBATCH --ntasks=2\n" in (work / "runs/night/job.sh").read_text()
    assert "submitted: 102. Run folder: runs/night" in ok(work, "submit", "runs/night")
    name = slurm.run_name(work / "runs/night")
    scheduler.queue = [f"102|PENDING|(Priority)|{name}", "7|RUNNING|node1|another"]
    result = call(work, "submit", "runs/night")
    assert (result.code, "runs/night is in the queue: job 102" in result.err) == (2, True)
    assert ok(work, "status", "night") == "runs/night: queued: job 102, Priority\n"
    assert "cancelled: 102" in ok(work, "cancel", "night")
    scheduler.queue = []
    assert ok(work, "status") == "runs/night: waiting\n"
    assert "validation: " in ok(work, "resume", "night", "--quiet")
    assert ok(work, "status", "runs/night") == "runs/night: finished\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "table.yaml", "--grid", "fit.epoch=1,2"], "Did you mean 'epochs'?"),
        (["sweep", "table.yaml", "--grid", "fit.epochs"], "--grid takes a key and its values"),
        (["sweep", "table.yaml", "--search", "gird"], "Did you mean 'grid'?"),
        ([*SWEEP, "--search", "random", "--trials", "20000"], "20,000 trials are more than 10,000"),
        (["sweep", "table.yaml", "--on", "slrum"], "Did you mean 'slurm'?"),
        (["sweep", "table.yaml", "--account", "abc"], "--account is for jobs: add --on slurm"),
        (["sweep", "table.yaml", "--name", "a b"], "a name becomes a folder"),
        (["sweep", "table.yaml", "--name", "../elsewhere"], "a name becomes a folder"),
        (["sweep", "table.yaml", "--name", ""], "what follows --name is empty"),
        (["sweep", "table.yaml", "--data="], "--data is empty"),
        (["sweep", ""], "an argument is empty"),
        (["sweep", "table.yaml", "--grid", "fit.batch_size=8,16,8"], "has the value 8 twice"),
        (["sweep", "table.yaml", "--grid", "optimizer=Adam,Adma"], "compile.optimizer='Adma'"),
        (["sweep", "table.yaml", "--trials", "3"], "--trials is for other searches"),
        (["sweep", "table.yaml", "--on", "slurm", "--workers", "2"], "--workers is for --on local"),
        (["sweep", "logits.yaml", "--data", "none.csv"], "none.csv"),
        (["sweep", "table.yaml", "--on", "slurm", "--site", "lyon"], "no site is called 'lyon'"),
        (["submit", "table.yaml", "--site", "jean-zay"], "refuses jobs without an account"),
        (["status", "sweeps/none"], "there is no run and no sweep in sweeps/none"),
        (["collect", "sweeps/none"], "there is no sweep in sweeps/none"),
        (["task", "sweeps/none"], "there is no sweep in sweeps/none"),
    ],
)
def test_mistakes_are_named_and_nothing_is_made(work, arguments, said):
    result = call(work, *arguments)
    assert (result.code, said in result.err) == (2, True), result.err
    assert not (work / "sweeps").exists()


def test_a_sweep_that_is_there_is_not_begun_again(work):
    ok(work, *SWEEP, "--workers", "1")
    result = call(work, *SWEEP)
    assert (result.code, "is there already: give another --name" in result.err) == (2, True)


def test_a_machine_without_slurm_says_so(work, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = call(work, *SWEEP, "--on", "slurm")
    assert (result.code, "sbatch is not here" in result.err) == (2, True)
    assert call(work, "submit", "table.yaml").code == 2
    assert not (work / "runs/table").exists()


def test_jobs_are_not_said_to_be_gone_where_the_scheduler_cannot_be_asked(work, scheduler, monkeypatch):
    ok(work, *SWEEP, "--on", "slurm")
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    result = call(work, "cancel", "sweeps/table")
    assert (result.code, "squeue is not here" in result.err) == (2, True)


def test_what_a_command_would_not_use_is_refused(work):
    ok(work, *SWEEP, "--workers", "1")
    for option in (["--data", "none.csv"], ["--force"], ["--devices", "2"], ["--quiet"]):
        result = call(work, "resume", "sweeps/table", *option)
        assert (result.code, f"{option[0]} is for a run" in result.err) == (2, True)
    for option in (["--name", "other"], ["--data", "table.yaml"]):
        result = call(work, "submit", "sweeps/table/0000", *option, "--dry-run")
        assert (result.code, f"{option[0]} is for a new run" in result.err) == (2, True)
    for command, said in (
        (["resume", "sweeps/table/0000", "--no-failed"], "--no-failed is for a sweep"),
        (["submit", "sweeps/table/0000", "--dry-run"], "is finished; there is nothing to submit"),
    ):
        result = call(work, *command)
        assert (result.code, said in result.err) == (2, True)
    (work / "found.csv").mkdir()
    result = call(work, "collect", "sweeps/table", "--out", "found.csv")
    assert (result.code, result.out) == (2, "")


def test_a_task_by_its_number(work):
    ok(work, *SWEEP, "--workers", "1")
    (work / "sweeps/table/0001/report.json").unlink()
    assert ok(work, "task", "sweeps/table", "1", "--quiet") == "task 1 finished\n"
    result = call(work, "task", "sweeps/table", "7")
    assert (result.code, "has no task 7; it has 2" in result.err) == (2, True)
