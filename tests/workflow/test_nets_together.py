"""What the nets of a sweep give together is what one process would give, bit for bit."""

import json
import os
import signal

import command_line
import numpy as np
import pytest
from command_line import call, ok

from handson.core.errors import HandsonError
from handson.ensembles import Ensemble, cross_validate, deep_ensemble
from handson.training.recording.interruption import Stopped
from handson.training.recording.record import Record
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run
from handson.workflow.tasks.attempts import attempts_of, work
from handson.workflow.tasks.folder import Sweep
from handson.workflow.tasks.searches import Search
from handson.workflow.tasks.together import held_out_predictions, keep_specialists, of_specialists, save_ensemble

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def folder(tmp_path):
    command_line.write_data(tmp_path)
    return tmp_path


@pytest.fixture
def experiment(folder):
    return Experiment(
        data={"path": str(folder / "table.csv"), "targets": "y"},
        model=[{"Dense": {"units": 3, "activation": "relu"}}, {"Dropout": {"rate": 0.2}}, {"Dense": {"units": 1}}],
        fit={"epochs": 2, "batch_size": 8, "seed": 3},
    )


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    experiment = Experiment.from_yaml("faces.yaml")
    experiment.specialists.epochs = 3
    found = Run.create(experiment, folder / "runs")
    found.fit(found.read_data(), verbose=0)
    return found


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(first.tobytes() == second.tobytes() for first, second in pairs)


def test_specialists_as_tasks_are_those_of_one_process_also_when_stopped(run, folder, monkeypatch):
    alone = run.fit_specialists(run.read_data(), verbose=0, on_group=None)
    expected = {path.name: path.read_bytes() for path in (run.folder / "specialists").glob("*.json")}
    sweep = Sweep.create(*of_specialists(run), folder / "special")
    assert [task.overrides for task in sweep.tasks] == [{"specialists.only": "eyes"}, {"specialists.only": "nose"}]
    after_epoch = Record.after_epoch

    def stopping(self, done, *state):
        os.kill(os.getpid(), signal.SIGUSR1)
        return after_epoch(self, done, *state)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "after_epoch", stopping)
        with pytest.raises(Stopped):
            work(sweep, verbose=0)
    assert work(sweep, verbose=0)
    assert [each.outcome for each in attempts_of(sweep.task(0))] == ["stopped", "finished"]
    assert keep_specialists(sweep) == run.folder / "specialists"
    found = run.specialists()
    assert all(same(found.models[name], net) for name, net in alone.models.items())
    assert (run.folder / "specialists/specialists.json").read_bytes() == expected["specialists.json"]
    report, before = run.report("specialists/report.json"), json.loads(expected["report.json"])
    assert report.rmse == before["rmse"]
    # The run of one specialist is one like any other: it has the columns of its group, and the rows that have them.
    task = sweep.task(1).run
    assert task.columns()["targets"] == ["nose_x", "nose_y"]
    training, validation = task.split(task.read_data(), verbose=0)
    assert np.isfinite(training.targets).all()
    assert task.net().evaluate(*validation.arrays(), return_dict=True) == task.report().validation


def test_groups_that_are_found_are_those_of_the_rows_that_train(run, folder):
    run.experiment.specialists.groups = "auto"
    alone = run.fit_specialists(run.read_data(), verbose=0, on_group=None)
    base, search = of_specialists(run)
    assert base.specialists.groups == alone.groups
    assert search.axes == {"specialists.only": list(alone.groups)}


def test_a_specialist_of_no_group_is_refused(run):
    experiment = run.experiment.model_copy(deep=True)
    experiment.specialists.of, experiment.specialists.only = str(run.folder), "ears"
    found = Run.create(experiment, run.folder.parent)
    with pytest.raises(HandsonError, match="'ears' is no group of"):
        found.fit(found.read_data(), verbose=0)


def test_a_specialist_of_a_specialist_is_refused(run):
    """Also where a folder that came from somewhere names itself."""
    experiment = run.experiment.model_copy(deep=True)
    experiment.name, experiment.specialists.only = "loop", "nose"
    experiment.specialists.of = str(run.folder.parent / "loop")
    found = Run.create(experiment, run.folder.parent)
    with pytest.raises(HandsonError, match="is the run of a specialist itself"):
        found.read_data()


def test_seeds_are_the_members_of_a_deep_ensemble(experiment, folder):
    sweep = Sweep.create(experiment, Search(seeds=2, seed=3), folder / "seeds")
    assert work(sweep, verbose=0)
    found = Ensemble.load(save_ensemble(sweep, sweep.tasks))
    run = sweep.task(0).run
    training, validation = run.split(run.read_data(), verbose=0)
    alone = deep_ensemble(
        experiment.build(), *training.arrays(), members=2, seed=3, epochs=2, batch_size=8, verbose=0,
        validation_data=validation.arrays(),
    )  # fmt: skip
    assert all(same(*pair) for pair in zip(found.members, alone.members, strict=True))
    assert [history.history for history in found.histories] == [history.history for history in alone.histories]


def test_folds_are_those_of_cross_validate(experiment, folder):
    sweep = Sweep.create(experiment, Search(folds=3), folder / "folds")
    assert work(sweep, verbose=0)
    _, data, predicted = held_out_predictions(sweep.tasks)
    alone = cross_validate(
        experiment.build(), *data.arrays(), folds=3, seed=3, epochs=2, batch_size=8, verbose=0
    )  # fmt: skip
    assert predicted.tobytes() == alone.predictions.tobytes()
    losses = [task.run.report().validation["loss"] for task in sweep.tasks]
    assert losses == alone.scores["loss"].tolist()
    with pytest.raises(HandsonError, match="20 rows are in no fold that is finished"):
        held_out_predictions(sweep.tasks[:2])


def test_the_commands(folder):
    ok(folder, "fit", "faces.yaml", "-q")
    out = ok(folder, "specialists", "tiny", "--on", "slurm", "--dry-run")
    assert "sweeps/tiny-specialists: 2 tasks" in out
    out = ok(folder, "specialists", "tiny", "--on", "local", "--workers", "1")
    assert f"specialists: {folder}/runs/tiny/specialists" in out
    assert "specialists" in ok(folder, "evaluate", "tiny")
    for option in (["--dry-run"], ["--name", "a"], ["--workers", "2"], ["--site", "local"]):
        result = call(folder, "specialists", "tiny", *option)
        assert (result.code, f"{option[0]} is for" in result.err) == (2, True)
    ok(folder, "sweep", "kinds.yaml", "--folds", "2", "--workers", "1")
    assert "held.csv" in ok(folder, "collect", "sweeps/kinds", "--predictions", "held.csv")
    lines = (folder / "held.csv").read_text().splitlines()
    assert len(lines) == 61
    assert lines[0].startswith("id,class,probability of galaxy")
    result = call(folder, "collect", "sweeps/tiny-specialists", "--predictions", "held.csv")
    assert (result.code, "only folds hold out every row" in result.err) == (2, True)
    result = call(folder, "collect", "sweeps/tiny-specialists", "--ensemble", "2")
    assert (result.code, "specialists predict columns of their own" in result.err) == (2, True)
