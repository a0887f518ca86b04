"""Experiments, names and command lines that were made to break handson, and run folders with something else in them."""

import json
import os
import shutil

import numpy as np
import pytest

from handson import Sequential
from handson.data.reading.dataset import Dataset
from handson.ensembles.specialists import Specialists
from handson.layers import Dense
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

MODEL = "model:\n- Dense: {units: 1}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)

# 23: YAML

TEXTS = {
    "a tag of Python": "model: !!python/object/apply:os.mkdir [canary]\n",
    "a module": "model: !!python/name:os.system\n",
    "a new tag": MODEL + "name: !run canary\n",
    "a set": "model: !!set {a, b}\n",
    "laughs": BOMB + MODEL,
    "itself": "model: &a [*a]\n",
    "merged": "<<: {name: x}\n" + MODEL,
    "a long scalar": MODEL + "name: " + "x" * 60_000,
    "100 MB": MODEL + "name: " + "x" * (100 << 20),
    "many entries": "model: [" + "1," * 30_000 + "]",
    "many lists": "model: [" + "[]," * 20_000 + "]",
    "many layers": "model: [" + "Flatten," * 4_000 + "]",
    "many wrong layers": "model: [" + "Flaten," * 4_000 + "]",
    "many keys": "".join(f"k{number}: 1\n" for number in range(4_000)) + MODEL,
    "deep": "model: " + "[" * 30_000,
    "deep mappings": "model: " + "{a: " * 10_000,
    "deep lines": "".join(" " * depth + "a:\n" for depth in range(300)),
    "tabs": "model:\n\t- Dense: {units: 1}\n",
    "twice": MODEL + MODEL,
    "two documents": MODEL + "---\n" + MODEL,
    "a target": MODEL + "_target_: os.system\n",
    "a target in a layer": "model:\n- {_target_: os.system, args: [x]}\n",
    "a long number": MODEL + f"fit: {{epochs: {'9' * 10_000}}}\n",
    "a huge number": MODEL + "fit: {epochs: 1e400}\n",
    "words for truth": MODEL + "fit: {shuffle: maybe}\n",
    "zeros": "\0" * 1000,
    "a directive": "%YAML 9.9\n---\n" + MODEL,
    "control characters": MODEL + "name: \x1b[31m\n",
    "keys that are lists": "? [a, b]\n: 1\n" + MODEL,
    "keys that are mappings": "{{a: b}: 1}",
    "no text": "\xff\xfe",
    "a callback": MODEL + "fit: {callbacks: [os.system]}\n",
    "an optimizer": MODEL + "compile: {optimizer: {os.system: {command: touch canary}}}\n",
    "an engine": MODEL + "fit: {engine: ../../evil}\n",
    "augment": MODEL + "augment: {__class__: os.system}\n",
    "huge units": "model:\n- Dense: {units: -1}\n",
    "a pixel size": MODEL + "data: {image_shape: [-1, x]}\n",
    "a list": "- 1\n- 2\n",
    "nothing": "",
}


def test_hostile_experiments_are_refused(refused, tmp_path):
    paths = [tmp_path / f"{kind}.yaml" for kind in TEXTS]
    for path, text in zip(paths, TEXTS.values(), strict=True):
        path.write_text(text, encoding="latin-1")
    refused("experiment", paths, build=True)


