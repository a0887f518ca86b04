"""The commands, on tiny faces and tables: what they write, what they print, and how they fail."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from command_line import NAMES, TABLE, call, ok
from PIL import Image

from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

# Help


def in_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_imports_nothing_heavy():
    """Each within 0.7 s: torch alone would take longer."""
    code = """
import contextlib, io, sys
from handson.cli import main
commands = ["explore", "fit", "specialists", "curves", "evaluate", "predict", "baseline", "demo"]
for arguments in (["--help"], *([command, "--help"] for command in commands)):
    sys.argv = ["handson", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main()
    assert "Usage: handson" in out.getvalue(), arguments
heavy = "torch pandas matplotlib sklearn scipy h5py PIL"
print([name for name in heavy.split() if name in sys.modules])
"""
    assert in_new_process(code) == "[]\n"


def test_a_wrong_path_is_found_before_torch_is_imported(prepared):
    """A clear error in under a second: the import of torch alone would take longer."""
    code = f"""
import contextlib, io, os, sys
from handson.cli import main
os.chdir({str(prepared)!r})
sys.modules["torch"] = None  # importing it is an error from now on
for line in '''
explore nowhere.csv
fit nowhere.yaml
fit face
fit table.yaml --data nowhere.csv
evaluate nowhere
specialists nowhere
curves nowhere
predict nowhere --data test.csv
predict tiny --data nowhere.csv
predict tiny --data test.csv --lookup nowhere.csv
predict tiny --data test.csv --out nowhere/a.csv
'''.split(chr(10))[1:-1]:
    sys.argv = ["handson", *line.split()]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            main()
    except SystemExit as left:
        assert left.code == 2, line
    except ImportError:
        print(line)
"""
    assert in_new_process(code).splitlines() == []


def test_every_command_is_listed_with_what_it_does(tmp_path):
    out = ok(tmp_path, "--help")
    for command in ("explore", "fit", "specialists", "curves", "evaluate", "predict", "baseline", "demo"):
        line = next(line for line in out.splitlines() if line.startswith(f"  {command} "))
        assert not line.endswith("..."), line


def test_no_command_at_all_shows_the_help(tmp_path):
    result = call(tmp_path)
    assert "[OPTIONS] COMMAND [ARGS]..." in result.out + result.err


# explore


def test_explore_shows_images_columns_and_what_is_missing(work):
    out = ok(work, "explore", "train.csv")
    assert "train.csv: 40 images, task: regression" in out
    line = next(line for line in out.splitlines() if line.startswith("nose_x"))
    assert line.split()[:4] == ["nose_x", "target", "number", "26"]
    assert "14" in out.split("which targets are missing together")[1]
    assert re.search("without nose(_x, nose_y)?", out)
    assert "8x8" in out
    assert "duplicates: 0" in out


def test_explore_counts_classes(work):
    out = ok(work, "explore", "kinds.csv", "--targets", "kind")
    counts = pd.read_csv(work / "kinds.csv")["kind"].value_counts()
    for name, count in counts.items():
        assert [name, str(count), f"{100 * count / 60:.1f}", "%"] in [line.split() for line in out.splitlines()]


def test_explore_shows_names_with_brackets_as_they_are(work):
    (work / "odd.csv").write_text("flux [mag],rate [/s],[bold]x,y\n1,2,3,4\n5,6,8,8\n")
    out = ok(work, "explore", "odd.csv", "--targets", "y")
    for name in ("flux [mag]", "rate [/s]", "[bold]x"):
        assert name in out


def test_explore_shows_the_name_of_a_file_as_it_is(work):
    (work / "data[red].csv").write_text("a,y\n1,2\n")
    assert "data[red].csv: 1 rows" in ok(work, "explore", "data[red].csv", "--targets", "y")


def test_explore_takes_a_table_with_words_as_it_is(work):
    """It is the first thing that one does with a file, before its columns are known."""
    out = ok(work, "explore", "kinds.csv")
    assert "column 'kind' holds words and is left out; for classes: --targets kind" in out


def test_new_writes_an_experiment_for_a_table(work):
    out = ok(work, "new", "first", "--data", "kinds.csv", "--targets", "kind")
    assert "first.yaml: a net for 60 rows, classification. To train it: handson fit first.yaml" in out
    assert "accuracy" in ok(work, "fit", "first.yaml", "--epochs", "1")


def test_explore_names_a_stray_word_among_numbers(work):
    (work / "stray.csv").write_text("a,y\n1,2\n3,4\nx,5\n")
    result = call(work, "explore", "stray.csv")
    assert result.code == 2
    assert "row 2, column 'a': 'x' is not a number" in result.err


def test_explore_takes_inputs_and_classes_by_name(work):
    assert "1 inputs" in ok(work, "explore", "table.csv", "--targets", "y", "--inputs", "b")
    (work / "n.csv").write_text("a,k\n1,3\n2,7\n3,3\n")
    out = ok(work, "explore", "n.csv", "--targets", "k", "--classes")
    assert ["3", "2", "66.7", "%"] in [line.split() for line in out.splitlines()]


def test_explore_reads_archives(work):
    np.savez(work / "a.npz", images=np.zeros((3, 4, 4), np.uint8), label=np.array(["u", "v", "u"]))
    out = ok(work, "explore", "a.npz", "--targets", "label")
    assert "3 images, task: classification" in out


def test_explore_writes_a_sheet_of_pictures(work):
    assert "pictures: sheet.png" in ok(work, "explore", "train.csv", "--picture", "sheet.png")
    assert (work / "sheet.png").read_bytes().startswith(b"\x89PNG")


# fit


def test_fit_leaves_a_run_folder_and_says_where(work):
    out = ok(work, "fit", "faces.yaml")
    assert "split: 32 rows train, 8 validate" in out
    assert "run folder: runs/tiny-2" in out
    run = Run(work / "runs" / "tiny-2")
    report = json.loads((run.folder / "report.json").read_text())
    assert f"validation: loss {report['validation']['loss']:.4g}  rmse {report['rmse']:.4g}" in out
    assert run.net().output_shape == (None, 6)


def test_fit_takes_name_epochs_seed_data_groups_and_folder(work):
    frame = pd.read_csv(work / "table.csv").assign(person=np.arange(60) // 3)
    frame.to_csv(work / "other.csv", index=False)
    ok(
        work, "fit", "table.yaml", "--name", "mine", "--epochs", 3, "--seed", 7, "--data", "other.csv", "--groups",
        "person", "--runs", "elsewhere",
    )  # fmt: skip
    run = Run(work / "elsewhere" / "mine")
    assert (len(run.history().epoch), run.history().seed, run.experiment.fit.epochs) == (3, 7, 3)
    assert run.experiment.data.path == str(work / "other.csv")
    assert run.columns()["inputs"] == ["flux [mag]", "b"]
    training, validation = run.split(run.experiment.read_data())
    assert not set(training.groups) & set(validation.groups)


def test_fit_writes_for_tensorboard(work):
    assert call(work, "fit", "kinds.yaml", "--tensorboard", "--name", "shown").code == 0
    parts = {path.parent.name for path in (work / "runs/shown/tensorboard").rglob("events.out.tfevents.*")}
    assert parts == {"tensorboard", "train", "validation"}
    assert "tensorboard: true" in (work / "runs/shown/experiment.yaml").read_text()


def test_fit_quiet_prints_results_only(work):
    lines = ok(work, "fit", "table.yaml", "--quiet").splitlines()
    assert [line.split(":")[0] for line in lines] == ["validation", "run folder"]


def test_fit_reads_a_built_in_experiment_by_name(work):
    result = call(work, "fit", "faces", "--data", "train.csv")
    assert result.code == 2
    assert "The last layer has 30 outputs; for these targets it needs 6" in result.err


def test_a_fit_that_never_began_leaves_no_run(work):
    before = {entry.name for entry in (work / "runs").iterdir()}
    (work / "bad.yaml").write_text(TABLE.replace("adam}", "adam, loss: sparse_categorical_crossentropy}"))
    assert call(work, "fit", "bad.yaml").code == 2
    assert {entry.name for entry in (work / "runs").iterdir()} == before


@pytest.mark.parametrize("name", ["../evil", "a/b", "a b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused_and_nothing_is_made(work, name):
    before = sorted(path.relative_to(work) for path in work.rglob("*"))
    result = call(work, "fit", "table.yaml", "--name", name)
    assert result.code == 2
    assert "name" in result.err
    assert sorted(path.relative_to(work) for path in work.rglob("*")) == before


# evaluate, specialists, curves


def test_evaluate_measures_the_validation_rows(work):
    out = ok(work, "evaluate", "tiny")
    report = json.loads((work / "runs" / "tiny" / "report.json").read_text())
    special = json.loads((work / "runs" / "tiny" / "specialists" / "report.json").read_text())
    assert out.splitlines()[0].strip() == "8 rows"
    lines = [line.split() for line in out.splitlines()]
    assert ["all", f"{report['rmse']:.4g}", f"{special['rmse']:.4g}"] in lines
    for name in NAMES:
        assert [name, *(f"{each['rmse_of_columns'][name]:.4g}" for each in (report, special))] in lines


def test_evaluate_measures_other_data(work):
    out = ok(work, "evaluate", "runs/kinds", "--data", "kinds.csv")
    run = Run(work / "runs" / "kinds")
    with contextlib.chdir(work):
        data = run.experiment.read_data()
    loss, accuracy = run.net().evaluate(data.inputs, data.targets)
    assert out.splitlines()[0].strip() == "60 rows"
    assert out.splitlines()[-1].split() == [f"{loss:.5g}", f"{accuracy:.5g}"]
    assert accuracy > 0.6


def test_evaluate_keeps_the_numbers_of_the_classes(work):
    """The other file has no galaxies: its stars must not become the net's quasars."""
    run = Run(work / "runs" / "kinds")
    frame = pd.read_csv(work / "two.csv")
    predicted = run.net().predict(frame[["a", "b"]]).argmax(1)
    expected = (np.array(run.columns()["classes"])[predicted] == frame["kind"]).mean()
    out = ok(work, "evaluate", "kinds", "--data", "two.csv")
    assert float(out.splitlines()[-1].split()[1]) == pytest.approx(expected, abs=1e-4)


def test_evaluate_without_targets_says_so(work):
    result = call(work, "evaluate", "tiny", "--data", "test.csv")
    assert result.code == 2
    assert "target" in result.err
    assert "left_eye_x" in result.err


def test_specialists_are_trained_and_reported(work):
    shutil.rmtree(work / "runs" / "tiny" / "specialists")
    out = ok(work, "specialists", "tiny")
    assert "specialist eyes: 32 rows" in out
    assert "run folder: runs/tiny" in out
    assert set(Run(work / "runs" / "tiny").specialists().models) == {"eyes", "nose"}


def test_specialists_quiet_prints_results_only(work):
    lines = ok(work, "specialists", "tiny", "-q").splitlines()
    assert [line.split(":")[0] for line in lines] == ["validation", "run folder"]


def test_curves_writes_the_pictures_and_names_them(work):
    for path in ("runs/tiny/curves.png", "runs/tiny/specialists/curves.png"):
        (work / path).unlink()
    assert ok(work, "curves", "tiny").split() == ["runs/tiny/curves.png", "runs/tiny/specialists/curves.png"]
    assert (work / "runs/tiny/specialists/curves.png").read_bytes().startswith(b"\x89PNG")


# predict


def test_predict_writes_a_table_of_predictions(work):
    out = ok(work, "predict", "tiny", "--data", "test.csv", "--net-only", "--out", "p.csv")
    assert "10 rows predicted by the net: p.csv" in out
    run, table = Run(work / "runs" / "tiny"), pd.read_csv(work / "p.csv")
    assert list(table.columns) == ["id", *NAMES]
    np.testing.assert_allclose(table[NAMES], run.net().predict(run.read_inputs(work / "test.csv").inputs), atol=1e-5)


def test_predict_uses_the_specialists_if_there_are_some(work):
    assert "predicted by the specialists: runs/tiny/predictions.csv" in ok(
        work, "predict", "tiny", "--data", "test.csv"
    )
    run, table = Run(work / "runs" / "tiny"), pd.read_csv(work / "runs" / "tiny" / "predictions.csv")
    predicted = run.specialists().predict(run.read_inputs(work / "test.csv").inputs)
    np.testing.assert_allclose(table[NAMES], predicted, atol=1e-5)


def test_predict_with_a_look_up_table_writes_the_submission(work):
    out = ok(work, "predict", "tiny", "--data", "test.csv", "--lookup", "lookup.csv")
    assert "runs/tiny/submission.csv (4 lines)" in out
    run, table = Run(work / "runs" / "tiny"), pd.read_csv(work / "runs" / "tiny" / "submission.csv")
    predicted = run.specialists().predict(run.read_inputs(work / "test.csv").inputs)
    expected = [predicted[6, 4], predicted[6, 1], predicted[1, 2], predicted[0, 5]]
    assert table["RowId"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(table["Location"], np.clip(expected, 0, 96), atol=1e-5)


def test_rows_without_ids_are_numbered_from_one_for_the_look_up_table(work):
    """Arrays have no column ImageId: the images are asked for by their places."""
    run = Run(work / "runs" / "tiny")
    images = run.read_inputs(work / "test.csv").inputs
    np.savez(work / "test.npz", x=images)
    ok(work, "predict", "tiny", "--data", "test.csv", "--lookup", "lookup.csv", "--out", "by_id.csv")
    ok(work, "predict", "tiny", "--data", "test.npz", "--lookup", "lookup.csv", "--out", "by_place.csv")
    pd.testing.assert_frame_equal(pd.read_csv(work / "by_id.csv"), pd.read_csv(work / "by_place.csv"))


def test_what_goes_to_the_output_is_not_mixed_with_words(work):
    command = [sys.executable, "-m", "handson", "predict", "tiny", "--data", "test.csv"]
    out = subprocess.run([*command, "--out", "/dev/stdout"], cwd=work, capture_output=True, text=True, check=True)
    assert len(pd.read_csv(io.StringIO(out.stdout))) == 10
    assert "10 rows predicted" in out.stderr


@pytest.mark.parametrize("command", [["fit", "table.yaml"], ["explore", "table.csv"]])
def test_control_c_ends_a_command_with_the_status_of_a_signal_and_a_word(work, command, monkeypatch):
    def interrupted(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "create", interrupted)
    monkeypatch.setattr("handson.cli.exploration.read_to_explore", interrupted)
    found = call(work, *command)
    assert (found.code, found.err) == (130, "stopped\n")


def test_predict_names_the_classes_and_their_probabilities(work):
    ok(work, "predict", "kinds", "--data", "kinds.csv", "--out", "p.csv")
    table, run = pd.read_csv(work / "p.csv"), Run(work / "runs" / "kinds")
    columns = [f"probability of {name}" for name in ("galaxy", "quasar", "star")]
    assert list(table.columns) == ["id", "class", *columns]
    np.testing.assert_allclose(table[columns].sum(axis=1), 1, atol=1e-4)
    data = run.read_inputs(work / "kinds.csv")
    np.testing.assert_array_equal(
        table["class"], np.array(["galaxy", "quasar", "star"])[run.net().predict(data.inputs).argmax(1)]
    )


def test_predict_turns_logits_into_probabilities(work):
    ok(work, "fit", "logits.yaml", "-q")
    ok(work, "predict", "logits", "--data", "two.csv", "--out", "p.csv")
    run, table = Run(work / "runs" / "logits"), pd.read_csv(work / "p.csv")
    logits = run.net().predict(run.read_inputs(work / "two.csv").inputs)[:, 0].astype(float)
    np.testing.assert_allclose(table["probability of star"], 1 / (1 + np.exp(-logits)), atol=1e-5)
    np.testing.assert_array_equal(table["class"], np.where(logits > 0, "star", "quasar"))


def test_predict_writes_the_spread_of_a_net_that_knows_it(work):
    x = np.random.default_rng(0).normal(size=(30, 2))
    np.savez(work / "b.npz", features=x, y=100 + x.sum(1))
    text = TABLE.replace("table.csv", "b.npz").replace("name: table", "name: spread")
    text = text.replace("{Dense: {", "{GaussianDensity: {").replace("optimizer: adam", "optimizer: adam, loss: nll")
    (work / "b.yaml").write_text(text)
    ok(work, "fit", "b.yaml", "-q")
    ok(work, "predict", "spread", "--data", "b.npz", "--spread", "--out", "p.csv")
    table, run = pd.read_csv(work / "p.csv"), Run(work / "runs" / "spread")
    mean, spread = run.net().predict(run.read_inputs(work / "b.npz").inputs, spread=True)
    np.testing.assert_allclose(table.iloc[:, 1:], np.c_[mean, spread], rtol=1e-4)
    assert [name for name in table.columns if name.startswith("spread of ")] == [f"spread of {table.columns[1]}"]
    assert "add --net-only" in call(work, "predict", "tiny", "--data", "test.csv", "--spread").err
    assert "is for values" in call(work, "predict", "kinds", "--data", "kinds.csv", "--spread").err


def test_predict_reads_archives_as_the_training_did(work):
    x = np.random.default_rng(0).normal(size=(30, 2))
    np.savez(work / "a.npz", features=x, y=x.sum(1))
    (work / "a.yaml").write_text(TABLE.replace("table.csv", "a.npz").replace("name: table", "name: archive"))
    ok(work, "fit", "a.yaml", "-q")
    ok(work, "predict", "archive", "--data", "a.npz", "--out", "p.csv")
    assert len(pd.read_csv(work / "p.csv")) == 30


def test_a_run_is_found_beside_a_file_of_its_name(work):
    (work / "tiny").mkdir()
    assert "8 rows" in ok(work, "evaluate", "tiny")


def test_names_of_columns_never_reach_the_terminal_as_commands(work):
    (work / "odd.csv").write_text("a\x1b]0;x\x07\x1b[31m,b\x9b,y\n1,2,3\n4,5,6.5\n")
    result = call(work, "explore", "odd.csv", "--targets", "y")
    assert result.code == 0
    assert all(letter.isprintable() or letter == "\n" for letter in result.out)
    assert "a\\x1b]0;x\\x07\\x1b[31m" in result.out


def test_explore_works_on_a_terminal_that_knows_ascii_only(work):
    (work / "odd.csv").write_text("größe,y\n1,2\n3,4\n", encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "handson", "explore", "odd.csv"]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfe" in done.stdout


def test_explore_reads_files_that_are_written_as_is_said(work):
    (work / "odd.csv").write_text("1,5;2\n2,5;3\n")
    result = call(work, "explore", "odd.csv")
    assert result.code == 2
    assert "csv={'header': False}" in result.err
    assert "column_1" in call(work, "explore", "odd.csv", "--csv", "header=false", "--csv", "separator=;").out


@pytest.fixture
def folder_of_images(work):
    """Images of two classes with a file that is none, and an experiment on them."""
    for name, value in (("dark", 10), ("light", 200)):
        (work / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(np.full((4, 4), value + number, np.uint8)).save(work / "images" / name / f"{number}.png")
    (work / "images" / "dark" / "notes.txt").write_text("")
    (work / "images.yaml").write_text(
        "name: images\ndata: {path: images}\nmodel: [Flatten, {Dense: {units: 2, activation: softmax}}]\n"
        "compile: {loss: sparse_categorical_crossentropy}\nfit: {epochs: 1}\n"
    )
    return work


def test_what_was_left_out_of_a_folder_is_said_by_every_command_that_reads_it(folder_of_images):
    note = "note: read 20 images of 2 classes; left out: 1 file ending in .txt."
    for line in ("fit images.yaml", "resume images --force", "evaluate images", "predict images --data images",
                 "explore images"):  # fmt: skip
        assert note in ok(folder_of_images, *line.split()).replace("\n", " "), line
    assert note not in ok(folder_of_images, "fit", "images.yaml", "--quiet")
    assert note.removeprefix("note: ") in Run(folder_of_images / "runs/images").history().notes
    result = call(folder_of_images, "predict", "images", "--data", "images", "--out", "/dev/stdout")
    assert note in result.err


def test_an_experiment_in_python_says_so_too(folder_of_images, capsys, monkeypatch):
    monkeypatch.chdir(folder_of_images)
    experiment = Experiment.from_yaml("images.yaml")
    data = experiment.read_data()
    assert data.notes[0] in Run.create(experiment).fit(data, verbose=2).notes
    assert f"note: {data.notes[0]}" in capsys.readouterr().out


def test_predictions_of_dates_keep_their_digits(work):
    x = np.arange(40.0)
    pd.DataFrame({"x": x, "y": 2458849.5 + x / 1000}).to_csv(work / "dates.csv", index=False)
    (work / "dates.yaml").write_text(TABLE.replace("table", "dates").replace("adam", "adam, scale_targets: standard"))
    ok(work, "fit", "dates.yaml", "--quiet")
    ok(work, "predict", "dates", "--data", "dates.csv")
    assert pd.read_csv(work / "runs/dates/predictions.csv")["y"].nunique() == 40


def test_fit_says_that_the_numbers_of_the_rows_are_no_input(work):
    frame = pd.read_csv(work / "table.csv")
    frame.to_csv(work / "table.csv")
    result = call(work, "fit", "table.yaml")
    assert "note: the first column, 'Unnamed: 0', only names the rows" in result.out
    assert call(work, "predict", "table", "--data", "table.csv").code == 0
