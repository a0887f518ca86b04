"""Run folders: what is in them, that it is true, and what can be done with it afterwards."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from handson.core.errors import HandsonError
from handson.data.reading.dataset import Dataset
from handson.data.reading.sources import read
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run, errors

NAMES = ["nose_x", "nose_y", "chin_x", "chin_y"]
DENSE = [{"Dense": {"units": 4, "activation": "relu"}}]


def images_of(rows=30, **kwargs):
    """Images of 6x6 pixels and two points, the second missing in every third row."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (rows, 6, 6, 1)).astype(np.uint8)
    targets = rng.uniform(0, 6, (rows, 4)).astype(np.float32)
    targets[::3, 2:] = np.nan
    return Dataset(inputs, targets, [], list(NAMES), source="images", **kwargs)


def regression(**sections):
    """An experiment for `images_of`."""
    given = {
        "name": "points",
        "model": ["Flatten", *DENSE, {"Dense": {"units": 4}}],
        "compile": {"optimizer": "adam", "metrics": ["rmse"], "scale_inputs": {"scale": 255}},
        "fit": {"epochs": 2, "batch_size": 8},
        "specialists": {"epochs": 2},
    }
    return Experiment(**(given | sections))


def classes_of(labels, **kwargs):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(len(labels), 3)).astype(np.float32)
    return Dataset(inputs, np.array(labels), ["a", "b", "c"], ["kind"], ["u", "v"], source="table", **kwargs)


def classification(**sections):
    given = {
        "name": "kinds",
        "model": [*DENSE, {"Dense": {"units": 2, "activation": "softmax"}}],
        "compile": {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["acc"]},
        "fit": {"epochs": 2},
    }
    return Experiment(**(given | sections))


@pytest.fixture(autouse=True)
def _quick_pictures(monkeypatch):
    """Pictures are drawn but not painted: `tests/test_plots.py` and the command line's tests paint them."""
    monkeypatch.setattr(Figure, "savefig", lambda self, place, **options: Path(place).write_bytes(b"\x89PNG"))


@pytest.fixture
def fitted(tmp_path):
    """A run that was trained, with its data and history."""
    data = images_of()
    run = Run.create(regression(), tmp_path / "runs")
    return run, data, run.fit(data, verbose=0)


# Folders


def test_a_run_has_the_name_of_its_experiment_and_then_a_number(tmp_path):
    runs = [Run.create(regression(), tmp_path) for _ in range(3)]
    assert [run.folder.name for run in runs] == ["points", "points-2", "points-3"]


def test_the_experiment_is_kept(tmp_path):
    experiment = regression(augment={"horizontal_flip": True}, data={"targets": NAMES})
    assert Run(Run.create(experiment, tmp_path).folder).experiment == experiment


def test_a_run_that_is_not_there_is_named_with_the_nearest(tmp_path):
    for name in ("faces", "galaxies"):
        Run.create(regression(name=name), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no run in .*face\. Did you mean 'faces'\? Runs in .*: .*'galaxies'"):
        Run(tmp_path / "face")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"there is no run in {tmp_path}"):
        Run(tmp_path)


def test_a_run_that_was_not_trained_says_so(tmp_path):
    run = Run.create(regression(), tmp_path)
    assert run.specialists() is None
    for use in (run.net, run.history, run.columns, run.draw_curves):
        with pytest.raises((FileNotFoundError, HandsonError), match=r"no trained net yet"):
            use()


# A training


def test_everything_is_in_the_folder(fitted):
    run, *_ = fitted
    assert {entry.name for entry in run.folder.iterdir()} == {
        "experiment.yaml", "data.json", "split.npz", "net.handson", "history.json", "history.csv", "report.json",
        "curves.png", "predictions.png", "lock", "run.json", "starts.jsonl", "checkpoints",
    }  # fmt: skip