def test_other_things_than_files_are_refused(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    refused("experiment", [tmp_path / f"{name}.yaml" for name in ("pipe", "zero", "folder", "circle")])


# 24: names

RUN_NAMES = [
    "../../x", "/tmp/x", "-rf", "--help", "$(id)", "`id`", "a;b", "a'b", 'a"b', "a\nb", "a\0b", "a b", ".", "..",
    ".hidden", "a/b", "a\\b", "C:x", "x" * 81, "\u202ex", "", "<script>", "x\n#SBATCH --wrap=id", "NUL\n",
]  # fmt: skip


def test_hostile_names_of_runs_are_refused(refused, tmp_path):
    paths = []
    for number, name in enumerate(RUN_NAMES):
        paths.append(tmp_path / f"bad-{number}.yaml")
        paths[-1].write_text(json.dumps({"name": name, "model": [{"Dense": {"units": 1}}]}))
    refused("experiment", paths)


# The command line

HOSTILE = [*RUN_NAMES[:15], "http://127.0.0.1:9/a.csv", "/dev/zero", "a.pt", "x" * 5000]
COMMANDS = [
    ("fit", "{}"), ("fit", "good.yaml", "--data", "{}"), ("fit", "good.yaml", "--data", "good.csv", "--name", "{}"),
    ("fit", "good.yaml", "--data", "good.csv", "--groups", "{}"), ("explore", "{}"),
    ("explore", "good.csv", "--targets", "{}"), ("evaluate", "{}"), ("curves", "{}"), ("specialists", "{}"),
    ("resume", "{}"), ("rewind", "{}", "--to", "1"), ("predict", "{}", "--data", "good.csv"), ("{}",),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_hostile_arguments_of_commands_end_with_one_message(watch, tmp_path, command):
    tmp_path = tmp_path / "inside"  # '..' is a folder that holds nothing else
    tmp_path.mkdir()
    (tmp_path / "good.yaml").write_text(MODEL + "data: {targets: y}\n")
    (tmp_path / "good.csv").write_text("x,y\n1,2\n3,4\n")
    values = RUN_NAMES if "--name" in command else HOSTILE
    values = [value for value in values if value != "--help" and "\0" not in value]
    lines = [[value if word == "{}" else word for word in command] for value in values]
    for words, outcome in zip(lines, watch("command", lines, folder=tmp_path, where=str(tmp_path)), strict=True):
        assert (outcome.error, outcome.message) == ("SystemExit", "2"), (words, outcome)
        assert "Traceback" not in outcome.printed, (words, outcome)


# Run folders and specialists


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run folder with specialists, and with everything in it."""
    folder = tmp_path_factory.mktemp("runs")
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    data = Dataset(x, x[:, :2].copy(), ["a", "b", "c"], ["y", "z"], source="data")
    experiment = Experiment(
        name="whole",
        model=[Dense(2)],
        fit={"epochs": 1},
        split={"validation": 0.2},
        specialists={"groups": {"first": ["y"], "second": ["z"]}, "epochs": 1},
    )
    run = Run.create(experiment, folder)
    run.fit(data, verbose=0)
    run.fit_specialists(data, verbose=0, on_group=None)
    return run.folder


JSON = [
    "", "null", "[]", "5", "{}", "[" * 50_000, '{"a":' * 50_000, "\xff", '{"inputs": 1}', "NaN",
    '{"history": {"loss": "x"}}',
    '{"inputs": [], "targets": [], "classes": [], "rows": 1e999, "source": {}}', '{"a": 1, "a": 2}', '{"a": 1',
    '{"history": {"loss": [1, 2]}, "epoch": [0], "params": {}, "seed": 0, "notes": [], "seconds": 0}',
    '{"columns": ["y"], "groups": {"../../x": ["y"]}, "output": "trained", "histories": {}}',
    '{"columns": ["y", "z"], "groups": {"/etc/x": ["y"]}, "output": "trained", "histories": {}}',
    '{"columns": ["y", "z"], "groups": {"none": ["y"]}, "output": "trained", "histories": {}}',
    '{"columns": ["y", "z"], "groups": {"first": ["y"]}, "output": "os.system", "histories": {}}',
    '{"columns": [], "groups": {}, "output": "new", "histories": []}', '"' + "x" * 1_000_000 + '"', "9" * 100_000,
]  # fmt: skip
READ = [("data.json", "columns"), ("history.json", "history"), ("specialists/specialists.json", "specialists")]


@pytest.mark.parametrize(("name", "what"), READ)
def test_hostile_files_of_a_run_are_refused(watch, tmp_path, whole_run, name, what):
    folders = []
    for number, text in enumerate(JSON):
        folders.append(tmp_path / f"run-{number}")
        shutil.copytree(whole_run, folders[-1])
        (folders[-1] / name).write_text(text, encoding="latin-1")
    for folder, outcome in zip(folders, watch("run", folders, what, folder=tmp_path), strict=True):
        assert {"HandsonError", "OSError"} & set(outcome.bases), (folder, outcome)
        assert folder.name in outcome.message or "Specialists" in outcome.message, outcome


@pytest.mark.parametrize(("name", "what"), [*READ, ("net.handson", "net"), ("experiment.yaml", "net")])
def test_other_things_in_the_place_of_a_file_are_not_read(watch, tmp_path, whole_run, name, what):
    folders = [tmp_path / kind for kind in ("pipe", "device", "folder", "text")]
    for folder in folders:
        shutil.copytree(whole_run, folder)
        (folder / name).unlink()
    os.mkfifo(folders[0] / name)
    (folders[1] / name).symlink_to("/dev/zero")
    (folders[2] / name).mkdir()
    (folders[3] / name).write_text("\x80\x04cos\nsystem\n", encoding="latin-1")
    outcomes = watch("run", folders, what, folder=tmp_path)
    for folder, outcome in zip(folders, outcomes, strict=True):
        not_there = what == "specialists" and folder.name != "text"
        assert not_there or {"HandsonError", "OSError"} & set(outcome.bases), (folder, outcome)


SPLITS = [
    {}, {"train": [0]}, {"train": [0, 1], "validation": [1, 2]}, {"train": [0, 1, 2], "validation": [10**9]},
    {"train": [-1, 0, 1], "validation": [2]}, {"train": [[0, 1, 2]], "validation": [3]},
    {"train": [0.5, 1, 2], "validation": [3]}, {"train": ["a", "b", "c"], "validation": ["d"]},
    {"train": [True, True, False], "validation": [False]}, {"train": 5, "validation": 6},
]  # fmt: skip


def test_splits_that_do_not_divide_the_rows_are_refused(watch, tmp_path, whole_run):
    folders = []
    for number, arrays in enumerate(SPLITS):
        folders.append(tmp_path / f"run-{number}")
        shutil.copytree(whole_run, folders[-1])
        np.savez(folders[-1] / "split.npz", **arrays)
    for outcome in watch("run", folders, "split", folder=tmp_path):
        assert {"HandsonError", "OSError"} & set(outcome.bases), outcome
        assert "split.npz" in outcome.message


def test_good_ones_are_read(survived, tmp_path, whole_run):
    """The watch itself: what is refused above is refused for what is wrong with it."""
    shutil.copytree(whole_run, tmp_path / "run")
    for what in ("columns", "history", "net", "specialists"):
        assert survived("run", tmp_path / "run", what)[0].error is None
    assert survived("specialists", tmp_path / "run" / "specialists")[0].value == "['first', 'second']"


# 25: the environment


def test_hostile_variables_of_the_environment_are_ignored(monkeypatch, tmp_path):
    for name in ("MASTER_ADDR", "SLURM_NODELIST", "SLURM_JOB_ID", "RANK", "WORLD_SIZE", "COLUMNS", "LINES"):
        monkeypatch.setenv(name, "a[1-999999999]")
    net = Sequential([Dense(1, input_dim=1)])
    net.compile("sgd", "mse")
    net.fit(np.zeros((4, 1)), np.zeros(4), epochs=1, verbose=2, run=tmp_path / "run")


def test_a_specialist_is_never_written_elsewhere(whole_run):
    found = Specialists.load(whole_run / "specialists")
    for name in ("../x", "/x", "a/b", "", ".", "..", "trained", "a\0"):
        with pytest.raises(ValueError, match="needs another name"):
            Specialists(found.model, {name: ["y"]}, columns=found.columns)