def test_the_history_is_kept_in_both_files(fitted):
    run, _, history = fitted
    assert (run.history().history, run.history().epoch, run.history().seed) == (history.history, [0, 1], history.seed)
    with (run.folder / "history.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["epoch", *history.history]
    np.testing.assert_array_equal(np.array(rows, float).T, [[1, 2], *history.history.values()])


def test_a_gap_in_the_history_stays_a_gap(fitted):
    run, _, history = fitted
    history.append(2, {"loss": 1.0})
    run._write_history(history)
    assert np.isnan(run.history().history["val_loss"][2])
    json.loads((run.folder / "history.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def test_the_report_says_what_the_net_does_on_the_validation_rows(fitted):
    run, data, history = fitted
    report = json.loads((run.folder / "report.json").read_text())
    _, validation = run.split(data)
    difference = (run.net().predict(validation.inputs) - validation.targets).astype(float)
    assert report["rmse"] == pytest.approx(np.sqrt(np.nanmean(difference**2)), rel=1e-5)
    for position, name in enumerate(NAMES):
        assert report["rmse_of_columns"][name] == pytest.approx(
            np.sqrt(np.nanmean(difference[:, position] ** 2)), rel=1e-5
        )
    assert report["validation"]["loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-5)
    assert (report["rows"], report["parameters"]) == (30, run.net().count_params())


def test_the_columns_are_kept(fitted):
    run, *_ = fitted
    columns = run.columns()
    assert (columns["inputs"], columns["targets"], columns["classes"]) == ([], NAMES, None)


def test_the_same_experiment_gives_the_same_net(tmp_path):
    first, second = (Run.create(regression(), tmp_path) for _ in range(2))
    for run in (first, second):
        run.fit(images_of(), verbose=0)
    for ours, theirs in zip(first.net().get_weights(), second.net().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_classifier_is_trained_and_kept(tmp_path):
    run = Run.create(classification(), tmp_path)
    run.fit(classes_of([0, 1] * 20), verbose=0)
    report = json.loads((run.folder / "report.json").read_text())
    assert set(report["validation"]) == {"loss", "acc"}
    assert "rmse" not in report
    assert not (run.folder / "predictions.png").exists()
    assert run.columns()["classes"] == ["u", "v"]


def test_missing_classes_do_not_stop_the_split(tmp_path):
    run = Run.create(classification(), tmp_path)
    run.fit(classes_of([0, 1] * 20 + [-1]), verbose=0)
    assert np.isfinite(run.history().history["val_loss"]).all()


def test_callbacks_of_the_experiment_are_called(tmp_path):
    experiment = regression(
        fit={"epochs": 50, "callbacks": [{"EarlyStopping": {"patience": 1, "min_delta": 1e9, "monitor": "loss"}}]}
    )
    assert len(Run.create(experiment, tmp_path).fit(images_of(), verbose=0).epoch) == 2


def test_no_epochs_are_a_training_too(tmp_path):
    """The YAML file allows it: the untrained net, measured."""
    run = Run.create(regression(fit={"epochs": 0}), tmp_path)
    run.fit(images_of(), verbose=0)
    assert json.loads((run.folder / "report.json").read_text())["rmse"] > 0
    assert run.history().history == {}


def test_data_without_targets_are_refused(tmp_path):
    run = Run.create(regression(), tmp_path)
    data = images_of()
    data.targets = None
    with pytest.raises(HandsonError, match=r"images has no targets to train on: say data: \{targets: ...\}"):
        run.fit(data, verbose=0)


# The split


def test_the_split_takes_its_share_and_every_row_once(tmp_path):
    run = Run.create(regression(split={"validation": 0.3}), tmp_path)
    data = images_of(ids=np.arange(30))
    training, validation = run.split(data)
    assert (len(training), len(validation)) == (21, 9)
    assert sorted([*training.ids, *validation.ids]) == list(range(30))


def test_the_split_is_made_once(tmp_path, capsys):
    run = Run.create(regression(), tmp_path)
    data = images_of(ids=np.arange(30))
    first, again = run.split(data)[1].ids, Run(run.folder).split(data)[1].ids
    np.testing.assert_array_equal(first, again)
    assert capsys.readouterr().out == "split: 24 rows train, 6 validate (30 rows, shuffled)\n"


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ({"split": {"seed": 1}}, {"split": {"seed": 2}}, False),
        ({"split": {"seed": 1}, "fit": {"seed": 5}}, {"split": {"seed": 1}, "fit": {"seed": 6}}, True),
        ({"fit": {"seed": 5}}, {"fit": {"seed": 6}}, False),
        ({"fit": {"seed": 5}}, {"split": {"seed": 5}}, True),
    ],
)
def test_the_seed_of_the_split_is_its_own_or_that_of_the_training(tmp_path, first, second, equal):
    data = images_of(ids=np.arange(30))
    ids = [Run.create(regression(**sections), tmp_path).split(data)[1].ids.tolist() for sections in (first, second)]
    assert (ids[0] == ids[1]) == equal


def test_groups_are_not_divided(tmp_path):
    data = images_of(groups=np.arange(30) // 3)
    training, validation = Run.create(regression(), tmp_path).split(data)
    assert not set(training.groups) & set(validation.groups)


def test_classes_keep_their_proportions(tmp_path):
    _, validation = Run.create(classification(), tmp_path).split(classes_of([0] * 40 + [1] * 10))
    assert np.bincount(validation.targets).tolist() == [8, 2]


def test_without_validation_all_rows_train(tmp_path):
    run = Run.create(regression(split={"validation": 0}), tmp_path)
    run.fit(images_of(), verbose=0)
    assert run.split(images_of())[1] is None
    assert list(run.history().history) == ["loss", "rmse"]


def test_other_data_than_those_that_were_split_are_refused(fitted):
    run, *_ = fitted
    with pytest.raises(HandsonError, match="images has 29 rows, but the run was split on 30"):
        run.split(images_of(29))


# Data to predict


def test_the_inputs_of_a_table_are_those_of_the_training(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=["a", "b", "y"])
    frame.to_csv(tmp_path / "train.csv", index=False)
    experiment = Experiment(
        name="t", model=[{"Dense": {"units": 1}}], data={"path": str(tmp_path / "train.csv"), "targets": "y"}
    )
    run = Run.create(experiment, tmp_path)
    run.fit(experiment.read_data(), verbose=0)
    frame.assign(extra="words", key=range(20))[["extra", "b", "key", "a"]].to_csv(tmp_path / "new.csv", index=False)
    data = run.read_inputs(tmp_path / "new.csv", ids="key")
    np.testing.assert_allclose(data.inputs, frame[["a", "b"]], rtol=1e-6)
    assert (data.targets, data.ids.tolist()) == (None, list(range(20)))
    assert run.net().predict(data.inputs).shape == (20, 1)


@pytest.mark.parametrize("inputs", [None, "features"])
def test_the_inputs_of_an_archive_are_those_of_the_training(tmp_path, inputs):
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", features=x, y=x[:, 0])
    arguments = {"path": str(tmp_path / "a.npz"), "targets": "y"} | ({"inputs": inputs} if inputs else {})
    experiment = Experiment(name="t", model=[{"Dense": {"units": 1}}], data=arguments)
    run = Run.create(experiment, tmp_path)
    run.fit(experiment.read_data(), verbose=0)
    np.testing.assert_array_equal(run.read_inputs(tmp_path / "a.npz").inputs, x)


def test_a_table_without_an_input_of_the_training_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("age,height,y\n" + "1,2,3\n" * 9)
    (tmp_path / "b.csv").write_text("age,hight\n1,2\n")
    experiment = Experiment(
        name="t", model=[{"Dense": {"units": 1}}], data={"path": str(tmp_path / "a.csv"), "targets": "y"}
    )
    run = Run.create(experiment, tmp_path)
    run.fit(experiment.read_data(), verbose=0)
    with pytest.raises(HandsonError, match=r"no column 'height' \(an input\). Did you mean 'hight'"):
        run.read_inputs(tmp_path / "b.csv")


def test_classes_that_the_net_does_not_know_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,kind\n" + "1,star\n2,galaxy\n" * 9)
    (tmp_path / "b.csv").write_text("a,kind\n1,stra\n")
    (tmp_path / "c.csv").write_text("b,a,kind\n0,5,star\n0,6,\n")
    given = {"path": str(tmp_path / "a.csv"), "targets": "kind"}
    run = Run.create(classification(data=given), tmp_path / "runs")
    run.fit(run.experiment.read_data(), verbose=0)
    with pytest.raises(HandsonError, match=r"b.csv.* 'stra'.*Did you mean 'star'"):
        run.read_data(tmp_path / "b.csv")
    other = run.read_data(tmp_path / "c.csv")
    assert (other.inputs.tolist(), other.targets.tolist(), other.classes) == ([[5], [6]], [1, -1], ["galaxy", "star"])


def test_only_a_folder_without_a_training_is_removed(fitted, tmp_path):
    run, *_ = fitted
    run.remove_if_untrained()
    assert run.folder.is_dir()
    empty = Run.create(regression(), tmp_path / "runs")
    empty.remove_if_untrained()
    assert not empty.folder.exists()


def test_a_run_finds_its_data_from_any_working_folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.csv").write_text("a,y\n" + "1,2\n" * 9)
    monkeypatch.chdir(tmp_path / "work")
    experiment = Experiment(name="t", model=[{"Dense": {"units": 1}}], data={"path": "a.csv", "targets": "y"})
    run = Run.create(experiment)
    run.fit(experiment.read_data(), verbose=0)
    monkeypatch.chdir(tmp_path)
    assert len(Run("work/runs/t").experiment.read_data()) == 9


# Specialists and pictures


def test_specialists_are_trained_on_the_same_split_and_kept(fitted):
    run, data, _ = fitted
    trained = run.fit_specialists(data, verbose=0)
    assert trained.groups == {"group_1": NAMES[:2], "group_2": NAMES[2:]}
    kept = Run(run.folder).specialists()
    _, validation = run.split(data)
    np.testing.assert_array_equal(kept.predict(validation.inputs), trained.predict(validation.inputs))
    report = json.loads((run.folder / "specialists" / "report.json").read_text())
    assert report["rmse"] == pytest.approx(errors(kept.predict(validation.inputs), validation)["rmse"])
    assert {"curves.png", "predictions.png", "specialists.json"} <= {
        entry.name for entry in (run.folder / "specialists").iterdir()
    }


def test_groups_and_epochs_of_specialists_are_those_of_the_experiment(tmp_path):
    experiment = regression(specialists={"groups": {"chin": NAMES[2:]}, "epochs": 3, "patience": None})
    run = Run.create(experiment, tmp_path)
    run.fit(images_of(), verbose=0)
    specialists = run.fit_specialists(images_of(), verbose=0)
    assert list(specialists.models) == ["chin"]
    assert len(specialists.histories["chin"].epoch) == 3


def test_curves_are_drawn_again(fitted):
    run, data, _ = fitted
    (run.folder / "curves.png").unlink()
    assert run.draw_curves() == [run.folder / "curves.png"]
    run.fit_specialists(data, verbose=0)
    assert run.draw_curves() == [run.folder / "curves.png", run.folder / "specialists" / "curves.png"]
    for path in run.draw_curves():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_predictions_are_drawn_for_points_on_images_only(fitted, tmp_path):
    run, data, _ = fitted
    assert run.draw_predictions(run.net().predict, data).read_bytes().startswith(b"\x89PNG")
    data.target_names = ["a", "b", "c", "d"]
    assert run.draw_predictions(run.net().predict, data) is None


# Measuring


def test_errors_are_root_mean_squares_over_what_is_there():
    targets = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]], np.float32)
    data = Dataset(np.zeros((2, 1)), targets, ["x"], ["a", "b", "c"])
    found = errors(np.array([[2.0, 9.0, 9.0], [1.0, 2.0, 9.0]], np.float32), data)
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 4 + 9) / 3))
    assert found["rmse_of_columns"] == {"a": pytest.approx(np.sqrt(5 / 2)), "b": pytest.approx(3)}


def test_targets_carry_the_names_of_their_columns():
    assert list(images_of().arrays()[1].columns) == NAMES
    np.testing.assert_array_equal(classes_of([0, 1]).arrays()[1], [0, 1])


def test_a_whole_job_from_a_csv(tmp_path):
    """Fit on a file, read another one, predict: names and numbers go through."""
    data = images_of()
    frame = pd.DataFrame(data.targets, columns=NAMES)
    frame["Image"] = [" ".join(map(str, image.ravel())) for image in data.inputs]
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame[["Image"]].assign(ImageId=range(1, 31)).to_csv(tmp_path / "test.csv", index=False)
    experiment = regression(data={"path": str(tmp_path / "train.csv")})
    run = Run.create(experiment, tmp_path)
    run.fit(experiment.read_data(), verbose=0)
    new = run.read_inputs(tmp_path / "test.csv", ids="ImageId")
    np.testing.assert_array_equal(new.inputs, read(tmp_path / "train.csv").inputs)
    np.testing.assert_array_equal(new.ids, range(1, 31))
